CREATE UNIQUE INDEX by_hand ON b (id, amount); CREATE INDEX stays ON b (category);
