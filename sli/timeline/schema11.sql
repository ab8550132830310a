-- What version 11 of the store adds, and in PostgreSQL version 8: what targets announce.

-- Intervals in which slots were down because the target said of itself that it is in maintenance. They are written with the results
-- that say so; those that touch are one row.
CREATE TABLE announced (
	check_id  TEXT NOT NULL,
	region    TEXT NOT NULL,
	start     BIGINT NOT NULL, -- Unix ms
	stop      BIGINT NOT NULL, -- Unix ms
	allowance BIGINT NOT NULL, -- how much of it within 28 days does not count, in ms; see sli.AnnouncedSpans
	PRIMARY KEY (check_id, region, start)
);
