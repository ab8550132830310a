-- Summaries that were rows of days become pages.
INSERT INTO summaries (series, page, data)
SELECT series, day >> 5, decode('01' || string_agg(
	lpad(to_hex(day & 31), 2, '0') ||
	CASE WHEN length(data) < 128 THEN lpad(to_hex(length(data)), 2, '0')
	ELSE lpad(to_hex((length(data) & 127) | 128), 2, '0') || lpad(to_hex(length(data) >> 7), 2, '0') END ||
	encode(data, 'hex'), '' ORDER BY day), 'hex')
FROM summary WHERE length(data) < 16384 GROUP BY series, day >> 5;

-- Whoever changes a block makes its summary void, so that none can be left of a block that is no more.
CREATE OR REPLACE FUNCTION block_touched() RETURNS TRIGGER LANGUAGE plpgsql AS $$
DECLARE
	touched block;
	flag BIGINT;
BEGIN
	IF TG_OP = 'INSERT' THEN touched := NEW; ELSE touched := OLD; END IF;
	flag := 1::bigint << (touched.day & 31)::int;
	UPDATE summaries SET void = void | flag
	WHERE series = touched.series AND page = (touched.day >> 5) AND (void & flag) = 0;
	RETURN NULL;
END $$;

DROP TABLE summary;
