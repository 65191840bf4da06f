CREATE TABLE events (
  id BIGINT, `type` STRING, ts BIGINT, tenant STRING,
  payload ROW<host STRING, `lag` INT, cpu DOUBLE>, msg STRING
) WITH (${source});

CREATE TABLE output (
  id BIGINT, `type` STRING, ts BIGINT, tenant STRING,
  payload ROW<host STRING, `lag` INT, cpu DOUBLE>, msg STRING
) WITH (${sink});

INSERT INTO output SELECT * FROM events WHERE `type` = 'metrics' AND payload.`lag` > 10000;
