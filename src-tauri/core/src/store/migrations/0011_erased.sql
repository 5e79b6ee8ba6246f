-- Who was erased, as a keyed hash of the address, as in suppression: a backup from before brings nobody back.
CREATE TABLE erased (
  address_hash BLOB    PRIMARY KEY,
  -- When, last.
  at           INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
