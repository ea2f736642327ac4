-- That the database was put back from a dump: it does not know what was posted after that was taken. `taken_at` and rows
-- without `restored_at` are of copies of a file.
CREATE TABLE restoration (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    taken_at    BIGINT,
    events      BIGINT NOT NULL,
    restored_at BIGINT
);
