CREATE TABLE events (
  kind STRING, `dateTime` BIGINT, auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING,
  id BIGINT, itemName STRING, initialBid BIGINT, reserve BIGINT, expires BIGINT, seller BIGINT, category BIGINT
) WITH (${source});

CREATE TABLE output (
  auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, bidDateTime BIGINT, itemName STRING,
  initialBid BIGINT, reserve BIGINT, auctionDateTime BIGINT, expires BIGINT, seller BIGINT, category BIGINT
) WITH (${sink});

CREATE TEMPORARY VIEW auctions AS
SELECT id, itemName, initialBid, reserve, `dateTime`, expires, seller, category FROM events WHERE kind = 'auction';

CREATE TEMPORARY VIEW bids AS
SELECT auction, bidder, price, channel, url, `dateTime` FROM events WHERE kind = 'bid';

INSERT INTO output
SELECT
  b.auction, b.bidder, b.price, b.channel, b.url, b.`dateTime` AS bidDateTime, a.itemName,
  a.initialBid, a.reserve, a.`dateTime` AS auctionDateTime, a.expires, a.seller, a.category
FROM bids b
JOIN auctions a ON b.auction = a.id
WHERE a.category = 10;
