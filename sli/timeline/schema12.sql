-- What version 12 of the store adds, and in PostgreSQL version 9: what targets announced as slots, and no longer as the time that they
-- were thought to stand for.

-- Slots that were down because the target said of itself that it is in maintenance. They are written with the results that say so; those
-- of one grid that follow each other are one row.
CREATE TABLE announced_slots (
	check_id  TEXT NOT NULL,
	region    TEXT NOT NULL,
	start     BIGINT NOT NULL, -- Unix ms: the first slot
	stop      BIGINT NOT NULL, -- Unix ms: the last one is before it
	step      BIGINT NOT NULL, -- from slot to slot in ms; 0: all slots in between, as version 11 has it
	allowance BIGINT NOT NULL, -- how much of it within 28 days does not count, in ms; see sli.AnnouncedSpans
	PRIMARY KEY (check_id, region, start, step)
);
INSERT INTO announced_slots (check_id, region, start, stop, step, allowance)
SELECT check_id, region, start, stop, 0, allowance FROM announced;
DROP TABLE announced;
ALTER TABLE announced_slots RENAME TO announced;
