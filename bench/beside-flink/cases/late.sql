CREATE TABLE events (
  ts BIGINT, k STRING, v BIGINT,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '2.001' SECOND
) WITH (${source});

CREATE TEMPORARY VIEW `tumbling` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND)) GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `sliding` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(HOP(TABLE events, DESCRIPTOR(happened), INTERVAL '5' SECOND, INTERVAL '10' SECOND))
GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `cumulating` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(happened), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `sessions` AS
SELECT k, COUNT(*) AS n, SUM(v) AS total, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(SESSION(TABLE events PARTITION BY k, DESCRIPTOR(happened), INTERVAL '3' SECOND))
GROUP BY k, window_start, window_end;
