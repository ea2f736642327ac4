-- A copy of a database, and that it was put back: the copy does not know what was posted after it was taken.
-- `taken_at` is NULL where a file was put back that `backup` did not make; `restored_at` is NULL in a copy that nobody put back.
CREATE TABLE restoration (
    id          INTEGER PRIMARY KEY,
    taken_at    INTEGER,
    events      INTEGER NOT NULL,
    restored_at INTEGER
) STRICT;
