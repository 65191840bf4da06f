CREATE TABLE events (kind STRING, auction BIGINT, channel STRING, url STRING) WITH (${source});

CREATE TABLE output (auction BIGINT, channel STRING, id STRING) WITH (${sink});

INSERT INTO output
SELECT
  auction, channel,
  CASE
    WHEN LOWER(channel) = 'apple' THEN '0'
    WHEN LOWER(channel) = 'google' THEN '1'
    WHEN LOWER(channel) = 'facebook' THEN '2'
    WHEN LOWER(channel) = 'baidu' THEN '3'
    ELSE REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2)
  END AS id
FROM events
WHERE kind = 'bid'
  AND (REGEXP_EXTRACT(url, '(&|^)channel_id=([^&]*)', 2) IS NOT NULL
    OR LOWER(channel) IN ('apple', 'google', 'facebook', 'baidu'));
