-- What version 4 of the store adds: what probers elsewhere need.

-- The newest plan of each region, as probers ask for it.
CREATE TABLE plan (
	region   TEXT PRIMARY KEY,
	revision BIGINT NOT NULL, -- grows by one with every change
	manifest BLOB NOT NULL    -- of probe/wire
) WITHOUT ROWID;

-- What the newest plan of a region consists of, and the one before it, which may still be being fetched.
CREATE TABLE plan_chunk (
	region   TEXT NOT NULL,
	name     TEXT NOT NULL,   -- SHA-256 of data, in hex
	revision BIGINT NOT NULL, -- the newest plan that it is part of
	data     BLOB NOT NULL,   -- of probe/wire
	PRIMARY KEY (region, name)
);

-- What changed in the plan of a check, for who wonders why its timeline looks different from then on.
CREATE TABLE change (
	check_id TEXT NOT NULL,
	region   TEXT NOT NULL,
	revision BIGINT NOT NULL, -- of the region's plan
	at       BIGINT NOT NULL, -- the first instant whose slots follow it
	what     TEXT NOT NULL,   -- added, removed, or the keys that changed, separated by commas
	PRIMARY KEY (check_id, region, revision)
) WITHOUT ROWID;

-- Who may connect as a prober.
CREATE TABLE credential (
	key     TEXT PRIMARY KEY, -- public NKEY
	region  TEXT NOT NULL,
	prober  TEXT NOT NULL,
	created BIGINT NOT NULL,
	revoked BIGINT NOT NULL   -- 0: it has not been
) WITHOUT ROWID;
