-- The statements that both databases understand, each after its name; queries_sqlite.sql and queries_pg.sql have the
-- few of which each needs its own. Parameters are numbered, as PostgreSQL wants them and SQLite takes them.

-- name: meta
SELECT value FROM meta WHERE name = $1;

-- name: set meta
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value;

-- name: raise meta
INSERT INTO meta (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value
WHERE excluded.value > meta.value;

-- name: all series
SELECT id, check_id, region FROM series;

-- name: series
INSERT INTO series (check_id, region) VALUES ($1, $2)
ON CONFLICT (check_id, region) DO UPDATE SET region = excluded.region RETURNING id;

-- name: forget series
DELETE FROM series WHERE NOT EXISTS (SELECT 1 FROM block WHERE block.series = series.id)
AND NOT EXISTS (SELECT 1 FROM epoch WHERE epoch.check_id = series.check_id AND epoch.region = series.region)
RETURNING check_id, region;

-- name: block
SELECT data FROM block WHERE series = $1 AND day = $2;

-- name: blocks
SELECT day, data FROM block WHERE series = $1 AND day >= $2 AND day <= $3 ORDER BY day;

-- name: put block
INSERT INTO block (series, day, data) VALUES ($1, $2, $3) ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;

-- name: forget blocks
DELETE FROM block WHERE day < $1;

-- name: summaries
SELECT page, void, data FROM summaries WHERE series = $1 AND page >= $2 AND page <= $3 ORDER BY page;

-- name: summaries of a page
SELECT void, data FROM summaries WHERE series = $1 AND page = $2;

-- name: summaries of some
SELECT series, page, void, data FROM summaries WHERE series >= $1 AND series <= $2 AND page >= $3 AND page <= $4 ORDER BY series, page;

-- name: blocks of some
SELECT series, day, data FROM block WHERE series >= $1 AND series <= $2 AND day = $3;

-- name: put summaries
INSERT INTO summaries (series, page, void, data) VALUES ($1, $2, 0, $3) ON CONFLICT (series, page) DO UPDATE SET void = 0, data = excluded.data;

-- name: outline
SELECT data FROM outline WHERE series = $1 AND page = $2;

-- name: outlines
SELECT series, page, data FROM outline WHERE series >= $1 AND series <= $2 AND page >= $3 AND page <= $4 ORDER BY series, page;

-- name: put outline
INSERT INTO outline (series, page, data) VALUES ($1, $2, $3) ON CONFLICT (series, page) DO UPDATE SET data = excluded.data;

-- name: forget outlines
DELETE FROM outline WHERE page < $1;

-- name: forget summaries
DELETE FROM summaries WHERE page < $1;

-- name: forget strange summaries
DELETE FROM summaries WHERE NOT EXISTS (SELECT 1 FROM series WHERE series.id = summaries.series);

-- name: forget strange outlines
DELETE FROM outline WHERE NOT EXISTS (SELECT 1 FROM series WHERE series.id = outline.series);

-- name: day phases
SELECT data FROM phases WHERE series = $1 AND day = $2;

-- name: phases
SELECT day, data FROM phases WHERE series = $1 AND day >= $2 AND day <= $3 ORDER BY day;

-- name: put phases
INSERT INTO phases (series, day, data) VALUES ($1, $2, $3) ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;

-- name: forget phases
DELETE FROM phases WHERE day < $1;

-- name: put epoch
INSERT INTO epoch (check_id, region, prober, start, announced, period, phase, budget, under, of_what, expected)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (check_id, region, prober, start) DO UPDATE SET
	announced = excluded.announced, period = excluded.period, phase = excluded.phase, budget = excluded.budget,
	under = excluded.under, of_what = excluded.of_what, expected = excluded.expected
WHERE excluded.announced > epoch.announced;

-- name: all epochs
SELECT check_id, region, prober, start, announced, period, phase, budget, under, of_what, expected FROM epoch
ORDER BY check_id, region, start, prober;

-- name: forget epoch
DELETE FROM epoch WHERE check_id = $1 AND region = $2 AND prober = $3 AND start = $4 AND announced <= $5;

-- name: put maintenance
INSERT INTO maintenance (check_id, name, start, stop) VALUES ($1, $2, $3, $4) ON CONFLICT (check_id, name, start) DO NOTHING;

-- name: maintenance
SELECT start, stop FROM maintenance WHERE check_id = $1 AND start < $3 AND stop > $2 ORDER BY start, stop;

-- name: maintenance of all
SELECT check_id, start, stop FROM maintenance WHERE start < $2 AND stop > $1 ORDER BY check_id, start, stop;

-- name: all maintenance
SELECT check_id, name, start, stop FROM maintenance ORDER BY check_id, name, start;

-- name: maintenance covers
SELECT COUNT(*) FROM maintenance WHERE check_id = $1 AND name = $2 AND start <= $3 AND stop >= $4;

-- name: forget maintenance
DELETE FROM maintenance WHERE stop < $1;

-- name: announced near
SELECT start, stop, step, allowance FROM announced WHERE check_id = $1 AND region = $2 AND start <= $4 AND stop >= $3 ORDER BY start;

-- name: last allowance
SELECT allowance FROM announced WHERE check_id = $1 AND region = $2 ORDER BY start DESC LIMIT 1;

-- name: put announced
INSERT INTO announced (check_id, region, start, stop, step, allowance) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (check_id, region, start, step) DO UPDATE SET stop = excluded.stop, allowance = excluded.allowance;

-- name: drop announced
DELETE FROM announced WHERE check_id = $1 AND region = $2 AND start = $3 AND step = $4;

-- name: announced of all
SELECT check_id, region, start, stop, step, allowance FROM announced WHERE start < $2 AND stop > $1 ORDER BY check_id, region, start;

-- name: forget announced
DELETE FROM announced WHERE stop < $1;

-- name: regions
SELECT name, ordinal, weight FROM region ORDER BY ordinal;

-- name: put region
INSERT INTO region (name, ordinal, weight) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE SET weight = excluded.weight;

-- name: put rejected
INSERT INTO rejected (received, region, prober, reason, detail, head) VALUES ($1, $2, $3, $4, $5, $6);

-- name: trim rejected
DELETE FROM rejected WHERE id <= (SELECT MAX(id) FROM rejected) - $1;

-- name: rejected
SELECT received, region, prober, reason, detail, head FROM rejected ORDER BY id DESC;

-- name: put evidence
INSERT INTO evidence (check_id, region, slot, prober, body) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (check_id, region, slot, prober) DO UPDATE SET body = excluded.body;

-- name: trim evidence
DELETE FROM evidence WHERE check_id = $1 AND region = $2 AND slot < (
	SELECT slot FROM evidence WHERE check_id = $1 AND region = $2 ORDER BY slot DESC LIMIT 1 OFFSET $3);

-- name: evidence
SELECT body FROM evidence WHERE check_id = $1 AND region = $2 ORDER BY slot DESC, prober LIMIT $3;

-- name: evidence between
SELECT slot, body FROM evidence WHERE check_id = $1 AND region = $2 AND slot >= $3 AND slot <= $4 ORDER BY slot, prober;

-- name: all evidence
SELECT check_id, region, slot, prober, body FROM evidence ORDER BY check_id, region, slot, prober;

-- name: forget evidence
DELETE FROM evidence WHERE slot < $1;

-- name: plan
SELECT revision, manifest FROM plan WHERE region = $1;

-- name: first plan
INSERT INTO plan (region, revision, manifest) VALUES ($1, $2, $3) ON CONFLICT (region) DO NOTHING;

-- name: next plan
UPDATE plan SET revision = $2, manifest = $3 WHERE region = $1 AND revision = $2 - 1;

-- name: put plan chunk
INSERT INTO plan_chunk (region, name, revision, data) VALUES ($1, $2, $3, $4)
ON CONFLICT (region, name) DO UPDATE SET revision = excluded.revision;

-- name: all plan chunks
SELECT name, revision, data FROM plan_chunk WHERE region = $1 ORDER BY name;

-- name: raise plan
INSERT INTO plan (region, revision, manifest) VALUES ($1, $2, $3) ON CONFLICT (region) DO UPDATE SET
	revision = excluded.revision, manifest = excluded.manifest
WHERE excluded.revision > plan.revision;

-- name: plan chunk
SELECT data FROM plan_chunk WHERE region = $1 AND name = $2;

-- name: forget plan chunks
DELETE FROM plan_chunk WHERE region = $1 AND revision < $2;

-- name: put change
INSERT INTO change (check_id, region, revision, at, what) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (check_id, region, revision) DO NOTHING;

-- name: changes
SELECT check_id, region, revision, at, what FROM change WHERE at >= $1 AND at < $2 ORDER BY at, check_id, region, revision;

-- name: forget changes
DELETE FROM change WHERE at < $1;

-- name: credentials
SELECT key, region, prober, created, revoked FROM credential ORDER BY region, prober, created, key;

-- name: add credential
INSERT INTO credential (key, region, prober, created, revoked) VALUES ($1, $2, $3, $4, 0);

-- name: join credential
INSERT INTO credential (key, region, prober, created, revoked) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (key) DO UPDATE SET revoked = excluded.revoked WHERE credential.revoked = 0;

-- name: revoke credential
UPDATE credential SET revoked = $2 WHERE key = $1 AND revoked = 0;

-- name: planned regions
SELECT region FROM plan ORDER BY region;

-- name: corrections
SELECT id, created, start, stop, effect, checks, labels, regions, category, correction.reason, correction.author,
	COALESCE(revocation.at, 0), COALESCE(revocation.reason, ''), COALESCE(revocation.author, '')
FROM correction LEFT JOIN revocation ON revocation.correction = correction.id
WHERE start < $2 AND stop > $1 ORDER BY created, id;

-- name: put correction
INSERT INTO correction (id, created, start, stop, effect, checks, labels, regions, category, reason, author)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT (id) DO NOTHING;

-- name: put revocation
INSERT INTO revocation (correction, at, reason, author) SELECT id, $2, $3, $4 FROM correction WHERE id = $1
ON CONFLICT (correction) DO NOTHING;

-- name: count
SELECT gen, data FROM counted WHERE part = $1;

-- name: count generations
SELECT part, gen FROM counted ORDER BY part;

-- name: first count
INSERT INTO counted (part, gen, data) VALUES ($1, $2, $3) ON CONFLICT (part) DO NOTHING;

-- name: next count
UPDATE counted SET gen = $2, data = $3 WHERE part = $1 AND gen = $2 - 1;

-- name: day count
SELECT data FROM counted_day WHERE series = $1 AND day = $2;

-- name: put day count
INSERT INTO counted_day (series, day, data) VALUES ($1, $2, $3) ON CONFLICT (series, day) DO UPDATE SET data = excluded.data;

-- name: forget day counts
DELETE FROM counted_day WHERE day < $1;

-- name: slo days
SELECT day, data FROM counted_slo WHERE slo = $1 AND day >= $2 ORDER BY day;

-- name: put slo day
INSERT INTO counted_slo (slo, day, data) VALUES ($1, $2, $3) ON CONFLICT (slo, day) DO UPDATE SET data = excluded.data;

-- name: forget slo
DELETE FROM counted_slo WHERE slo = $1;

-- name: forget slo days
DELETE FROM counted_slo WHERE day < $1;

-- name: uncounted corrections
SELECT correction.id, CASE WHEN revocation.at IS NULL THEN 0 ELSE 1 END, start, stop, checks, regions
FROM correction LEFT JOIN revocation ON revocation.correction = correction.id
WHERE NOT EXISTS (SELECT 1 FROM counted_correction c WHERE c.correction = correction.id
	AND c.revoked = CASE WHEN revocation.at IS NULL THEN 0 ELSE 1 END);

-- name: correction is counted
INSERT INTO counted_correction (correction, revoked) VALUES ($1, $2) ON CONFLICT (correction, revoked) DO NOTHING;

-- name: ask for recount
INSERT INTO recount (series, day) VALUES ($1, $2) ON CONFLICT (series, day) DO NOTHING;

-- name: recounts
SELECT series.check_id, series.region, recount.series, recount.day FROM recount JOIN series ON series.id = recount.series
ORDER BY recount.series, recount.day;

-- name: recounted
DELETE FROM recount WHERE series = $1 AND day = $2;

-- name: forget recounts
DELETE FROM recount WHERE day < $1;

-- name: maintenance between
SELECT check_id, start, stop FROM maintenance WHERE start < $2 AND stop > $1 ORDER BY check_id, start, stop;
