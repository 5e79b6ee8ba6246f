-- Times are milliseconds since 1970-01-01T00:00:00Z. Words are those of `domain`.

CREATE TABLE setting (
  key   TEXT PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE account (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT    NOT NULL UNIQUE COLLATE NOCASE,
  kind         TEXT    NOT NULL CHECK (kind IN ('smtp', 'outbox')),
  host         TEXT    NOT NULL DEFAULT '',
  port         INTEGER NOT NULL DEFAULT 0,
  tls          TEXT    NOT NULL DEFAULT 'starttls' CHECK (tls IN ('none', 'starttls', 'tls')),
  user         TEXT    NOT NULL DEFAULT '',
  from_name    TEXT    NOT NULL DEFAULT '',
  from_address TEXT    NOT NULL,
  reply_to     TEXT    NOT NULL DEFAULT '',
  connections  INTEGER NOT NULL DEFAULT 2,
  per_minute   INTEGER NOT NULL DEFAULT 0,
  secret_place TEXT    NOT NULL DEFAULT 'none' CHECK (secret_place IN ('none', 'keychain', 'file')),
  -- The name under which the key store keeps the secret; never the secret.
  secret_name  TEXT    NOT NULL DEFAULT '',
  sample       INTEGER NOT NULL DEFAULT 0,
  created_at   INTEGER NOT NULL
) STRICT;

-- Every base address that mails were ever sent with; sent mail keeps its address for ever.
CREATE TABLE route (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  kind       TEXT    NOT NULL CHECK (kind IN ('public', 'local', 'none')),
  base_url   TEXT    NOT NULL DEFAULT '',
  created_at INTEGER NOT NULL,
  UNIQUE (kind, base_url)
) STRICT;

CREATE TABLE contact (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  email      TEXT    NOT NULL,
  -- The address in lower case: one person, one row.
  email_key  TEXT    NOT NULL UNIQUE,
  first_name TEXT    NOT NULL DEFAULT '',
  last_name  TEXT    NOT NULL DEFAULT '',
  -- A JSON object of texts.
  fields     TEXT    NOT NULL DEFAULT '{}',
  -- The last entry of consent_event, kept here so that planning reads one row.
  consent    TEXT    NOT NULL DEFAULT 'unknown' CHECK (consent IN ('granted', 'refused', 'unknown')),
  sample     INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  -- Rises with every change of what a mail could show; compared with the audit's at hand-over.
  revision   INTEGER NOT NULL DEFAULT 1,
  -- Names and address in lower case, for the search: SQLite folds ASCII only.
  search_key TEXT    NOT NULL DEFAULT '',
  -- The keyed hash of email_key, as in suppression.
  address_hash BLOB  NOT NULL DEFAULT x'',
  -- The last prefetch by Apple's mail privacy, in any campaign: such people are outside the estimate's cohort.
  mpp_seen_at INTEGER
) STRICT;
CREATE INDEX contact_by_name ON contact (last_name COLLATE NOCASE, first_name COLLATE NOCASE);
CREATE INDEX contact_by_added ON contact (created_at);
CREATE INDEX contact_by_consent ON contact (consent, email_key);

CREATE TABLE list (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  name       TEXT    NOT NULL UNIQUE COLLATE NOCASE,
  sample     INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
) STRICT;

CREATE TABLE list_member (
  list_id    INTEGER NOT NULL REFERENCES list (id) ON DELETE CASCADE,
  contact_id INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
  PRIMARY KEY (list_id, contact_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX list_member_by_contact ON list_member (contact_id);

-- Append-only: what a person said about tracking, when, by which way, to which words.
CREATE TABLE consent_event (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  contact_id INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
  state      TEXT    NOT NULL CHECK (state IN ('granted', 'refused', 'unknown')),
  at         INTEGER NOT NULL,
  source     TEXT    NOT NULL DEFAULT '',
  wording    TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX consent_event_by_contact ON consent_event (contact_id);

-- Addresses that get no mail. Only a keyed hash, so that it survives the person's erasure.
CREATE TABLE suppression (
  address_hash BLOB    PRIMARY KEY,
  kind         TEXT    NOT NULL CHECK (kind IN ('unsubscribed', 'manual', 'bounced', 'complained')),
  reason       TEXT    NOT NULL DEFAULT '',
  at           INTEGER NOT NULL,
  -- The mail whose link it was; NULL for all others.
  message_id   INTEGER
) STRICT, WITHOUT ROWID;

CREATE TABLE campaign (
  id             INTEGER PRIMARY KEY AUTOINCREMENT,
  name           TEXT    NOT NULL,
  subject        TEXT    NOT NULL DEFAULT '',
  preheader      TEXT    NOT NULL DEFAULT '',
  account_id     INTEGER REFERENCES account (id) ON DELETE SET NULL,
  -- JSON: api::Audience, domain::window::WindowSpec, render::document::Document.
  audience       TEXT    NOT NULL DEFAULT '{"include":[],"exclude":[]}',
  window_spec    TEXT    NOT NULL DEFAULT '{"days":30}',
  document       TEXT    NOT NULL,
  tracking       TEXT    NOT NULL DEFAULT 'individual' CHECK (tracking IN ('individual', 'aggregate', 'off')),
  postal_address TEXT    NOT NULL DEFAULT '',
  state          TEXT    NOT NULL DEFAULT 'draft'
                 CHECK (state IN ('draft', 'preparing', 'prepared', 'running', 'paused', 'finished', 'cancelled')),
  created_at     INTEGER NOT NULL,
  updated_at     INTEGER NOT NULL,
  -- Rises with every change of what the audit read; launch refuses another one than was prepared.
  revision       INTEGER NOT NULL DEFAULT 1,
  -- JSON: api::Preflight of the revision in prepared_revision.
  preflight      TEXT,
  prepared_revision INTEGER,
  -- JSON: domain::campaign::Imprint, frozen at preparation.
  imprint        TEXT,
  -- Frozen at preparation: the address that the mails carry.
  route_id       INTEGER REFERENCES route (id),
  launched_at    INTEGER,
  first_mail_at  INTEGER,
  finished_at    INTEGER,
  opens_from     INTEGER,
  opens_until    INTEGER,
  zone           TEXT    NOT NULL DEFAULT 'UTC',
  -- The token of the shared pixel, for mails in mode `shared`.
  shared_token   BLOB UNIQUE,
  -- The key of hit.client_hash; NULL before the first hit, and empty once it is destroyed.
  client_key     BLOB,
  -- Why it stands still, as a sentence; NULL while nothing is wrong.
  problem        TEXT,
  practice       INTEGER NOT NULL DEFAULT 0,
  sample         INTEGER NOT NULL DEFAULT 0
) STRICT;

-- The ledger: one row for each recipient.
CREATE TABLE message (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  campaign_id     INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  -- NULL once the person is erased.
  contact_id      INTEGER REFERENCES contact (id) ON DELETE SET NULL,
  -- The address that it goes or went to; empty once the person is erased.
  email           TEXT    NOT NULL,
  address_hash    BLOB    NOT NULL,
  state           TEXT    NOT NULL DEFAULT 'planned'
                  CHECK (state IN ('planned', 'queued', 'handing_over', 'accepted', 'deferred', 'rejected',
                                   'uncertain', 'cancelled', 'skipped')),
  skip_reason     TEXT,
  -- How it may be tracked: frozen at launch, made stricter at hand-over.
  tracking        TEXT    NOT NULL CHECK (tracking IN ('personal', 'shared', 'none')),
  not_tracked     TEXT,
  -- NULL where tracking is not personal, and once destroyed.
  pixel_token     BLOB UNIQUE,
  -- Never destroyed: the link in an old mail must work for ever.
  preference_token BLOB NOT NULL UNIQUE,
  contact_revision INTEGER NOT NULL DEFAULT 0,
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER,
  queued_at       INTEGER,
  handing_over_at INTEGER,
  accepted_at     INTEGER,
  -- The server's last words, verbatim, without control characters, at most 1,000 characters.
  reply           TEXT    NOT NULL DEFAULT '',
  opted_out_at    INTEGER,
  unsubscribed_at INTEGER,
  -- Rollups of `hit`, kept in its transaction, so that no report scans hits.
  signal          TEXT    NOT NULL DEFAULT 'no_signal' CHECK (signal IN ('no_signal', 'machine_only', 'unknown', 'human')),
  first_open_at   INTEGER,
  looks           INTEGER NOT NULL DEFAULT 0,
  hits            INTEGER NOT NULL DEFAULT 0,
  machine_hits    INTEGER NOT NULL DEFAULT 0,
  early           INTEGER NOT NULL DEFAULT 0,
  late            INTEGER NOT NULL DEFAULT 0,
  over_cap        INTEGER NOT NULL DEFAULT 0,
  last_hit_at     INTEGER
) STRICT;
CREATE INDEX message_to_send   ON message (campaign_id, next_attempt_at, id) WHERE state IN ('queued', 'deferred');
CREATE INDEX message_handed    ON message (campaign_id) WHERE state = 'handing_over';
-- Covers every part of a rate.
CREATE INDEX message_by_state  ON message (campaign_id, state, tracking, signal, not_tracked);
CREATE INDEX message_by_email  ON message (campaign_id, email);
CREATE INDEX message_by_contact ON message (contact_id, accepted_at);
CREATE INDEX message_by_address ON message (address_hash);
CREATE INDEX message_opted_out   ON message (campaign_id) WHERE opted_out_at IS NOT NULL;
CREATE INDEX message_unsubscribed ON message (campaign_id) WHERE unsubscribed_at IS NOT NULL;

-- What the mail server said and what was decided, for the timeline; hits stand in `hit`.
CREATE TABLE message_event (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  message_id INTEGER NOT NULL REFERENCES message (id) ON DELETE CASCADE,
  at         INTEGER NOT NULL,
  kind       TEXT    NOT NULL,
  reply      TEXT    NOT NULL DEFAULT ''
) STRICT;
CREATE INDEX message_event_by_message ON message_event (message_id);

-- Requests for personal pixels that policy allows to be kept. Raw facts and their verdict.
CREATE TABLE hit (
  id           INTEGER PRIMARY KEY AUTOINCREMENT,
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
CREATE INDEX hit_by_message ON hit (message_id, at);
CREATE INDEX hit_by_client ON hit (message_id, client_hash, at);

-- Counts by campaign, hour (its first instant) and class. Class `first_open` counts messages at their first human look,
-- `outside` what fell outside the window, `shared:CLASS` loads of the shared pixel.
CREATE TABLE hourly (
  campaign_id INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  -- The first instant of the hour.
  hour        INTEGER NOT NULL,
  class       TEXT    NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (campaign_id, hour, class)
) STRICT, WITHOUT ROWID;

-- Counts of a campaign that belong to no person: early, late, over_cap, not_recorded_at_request, refused.
CREATE TABLE campaign_counter (
  campaign_id INTEGER NOT NULL REFERENCES campaign (id) ON DELETE CASCADE,
  name        TEXT    NOT NULL,
  n           INTEGER NOT NULL,
  PRIMARY KEY (campaign_id, name)
) STRICT, WITHOUT ROWID;

-- Counts of the listener: unknown tokens, test tokens, requests. Every request writes one, so that all wait
-- for the same commit.
CREATE TABLE counter (
  name TEXT    PRIMARY KEY,
  n    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Intervals in which the listener was up.
CREATE TABLE uptime (
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  started_at INTEGER NOT NULL,
  -- Moved on while it runs; the end after a crash.
  seen_at    INTEGER NOT NULL,
  -- NULL while it runs.
  ended_at   INTEGER,
  sample     INTEGER NOT NULL DEFAULT 0
) STRICT;

-- Test mails: their links say so and do nothing.
CREATE TABLE test_token (
  token      BLOB    PRIMARY KEY,
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE activity (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at          INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  text        TEXT    NOT NULL,
  class       TEXT,
  campaign_id INTEGER REFERENCES campaign (id) ON DELETE CASCADE,
  message_id  INTEGER REFERENCES message (id) ON DELETE CASCADE,
  contact_id  INTEGER REFERENCES contact (id) ON DELETE CASCADE
) STRICT;
CREATE INDEX activity_by_campaign ON activity (campaign_id, id);
CREATE INDEX activity_by_contact ON activity (contact_id);
CREATE INDEX activity_by_message ON activity (message_id);

CREATE TABLE outbox_mail (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  at          INTEGER NOT NULL,
  to_address  TEXT    NOT NULL,
  subject     TEXT    NOT NULL,
  -- Relative to the workspace.
  path        TEXT    NOT NULL UNIQUE,
  campaign_id INTEGER REFERENCES campaign (id) ON DELETE CASCADE,
  message_id  INTEGER UNIQUE REFERENCES message (id) ON DELETE CASCADE,
  test        INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX outbox_mail_tests ON outbox_mail (to_address COLLATE NOCASE) WHERE test = 1;
CREATE INDEX outbox_mail_by_campaign ON outbox_mail (campaign_id, id);
