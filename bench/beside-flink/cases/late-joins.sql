CREATE TABLE events (
  kind STRING, ts BIGINT, k STRING, id STRING,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TEMPORARY VIEW `orders` AS SELECT k, id, happened FROM events WHERE kind = 'order';

CREATE TEMPORARY VIEW `payments` AS SELECT k, id, happened FROM events WHERE kind = 'payment';

CREATE TEMPORARY VIEW `within` AS
SELECT o.id AS a, p.id AS b FROM orders o LEFT JOIN payments p
ON o.k = p.k AND p.happened BETWEEN o.happened - INTERVAL '2' SECOND AND o.happened + INTERVAL '5' SECOND;

CREATE TEMPORARY VIEW `windowed` AS
SELECT o.id AS a, p.id AS b
FROM (SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(happened), INTERVAL '10' SECOND))) o
LEFT JOIN (SELECT * FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(happened), INTERVAL '10' SECOND))) p
ON o.k = p.k AND o.window_start = p.window_start AND o.window_end = p.window_end;
