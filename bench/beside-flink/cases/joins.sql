CREATE TABLE events (
  kind STRING, ts BIGINT, k STRING, id STRING,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '1' HOUR
) WITH (${source});

CREATE TEMPORARY VIEW `orders` AS SELECT k, id, happened FROM events WHERE kind = 'order';

CREATE TEMPORARY VIEW `payments` AS SELECT k, id, happened FROM events WHERE kind = 'payment';

CREATE TEMPORARY VIEW `within` AS
SELECT o.id AS a, p.id AS b FROM orders o JOIN payments p
ON o.k = p.k AND p.happened BETWEEN o.happened - INTERVAL '2' SECOND AND o.happened + INTERVAL '5' SECOND;

CREATE TEMPORARY VIEW `within-left` AS
SELECT o.id AS a, p.id AS b FROM orders o LEFT JOIN payments p
ON o.k = p.k AND p.happened BETWEEN o.happened - INTERVAL '2' SECOND AND o.happened + INTERVAL '5' SECOND;

CREATE TEMPORARY VIEW `within-outer` AS
SELECT o.id AS a, p.id AS b FROM orders o FULL OUTER JOIN payments p
ON o.k = p.k AND p.happened BETWEEN o.happened - INTERVAL '2' SECOND AND o.happened + INTERVAL '5' SECOND;

CREATE TEMPORARY VIEW `orders-of-windows` AS
SELECT * FROM TABLE(TUMBLE(TABLE orders, DESCRIPTOR(happened), INTERVAL '10' SECOND));

CREATE TEMPORARY VIEW `payments-of-windows` AS
SELECT * FROM TABLE(TUMBLE(TABLE payments, DESCRIPTOR(happened), INTERVAL '10' SECOND));

CREATE TEMPORARY VIEW `windowed` AS
SELECT o.id AS a, p.id AS b FROM `orders-of-windows` o JOIN `payments-of-windows` p
ON o.k = p.k AND o.window_start = p.window_start AND o.window_end = p.window_end;

CREATE TEMPORARY VIEW `windowed-left` AS
SELECT o.id AS a, p.id AS b FROM `orders-of-windows` o LEFT JOIN `payments-of-windows` p
ON o.k = p.k AND o.window_start = p.window_start AND o.window_end = p.window_end;

CREATE TEMPORARY VIEW `windowed-outer` AS
SELECT o.id AS a, p.id AS b FROM `orders-of-windows` o FULL OUTER JOIN `payments-of-windows` p
ON o.k = p.k AND o.window_start = p.window_start AND o.window_end = p.window_end;

CREATE TEMPORARY VIEW `at-any-time` AS
SELECT o.id AS a, p.id AS b FROM orders o JOIN payments p ON o.k = p.k;
