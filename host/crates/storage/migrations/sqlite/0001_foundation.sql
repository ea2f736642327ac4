-- Times are milliseconds since 1970-01-01T00:00:00Z. Money is minor units with an ISO 4217 code beside it.
-- Records and documents are JSON in the serde form of the domain's types.

-- Where each stream stands. While a window is being read, window_from, window_to and token say how to go on.
CREATE TABLE cursor (
    seller      TEXT NOT NULL,
    region      TEXT NOT NULL,
    stream      TEXT NOT NULL,
    position    INTEGER NOT NULL,
    window_from INTEGER,
    window_to   INTEGER,
    token       TEXT,
    polled_at   INTEGER NOT NULL,
    PRIMARY KEY (seller, region, stream)
) STRICT;

-- Amazon's own bytes, once for each content.
CREATE TABLE raw_payload (
    seller     TEXT NOT NULL,
    hash       TEXT NOT NULL,
    region     TEXT NOT NULL,
    stream     TEXT NOT NULL,
    natural_id TEXT NOT NULL,
    body       TEXT NOT NULL,
    seen_at    INTEGER NOT NULL,
    normalized INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (seller, stream, natural_id, hash)
) STRICT, WITHOUT ROWID;
CREATE INDEX raw_payload_pending ON raw_payload (seller, stream, seen_at) WHERE normalized = 0;

-- Every canonical version ever made.
CREATE TABLE canonical (
    seller       TEXT NOT NULL,
    kind         TEXT NOT NULL,
    natural_id   TEXT NOT NULL,
    version      INTEGER NOT NULL,
    content_hash TEXT NOT NULL,
    raw_hash     TEXT NOT NULL,
    record       TEXT NOT NULL,
    made_at      INTEGER NOT NULL,
    PRIMARY KEY (seller, kind, natural_id, version)
) STRICT, WITHOUT ROWID;

-- The newest version of each record, and how far it has come.
CREATE TABLE work (
    seller      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    natural_id  TEXT NOT NULL,
    region      TEXT NOT NULL,
    version     INTEGER NOT NULL,
    stage       TEXT NOT NULL,
    group_id    TEXT,
    economic_id TEXT NOT NULL,
    changed_at  INTEGER NOT NULL,
    PRIMARY KEY (seller, kind, natural_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX work_by_stage ON work (seller, kind, stage);
CREATE INDEX work_by_economic ON work (seller, kind, economic_id);
CREATE INDEX work_by_group ON work (seller, group_id) WHERE group_id IS NOT NULL;

-- A mapped transaction's journal lines, waiting for its settlement to close.
CREATE TABLE booking (
    seller         TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    group_id       TEXT NOT NULL,
    total_minor    INTEGER NOT NULL,
    currency       TEXT NOT NULL,
    lines          TEXT NOT NULL,
    batch          TEXT NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (seller, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX booking_by_group ON booking (seller, group_id);

-- Each call of a mapper, so that a document can be made again.
CREATE TABLE mapper_batch (
    input    TEXT PRIMARY KEY,
    seller   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    at       INTEGER NOT NULL,
    mapper   TEXT NOT NULL,
    contract TEXT NOT NULL,
    catalog  TEXT NOT NULL,
    records  INTEGER NOT NULL,
    fuel     INTEGER NOT NULL,
    fault    TEXT,
    log      TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Every catalog that a document was made with.
CREATE TABLE catalog_version (
    hash      TEXT PRIMARY KEY,
    seller    TEXT NOT NULL,
    body      TEXT NOT NULL,
    loaded_at INTEGER NOT NULL
) STRICT;

CREATE TABLE document (
    key            TEXT PRIMARY KEY,
    seller         TEXT NOT NULL,
    kind           TEXT NOT NULL,
    subject        TEXT NOT NULL,
    revision       INTEGER NOT NULL,
    currency       TEXT NOT NULL,
    expected_minor INTEGER NOT NULL,
    body           TEXT NOT NULL,
    body_hash      TEXT NOT NULL,
    planned_at     INTEGER NOT NULL,
    UNIQUE (seller, kind, subject, revision)
) STRICT;

-- Each Amazon leg is recognised once: the primary key makes a second recognition unrepresentable.
CREATE TABLE recognition (
    seller   TEXT NOT NULL,
    source   TEXT NOT NULL,
    leg      TEXT NOT NULL,
    document TEXT NOT NULL REFERENCES document (key),
    PRIMARY KEY (seller, source, leg)
) STRICT, WITHOUT ROWID;
CREATE INDEX recognition_by_document ON recognition (document);

CREATE TABLE posting (
    document   TEXT PRIMARY KEY REFERENCES document (key),
    seller     TEXT NOT NULL,
    state      TEXT NOT NULL,
    detail     TEXT NOT NULL,
    next_due   INTEGER,
    fusion_id  TEXT,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX posting_due ON posting (seller, next_due) WHERE next_due IS NOT NULL;
CREATE INDEX posting_by_state ON posting (seller, state);

-- The last comparison of each document with what Fusion holds. `code` is NULL where it ties out.
CREATE TABLE reconciliation (
    document   TEXT PRIMARY KEY REFERENCES document (key),
    seller     TEXT NOT NULL,
    checked_at INTEGER NOT NULL,
    code       TEXT,
    message    TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE review_item (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    seller      TEXT NOT NULL,
    kind        TEXT NOT NULL,
    subject     TEXT NOT NULL,
    code        TEXT NOT NULL,
    about       TEXT NOT NULL,
    message     TEXT NOT NULL,
    minor       INTEGER,
    currency    TEXT,
    opened_at   INTEGER NOT NULL,
    resolved_at INTEGER
) STRICT;
CREATE UNIQUE INDEX review_item_open ON review_item (seller, kind, subject, code, about) WHERE resolved_at IS NULL;

CREATE TABLE credential (
    seller  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    version INTEGER NOT NULL,
    sealed  BLOB NOT NULL,
    set_at  INTEGER NOT NULL,
    PRIMARY KEY (seller, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_event (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    seller  TEXT NOT NULL,
    subject TEXT NOT NULL,
    action  TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;
CREATE INDEX audit_event_by_subject ON audit_event (seller, subject);
CREATE TRIGGER audit_event_is_never_changed BEFORE UPDATE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;
CREATE TRIGGER audit_event_is_never_removed BEFORE DELETE ON audit_event
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;
