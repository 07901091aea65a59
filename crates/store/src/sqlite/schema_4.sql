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

-- When an invitation ends by itself, in milliseconds since 1970.
ALTER TABLE members ADD COLUMN until INTEGER;

CREATE TABLE links (
    conversation INTEGER NOT NULL REFERENCES conversations,
    -- The SHA-256 hash of the word.
    hash BLOB NOT NULL,
    -- When it ends by itself, in milliseconds since 1970.
    until INTEGER,
    uses_left INTEGER,
    PRIMARY KEY (conversation, hash)
) STRICT, WITHOUT ROWID;

ALTER TABLE accounts ADD COLUMN is_operator INTEGER NOT NULL DEFAULT 0;

-- The room in which the server tells the operators what happens. There is at most one.
ALTER TABLE conversations ADD COLUMN is_audit_log INTEGER NOT NULL DEFAULT 0;

-- The bans of the server.
CREATE TABLE bans (
    -- 0: a folded name, 1: the id of an account, 2: a prefix of addresses.
    kind INTEGER NOT NULL,
    value TEXT NOT NULL,
    reason TEXT NOT NULL,
    -- When it ends by itself, in milliseconds since 1970.
    until INTEGER,
    -- The name of the operator.
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (kind, value)
) STRICT, WITHOUT ROWID;
