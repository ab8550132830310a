-- What SQLite alone understands, or needs in its own way. One process writes, through one connection.

-- name: has schema
SELECT COUNT(*) FROM sqlite_master WHERE name = 'meta';

-- name: lock schema
SELECT 1; -- a writing transaction is alone already

-- name: lock regions
SELECT 1;

-- name: lock evidence
SELECT 1;

-- name: lock announced
SELECT 1;

-- name: append journal
INSERT INTO journal (region, prober, received, packed, payload) VALUES ($1, $2, $3, 1, $4) RETURNING seq;

-- name: read journal
SELECT seq, region, prober, received, packed, payload FROM journal WHERE seq > $1 AND seq < $2 ORDER BY seq;

-- name: forget journal
DELETE FROM journal WHERE seq < $1;
