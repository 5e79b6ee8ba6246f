-- Readers who asked for a copy of what is held about them. It goes by mail, to the address on file only.
CREATE TABLE data_request (
  id              INTEGER PRIMARY KEY AUTOINCREMENT,
  contact_id      INTEGER NOT NULL REFERENCES contact (id) ON DELETE CASCADE,
  -- The mail whose link it was; NULL once that is gone.
  message_id      INTEGER REFERENCES message (id) ON DELETE SET NULL,
  at              INTEGER NOT NULL,
  state           TEXT    NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'failed')),
  -- Counted before the mail is handed over, so that crashes cannot repeat it for ever.
  attempts        INTEGER NOT NULL DEFAULT 0,
  next_attempt_at INTEGER NOT NULL,
  sent_at         INTEGER,
  -- The server's last words, verbatim.
  reply           TEXT    NOT NULL DEFAULT '',
  -- Why it waits, as a sentence; NULL while nothing is wrong.
  problem         TEXT
) STRICT;
CREATE INDEX data_request_by_contact ON data_request (contact_id, at);
CREATE INDEX data_request_by_message ON data_request (message_id);
CREATE INDEX data_request_waiting ON data_request (next_attempt_at, id) WHERE state = 'waiting';

-- The links in those mails that erase their reader: a hash only, so that nobody can act with a copy of this file.
-- One for each mail that may have left, so that none of them is dead on arrival.
CREATE TABLE erase_link (
  token_hash BLOB    PRIMARY KEY,
  -- NULL once the person is erased: what is left of the row names nobody.
  request_id INTEGER REFERENCES data_request (id) ON DELETE SET NULL,
  expires_at INTEGER NOT NULL,
  -- When its button was pressed: from then on the erasure is finished, whatever happens.
  asked_at   INTEGER,
  -- For the receipt, until the link expires.
  erased_at  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX erase_link_by_request ON erase_link (request_id);
CREATE INDEX erase_link_by_end ON erase_link (expires_at);
CREATE INDEX erase_link_asked ON erase_link (asked_at) WHERE asked_at IS NOT NULL AND erased_at IS NULL;

-- When a counter moved last, for those whose movement is an alarm.
ALTER TABLE counter ADD COLUMN last_at INTEGER;

-- Mails of no ledger, for the erasure of whom they went to: test mails, and copies of what is held.
DROP INDEX outbox_mail_tests;
CREATE INDEX outbox_mail_loose ON outbox_mail (to_address COLLATE NOCASE) WHERE message_id IS NULL;
