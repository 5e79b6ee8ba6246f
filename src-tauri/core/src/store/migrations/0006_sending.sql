-- Limits beside the one a minute; 0 is none. `per_day` is over any 24 hours.
ALTER TABLE account ADD COLUMN provider   TEXT    NOT NULL DEFAULT 'custom';
ALTER TABLE account ADD COLUMN per_second INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN per_hour   INTEGER NOT NULL DEFAULT 0;
ALTER TABLE account ADD COLUMN per_day    INTEGER NOT NULL DEFAULT 0;
-- Mails a minute to one domain of recipients.
ALTER TABLE account ADD COLUMN per_domain INTEGER NOT NULL DEFAULT 0;

-- What each account has handed over, by the minute, for as long as a limit can look back. Whatever campaign, test
-- mails included.
CREATE TABLE account_minute (
  account_id INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  -- Minutes since 1970-01-01T00:00:00Z.
  minute     INTEGER NOT NULL,
  n          INTEGER NOT NULL,
  PRIMARY KEY (account_id, minute)
) STRICT, WITHOUT ROWID;

-- How an account stands with its server; no row where nothing is known.
CREATE TABLE account_standing (
  account_id   INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
  -- JSON: delivery::standing::Standing.
  standing     TEXT    NOT NULL
) STRICT;

-- The accounts that a campaign may use beside its own.
CREATE TABLE campaign_account (
  campaign_id INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  account_id  INTEGER NOT NULL REFERENCES account (id) ON DELETE CASCADE,
  PRIMARY KEY (campaign_id, account_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX campaign_account_by_account ON campaign_account (account_id);

-- Mail services that refuse a whole campaign, in their words.
CREATE TABLE campaign_refusal (
  campaign_id INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  -- As report::providers calls it.
  provider    TEXT    NOT NULL,
  at          INTEGER NOT NULL,
  reply       TEXT    NOT NULL,
  PRIMARY KEY (campaign_id, provider)
) STRICT, WITHOUT ROWID;

-- JSON: domain::schedule::Plan, as its author states it.
ALTER TABLE campaign ADD COLUMN plan     TEXT    NOT NULL DEFAULT '{}';
-- When the first mail was handed over; NULL before.
ALTER TABLE campaign ADD COLUMN begun_at INTEGER;
-- Whose fault the last failure was, as delivery::transport::ErrorKind says it.
ALTER TABLE message  ADD COLUMN error_kind TEXT;
-- Whatever was launched before has begun: nothing of it may become a draft again.
UPDATE campaign SET begun_at = first_mail_at WHERE launched_at IS NOT NULL;
