-- What a hit is judged by, so that it can be judged again; what the user says of hits; the end of a campaign's
-- window; asking for consent.

-- A keyed hash of the address alone: the same address at several mails of one campaign. Empty once destroyed, and
-- where the source was unknown.
ALTER TABLE hit ADD COLUMN address_hash BLOB NOT NULL DEFAULT x'';
-- The label of the network table that the full address was found in; empty where it is in none.
ALTER TABLE hit ADD COLUMN network_label TEXT NOT NULL DEFAULT '';
-- The version of the tables that it was looked up in.
ALTER TABLE hit ADD COLUMN tables INTEGER NOT NULL DEFAULT 0;
-- What the request itself said: 'head', 'prefetch', or nothing.
ALTER TABLE hit ADD COLUMN said TEXT NOT NULL DEFAULT '' CHECK (said IN ('', 'head', 'prefetch'));
-- 'before_accept': it came before the server's answer to the mail was known; 'clock_set': the clock had been set
-- back, so that no time since the delivery holds.
ALTER TABLE hit ADD COLUMN timing TEXT NOT NULL DEFAULT '' CHECK (timing IN ('', 'before_accept', 'clock_set'));
-- 1 once the evidence is gone: the verdict stays as it is, and says so.
ALTER TABLE hit ADD COLUMN settled INTEGER NOT NULL DEFAULT 0;
-- What is there was judged without all this: it keeps its verdict.
UPDATE hit SET settled = 1;

-- What the user says of one hit, of the readers of one mail domain, or of one network. Workspace-wide.
CREATE TABLE label (
  id          INTEGER PRIMARY KEY AUTOINCREMENT,
  kind        TEXT    NOT NULL CHECK (kind IN ('hit', 'domain', 'network')),
  -- The hit's id, the domain in lower case, or the prefix as in hit.network.
  value       TEXT    NOT NULL,
  says        TEXT    NOT NULL CHECK (says IN ('person', 'machine', 'unknown')),
  at          INTEGER NOT NULL,
  -- Of a hit without evidence: what it was taken for before, for the undoing.
  was_class   TEXT,
  was_reason  TEXT,
  was_version INTEGER,
  UNIQUE (kind, value)
) STRICT;

-- When hits are judged again next; NULL where nothing can change any more.
ALTER TABLE campaign ADD COLUMN judge_at INTEGER;
-- Hits up to this id were judged with all that came within their time.
ALTER TABLE campaign ADD COLUMN judged_to INTEGER NOT NULL DEFAULT 0;
-- When they were judged last.
ALTER TABLE campaign ADD COLUMN judged_at INTEGER;
CREATE INDEX campaign_to_judge ON campaign (judge_at) WHERE judge_at IS NOT NULL;

-- Of the campaign alone; NULL takes the workspace's.
ALTER TABLE campaign ADD COLUMN grace_days INTEGER;
ALTER TABLE campaign ADD COLUMN cap_hits INTEGER;
ALTER TABLE campaign ADD COLUMN cap_machine_hits INTEGER;
ALTER TABLE campaign ADD COLUMN cap_tracked_mails INTEGER;
-- When its pixels' tokens were destroyed, after the window's end and the grace.
ALTER TABLE campaign ADD COLUMN closed_at INTEGER;
-- JSON: api::Closing, the receipt of it.
ALTER TABLE campaign ADD COLUMN closing TEXT;

-- The mail asks its reader for consent to tracking, and carries no pixel.
ALTER TABLE message ADD COLUMN asks INTEGER NOT NULL DEFAULT 0;
-- When a mail that asks was taken by the server last, or may have been.
ALTER TABLE contact ADD COLUMN asked_at INTEGER;
-- The same of practice, which reaches nobody: it keeps nobody from being asked by a real mail.
ALTER TABLE contact ADD COLUMN asked_practice_at INTEGER;
-- A refusal destroys the tokens of all mails to the person: those of before this rule, too.
UPDATE message SET pixel_token = NULL WHERE contact_id IN (SELECT id FROM contact WHERE consent = 'refused');
-- The campaign of a test mail, whose page shows its question.
ALTER TABLE test_token ADD COLUMN campaign_id INTEGER;

-- JSON: domain::limits::Own, what its author set for it alone. The columns above hold what was in force when it was
-- prepared.
ALTER TABLE campaign ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';
-- When its verdicts were removed, or began to be, because they are older than the workspace keeps them.
ALTER TABLE campaign ADD COLUMN verdicts_gone_at INTEGER;
-- While they are being removed: those of its messages up to this id are gone.
ALTER TABLE campaign ADD COLUMN verdicts_after INTEGER;
-- The campaigns whose tracking is still to be ended.
CREATE INDEX campaign_to_close ON campaign (state, opens_until, grace_days) WHERE closed_at IS NULL;

-- Nothing that carries this address is delivered to readers elsewhere: it is this computer's, or its name is reserved
-- for examples and tests (RFC 2606, RFC 6761).
ALTER TABLE route ADD COLUMN tried_out INTEGER NOT NULL DEFAULT 0;
UPDATE route SET tried_out = 1 WHERE kind = 'local';
