-- Who works on a seller until when. The row stays when a lease is given back: `fence` only ever grows, and who comes with
-- an older one is refused. Times are milliseconds by the database's own clock.
CREATE TABLE lease (
    seller TEXT NOT NULL,
    stream TEXT NOT NULL,
    holder TEXT NOT NULL,
    fence  INTEGER NOT NULL,
    until  INTEGER NOT NULL,
    PRIMARY KEY (seller, stream)
) STRICT, WITHOUT ROWID;

-- Daemons that are up, so that each takes its share.
CREATE TABLE daemon (
    name  TEXT PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
