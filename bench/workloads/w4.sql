SET 'table.exec.state.ttl' = '1 h';

CREATE TABLE events (ts BIGINT, tenant STRING, payload ROW<host STRING, `lag` INT>) WITH (${source});

CREATE TABLE output (
  tenant STRING, host STRING, `lag` INT, ts BIGINT, PRIMARY KEY (tenant, host) NOT ENFORCED
) WITH (${upsertSink});

INSERT INTO output
SELECT tenant, payload.host, LAST_VALUE(payload.`lag`), LAST_VALUE(ts) FROM events GROUP BY tenant, payload.host;
