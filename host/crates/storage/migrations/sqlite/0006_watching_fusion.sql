-- How far the changes of one of Fusion's collections were read, by Fusion's clock.
CREATE TABLE fusion_cursor (
    seller   TEXT NOT NULL,
    resource TEXT NOT NULL,
    position INTEGER NOT NULL,
    read_at  INTEGER NOT NULL,
    PRIMARY KEY (seller, resource)
) STRICT, WITHOUT ROWID;

-- A posted document as Fusion last showed it. A journal batch has no balance.
CREATE TABLE fusion_document (
    document      TEXT PRIMARY KEY REFERENCES document (key),
    seller        TEXT NOT NULL,
    status        TEXT NOT NULL,
    balance_minor INTEGER,
    currency      TEXT,
    updated_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Accounts and periods as Fusion last said that they take postings (1) or not (0).
CREATE TABLE fusion_ledger (
    seller   TEXT NOT NULL,
    kind     TEXT NOT NULL,
    name     TEXT NOT NULL,
    usable   INTEGER NOT NULL,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (seller, kind, name)
) STRICT, WITHOUT ROWID;

-- Changes come with Fusion's number. A comparison that is due again at once has checked_at = -1.
CREATE INDEX posting_by_fusion_id ON posting (seller, fusion_id) WHERE fusion_id IS NOT NULL;
