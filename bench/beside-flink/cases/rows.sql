CREATE TABLE events (
  ts BIGINT, k STRING, v BIGINT, id BIGINT, came AS PROCTIME(),
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '1' HOUR
) WITH (${source});

CREATE TEMPORARY VIEW `first-to-come` AS
SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY came) AS place FROM events) WHERE place = 1;

CREATE TEMPORARY VIEW `first-in-time` AS
SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY happened) AS place FROM events) WHERE place = 1;

CREATE TEMPORARY VIEW `last-to-come` AS
SELECT k, id FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY came DESC) AS place FROM events) WHERE place = 1;

CREATE TEMPORARY VIEW `last-in-time` AS
SELECT k, id
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY happened DESC) AS place FROM events) WHERE place = 1;

CREATE TEMPORARY VIEW `different` AS SELECT DISTINCT k, v FROM events;

CREATE TEMPORARY VIEW `highest` AS
SELECT k, `rank`, id, v
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v DESC) AS `rank` FROM events) WHERE `rank` <= 2;

CREATE TEMPORARY VIEW `lowest` AS
SELECT k, `rank`, id, v
FROM (SELECT *, ROW_NUMBER() OVER (PARTITION BY k ORDER BY v) AS `rank` FROM events) WHERE `rank` <= 2;
