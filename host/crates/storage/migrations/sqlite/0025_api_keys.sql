-- Keys of the HTTP API: only a hash of each. `sellers` is a JSON list; NULL where the key is for all of its tenant's.
CREATE TABLE api_key (
    id         TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    role       TEXT NOT NULL,
    tenant     TEXT NOT NULL,
    sellers    TEXT,
    created_at INTEGER NOT NULL,
    expires_at INTEGER,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;

-- What a key was answered under an Idempotency-Key. `status` and `answer` are NULL while the request is worked on.
CREATE TABLE idempotency (
    api_key  TEXT NOT NULL REFERENCES api_key (id),
    name     TEXT NOT NULL,
    request  TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    status   INTEGER,
    answer   TEXT,
    PRIMARY KEY (api_key, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_by_age ON idempotency (began_at);

-- Sellers whose worker rests until somebody resumes it.
CREATE TABLE seller_pause (
    seller    TEXT PRIMARY KEY,
    paused_at INTEGER NOT NULL,
    paused_by TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- When a stream last brought something new, pages of documents, and what did not tie out: asked for at every scrape.
CREATE INDEX raw_payload_seen ON raw_payload (seller, region, stream, seen_at);
CREATE INDEX document_by_plan ON document (seller, planned_at, key);
CREATE INDEX reconciliation_findings ON reconciliation (seller, code) WHERE code IS NOT NULL;
