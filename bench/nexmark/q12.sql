CREATE TABLE events (kind STRING, bidder BIGINT, came AS PROCTIME()) WITH (${source});

CREATE TABLE output (bidder BIGINT, bids BIGINT, windowStart TIMESTAMP(3), windowEnd TIMESTAMP(3)) WITH (${sink});

CREATE TEMPORARY VIEW bids AS SELECT bidder, came FROM events WHERE kind = 'bid';

INSERT INTO output
SELECT bidder, COUNT(*) AS bids, window_start AS windowStart, window_end AS windowEnd
FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(came), INTERVAL '10' SECOND))
GROUP BY bidder, window_start, window_end;
