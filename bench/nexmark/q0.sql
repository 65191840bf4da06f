CREATE TABLE events (
  kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` BIGINT, extra STRING
) WITH (${source});

CREATE TABLE output (
  kind STRING, auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, `dateTime` BIGINT, extra STRING
) WITH (${sink});

INSERT INTO output SELECT * FROM events WHERE kind = 'bid';
