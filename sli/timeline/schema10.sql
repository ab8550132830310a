-- What version 10 of the store adds, and in PostgreSQL version 7: what of SLOs is late, and summaries by the month.

-- As what the time of a day was counted for an SLO, or found since, so that what changes of it can be told.
CREATE TABLE counted_slo (
	slo  TEXT NOT NULL,   -- its name
	day  BIGINT NOT NULL, -- UTC day, counted from the Unix epoch; the one that goes on is with what is counted
	data BYTEA NOT NULL,  -- see countcode.go
	PRIMARY KEY (slo, day)
);

-- What the due slots of up to 32 days amount to, beside the blocks that have them, so that months of days are read at once. It is a
-- shortcut: of a day that is not in it, or void, or not about what is known now, the block is read.
CREATE TABLE summaries (
	series BIGINT NOT NULL,           -- series.id
	page   BIGINT NOT NULL,           -- UTC day, counted from the Unix epoch, divided by 32
	void   BIGINT NOT NULL DEFAULT 0, -- a bit for each day, the first one the lowest: its block has changed since
	data   BYTEA NOT NULL,            -- see page.go and summary.go
	PRIMARY KEY (series, page)
);
