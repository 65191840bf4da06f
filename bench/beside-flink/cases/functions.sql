CREATE TABLE events (id BIGINT, i BIGINT, d DOUBLE, s STRING, ts BIGINT, t AS TO_TIMESTAMP_LTZ(ts, 3)) WITH (${source});

CREATE TEMPORARY VIEW `arithmetic` AS
SELECT
  id, i / 2 AS quotient, MOD(i, 3) AS remainder, CAST(d AS BIGINT) AS cut, CEIL(d) AS up, FLOOR(d) AS down,
  ROUND(d, 0) AS nearest, ABS(i) AS size, d / 2 AS halved, GREATEST(i, 3) AS most
FROM events;

CREATE TEMPORARY VIEW `texts` AS
SELECT
  id, CHAR_LENGTH(s) AS length, SUBSTRING(s, 1, 2) AS part, POSITION('b' IN s) - 1 AS place,
  REPLACE(s, 'b', 'xy') AS replaced, SPLIT_INDEX(s, '-', 1) AS `second`,
  s LIKE 'a%' AS starts, s < 'b' AS less, REGEXP(s, '^a[a-z]*') AS matched, s || '!' AS joined,
  CAST(i AS STRING) AS number
FROM events;

CREATE TEMPORARY VIEW `times` AS
SELECT
  id, EXTRACT(YEAR FROM t) AS `year`, EXTRACT(MONTH FROM t) AS `month`, EXTRACT(DAY FROM t) AS `day`,
  DAYOFWEEK(t) AS weekday, DAYOFYEAR(t) AS yearday, HOUR(t) AS `hour`, MINUTE(t) AS `minute`, SECOND(t) AS `second`
FROM events;

CREATE TEMPORARY VIEW `letters` AS
SELECT id, TRIM(s) AS trimmed, UPPER(s) AS `upper`, LOWER(s) AS `lower` FROM events;

CREATE TEMPORARY VIEW `written` AS SELECT id, CAST(d AS STRING) AS `double` FROM events;

CREATE TEMPORARY VIEW `instant` AS SELECT CAST(t AS STRING) AS `time` FROM events WHERE id = 4;
