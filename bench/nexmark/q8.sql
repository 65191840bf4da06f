CREATE TABLE events (
  kind STRING, id BIGINT, name STRING, seller BIGINT, `dateTime` BIGINT,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TABLE output (id BIGINT, name STRING, windowStart TIMESTAMP(3)) WITH (${sink});

INSERT INTO output
SELECT p.id, p.name, p.window_start AS windowStart
FROM (
  SELECT id, name, window_start, window_end FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND))
  WHERE kind = 'person' GROUP BY id, name, window_start, window_end
) p
JOIN (
  SELECT seller, window_start, window_end FROM TABLE(TUMBLE(TABLE events, DESCRIPTOR(happened), INTERVAL '10' SECOND))
  WHERE kind = 'auction' GROUP BY seller, window_start, window_end
) a
ON p.id = a.seller AND p.window_start = a.window_start AND p.window_end = a.window_end;
