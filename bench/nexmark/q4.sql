CREATE TABLE events (
  kind STRING, id BIGINT, category BIGINT, expires BIGINT, auction BIGINT, price BIGINT, `dateTime` BIGINT
) WITH (${source});

CREATE TABLE output (category BIGINT, mean BIGINT, PRIMARY KEY (category) NOT ENFORCED) WITH (${upsertSink});

CREATE TEMPORARY VIEW auctions AS SELECT id, category, `dateTime`, expires FROM events WHERE kind = 'auction';

CREATE TEMPORARY VIEW bids AS SELECT auction, price, `dateTime` FROM events WHERE kind = 'bid';

INSERT INTO output
SELECT category, AVG(final) AS mean
FROM (
  SELECT MAX(b.price) AS final, a.category
  FROM auctions a, bids b
  WHERE a.id = b.auction AND b.`dateTime` BETWEEN a.`dateTime` AND a.expires
  GROUP BY a.id, a.category
)
GROUP BY category;
