-- The Merkle log (RFC 6962) over audit_event: the event with id n is its leaf n - 1. A leaf is NULL only until the
-- events from before this migration have theirs, which happens when the store is next opened.
ALTER TABLE audit_event ADD COLUMN leaf BLOB;

-- An event stays as it is; that a leaf is added to one from before the log is the one exception.
DROP TRIGGER audit_event_is_never_changed;
CREATE TRIGGER audit_event_is_never_changed BEFORE UPDATE ON audit_event
WHEN OLD.leaf IS NOT NULL OR NEW.leaf IS NULL OR NEW.id <> OLD.id OR NEW.at <> OLD.at OR NEW.seller <> OLD.seller
    OR NEW.subject <> OLD.subject OR NEW.action <> OLD.action OR NEW.detail <> OLD.detail
BEGIN SELECT RAISE(ABORT, 'audit events are append-only'); END;

-- How many leaves there are, and the roots of the complete subtrees: what appending needs.
CREATE TABLE audit_log (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    size  INTEGER NOT NULL,
    peaks BLOB NOT NULL
) STRICT;

-- Signed: size and root of the log at a time. The same go to a file that can be taken elsewhere.
CREATE TABLE audit_checkpoint (
    size INTEGER PRIMARY KEY,
    at   INTEGER NOT NULL,
    note TEXT NOT NULL
) STRICT;
CREATE TRIGGER audit_checkpoint_is_never_changed BEFORE UPDATE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;
CREATE TRIGGER audit_checkpoint_is_never_removed BEFORE DELETE ON audit_checkpoint
BEGIN SELECT RAISE(ABORT, 'checkpoints are append-only'); END;

-- The public half of the key that signs checkpoints; the other one is a sealed credential.
CREATE TABLE audit_key (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    public TEXT NOT NULL,
    at     INTEGER NOT NULL
) STRICT;
