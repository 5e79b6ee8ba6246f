-- What comes back: bounces and complaints that were read later. The ledger's state stays: the server had accepted it.
ALTER TABLE message ADD COLUMN bounced_at INTEGER;
-- 1: it came back because the address is no good, and not because the mail was refused.
ALTER TABLE message ADD COLUMN address_gone INTEGER NOT NULL DEFAULT 0 CHECK (address_gone IN (0, 1));
ALTER TABLE message ADD COLUMN complained_at INTEGER;
CREATE INDEX message_bounced ON message (campaign_id) WHERE bounced_at IS NOT NULL;
CREATE INDEX message_complained ON message (campaign_id) WHERE complained_at IS NOT NULL;

-- The last check of a sender's domain. Its records may name where reports go, which may be a person's address: an
-- erasure takes that out.
CREATE TABLE domain_check (
  domain   TEXT    PRIMARY KEY,
  at       INTEGER NOT NULL,
  -- JSON: a list of api::CheckFinding.
  findings TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
