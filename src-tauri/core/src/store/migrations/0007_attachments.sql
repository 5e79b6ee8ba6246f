-- Files that go with a campaign's mails; their bytes lie in the workspace's folder `attachments`, each under its digest.
CREATE TABLE attachment (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  -- 'attached': at the mail's end; 'inline': a picture that a block may show.
  placement   TEXT    NOT NULL CHECK (placement IN ('attached', 'inline')),
  name        TEXT    NOT NULL,
  media_type  TEXT    NOT NULL,
  -- SHA-256 of the bytes, and the file's name in hexadecimal.
  digest      BLOB    NOT NULL CHECK (length(digest) = 32),
  size        INTEGER NOT NULL
) STRICT;
CREATE INDEX attachment_by_campaign ON attachment (campaign_id, id);
CREATE INDEX attachment_by_digest ON attachment (digest);

-- JSON: what `app::follow_up` knows of the mails to people who joined the audience since; NULL where none are prepared.
ALTER TABLE campaign ADD COLUMN follow_up TEXT;
-- When the user said that an uncertain mail is to be left as it is.
ALTER TABLE message ADD COLUMN left_at INTEGER;
