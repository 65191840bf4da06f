CREATE TABLE events (kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, `dateTime` BIGINT) WITH (${source});

CREATE TABLE output (auction BIGINT, bidder BIGINT, price DECIMAL(23, 3), `dateTime` BIGINT) WITH (${sink});

INSERT INTO output SELECT auction, bidder, 0.908 * price AS price, `dateTime` FROM events WHERE kind = 'bid';
