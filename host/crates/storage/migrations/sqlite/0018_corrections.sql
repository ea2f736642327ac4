-- What a correction over a range of days would do, as it was shown: whoever approves names it by its hash.
CREATE TABLE correction_preview (
    hash   TEXT PRIMARY KEY,
    seller TEXT NOT NULL,
    body   TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- The transactions behind a revised journal as they were mapped for it; behind a first revision stands `booking`.
CREATE TABLE revised_booking (
    document       TEXT NOT NULL REFERENCES document (key),
    transaction_id TEXT NOT NULL,
    total_minor    INTEGER NOT NULL,
    currency       TEXT NOT NULL,
    leg            TEXT NOT NULL,
    lines          TEXT NOT NULL,
    batch          TEXT NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (document, transaction_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX revised_booking_by_batch ON revised_booking (batch);
CREATE INDEX revised_booking_by_transaction ON revised_booking (transaction_id);
