-- Components by digest, for ever: only with the bytes that made a document can it be made again.
CREATE TABLE mapper_component (
    digest   TEXT PRIMARY KEY,
    name     TEXT NOT NULL,
    version  TEXT NOT NULL,
    contract TEXT NOT NULL,
    -- Who signed it; NULL where nobody did.
    author   TEXT,
    bytes    BLOB NOT NULL,
    added_at INTEGER NOT NULL
) STRICT;
CREATE TRIGGER mapper_component_is_never_changed BEFORE UPDATE ON mapper_component
BEGIN SELECT RAISE(ABORT, 'components are kept as they are'); END;
CREATE TRIGGER mapper_component_is_never_removed BEFORE DELETE ON mapper_component
BEGIN SELECT RAISE(ABORT, 'components are kept for ever'); END;

-- How far each version has come with each seller: validated, shadow, active, retired.
CREATE TABLE mapper_version (
    seller     TEXT NOT NULL,
    digest     TEXT NOT NULL REFERENCES mapper_component (digest),
    state      TEXT NOT NULL,
    why        TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (seller, digest)
) STRICT, WITHOUT ROWID;
-- At most one of each: the index refuses a second.
CREATE UNIQUE INDEX mapper_version_active ON mapper_version (seller) WHERE state = 'active';
CREATE UNIQUE INDEX mapper_version_shadow ON mapper_version (seller) WHERE state = 'shadow';

-- Which version maps a seller's records: '' is the file that the configuration names. `previous` is where a roll-back
-- goes; NULL where there is nothing to roll back to. No row: the configuration's file.
CREATE TABLE mapper_pointer (
    seller     TEXT PRIMARY KEY,
    digest     TEXT NOT NULL,
    previous   TEXT,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- What went into a batch, packed: the bytes that the batch is named by.
CREATE TABLE mapper_input (
    input  TEXT PRIMARY KEY,
    seller TEXT NOT NULL,
    at     INTEGER NOT NULL,
    packed BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX mapper_input_by_age ON mapper_input (seller, at);

-- Hashes of the settings that went in, and of the outcomes that came out.
ALTER TABLE mapper_batch ADD COLUMN settings TEXT NOT NULL DEFAULT '';
ALTER TABLE mapper_batch ADD COLUMN outcome TEXT;
CREATE INDEX mapper_batch_by_fault ON mapper_batch (seller, mapper, at) WHERE fault IS NOT NULL;

CREATE INDEX document_by_input ON document (body ->> '$.origin.input');

-- What a shadow did on live input.
CREATE TABLE mapper_shadow (
    seller  TEXT NOT NULL,
    digest  TEXT NOT NULL,
    batches INTEGER NOT NULL,
    records INTEGER NOT NULL,
    faults  INTEGER NOT NULL,
    fuel    INTEGER NOT NULL,
    PRIMARY KEY (seller, digest)
) STRICT, WITHOUT ROWID;
-- Where it would have booked otherwise, by record and account. Amounts are minor units, debit positive.
CREATE TABLE mapper_difference (
    seller       TEXT NOT NULL,
    digest       TEXT NOT NULL,
    subject      TEXT NOT NULL,
    account      TEXT NOT NULL,
    currency     TEXT NOT NULL,
    active_minor INTEGER NOT NULL,
    shadow_minor INTEGER NOT NULL,
    at           INTEGER NOT NULL,
    PRIMARY KEY (seller, digest, subject, account, currency)
) STRICT, WITHOUT ROWID;
