-- The store, version 1. All instants are Unix milliseconds unless a column says otherwise. Names of checks,
-- regions and probers are those of the configuration. The types are such that SQLite and
-- PostgreSQL agree on them; WITHOUT ROWID is SQLite's, and saves an index.

-- What the store must remember about itself.
CREATE TABLE meta (
	name  TEXT PRIMARY KEY, -- schema_version; maintenance_until: occurrences before this instant are in the table
	value BIGINT NOT NULL
) WITHOUT ROWID;

-- Every message as it was received, until all that it says is in blocks.
CREATE TABLE journal (
	seq      INTEGER PRIMARY KEY AUTOINCREMENT, -- in the order of commits, never used again
	region   TEXT NOT NULL,   -- as the queue vouches for it
	prober   TEXT NOT NULL,   -- as the queue vouches for it
	received BIGINT NOT NULL, -- Unix nanoseconds, when the queue stored it; the same at every delivery
	payload  BLOB NOT NULL    -- of probe/wire
);

-- The timelines that have blocks.
CREATE TABLE series (
	id       INTEGER PRIMARY KEY,
	check_id TEXT NOT NULL,
	region   TEXT NOT NULL,
	UNIQUE (check_id, region)
);

-- What every slot of a series came to on a day. Rows are appended in the order of days, which packs the pages,
-- and found through the index of the key.
CREATE TABLE block (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BLOB NOT NULL,   -- see block.go
	PRIMARY KEY (series, day)
);

-- The word of probers about which slots are due.
CREATE TABLE epoch (
	check_id  TEXT NOT NULL,
	region    TEXT NOT NULL,
	prober    TEXT NOT NULL,
	start     BIGINT NOT NULL,  -- the first slot it holds for
	announced BIGINT NOT NULL,  -- Unix nanoseconds; the last word about a start is the one that counts
	period    BIGINT NOT NULL,  -- interval of the grid in ms; 0: no longer followed
	phase     BIGINT NOT NULL,  -- offset of the grid in ms
	budget    BIGINT NOT NULL,  -- longest time in ms that the attempts of a slot can take
	under     BIGINT NOT NULL,  -- latency threshold in nanoseconds; 0: none
	of_what   SMALLINT NOT NULL, -- probe.Population
	expected  SMALLINT NOT NULL, -- 1: expected reachable from this region
	PRIMARY KEY (check_id, region, prober, start)
) WITHOUT ROWID;

-- Occurrences of maintenance, written down when they began, so that the list can change and the past cannot.
CREATE TABLE maintenance (
	check_id TEXT NOT NULL,
	name     TEXT NOT NULL,
	start    BIGINT NOT NULL,
	stop     BIGINT NOT NULL, -- the first instant after it
	PRIMARY KEY (check_id, name, start)
) WITHOUT ROWID;

-- Regions, also those that have gone: an ordinal is never given twice.
CREATE TABLE region (
	name    TEXT PRIMARY KEY,
	ordinal BIGINT NOT NULL UNIQUE,
	weight  DOUBLE PRECISION NOT NULL -- in combinations of regions
);

-- Messages, or parts of them, and blocks that were put aside; the newest only.
CREATE TABLE rejected (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	received BIGINT NOT NULL, -- Unix nanoseconds
	region   TEXT NOT NULL,
	prober   TEXT NOT NULL,
	reason   TEXT NOT NULL,   -- malformed, off_subject, too_old, future, damaged_block, damaged_phases
	detail   TEXT NOT NULL,   -- for people
	head     BLOB NOT NULL    -- the first bytes of the message; all of a block
);

-- What a person needs to see why a slot failed; the newest of each series only.
CREATE TABLE evidence (
	check_id TEXT NOT NULL,
	region   TEXT NOT NULL,
	slot     BIGINT NOT NULL,
	prober   TEXT NOT NULL,
	body     BLOB NOT NULL, -- JSON of a probe.Evidence
	PRIMARY KEY (check_id, region, slot, prober)
);
