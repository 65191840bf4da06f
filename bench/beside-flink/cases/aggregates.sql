CREATE TABLE events (
  ts BIGINT, k STRING, i BIGINT, d DOUBLE, s STRING,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '1' HOUR
) WITH (${source});

CREATE TEMPORARY VIEW `windowed` AS
SELECT * FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND));

CREATE TEMPORARY VIEW `numbers` AS
SELECT
  k, COUNT(*) AS n, SUM(i) AS total, MIN(i) AS least, MAX(i) AS most, AVG(d) AS mean, SUM(d) AS sumd, MIN(d) AS leastd,
  COUNT(DISTINCT i) AS different
FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `integer-mean` AS SELECT k, AVG(i) AS mean FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `ends` AS
SELECT k, FIRST_VALUE(i) AS `first`, LAST_VALUE(i) AS `last` FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `lists` AS SELECT k, ARRAY_AGG(i) AS `all` FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `texts` AS
SELECT k, COUNT(DISTINCT s) AS names, FIRST_VALUE(s) AS `first` FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `orders` AS
SELECT k, MIN(s) AS least, MAX(s) AS most FROM windowed GROUP BY k, window_start, window_end;

CREATE TEMPORARY VIEW `running-orders` AS SELECT k, MIN(s) AS least, MAX(s) AS most FROM events GROUP BY k;

CREATE TEMPORARY VIEW `running` AS SELECT k, COUNT(*) AS n, SUM(i) AS total, MAX(i) AS most FROM events GROUP BY k;
