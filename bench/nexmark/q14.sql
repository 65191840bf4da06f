CREATE TABLE events (
  kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT, extra STRING,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3)
) WITH (${source});

CREATE TABLE output (
  auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), bidTimeType STRING, cCounts BIGINT
) WITH (${sink});

INSERT INTO output
SELECT
  auction, bidder, 0.908 * price AS price,
  CASE
    WHEN HOUR(happened) >= 8 AND HOUR(happened) <= 18 THEN 'dayTime'
    WHEN HOUR(happened) <= 6 OR HOUR(happened) >= 20 THEN 'nightTime'
    ELSE 'otherTime'
  END AS bidTimeType,
  CHAR_LENGTH(extra) - CHAR_LENGTH(REPLACE(extra, 'c', '')) AS cCounts
FROM events
WHERE kind = 'bid' AND 0.908 * price > 1000000 AND 0.908 * price < 50000000;
