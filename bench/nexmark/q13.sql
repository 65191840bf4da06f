CREATE TABLE events (kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT) WITH (${source});

CREATE TABLE side (id BIGINT) WITH (
  'connector' = 'datagen', 'fields.id.kind' = 'sequence', 'fields.id.start' = '0', 'fields.id.end' = '9999'
);

CREATE TABLE output (auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT, `value` STRING) WITH (${sink});

INSERT INTO output
SELECT b.auction, b.bidder, b.price, b.`dateTime`, CAST(s.id AS STRING) AS `value`
FROM events b
JOIN side s ON MOD(b.auction, 10000) = s.id
WHERE b.kind = 'bid';
