CREATE TABLE events (
  kind STRING, ts BIGINT, k STRING, id STRING, rate BIGINT,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '2.001' SECOND
) WITH (${source});

CREATE TEMPORARY VIEW `orders` AS SELECT k, id, happened FROM events WHERE kind = 'order';

CREATE TEMPORARY VIEW `rates` AS
SELECT k, rate, happened
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY happened DESC) AS place FROM events WHERE kind = 'rate'
)
WHERE place = 1;

CREATE TEMPORARY VIEW `converted` AS
SELECT o.id, r.rate FROM orders o JOIN rates FOR SYSTEM_TIME AS OF o.happened AS r ON o.k = r.k;

CREATE TEMPORARY VIEW `converted-left` AS
SELECT o.id, r.rate FROM orders o LEFT JOIN rates FOR SYSTEM_TIME AS OF o.happened AS r ON o.k = r.k;
