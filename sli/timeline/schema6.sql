-- What version 6 of the store adds, and in PostgreSQL version 3: what was declared after the fact. Rows are only ever
-- added, so that who changed which figure, when and why can be told for ever.

CREATE TABLE correction (
	id       TEXT PRIMARY KEY,
	created  BIGINT NOT NULL, -- the newest one about an instant wins
	start    BIGINT NOT NULL,
	stop     BIGINT NOT NULL, -- the first instant after it
	effect   TEXT NOT NULL,   -- exclude, bad or good
	checks   TEXT NOT NULL,   -- JSON, a list of ids
	labels   TEXT NOT NULL,   -- JSON, an object: by which the checks were chosen; {}: by their ids
	regions  TEXT NOT NULL,   -- JSON, a list of names; []: all
	category TEXT NOT NULL,
	reason   TEXT NOT NULL,   -- for people
	author   TEXT NOT NULL
);

-- A correction with a row here is not in force.
CREATE TABLE revocation (
	correction TEXT PRIMARY KEY, -- correction.id
	at         BIGINT NOT NULL,
	reason     TEXT NOT NULL,    -- for people
	author     TEXT NOT NULL
);
