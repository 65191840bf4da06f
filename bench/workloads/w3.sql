CREATE TABLE events (
  ts BIGINT, tenant STRING, payload ROW<`lag` INT>,
  happened AS TO_TIMESTAMP_LTZ(ts, 3), WATERMARK FOR happened AS happened - INTERVAL '1' SECOND
) WITH (${source});

CREATE TABLE output (
  tenant STRING, windowStart TIMESTAMP(3), n BIGINT, `max` INT, `sum` BIGINT, `avg` DOUBLE
) WITH (${sink}, 'sink.delivery-guarantee' = 'exactly-once', 'sink.transactional-id-prefix' = 'bench-${job}',
  'properties.transaction.timeout.ms' = '600000');

INSERT INTO output
SELECT tenant, window_start, COUNT(*), MAX(payload.`lag`), SUM(CAST(payload.`lag` AS BIGINT)), AVG(CAST(payload.`lag` AS DOUBLE))
FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND))
GROUP BY tenant, window_start, window_end;
