-- What Amazon has posted of an order, asked for when its invoice is dated and its cash is taken up.
CREATE INDEX canonical_by_order ON canonical (seller, record ->> '$.order') WHERE kind = 'transaction';
