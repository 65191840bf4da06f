CREATE TABLE events (
  ts BIGINT, k STRING, v BIGINT,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '1' HOUR
) WITH (${source});

CREATE TEMPORARY VIEW `tumbling` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '7' SECOND)) GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `offset` AS
SELECT k, COUNT(*) AS n, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND, INTERVAL '3' SECOND))
GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `sliding` AS
SELECT
  k, COUNT(*) AS n, SUM(v) AS total, AVG(CAST(v AS DOUBLE)) AS mean,
  window_start AS windowStart, window_end AS windowEnd
FROM TABLE(HOP(TABLE events, DESCRIPTOR(happened), INTERVAL '2' SECOND, INTERVAL '6' SECOND))
GROUP BY k, window_start, window_end;

-- The table function refuses such lengths; the older form takes them.
CREATE TEMPORARY VIEW `uneven` AS
SELECT
  k, COUNT(*) AS n, SUM(v) AS total,
  HOP_START(happened, INTERVAL '2' SECOND, INTERVAL '5' SECOND) AS windowStart,
  HOP_END(happened, INTERVAL '2' SECOND, INTERVAL '5' SECOND) AS windowEnd
FROM events WHERE k = 'b' GROUP BY k, HOP(happened, INTERVAL '2' SECOND, INTERVAL '5' SECOND);

CREATE TEMPORARY VIEW `cumulating` AS
SELECT k, COUNT(*) AS n, MAX(v) AS most, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(happened), INTERVAL '3' SECOND, INTERVAL '12' SECOND))
GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `sessions` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(happened), INTERVAL '2' SECOND))
GROUP BY k, window_start, window_end;
