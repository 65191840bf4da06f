CREATE TABLE events (kind STRING, auction BIGINT, url STRING) WITH (${source});

CREATE TABLE output (auction BIGINT, dir1 STRING, dir2 STRING, dir3 STRING) WITH (${sink});

INSERT INTO output
SELECT auction, SPLIT_INDEX(url, '/', 3) AS dir1, SPLIT_INDEX(url, '/', 4) AS dir2, SPLIT_INDEX(url, '/', 5) AS dir3
FROM events WHERE kind = 'bid';
