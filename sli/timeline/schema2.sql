-- What version 2 of the store adds.

-- What the due slots of a day amount to, beside the block that has them. A narrow row, so that months of days are
-- read at once. It is a shortcut: who finds none, or one that is not about what is known now, reads the block.
CREATE TABLE summary (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BLOB NOT NULL,   -- see summary.go
	PRIMARY KEY (series, day)
) WITHOUT ROWID;

-- Whoever changes a block takes its summary away, so that none can be left of a block that is no more.
CREATE TRIGGER block_new AFTER INSERT ON block BEGIN
	DELETE FROM summary WHERE series = NEW.series AND day = NEW.day;
END;
CREATE TRIGGER block_changed AFTER UPDATE ON block BEGIN
	DELETE FROM summary WHERE series = OLD.series AND day = OLD.day;
END;
CREATE TRIGGER block_gone AFTER DELETE ON block BEGIN
	DELETE FROM summary WHERE series = OLD.series AND day = OLD.day;
END;
