-- Signing in instead of a password, and certificates that the user trusts for one server.

-- An account without a row logs in by password. Tokens and the client's secret are in the key store, under the
-- account's secret_name.
CREATE TABLE sign_in (
  account_id    INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
  service       TEXT    NOT NULL CHECK (service IN ('google', 'microsoft', 'other')),
  client_id     TEXT    NOT NULL,
  -- Microsoft's; empty of the others.
  tenant        TEXT    NOT NULL DEFAULT '',
  -- Of 'other' only.
  authorize_url TEXT    NOT NULL DEFAULT '',
  token_url     TEXT    NOT NULL DEFAULT '',
  scope         TEXT    NOT NULL DEFAULT '',
  -- The key store has the client's secret, too.
  has_client_secret INTEGER NOT NULL DEFAULT 0,
  -- When the permission was given that holds; NULL: to sign in.
  signed_in_at  INTEGER
) STRICT;

-- An exception from what certificates have to be: for exactly this one, at exactly this server.
CREATE TABLE trusted_certificate (
  account_id    INTEGER PRIMARY KEY REFERENCES account (id) ON DELETE CASCADE,
  host          TEXT    NOT NULL,
  port          INTEGER NOT NULL,
  -- As the server sent it (X.509, DER).
  certificate   BLOB    NOT NULL,
  trusted_at    INTEGER NOT NULL
) STRICT;
