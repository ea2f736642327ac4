-- The schema of the SQLite store after its migration 0026; a test holds both against each other.

-- What the statements of both stores ask of SQLite, for PostgreSQL. Text is compared byte by byte there, hence the
-- collation of every column.

-- A value within JSON by its path, `$.a.b`. A NUL within a text has no place in PostgreSQL.
CREATE FUNCTION json_extract(body TEXT, path TEXT) RETURNS TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN CAST(replace(body, '\u0000', '\ufffd') AS JSON) #>> string_to_array(substr(path, 3), '.');

CREATE OPERATOR ->> (LEFTARG = TEXT, RIGHTARG = TEXT, FUNCTION = json_extract);

-- The members of a list within JSON, or of JSON that is a list.
CREATE FUNCTION json_each(body TEXT, path TEXT, OUT value TEXT) RETURNS SETOF TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT member FROM json_array_elements_text(
        CASE WHEN json_typeof(CAST(json_extract(body, path) AS JSON)) = 'array'
            THEN CAST(json_extract(body, path) AS JSON) ELSE '[]' END) AS member;
END;
CREATE FUNCTION json_each(body TEXT, OUT value TEXT) RETURNS SETOF TEXT
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE ROWS 10
BEGIN ATOMIC
    SELECT member FROM json_array_elements_text(CAST(replace(body, '\u0000', '\ufffd') AS JSON)) AS member;
END;

-- Seconds since 1970-01-01T00:00:00Z of a time in words, which says its zone.
CREATE FUNCTION unixepoch(moment TEXT) RETURNS BIGINT
LANGUAGE sql STABLE STRICT PARALLEL SAFE
RETURN CAST(floor(extract(EPOCH FROM CAST(moment AS TIMESTAMPTZ))) AS BIGINT);

-- Says no, with the trigger's word for it.
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END
$$;

-- Times are milliseconds since 1970-01-01T00:00:00Z. Money is minor units with an ISO 4217 code beside it.
-- Records and documents are JSON in the serde form of the domain's types.

-- Where each stream stands. While a window is being read, window_from, window_to and token say how to go on.
CREATE TABLE cursor (
    seller      TEXT COLLATE "C" NOT NULL,
    region      TEXT COLLATE "C" NOT NULL,
    stream      TEXT COLLATE "C" NOT NULL,
    position    BIGINT NOT NULL,
    window_from BIGINT,
    window_to   BIGINT,
    token       TEXT COLLATE "C",
    polled_at   BIGINT NOT NULL,
    PRIMARY KEY (seller, region, stream)
);

-- Amazon's own bytes, once for each content.
CREATE TABLE raw_payload (
    seller     TEXT COLLATE "C" NOT NULL,
    hash       TEXT COLLATE "C" NOT NULL,
    region     TEXT COLLATE "C" NOT NULL,
    stream     TEXT COLLATE "C" NOT NULL,
    natural_id TEXT COLLATE "C" NOT NULL,
    body       TEXT COLLATE "C" NOT NULL,
    seen_at    BIGINT NOT NULL,
    normalized BIGINT NOT NULL DEFAULT 0,
    -- 0: holds nothing about the buyer; 1: does; 2: it was taken out, and `hash` is of what stood there before.
    buyer_data BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (seller, stream, natural_id, hash)
);
CREATE INDEX raw_payload_pending ON raw_payload (seller, stream, seen_at) WHERE normalized = 0;

-- Every canonical version ever made.
CREATE TABLE canonical (
    seller       TEXT COLLATE "C" NOT NULL,
    kind         TEXT COLLATE "C" NOT NULL,
    natural_id   TEXT COLLATE "C" NOT NULL,
    version      BIGINT NOT NULL,
    content_hash TEXT COLLATE "C" NOT NULL,
    raw_hash     TEXT COLLATE "C" NOT NULL,
    record       TEXT COLLATE "C" NOT NULL,
    made_at      BIGINT NOT NULL,
    PRIMARY KEY (seller, kind, natural_id, version)
);

-- The newest version of each record, and how far it has come.
CREATE TABLE work (
    seller      TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    natural_id  TEXT COLLATE "C" NOT NULL,
    region      TEXT COLLATE "C" NOT NULL,
    version     BIGINT NOT NULL,
    stage       TEXT COLLATE "C" NOT NULL,
    group_id    TEXT COLLATE "C",
    economic_id TEXT COLLATE "C" NOT NULL,
    changed_at  BIGINT NOT NULL,
    PRIMARY KEY (seller, kind, natural_id)
);
CREATE INDEX work_by_stage ON work (seller, kind, stage);
CREATE INDEX work_by_economic ON work (seller, kind, economic_id);
CREATE INDEX work_by_group ON work (seller, group_id) WHERE group_id IS NOT NULL;

-- Each call of a mapper, so that a document can be made again.
CREATE TABLE mapper_batch (
    input    TEXT COLLATE "C" PRIMARY KEY,
    seller   TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    at       BIGINT NOT NULL,
    mapper   TEXT COLLATE "C" NOT NULL,
    contract TEXT COLLATE "C" NOT NULL,
    catalog  TEXT COLLATE "C" NOT NULL,
    records  BIGINT NOT NULL,
    fuel     BIGINT NOT NULL,
    fault    TEXT COLLATE "C",
    log      TEXT COLLATE "C" NOT NULL,
    -- Hashes of the settings that went in, and of the outcomes that came out.
    settings TEXT COLLATE "C" NOT NULL DEFAULT '',
    outcome  TEXT COLLATE "C"
);

-- A mapped transaction's journal lines, waiting for its settlement to close.
CREATE TABLE booking (
    seller         TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    group_id       TEXT COLLATE "C" NOT NULL,
    total_minor    BIGINT NOT NULL,
    currency       TEXT COLLATE "C" NOT NULL,
    lines          TEXT COLLATE "C" NOT NULL,
    batch          TEXT COLLATE "C" NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (seller, transaction_id)
);
CREATE INDEX booking_by_group ON booking (seller, group_id);

-- Every catalog that a document was made with.
CREATE TABLE catalog_version (
    hash      TEXT COLLATE "C" PRIMARY KEY,
    seller    TEXT COLLATE "C" NOT NULL,
    body      TEXT COLLATE "C" NOT NULL,
    loaded_at BIGINT NOT NULL
);

CREATE TABLE document (
    key            TEXT COLLATE "C" PRIMARY KEY,
    seller         TEXT COLLATE "C" NOT NULL,
    kind           TEXT COLLATE "C" NOT NULL,
    subject        TEXT COLLATE "C" NOT NULL,
    revision       BIGINT NOT NULL,
    currency       TEXT COLLATE "C" NOT NULL,
    expected_minor BIGINT NOT NULL,
    body           TEXT COLLATE "C" NOT NULL,
    body_hash      TEXT COLLATE "C" NOT NULL,
    planned_at     BIGINT NOT NULL,
    UNIQUE (seller, kind, subject, revision)
);

-- Each Amazon leg is recognised once: the primary key makes a second recognition unrepresentable.
CREATE TABLE recognition (
    seller   TEXT COLLATE "C" NOT NULL,
    source   TEXT COLLATE "C" NOT NULL,
    leg      TEXT COLLATE "C" NOT NULL,
    document TEXT COLLATE "C" NOT NULL REFERENCES document (key),
    PRIMARY KEY (seller, source, leg)
);
CREATE INDEX recognition_by_document ON recognition (document);

CREATE TABLE posting (
    document   TEXT COLLATE "C" PRIMARY KEY REFERENCES document (key),
    seller     TEXT COLLATE "C" NOT NULL,
    state      TEXT COLLATE "C" NOT NULL,
    detail     TEXT COLLATE "C" NOT NULL,
    next_due   BIGINT,
    fusion_id  TEXT COLLATE "C",
    changed_at BIGINT NOT NULL
);
CREATE INDEX posting_due ON posting (seller, next_due) WHERE next_due IS NOT NULL;
CREATE INDEX posting_by_state ON posting (seller, state);

-- The last comparison of each document with what Fusion holds. `code` is NULL where it ties out.
CREATE TABLE reconciliation (
    document   TEXT COLLATE "C" PRIMARY KEY REFERENCES document (key),
    seller     TEXT COLLATE "C" NOT NULL,
    checked_at BIGINT NOT NULL,
    code       TEXT COLLATE "C",
    message    TEXT COLLATE "C"
);

CREATE TABLE review_item (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seller      TEXT COLLATE "C" NOT NULL,
    kind        TEXT COLLATE "C" NOT NULL,
    subject     TEXT COLLATE "C" NOT NULL,
    code        TEXT COLLATE "C" NOT NULL,
    about       TEXT COLLATE "C" NOT NULL,
    message     TEXT COLLATE "C" NOT NULL,
    minor       BIGINT,
    currency    TEXT COLLATE "C",
    opened_at   BIGINT NOT NULL,
    resolved_at BIGINT
);
-- By a hash: what an item is about may be longer than an index takes.
CREATE UNIQUE INDEX review_item_open ON review_item (seller, kind, subject, code, md5(about)) WHERE resolved_at IS NULL;

CREATE TABLE credential (
    seller  TEXT COLLATE "C" NOT NULL,
    kind    TEXT COLLATE "C" NOT NULL,
    version BIGINT NOT NULL,
    sealed  BYTEA NOT NULL,
    set_at  BIGINT NOT NULL,
    PRIMARY KEY (seller, kind)
);

-- Append-only, and a Merkle log (RFC 6962): the event with id n is its leaf n - 1.
CREATE TABLE audit_event (
    id      BIGINT PRIMARY KEY,
    at      BIGINT NOT NULL,
    seller  TEXT COLLATE "C" NOT NULL,
    subject TEXT COLLATE "C" NOT NULL,
    action  TEXT COLLATE "C" NOT NULL,
    detail  TEXT COLLATE "C" NOT NULL,
    leaf    BYTEA NOT NULL
);
CREATE INDEX audit_event_by_subject ON audit_event (seller, subject);
CREATE TRIGGER audit_event_is_never_changed BEFORE UPDATE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION refuse('audit events are append-only');
CREATE TRIGGER audit_event_is_never_removed BEFORE DELETE ON audit_event
    FOR EACH ROW EXECUTE FUNCTION refuse('audit events are append-only');
CREATE TRIGGER audit_event_is_never_emptied BEFORE TRUNCATE ON audit_event
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('audit events are append-only');
-- When a call that failed may be tried again, so that a restart goes on waiting.
CREATE TABLE pause (
    key     TEXT COLLATE "C" PRIMARY KEY,
    attempt BIGINT NOT NULL,
    until   BIGINT NOT NULL
);

-- Spans of a stream to be read (again), with how far each has come. Window and token are NULL between windows.
CREATE TABLE backfill (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    seller       TEXT COLLATE "C" NOT NULL,
    region       TEXT COLLATE "C" NOT NULL,
    stream       TEXT COLLATE "C" NOT NULL,
    from_at      BIGINT NOT NULL,
    to_at        BIGINT NOT NULL,
    due_at       BIGINT NOT NULL,
    reason       TEXT COLLATE "C" NOT NULL,
    position     BIGINT NOT NULL,
    window_to    BIGINT,
    token        TEXT COLLATE "C",
    pages        BIGINT NOT NULL DEFAULT 0,
    records      BIGINT NOT NULL DEFAULT 0,
    requested_at BIGINT NOT NULL,
    started_at   BIGINT,
    done_at      BIGINT,
    UNIQUE (seller, region, stream, from_at, to_at, due_at)
);
CREATE INDEX backfill_open ON backfill (seller, region, due_at) WHERE done_at IS NULL;

-- Settlement reports' files, packed: Amazon keeps them for 90 days, we for good.
CREATE TABLE report_file (
    seller      TEXT COLLATE "C" NOT NULL,
    report      TEXT COLLATE "C" NOT NULL,
    hash        TEXT COLLATE "C" NOT NULL,
    packed      BYTEA NOT NULL,
    archived_at BIGINT NOT NULL,
    PRIMARY KEY (seller, report)
);

-- Website authorisations under way; the state itself is known to the seller's browser only.
CREATE TABLE consent (
    state_hash TEXT COLLATE "C" PRIMARY KEY,
    seller     TEXT COLLATE "C" NOT NULL,
    region     TEXT COLLATE "C" NOT NULL,
    expires_at BIGINT NOT NULL
);

CREATE INDEX raw_payload_buyer_data ON raw_payload (seller, seen_at) WHERE buyer_data = 1;
-- Credit memos by the order that they credit.
CREATE INDEX credit_memo_by_order ON document (seller, json_extract(body, '$.body.order')) WHERE kind = 'credit_memo';

-- Journaled settlements whose cash receipts are to take up, with when to look next; NULL once nothing is left to do.
CREATE TABLE settlement_cash (
    seller    TEXT COLLATE "C" NOT NULL,
    group_id  TEXT COLLATE "C" NOT NULL,
    next_look BIGINT,
    PRIMARY KEY (seller, group_id)
);
-- How far the changes of one of Fusion's collections were read, by Fusion's clock.
CREATE TABLE fusion_cursor (
    seller   TEXT COLLATE "C" NOT NULL,
    resource TEXT COLLATE "C" NOT NULL,
    position BIGINT NOT NULL,
    read_at  BIGINT NOT NULL,
    PRIMARY KEY (seller, resource)
);

-- A posted document as Fusion last showed it. A journal batch has no balance.
CREATE TABLE fusion_document (
    document      TEXT COLLATE "C" PRIMARY KEY REFERENCES document (key),
    seller        TEXT COLLATE "C" NOT NULL,
    status        TEXT COLLATE "C" NOT NULL,
    balance_minor BIGINT,
    currency      TEXT COLLATE "C",
    updated_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL
);

-- Accounts and periods as Fusion last said that they take postings (1) or not (0).
CREATE TABLE fusion_ledger (
    seller   TEXT COLLATE "C" NOT NULL,
    kind     TEXT COLLATE "C" NOT NULL,
    name     TEXT COLLATE "C" NOT NULL,
    usable   BIGINT NOT NULL,
    asked_at BIGINT NOT NULL,
    PRIMARY KEY (seller, kind, name)
);

-- Changes come with Fusion's number. A comparison that is due again at once has checked_at = -1.
CREATE INDEX posting_by_fusion_id ON posting (seller, fusion_id) WHERE fusion_id IS NOT NULL;
-- Components by digest, for ever: only with the bytes that made a document can it be made again.
CREATE TABLE mapper_component (
    digest   TEXT COLLATE "C" PRIMARY KEY,
    name     TEXT COLLATE "C" NOT NULL,
    version  TEXT COLLATE "C" NOT NULL,
    contract TEXT COLLATE "C" NOT NULL,
    -- Who signed it; NULL where nobody did.
    author   TEXT COLLATE "C",
    bytes    BYTEA NOT NULL,
    added_at BIGINT NOT NULL
);
CREATE TRIGGER mapper_component_is_never_changed BEFORE UPDATE ON mapper_component
    FOR EACH ROW EXECUTE FUNCTION refuse('components are kept as they are');
CREATE TRIGGER mapper_component_is_never_removed BEFORE DELETE ON mapper_component
    FOR EACH ROW EXECUTE FUNCTION refuse('components are kept for ever');
CREATE TRIGGER mapper_component_is_never_emptied BEFORE TRUNCATE ON mapper_component
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('components are kept for ever');

-- How far each version has come with each seller: validated, shadow, active, retired.
CREATE TABLE mapper_version (
    seller     TEXT COLLATE "C" NOT NULL,
    digest     TEXT COLLATE "C" NOT NULL REFERENCES mapper_component (digest),
    state      TEXT COLLATE "C" NOT NULL,
    why        TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (seller, digest)
);
-- At most one of each: the index refuses a second.
CREATE UNIQUE INDEX mapper_version_active ON mapper_version (seller) WHERE state = 'active';
CREATE UNIQUE INDEX mapper_version_shadow ON mapper_version (seller) WHERE state = 'shadow';

-- Which version maps a seller's records: '' is the file that the configuration names. `previous` is where a roll-back
-- goes; NULL where there is nothing to roll back to. No row: the configuration's file.
CREATE TABLE mapper_pointer (
    seller     TEXT COLLATE "C" PRIMARY KEY,
    digest     TEXT COLLATE "C" NOT NULL,
    previous   TEXT COLLATE "C",
    changed_at BIGINT NOT NULL
);

-- What went into a batch, packed: the bytes that the batch is named by.
CREATE TABLE mapper_input (
    input  TEXT COLLATE "C" PRIMARY KEY,
    seller TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL,
    packed BYTEA NOT NULL
);
CREATE INDEX mapper_input_by_age ON mapper_input (seller, at);

CREATE INDEX mapper_batch_by_fault ON mapper_batch (seller, mapper, at) WHERE fault IS NOT NULL;

CREATE INDEX document_by_input ON document ((body ->> '$.origin.input'));

-- What a shadow did on live input.
CREATE TABLE mapper_shadow (
    seller  TEXT COLLATE "C" NOT NULL,
    digest  TEXT COLLATE "C" NOT NULL,
    batches BIGINT NOT NULL,
    records BIGINT NOT NULL,
    faults  BIGINT NOT NULL,
    fuel    BIGINT NOT NULL,
    PRIMARY KEY (seller, digest)
);
-- Where it would have booked otherwise, by record and account. Amounts are minor units, debit positive.
CREATE TABLE mapper_difference (
    seller       TEXT COLLATE "C" NOT NULL,
    digest       TEXT COLLATE "C" NOT NULL,
    subject      TEXT COLLATE "C" NOT NULL,
    account      TEXT COLLATE "C" NOT NULL,
    currency     TEXT COLLATE "C" NOT NULL,
    active_minor BIGINT NOT NULL,
    shadow_minor BIGINT NOT NULL,
    at           BIGINT NOT NULL,
    PRIMARY KEY (seller, digest, subject, account, currency)
);
-- How many leaves there are, and the roots of the complete subtrees: what appending needs.
CREATE TABLE audit_log (
    one   BIGINT PRIMARY KEY CHECK (one = 1),
    size  BIGINT NOT NULL,
    peaks BYTEA NOT NULL
);
INSERT INTO audit_log (one, size, peaks) VALUES (1, 0, '');

-- Signed: size and root of the log at a time. The same go to a file that can be taken elsewhere.
CREATE TABLE audit_checkpoint (
    size BIGINT PRIMARY KEY,
    at   BIGINT NOT NULL,
    note TEXT COLLATE "C" NOT NULL
);
CREATE TRIGGER audit_checkpoint_is_never_changed BEFORE UPDATE ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION refuse('checkpoints are append-only');
CREATE TRIGGER audit_checkpoint_is_never_removed BEFORE DELETE ON audit_checkpoint
    FOR EACH ROW EXECUTE FUNCTION refuse('checkpoints are append-only');
CREATE TRIGGER audit_checkpoint_is_never_emptied BEFORE TRUNCATE ON audit_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('checkpoints are append-only');

-- The public half of the key that signs checkpoints; the other one is a sealed credential.
CREATE TABLE audit_key (
    one    BIGINT PRIMARY KEY CHECK (one = 1),
    public TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL
);
-- A deferred transaction as it was accrued at a month's end: its lines as they entered the journal. Kept beside
-- `booking`, which holds what its release is booked as.
CREATE TABLE accrual (
    seller         TEXT COLLATE "C" NOT NULL,
    transaction_id TEXT COLLATE "C" NOT NULL,
    month          TEXT COLLATE "C" NOT NULL,
    total_minor    BIGINT NOT NULL,
    currency       TEXT COLLATE "C" NOT NULL,
    lines          TEXT COLLATE "C" NOT NULL,
    batch          TEXT COLLATE "C" NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (seller, transaction_id)
);

-- Months whose deferred money was looked at; next_look is NULL once nothing is left to do.
CREATE TABLE accrued_month (
    seller    TEXT COLLATE "C" NOT NULL,
    month     TEXT COLLATE "C" NOT NULL,
    next_look BIGINT,
    PRIMARY KEY (seller, month)
);

-- A settlement's journals, of which there is one for each of its months.
CREATE INDEX document_by_group ON document (seller, json_extract(body, '$.body.group'));
-- Catalog files by hash, for ever: every document names the version that decided its accounts.
CREATE TABLE catalog_file (
    hash     TEXT COLLATE "C" PRIMARY KEY,
    bytes    BYTEA NOT NULL,
    added_at BIGINT NOT NULL
);
CREATE TRIGGER catalog_file_is_never_changed BEFORE UPDATE ON catalog_file
    FOR EACH ROW EXECUTE FUNCTION refuse('catalogs are kept as they are');
CREATE TRIGGER catalog_file_is_never_removed BEFORE DELETE ON catalog_file
    FOR EACH ROW EXECUTE FUNCTION refuse('catalogs are kept for ever');
CREATE TRIGGER catalog_file_is_never_emptied BEFORE TRUNCATE ON catalog_file
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('catalogs are kept for ever');

-- Which seller has which versions, under which file name they came, and why.
CREATE TABLE catalog_seller (
    seller     TEXT COLLATE "C" NOT NULL,
    hash       TEXT COLLATE "C" NOT NULL REFERENCES catalog_file (hash),
    file       TEXT COLLATE "C" NOT NULL,
    why        TEXT COLLATE "C" NOT NULL,
    changed_at BIGINT NOT NULL,
    PRIMARY KEY (seller, hash)
);

-- Which version decides for a seller: '' is the file that the configuration names. `previous` is what did before; NULL
-- where nothing did. No row: the configuration's file.
CREATE TABLE catalog_pointer (
    seller     TEXT COLLATE "C" PRIMARY KEY,
    hash       TEXT COLLATE "C" NOT NULL,
    previous   TEXT COLLATE "C",
    changed_at BIGINT NOT NULL
);
-- What a correction over a range of days would do, as it was shown: whoever approves names it by its hash.
CREATE TABLE correction_preview (
    hash   TEXT COLLATE "C" PRIMARY KEY,
    seller TEXT COLLATE "C" NOT NULL,
    body   TEXT COLLATE "C" NOT NULL,
    at     BIGINT NOT NULL
);

-- The transactions behind a revised journal as they were mapped for it; behind a first revision stands `booking`.
CREATE TABLE revised_booking (
    document       TEXT COLLATE "C" NOT NULL REFERENCES document (key),
    transaction_id TEXT COLLATE "C" NOT NULL,
    total_minor    BIGINT NOT NULL,
    currency       TEXT COLLATE "C" NOT NULL,
    leg            TEXT COLLATE "C" NOT NULL,
    lines          TEXT COLLATE "C" NOT NULL,
    batch          TEXT COLLATE "C" NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (document, transaction_id)
);
CREATE INDEX revised_booking_by_batch ON revised_booking (batch);
CREATE INDEX revised_booking_by_transaction ON revised_booking (transaction_id);
-- Authors' signatures over components' digests, as they came. Whose they are is found out whenever a version is loaded,
-- by the keys that are configured then: a key that is taken out of the configuration takes its versions out of use.
CREATE TABLE mapper_signature (
    digest    TEXT COLLATE "C" NOT NULL REFERENCES mapper_component (digest),
    signature TEXT COLLATE "C" NOT NULL,
    added_at  BIGINT NOT NULL,
    PRIMARY KEY (digest, signature)
);
-- Differences that adjusting journals hold are few among the transactions behind revised journals.
CREATE INDEX revised_booking_adjustments ON revised_booking (transaction_id) WHERE leg = 'adjustment';
-- What Amazon has posted of an order, asked for when its invoice is dated and its cash is taken up.
CREATE INDEX canonical_by_order ON canonical (seller, (record ->> '$.order')) WHERE kind = 'transaction';
-- Keys of the HTTP API: only a hash of each. `sellers` is a JSON list; NULL where the key is for all of its tenant's.
CREATE TABLE api_key (
    id         TEXT COLLATE "C" PRIMARY KEY,
    hash       TEXT COLLATE "C" NOT NULL,
    role       TEXT COLLATE "C" NOT NULL,
    tenant     TEXT COLLATE "C" NOT NULL,
    sellers    TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    expires_at BIGINT,
    revoked_at BIGINT
);

-- What a key was answered under an Idempotency-Key. `status` and `answer` are NULL while the request is worked on.
CREATE TABLE idempotency (
    api_key  TEXT COLLATE "C" NOT NULL REFERENCES api_key (id),
    name     TEXT COLLATE "C" NOT NULL,
    request  TEXT COLLATE "C" NOT NULL,
    began_at BIGINT NOT NULL,
    status   BIGINT,
    answer   TEXT COLLATE "C",
    PRIMARY KEY (api_key, name)
);
CREATE INDEX idempotency_by_age ON idempotency (began_at);

-- Sellers whose worker rests until somebody resumes it.
CREATE TABLE seller_pause (
    seller    TEXT COLLATE "C" PRIMARY KEY,
    paused_at BIGINT NOT NULL,
    paused_by TEXT COLLATE "C" NOT NULL
);

-- When a stream last brought something new, pages of documents, and what did not tie out: asked for at every scrape.
CREATE INDEX raw_payload_seen ON raw_payload (seller, region, stream, seen_at);
CREATE INDEX document_by_plan ON document (seller, planned_at, key);
CREATE INDEX reconciliation_findings ON reconciliation (seller, code) WHERE code IS NOT NULL;

-- Who works on a seller until when. The row stays when a lease is given back: `fence` only ever grows, and who comes with
-- an older one is refused. Times are milliseconds by the database's own clock.
CREATE TABLE lease (
    seller TEXT COLLATE "C" NOT NULL,
    stream TEXT COLLATE "C" NOT NULL,
    holder TEXT COLLATE "C" NOT NULL,
    fence  BIGINT NOT NULL,
    until  BIGINT NOT NULL,
    PRIMARY KEY (seller, stream)
);

-- Daemons that are up, so that each takes its share.
CREATE TABLE daemon (
    name  TEXT COLLATE "C" PRIMARY KEY,
    until BIGINT NOT NULL
);
