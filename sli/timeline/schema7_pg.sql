-- The store in PostgreSQL, version 4: see schema7.sql.

CREATE TABLE outline (
	series BIGINT NOT NULL, -- series.id
	page   BIGINT NOT NULL, -- UTC day, counted from the Unix epoch, divided by 32
	data   BYTEA NOT NULL,  -- see outlinecode.go
	PRIMARY KEY (series, page)
);
