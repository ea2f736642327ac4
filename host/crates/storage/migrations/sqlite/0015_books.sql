-- A deferred transaction as it was accrued at a month's end: its lines as they entered the journal. Kept beside
-- `booking`, which holds what its release is booked as.
CREATE TABLE accrual (
    seller         TEXT NOT NULL,
    transaction_id TEXT NOT NULL,
    month          TEXT NOT NULL,
    total_minor    INTEGER NOT NULL,
    currency       TEXT NOT NULL,
    lines          TEXT NOT NULL,
    batch          TEXT NOT NULL REFERENCES mapper_batch (input),
    PRIMARY KEY (seller, transaction_id)
) STRICT, WITHOUT ROWID;

-- Months whose deferred money was looked at; next_look is NULL once nothing is left to do.
CREATE TABLE accrued_month (
    seller    TEXT NOT NULL,
    month     TEXT NOT NULL,
    next_look INTEGER,
    PRIMARY KEY (seller, month)
) STRICT, WITHOUT ROWID;

-- A settlement's journals, of which there is one for each of its months.
CREATE INDEX document_by_group ON document (seller, json_extract(body, '$.body.group'));
