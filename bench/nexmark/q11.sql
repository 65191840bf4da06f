CREATE TABLE events (
  kind STRING, bidder BIGINT, `dateTime` BIGINT,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TABLE output (bidder BIGINT, bids BIGINT, windowStart TIMESTAMP(3), windowEnd TIMESTAMP(3)) WITH (${sink});

CREATE TEMPORARY VIEW bids AS SELECT bidder, happened FROM events WHERE kind = 'bid';

INSERT INTO output
SELECT bidder, COUNT(*) AS bids, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(SESSION(TABLE bids PARTITION BY bidder, DESCRIPTOR(happened), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
