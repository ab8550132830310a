-- What version 7 of the store adds, and in PostgreSQL version 4.

-- What came of the due slots of up to 32 days, without latencies, in runs of slots that are alike: a month in which nothing
-- happened takes some hundred bytes, so years of it are read at once. It is a shortcut: of a day that is not in it, or not by what
-- is known now, the block is read. Whoever puts a block puts what this says of its day, too.
CREATE TABLE outline (
	series BIGINT NOT NULL, -- series.id
	page   BIGINT NOT NULL, -- UTC day, counted from the Unix epoch, divided by 32
	data   BYTEA NOT NULL,  -- see outlinecode.go
	PRIMARY KEY (series, page)
);
