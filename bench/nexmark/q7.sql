CREATE TABLE events (
  kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT,
  happened AS TO_TIMESTAMP_LTZ(`dateTime`, 3), WATERMARK FOR happened AS happened - INTERVAL '0.001' SECOND
) WITH (${source});

CREATE TABLE output (auction BIGINT, price BIGINT, bidder BIGINT, `dateTime` BIGINT) WITH (${sink});

CREATE TEMPORARY VIEW bids AS SELECT auction, bidder, price, `dateTime`, happened FROM events WHERE kind = 'bid';

INSERT INTO output
SELECT b.auction, b.price, b.bidder, b.`dateTime`
FROM bids b
JOIN (
  SELECT MAX(price) AS highest, window_time AS happened
  FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(happened), INTERVAL '10' SECOND))
  GROUP BY window_start, window_end, window_time
) h
ON b.price = h.highest AND b.happened BETWEEN h.happened - INTERVAL '9.999' SECOND AND h.happened;
