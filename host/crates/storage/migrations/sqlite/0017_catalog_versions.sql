-- Catalog files by hash, for ever: every document names the version that decided its accounts.
CREATE TABLE catalog_file (
    hash     TEXT PRIMARY KEY,
    bytes    BLOB NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER catalog_file_is_never_changed BEFORE UPDATE ON catalog_file
BEGIN SELECT RAISE(ABORT, 'catalogs are kept as they are'); END;
CREATE TRIGGER catalog_file_is_never_removed BEFORE DELETE ON catalog_file
BEGIN SELECT RAISE(ABORT, 'catalogs are kept for ever'); END;

-- Which seller has which versions, under which file name they came, and why.
CREATE TABLE catalog_seller (
    seller     TEXT NOT NULL,
    hash       TEXT NOT NULL REFERENCES catalog_file (hash),
    file       TEXT NOT NULL,
    why        TEXT NOT NULL,
    changed_at INTEGER NOT NULL,
    PRIMARY KEY (seller, hash)
) STRICT, WITHOUT ROWID;

-- Which version decides for a seller: '' is the file that the configuration names. `previous` is what did before; NULL
-- where nothing did. No row: the configuration's file.
CREATE TABLE catalog_pointer (
    seller     TEXT PRIMARY KEY,
    hash       TEXT NOT NULL,
    previous   TEXT,
    changed_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
