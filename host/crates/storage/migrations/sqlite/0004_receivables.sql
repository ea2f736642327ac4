-- Credit memos by the order that they credit.
CREATE INDEX credit_memo_by_order ON document (seller, json_extract(body, '$.body.order')) WHERE kind = 'credit_memo';

-- Journaled settlements whose cash receipts are to take up, with when to look next; NULL once nothing is left to do.
CREATE TABLE settlement_cash (
    seller    TEXT NOT NULL,
    group_id  TEXT NOT NULL,
    next_look INTEGER,
    PRIMARY KEY (seller, group_id)
) STRICT, WITHOUT ROWID;
