-- The store in PostgreSQL, version 1, which several processes share. What schema.sql to schema3.sql say of tables
-- and units holds here too; this file says what is different. Payloads and blocks are packed already, so their storage
-- is EXTERNAL, which does not try to compress them. Names are compared by their bytes, as everywhere else.

-- What the store must remember about itself.
CREATE TABLE meta (
	name  TEXT COLLATE "C" PRIMARY KEY, -- schema_version; maintenance_until: occurrences before this instant are in the table
	value BIGINT NOT NULL
);

-- The hour that it is by the server's clock, counted from the Unix epoch.
CREATE FUNCTION journal_hour() RETURNS BIGINT LANGUAGE sql VOLATILE AS
	'SELECT floor(extract(epoch FROM clock_timestamp()) / 3600)::bigint';

-- Every message as it was received, until all that it says is in blocks. It is cut into a partition for each hour in
-- which rows are inserted: these are folded together, whenever the messages in them were received, so partitions
-- come to be of no use one after the other and are dropped, which costs nothing a row.
CREATE TABLE journal (
	hour     BIGINT NOT NULL DEFAULT journal_hour(),      -- of the insertion
	xid      XID8 NOT NULL DEFAULT pg_current_xact_id(),  -- of the insertion; who tails the journal reads by it
	taker    BIGINT NOT NULL, -- which process took it in; a random number, new with each start
	region   TEXT COLLATE "C" NOT NULL,   -- as the queue vouches for it
	prober   TEXT COLLATE "C" NOT NULL,   -- as the queue vouches for it
	received BIGINT NOT NULL, -- Unix nanoseconds, when the queue stored it; the same at every delivery
	payload  BYTEA NOT NULL   -- of probe/wire
) PARTITION BY RANGE (hour);
ALTER TABLE journal ALTER COLUMN payload SET STORAGE EXTERNAL;
CREATE INDEX journal_xid ON journal (xid);

-- Which rows of the journal are in blocks. The series are folded in 60 parts; of a part's series all is folded that
-- a snapshot saw.
CREATE TABLE folded (
	part BIGINT PRIMARY KEY,  -- 0 to 59, see (part).picks in fold.go
	xid  XID8 NOT NULL,       -- of the fold
	seen PG_SNAPSHOT NOT NULL -- what the folding process knew of the journal
);
INSERT INTO folded (part, xid, seen)
SELECT n, pg_current_xact_id(), concat(pg_current_xact_id(), ':', pg_current_xact_id(), ':')::pg_snapshot FROM generate_series(0, 59) n;

-- When a list that every process keeps in memory last changed.
CREATE TABLE changed (
	what TEXT COLLATE "C" PRIMARY KEY, -- catalogue: series or regions were added, or series or epochs in another way than by the journal
	xid  XID8 NOT NULL     -- of the change
);

-- Makes the partitions that the next insertions need: of this hour and the two after it. A table that is attached does
-- not lock out who inserts.
CREATE FUNCTION journal_prepare() RETURNS VOID LANGUAGE plpgsql AS $$
DECLARE
	this BIGINT := journal_hour();
BEGIN
	FOR h IN this .. this + 2 LOOP
		IF to_regclass('journal_' || h) IS NULL THEN
			EXECUTE format('CREATE TABLE journal_%s (LIKE journal INCLUDING ALL)', h);
			EXECUTE format('ALTER TABLE journal ATTACH PARTITION journal_%s FOR VALUES FROM (%s) TO (%s)', h, h, h + 1);
		END IF;
	END LOOP;
END $$;

-- Gives the rows of the journal the number of this transaction, as not folded, if what is known of folds is from another
-- server, whose numbers were higher: that is, in a dump that was restored. Nobody else may use the database.
CREATE FUNCTION journal_rebase() RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
	IF EXISTS (SELECT 1 FROM folded WHERE pg_snapshot_xmax(seen) > pg_snapshot_xmax(pg_current_snapshot())) THEN
		UPDATE journal SET xid = pg_current_xact_id();
		UPDATE folded SET xid = pg_current_xact_id(), seen = concat(pg_current_xact_id(), ':', pg_current_xact_id(), ':')::pg_snapshot;
		UPDATE changed SET xid = pg_current_xact_id();
	END IF;
END $$;

-- Every row of the journal of a lower transaction is folded, of whatever part.
CREATE FUNCTION journal_needed() RETURNS XID8 LANGUAGE sql STABLE AS
	'SELECT min(pg_snapshot_xmin(seen)) FROM folded';

-- Drops the partitions of past hours whose rows are all folded, and returns how many. Rows that are not committed yet
-- cannot be seen, so it looks again once nobody else can be inserting; if that takes long, it gives up until next time.
CREATE FUNCTION journal_drop() RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
	partition REGCLASS;
	needed    XID8 := journal_needed();
	unfolded  BOOLEAN;
	dropped   BIGINT := 0;
BEGIN
	SET LOCAL lock_timeout = '300ms';
	FOR partition IN
		SELECT i.inhrelid FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
		WHERE i.inhparent = 'journal'::regclass AND substr(c.relname, 9)::bigint < journal_hour()
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE xid >= $1)', partition) INTO unfolded USING needed;
		CONTINUE WHEN unfolded;
		LOCK TABLE ONLY journal IN ACCESS EXCLUSIVE MODE;
		EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', partition);
		EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s WHERE xid >= $1)', partition) INTO unfolded USING needed;
		CONTINUE WHEN unfolded;
		EXECUTE format('DROP TABLE %s', partition);
		dropped := dropped + 1;
	END LOOP;
	RETURN dropped;
EXCEPTION WHEN lock_not_available THEN
	RETURN 0;
END $$;

-- The timelines that have blocks.
CREATE TABLE series (
	id       BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	check_id TEXT COLLATE "C" NOT NULL,
	region   TEXT COLLATE "C" NOT NULL,
	UNIQUE (check_id, region)
);

-- What every slot of a series came to on a day.
CREATE TABLE block (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BYTEA NOT NULL,  -- see block.go
	PRIMARY KEY (series, day)
);
ALTER TABLE block ALTER COLUMN data SET STORAGE EXTERNAL;

-- What the due slots of a day amount to, beside the block that has them.
CREATE TABLE summary (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BYTEA NOT NULL,  -- see summary.go
	PRIMARY KEY (series, day)
);

-- How long the phases of the up slots of a day took.
CREATE TABLE phases (
	series BIGINT NOT NULL, -- series.id
	day    BIGINT NOT NULL, -- UTC day, counted from the Unix epoch
	data   BYTEA NOT NULL,  -- see phasecode.go
	PRIMARY KEY (series, day)
);
ALTER TABLE phases ALTER COLUMN data SET STORAGE EXTERNAL;

-- Whoever changes a block takes its summary away, so that none can be left of a block that is no more.
CREATE FUNCTION block_touched() RETURNS TRIGGER LANGUAGE plpgsql AS $$
BEGIN
	IF TG_OP <> 'INSERT' THEN
		DELETE FROM summary WHERE series = OLD.series AND day = OLD.day;
	ELSE
		DELETE FROM summary WHERE series = NEW.series AND day = NEW.day;
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER block_touched AFTER INSERT OR UPDATE OR DELETE ON block FOR EACH ROW EXECUTE FUNCTION block_touched();

-- The word of probers about which slots are due.
CREATE TABLE epoch (
	check_id  TEXT COLLATE "C" NOT NULL,
	region    TEXT COLLATE "C" NOT NULL,
	prober    TEXT COLLATE "C" NOT NULL,
	start     BIGINT NOT NULL,   -- the first slot it holds for
	announced BIGINT NOT NULL,   -- Unix nanoseconds; the last word about a start is the one that counts
	period    BIGINT NOT NULL,   -- interval of the grid in ms; 0: no longer followed
	phase     BIGINT NOT NULL,   -- offset of the grid in ms
	budget    BIGINT NOT NULL,   -- longest time in ms that the attempts of a slot can take
	under     BIGINT NOT NULL,   -- latency threshold in nanoseconds; 0: none
	of_what   SMALLINT NOT NULL, -- probe.Population
	expected  SMALLINT NOT NULL, -- 1: expected reachable from this region
	PRIMARY KEY (check_id, region, prober, start)
);

-- Occurrences of maintenance, written down when they began, so that the list can change and the past cannot.
CREATE TABLE maintenance (
	check_id TEXT COLLATE "C" NOT NULL,
	name     TEXT COLLATE "C" NOT NULL,
	start    BIGINT NOT NULL,
	stop     BIGINT NOT NULL, -- the first instant after it
	PRIMARY KEY (check_id, name, start)
);

-- Regions, also those that have gone: an ordinal is never given twice.
CREATE TABLE region (
	name    TEXT COLLATE "C" PRIMARY KEY,
	ordinal BIGINT NOT NULL UNIQUE,
	weight  DOUBLE PRECISION NOT NULL -- in combinations of regions
);

-- Messages, or parts of them, and blocks that were put aside; the newest only.
CREATE TABLE rejected (
	id       BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	received BIGINT NOT NULL, -- Unix nanoseconds
	region   TEXT COLLATE "C" NOT NULL,
	prober   TEXT COLLATE "C" NOT NULL,
	reason   TEXT COLLATE "C" NOT NULL,   -- malformed, off_subject, too_old, future, damaged_block
	detail   TEXT COLLATE "C" NOT NULL,   -- for people
	head     BYTEA NOT NULL   -- the first bytes of the message; all of a block
);

-- What a person needs to see why a slot failed; the newest of each series only.
CREATE TABLE evidence (
	check_id TEXT COLLATE "C" NOT NULL,
	region   TEXT COLLATE "C" NOT NULL,
	slot     BIGINT NOT NULL,
	prober   TEXT COLLATE "C" NOT NULL,
	body     BYTEA NOT NULL, -- JSON of a probe.Evidence
	PRIMARY KEY (check_id, region, slot, prober)
);

-- The newest plan of each region, as probers ask for it.
CREATE TABLE plan (
	region   TEXT COLLATE "C" PRIMARY KEY,
	revision BIGINT NOT NULL, -- grows by one with every change
	manifest BYTEA NOT NULL   -- of probe/wire
);

-- What the newest plan of a region consists of, and the one before it, which may still be being fetched.
CREATE TABLE plan_chunk (
	region   TEXT COLLATE "C" NOT NULL,
	name     TEXT COLLATE "C" NOT NULL,   -- SHA-256 of data, in hex
	revision BIGINT NOT NULL, -- the newest plan that it is part of
	data     BYTEA NOT NULL,  -- of probe/wire
	PRIMARY KEY (region, name)
);
ALTER TABLE plan_chunk ALTER COLUMN data SET STORAGE EXTERNAL;

-- What changed in the plan of a check, for who wonders why its timeline looks different from then on.
CREATE TABLE change (
	check_id TEXT COLLATE "C" NOT NULL,
	region   TEXT COLLATE "C" NOT NULL,
	revision BIGINT NOT NULL, -- of the region's plan
	at       BIGINT NOT NULL, -- the first instant whose slots follow it
	what     TEXT COLLATE "C" NOT NULL, -- added, removed, or the keys that changed, separated by commas
	PRIMARY KEY (check_id, region, revision)
);

-- Who may connect as a prober.
CREATE TABLE credential (
	key     TEXT COLLATE "C" PRIMARY KEY, -- public NKEY
	region  TEXT COLLATE "C" NOT NULL,
	prober  TEXT COLLATE "C" NOT NULL,
	created BIGINT NOT NULL,
	revoked BIGINT NOT NULL -- 0: it has not been
);
