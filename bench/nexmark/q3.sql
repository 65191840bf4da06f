CREATE TABLE events (
  kind STRING, id BIGINT, name STRING, city STRING, state STRING, seller BIGINT, category BIGINT
) WITH (${source});

CREATE TABLE output (name STRING, city STRING, state STRING, id BIGINT) WITH (${sink});

CREATE TEMPORARY VIEW persons AS SELECT id, name, city, state FROM events WHERE kind = 'person';

CREATE TEMPORARY VIEW auctions AS SELECT id, seller, category FROM events WHERE kind = 'auction';

INSERT INTO output
SELECT p.name, p.city, p.state, a.id
FROM auctions a
JOIN persons p ON a.seller = p.id
WHERE a.category = 10 AND p.state IN ('OR', 'ID', 'CA');
