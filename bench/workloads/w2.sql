CREATE TABLE events (
  id BIGINT, `type` STRING, ts BIGINT, tenant STRING, payload ROW<host STRING, `lag` INT, cpu DOUBLE>
) WITH (${source});

CREATE TABLE output (
  id BIGINT, `type` STRING, ts BIGINT, tenant STRING, host STRING, `lag` INT, cpu DOUBLE
) WITH (${sink});

INSERT INTO output SELECT id, `type`, ts, tenant, payload.host, payload.`lag`, payload.cpu FROM events;
