-- What version 3 of the store adds.

-- How long the phases of the up slots of a day took: a histogram of every phase and hour, and which results are in
-- them, so that none is counted twice.
CREATE TABLE phases (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BLOB NOT NULL,   -- see phasecode.go
	PRIMARY KEY (series, day)
);
