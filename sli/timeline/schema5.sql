-- What version 5 of the store adds, and in PostgreSQL version 2.

-- 1: the payload is a block of S2. Names of checks, which are most of it, take little room so.
ALTER TABLE journal ADD COLUMN packed BIGINT NOT NULL DEFAULT 0;
