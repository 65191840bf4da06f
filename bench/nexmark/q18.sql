CREATE TABLE events (
  kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TABLE output (
  auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT, PRIMARY KEY (auction, bidder) NOT ENFORCED
) WITH (${upsertSink});

INSERT INTO output
SELECT auction, bidder, price, `dateTime`
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY bidder, auction ORDER BY happened DESC) AS place
  FROM events WHERE kind = 'bid'
)
WHERE place <= 1;
