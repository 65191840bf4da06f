CREATE TABLE events (
  kind STRING, auction BIGINT, price BIGINT, `dateTime` BIGINT, happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3)
) WITH (${source});

CREATE TABLE output (
  auction BIGINT, `day` STRING, total BIGINT, rank1 BIGINT, rank2 BIGINT, rank3 BIGINT,
  `min` BIGINT, `max` BIGINT, `avg` BIGINT, `sum` BIGINT, PRIMARY KEY (auction, `day`) NOT ENFORCED
) WITH (${upsertSink});

INSERT INTO output
SELECT
  auction,
  DATE_FORMAT(happened, 'yyyy-MM-dd') AS `day`,
  COUNT(*) AS total,
  COUNT(*) FILTER (WHERE price < 10000) AS rank1,
  COUNT(*) FILTER (WHERE price >= 10000 AND price < 1000000) AS rank2,
  COUNT(*) FILTER (WHERE price >= 1000000) AS rank3,
  MIN(price) AS `min`, MAX(price) AS `max`, AVG(price) AS `avg`, SUM(price) AS `sum`
FROM events
WHERE kind = 'bid'
GROUP BY auction, DATE_FORMAT(happened, 'yyyy-MM-dd');
