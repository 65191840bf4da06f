CREATE TABLE events (kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT) WITH (${source});

CREATE TABLE output (
  auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT, `rank` BIGINT, PRIMARY KEY (auction, `rank`) NOT ENFORCED
) WITH (${upsertSink});

INSERT INTO output
SELECT auction, bidder, price, `dateTime`, `rank`
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY auction ORDER BY price DESC) AS `rank` FROM events WHERE kind = 'bid'
)
WHERE `rank` <= 10;
