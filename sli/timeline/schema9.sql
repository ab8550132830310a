-- What version 9 of the store adds, and in PostgreSQL version 6: what counters show. Slots are counted when they settle,
-- by whoever folds; see count.go.

-- What was counted of each part of the series, and of SLOs.
CREATE TABLE counted (
	part BIGINT PRIMARY KEY, -- 0 to 59, see partOf in fold.go; -1: SLOs
	gen  BIGINT NOT NULL,    -- grows by one with every change, so that no two can make the same one
	data BYTEA NOT NULL      -- see countcode.go
);

-- As what the slots of a day were counted, so that what changes of them can be told.
CREATE TABLE counted_day (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BYTEA NOT NULL,  -- see ledger.go
	PRIMARY KEY (series, day)
);

-- Corrections and revocations whose effect on slots that were counted before is counted.
CREATE TABLE counted_correction (
	correction TEXT NOT NULL,   -- correction.id
	revoked    BIGINT NOT NULL, -- 1: it is revoked
	PRIMARY KEY (correction, revoked)
);

-- Days that changed in another way than by a fold, and are to be compared with how they were counted.
CREATE TABLE recount (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL,
	PRIMARY KEY (series, day)
);
