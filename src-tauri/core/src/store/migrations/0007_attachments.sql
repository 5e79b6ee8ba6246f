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

-- What preparations found named people by their address, and quoted what was wrong with their own data. From now on it
-- names them by their contact's id, so that nothing of it outlives an erased person. Whoever prepares the campaign again
-- sees whom it concerns. A launched campaign has neither finding that is reworded: both keep it from being launched.
UPDATE campaign
SET preflight = json_set(preflight, '$.findings', (
  SELECT json_group_array(json_set(f.value,
    '$.examples', json('[]'),
    '$.message', CASE WHEN f.value ->> 'id' IN ('render_failed', 'audit_mismatch')
      THEN 'Some mails could not be made as they must be. Prepare the campaign again to see which.'
      ELSE f.value ->> 'message' END))
  FROM json_each(preflight, '$.findings') AS f))
WHERE CASE WHEN json_valid(preflight) THEN json_type(preflight, '$.findings') = 'array' END;
