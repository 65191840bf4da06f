CREATE TABLE events (kind STRING, auction BIGINT, price BIGINT) WITH (${source});

CREATE TABLE output (auction BIGINT, price BIGINT) WITH (${sink});

INSERT INTO output SELECT auction, price FROM events WHERE kind = 'bid' AND MOD(auction, 123) = 0;
