-- Summaries that were rows of days become pages.
INSERT INTO summaries (series, page, data)
SELECT series, day >> 5, unhex('01' || group_concat(
	printf('%02x', day & 31) ||
	CASE WHEN length(data) < 128 THEN printf('%02x', length(data)) ELSE printf('%02x%02x', (length(data) & 127) | 128, length(data) >> 7) END ||
	hex(data), '' ORDER BY day))
FROM summary WHERE length(data) < 16384 GROUP BY series, day >> 5;

DROP TRIGGER block_new;
DROP TRIGGER block_changed;
DROP TRIGGER block_gone;
DROP TABLE summary;

-- Whoever changes a block makes its summary void, so that none can be left of a block that is no more.
CREATE TRIGGER block_new AFTER INSERT ON block BEGIN
	UPDATE summaries SET void = void | (1 << (NEW.day & 31))
	WHERE series = NEW.series AND page = (NEW.day >> 5) AND void & (1 << (NEW.day & 31)) = 0;
END;
CREATE TRIGGER block_changed AFTER UPDATE ON block BEGIN
	UPDATE summaries SET void = void | (1 << (OLD.day & 31))
	WHERE series = OLD.series AND page = (OLD.day >> 5) AND void & (1 << (OLD.day & 31)) = 0;
END;
CREATE TRIGGER block_gone AFTER DELETE ON block BEGIN
	UPDATE summaries SET void = void | (1 << (OLD.day & 31))
	WHERE series = OLD.series AND page = (OLD.day >> 5) AND void & (1 << (OLD.day & 31)) = 0;
END;
