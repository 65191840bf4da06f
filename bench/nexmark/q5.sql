CREATE TABLE events (
  kind STRING, auction BIGINT, `dateTime` BIGINT,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TABLE output (auction BIGINT, num BIGINT, windowEnd TIMESTAMP(3)) WITH (${sink});

CREATE TEMPORARY VIEW counts AS
SELECT auction, COUNT(*) AS num, window_start, window_end
FROM TABLE(HOP(TABLE events, DESCRIPTOR(happened), INTERVAL '2' SECOND, INTERVAL '10' SECOND))
WHERE kind = 'bid'
GROUP BY auction, window_start, window_end;

INSERT INTO output
SELECT c.auction, c.num, c.window_end AS windowEnd
FROM counts c
JOIN (SELECT MAX(num) AS most, window_start, window_end FROM counts GROUP BY window_start, window_end) m
ON c.window_start = m.window_start AND c.window_end = m.window_end AND c.num >= m.most;
