-- What the last probe of each public address saw, and since when it fails.
CREATE TABLE probe (
  route_id          INTEGER PRIMARY KEY REFERENCES route (id) ON DELETE CASCADE,
  at                INTEGER NOT NULL,
  verdict           TEXT    NOT NULL,
  sentence          TEXT    NOT NULL,
  advice            TEXT,
  latency_ms        INTEGER,
  certificate_until INTEGER,
  -- When the address was last proved from outside.
  good_at           INTEGER,
  -- Probes in a row that said that readers cannot get through, and the first of them.
  misses            INTEGER NOT NULL DEFAULT 0,
  missed_from       INTEGER
) STRICT;

-- Intervals in which an address was proved from outside (good = 1), or known not to lead here (good = 0): from the first
-- of three probes that failed in a row until the next that did not. Kept for thirteen months.
CREATE TABLE reach_interval (
  id       INTEGER PRIMARY KEY AUTOINCREMENT,
  route_id INTEGER NOT NULL REFERENCES route (id) ON DELETE CASCADE,
  good     INTEGER NOT NULL CHECK (good IN (0, 1)),
  from_at  INTEGER NOT NULL,
  -- The last probe that said so; the next good one, where that ended it.
  until_at INTEGER NOT NULL,
  -- 1 once a probe said otherwise.
  ended    INTEGER NOT NULL DEFAULT 0 CHECK (ended IN (0, 1))
) STRICT;
CREATE INDEX reach_interval_by_route ON reach_interval (route_id, good, until_at);
