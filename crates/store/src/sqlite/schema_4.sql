-- Version 4 of the schema: moderation.

-- Slow mode: the seconds between two messages of one person.
ALTER TABLE conversations ADD COLUMN slow_seconds INTEGER;

-- The sanctions in a room besides `members.standing`: of an account, or of the guests of a folded name.
CREATE TABLE room_sanctions (
    conversation INTEGER NOT NULL REFERENCES conversations,
    account INTEGER REFERENCES accounts ON DELETE CASCADE,
    guest TEXT,
    -- 0: banned, 1: muted.
    kind INTEGER NOT NULL,
    -- When it ends by itself, in milliseconds since 1970.
    until INTEGER,
    CHECK ((account IS NULL) <> (guest IS NULL)),
    UNIQUE (conversation, account, guest)
) STRICT;
CREATE INDEX room_sanctions_account ON room_sanctions (account);
