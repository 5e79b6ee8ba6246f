-- A look is a hit and nothing else: the feed reads looks from `hit`, where each was a second row in `activity` with
-- four indexes to move. Hits and lines of the feed are numbered from one sequence, in which time rises, so that the
-- feed goes through both with one cursor; what was there before is numbered anew.
--
-- Both tables are made anew, which an older build could not read: a column goes, and ids change.
CREATE TEMP TABLE feed_order (
  id          INTEGER PRIMARY KEY,
  hit_id      INTEGER,
  activity_id INTEGER
) STRICT;
INSERT INTO feed_order (hit_id, activity_id)
SELECT hit_id, activity_id
FROM (SELECT at, id AS hit_id, NULL AS activity_id FROM hit
      UNION ALL
      SELECT at, NULL, id FROM activity WHERE kind <> 'look')
ORDER BY at, hit_id IS NULL, hit_id, activity_id;

-- Requests for personal pixels that policy allows to be kept. Raw facts and their verdict.
CREATE TABLE hit_anew (
  -- From one sequence with activity.id.
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The message's, for hit_looks. It goes with the message, so it needs no key of its own.
  campaign_id  INTEGER NOT NULL,
  message_id   INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  at           INTEGER NOT NULL,
  class        TEXT    NOT NULL,
  reason       TEXT    NOT NULL,
  rule_version INTEGER NOT NULL,
  -- The client's family: "Gmail", "Apple Mail", "Outlook".
  client       TEXT    NOT NULL DEFAULT '',
  user_agent   TEXT    NOT NULL DEFAULT '',
  -- IPv4 /24 or IPv6 /48; empty where the source is unknown. The full address is never stored.
  network      TEXT    NOT NULL DEFAULT '',
  -- A keyed hash of address and user agent: hits with the same one are one client.
  client_hash  BLOB    NOT NULL,
  -- 1 where it begins a new look: the first of its client, or 30 minutes after the one before.
  new_look     INTEGER NOT NULL
) STRICT;
INSERT INTO hit_anew
  (id, campaign_id, message_id, at, class, reason, rule_version, client, user_agent, network, client_hash, new_look)
SELECT f.id, m.campaign_id, h.message_id, h.at, h.class, h.reason, h.rule_version, h.client, h.user_agent, h.network,
  h.client_hash, h.new_look
FROM feed_order f
CROSS JOIN hit h ON h.id = f.hit_id
CROSS JOIN message m ON m.id = h.message_id
ORDER BY f.id;
DROP TABLE hit;
ALTER TABLE hit_anew RENAME TO hit;
CREATE INDEX hit_by_client ON hit (message_id, client_hash, at);
-- The looks of one campaign, newest first. A new one is its campaign's last: the same page again and again.
CREATE INDEX hit_looks ON hit (campaign_id, id) WHERE new_look = 1;

-- What happened beside looks.
CREATE TABLE activity_anew (
  -- From one sequence with hit.id.
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at          INTEGER NOT NULL,
  kind        TEXT    NOT NULL CHECK (kind <> 'look'),
  text        TEXT    NOT NULL,
  campaign_id INTEGER REFERENCES campaign (id) ON DELETE CASCADE,
  message_id  INTEGER REFERENCES message (id) ON DELETE CASCADE,
  contact_id  INTEGER REFERENCES contact (id) ON DELETE CASCADE
) STRICT;
INSERT INTO activity_anew (id, at, kind, text, campaign_id, message_id, contact_id)
SELECT f.id, a.at, a.kind, a.text, a.campaign_id, a.message_id, a.contact_id
FROM feed_order f
CROSS JOIN activity a ON a.id = f.activity_id
ORDER BY f.id;
DROP TABLE activity;
ALTER TABLE activity_anew RENAME TO activity;
CREATE INDEX activity_by_campaign ON activity (campaign_id, id);
-- For what goes with a person or a mail: without them each removal would read the whole table.
CREATE INDEX activity_by_contact ON activity (contact_id);
CREATE INDEX activity_by_message ON activity (message_id);
DROP TABLE feed_order;
