-- Authors' signatures over components' digests, as they came. Whose they are is found out whenever a version is loaded,
-- by the keys that are configured then: a key that is taken out of the configuration takes its versions out of use.
CREATE TABLE mapper_signature (
    digest    TEXT NOT NULL REFERENCES mapper_component (digest),
    signature TEXT NOT NULL,
    added_at  INTEGER NOT NULL,
    PRIMARY KEY (digest, signature)
) STRICT, WITHOUT ROWID;
