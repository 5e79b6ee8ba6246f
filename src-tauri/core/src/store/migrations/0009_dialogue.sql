-- What was said to the mail server about a mail and by it, without secrets and without the mail. Kept where a mail was
-- refused, put off or left uncertain, for the last 10,000, and of those that were accepted for the last few; removed
-- after 30 days, and with the person.
CREATE TABLE dialogue (
  message_id INTEGER PRIMARY KEY REFERENCES message (id) ON DELETE CASCADE,
  -- Of the last try.
  at         INTEGER NOT NULL,
  -- Of accepted mails there is one in each of so many slots, the newest; NULL of the others.
  slot       INTEGER UNIQUE,
  -- The last 200 of all tries, one a line.
  lines      TEXT    NOT NULL
) STRICT;

-- Which of those with trouble are too many, without a look at the rows themselves.
CREATE INDEX dialogue_trouble ON dialogue (slot, at) WHERE slot IS NULL;
