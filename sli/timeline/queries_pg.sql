-- What PostgreSQL alone understands, or needs in its own way, because several processes share it. Advisory locks belong
-- to the whole database, so their first key stands for the schema; the second says what is locked.

-- name: has schema
SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = current_schema() AND table_name = 'meta';

-- name: lock schema
SELECT pg_advisory_xact_lock(hashtext('gaikei ' || current_schema()), 1);

-- name: lock blocks
SELECT pg_advisory_xact_lock(hashtext('gaikei ' || current_schema()), 2);

-- name: lock regions
SELECT pg_advisory_xact_lock(hashtext('gaikei ' || current_schema()), 3);

-- name: lock evidence
SELECT pg_advisory_xact_lock(hashtext('gaikei ' || current_schema()), 5);

-- name: lock announced
SELECT pg_advisory_xact_lock(hashtext('gaikei ' || current_schema()), 6);

-- name: claim folding
SELECT pg_try_advisory_lock(hashtext('gaikei ' || current_schema()), 4);

-- name: prepare journal
SELECT journal_prepare();

-- name: rebase journal
SELECT journal_rebase();

-- name: append journal
INSERT INTO journal (taker, packed, region, prober, received, payload)
SELECT $1, 1, * FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bytea[]);

-- name: snapshot
SELECT pg_current_snapshot()::text;

-- name: needed journal
SELECT journal_needed()::text::bigint;

-- name: read journal
SELECT xid::text::bigint, taker, region, prober, received, packed, payload FROM journal
WHERE xid >= pg_snapshot_xmin($1::text::pg_snapshot) AND NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot);

-- name: read folds
SELECT part, seen::text FROM folded WHERE NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot);

-- name: many blocks
SELECT series, day, data FROM block JOIN unnest($1::bigint[], $2::bigint[]) AS wanted (s, d) ON series = s AND day = d;

-- name: many phases
SELECT series, day, data FROM phases JOIN unnest($1::bigint[], $2::bigint[]) AS wanted (s, d) ON series = s AND day = d;

-- name: many outlines
SELECT series, page, data FROM outline JOIN unnest($1::bigint[], $2::bigint[]) AS wanted (s, p) ON series = s AND page = p;

-- name: put many outlines
INSERT INTO outline (series, page, data) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (series, page) DO UPDATE SET data = excluded.data;

-- name: put many blocks
INSERT INTO block (series, day, data) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;

-- name: put many summaries
INSERT INTO summaries (series, page, data) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (series, page) DO UPDATE SET void = 0, data = excluded.data;

-- name: put many phases
INSERT INTO phases (series, day, data) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;

-- name: record fold
UPDATE folded SET xid = pg_current_xact_id(), seen = $3::text::pg_snapshot WHERE part % $2::bigint = $1::bigint;

-- name: drop journal
SELECT journal_drop();

-- name: changed
SELECT COUNT(*) FROM changed WHERE NOT pg_visible_in_snapshot(xid, $1::text::pg_snapshot);

-- name: note change
INSERT INTO changed (what, xid) VALUES ('catalogue', pg_current_xact_id())
ON CONFLICT (what) DO UPDATE SET xid = excluded.xid;

-- name: many day counts
SELECT series, day, data FROM counted_day JOIN unnest($1::bigint[], $2::bigint[]) AS wanted (s, d) ON series = s AND day = d;

-- name: put many day counts
INSERT INTO counted_day (series, day, data) SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bytea[])
ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;
