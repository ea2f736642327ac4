-- When a call that failed may be tried again, so that a restart goes on waiting.
CREATE TABLE pause (
    key     TEXT PRIMARY KEY,
    attempt INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Spans of a stream to be read (again), with how far each has come. Window and token are NULL between windows.
CREATE TABLE backfill (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    seller       TEXT NOT NULL,
    region       TEXT NOT NULL,
    stream       TEXT NOT NULL,
    from_at      INTEGER NOT NULL,
    to_at        INTEGER NOT NULL,
    due_at       INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    position     INTEGER NOT NULL,
    window_to    INTEGER,
    token        TEXT,
    pages        INTEGER NOT NULL DEFAULT 0,
    records      INTEGER NOT NULL DEFAULT 0,
    requested_at INTEGER NOT NULL,
    started_at   INTEGER,
    done_at      INTEGER,
    UNIQUE (seller, region, stream, from_at, to_at, due_at)
) STRICT;
CREATE INDEX backfill_open ON backfill (seller, region, due_at) WHERE done_at IS NULL;

-- Settlement reports' files, packed: Amazon keeps them for 90 days, we for good.
CREATE TABLE report_file (
    seller      TEXT NOT NULL,
    report      TEXT NOT NULL,
    hash        TEXT NOT NULL,
    packed      BLOB NOT NULL,
    archived_at INTEGER NOT NULL,
    PRIMARY KEY (seller, report)
) STRICT, WITHOUT ROWID;

-- Website authorisations under way; the state itself is known to the seller's browser only.
CREATE TABLE consent (
    state_hash TEXT PRIMARY KEY,
    seller     TEXT NOT NULL,
    region     TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- 0: holds nothing about the buyer; 1: does; 2: it was taken out, and `hash` is of what stood there before.
ALTER TABLE raw_payload ADD COLUMN buyer_data INTEGER NOT NULL DEFAULT 0;
CREATE INDEX raw_payload_buyer_data ON raw_payload (seller, seen_at) WHERE buyer_data = 1;
