-- What version 10 of the store adds, and in PostgreSQL version 7: what of SLOs is late.

-- As what the time of a day was counted for an SLO, or found since, so that what changes of it can be told.
CREATE TABLE counted_slo (
	slo  TEXT NOT NULL,   -- its name
	day  BIGINT NOT NULL, -- UTC day, counted from the Unix epoch; the one that goes on is with what is counted
	data BYTEA NOT NULL,  -- see countcode.go
	PRIMARY KEY (slo, day)
);
