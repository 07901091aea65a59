-- Version 1 of the schema. Numbers without a sign (epochs, `n`) are stored as signed numbers with the same 64 bits.

CREATE TABLE counters (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    next_account INTEGER NOT NULL,
    next_device INTEGER NOT NULL,
    next_conversation INTEGER NOT NULL,
    -- The search knows the words of all records up to this id.
    indexed INTEGER NOT NULL,
    -- The form of these words.
    words_version INTEGER NOT NULL,
    -- How often the store was found writable.
    checks INTEGER NOT NULL
) STRICT;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    -- One of these two: a hash in the PHC format, or an Ed25519 public key.
    password TEXT,
    key BLOB,
    CHECK ((password IS NULL) <> (key IS NULL))
) STRICT;

CREATE TABLE devices (
    id INTEGER PRIMARY KEY,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    name TEXT NOT NULL,
    -- The SHA-256 hash of the token.
    token BLOB,
    UNIQUE (account, name)
) STRICT;

CREATE TABLE blocks (
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    blocked INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    PRIMARY KEY (account, blocked)
) STRICT, WITHOUT ROWID;
CREATE INDEX blocks_blocked ON blocks (blocked);

CREATE TABLE conversations (
    id INTEGER PRIMARY KEY,
    -- The name of a room, or the two accounts of a direct conversation. They may be deleted.
    room TEXT,
    low_account INTEGER,
    high_account INTEGER,
    epoch INTEGER NOT NULL,
    topic TEXT NOT NULL,
    is_invite_only INTEGER NOT NULL,
    -- 0: none, 1: read, 2: write.
    guests INTEGER NOT NULL,
    keep_days INTEGER,
    keep_records INTEGER,
    CHECK ((room IS NULL) = (low_account IS NOT NULL) AND (low_account IS NULL) = (high_account IS NULL))
) STRICT;

-- A table of its own, because it changes in every commit: narrow rows make few pages.
CREATE TABLE heads (
    conversation INTEGER PRIMARY KEY REFERENCES conversations,
    -- Records below it have expired, also if their rows are still there.
    first INTEGER NOT NULL,
    last INTEGER NOT NULL
) STRICT;

CREATE TABLE members (
    conversation INTEGER NOT NULL REFERENCES conversations,
    account INTEGER NOT NULL REFERENCES accounts ON DELETE CASCADE,
    -- 0: banned, 1: invited, 2: member, 3: moderator, 4: owner.
    standing INTEGER NOT NULL,
    read INTEGER NOT NULL,
    -- The record with which the account joined, or 0.
    joined INTEGER NOT NULL,
    PRIMARY KEY (conversation, account)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_account ON members (account);

-- No foreign keys: each record would pay for the look-up.
CREATE TABLE records (
    id INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    -- Milliseconds since 1970.
    at INTEGER NOT NULL,
    account INTEGER,
    author TEXT NOT NULL,
    kind INTEGER NOT NULL,
    text TEXT NOT NULL,
    device INTEGER,
    n INTEGER,
    previous_seq INTEGER,
    redacted_by INTEGER,
    UNIQUE (conversation, seq)
) STRICT;

-- The highest `n` of a device in a conversation, and the record that has it.
CREATE TABLE device_sent (
    device INTEGER NOT NULL REFERENCES devices ON DELETE CASCADE,
    conversation INTEGER NOT NULL REFERENCES conversations,
    n INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (device, conversation)
) STRICT, WITHOUT ROWID;

-- Conversations with rows of expired records.
CREATE TABLE expiring (
    conversation INTEGER PRIMARY KEY REFERENCES conversations
) STRICT;

-- Redactions of many records that are not finished: those of an account, or of guests of a name. Each read applies them.
CREATE TABLE redactions (
    id INTEGER PRIMARY KEY,
    conversation INTEGER NOT NULL REFERENCES conversations,
    account INTEGER,
    guest TEXT,
    -- The record that says so.
    by_seq INTEGER NOT NULL,
    -- The next record to look at.
    next_seq INTEGER NOT NULL
) STRICT;
CREATE INDEX redactions_conversation ON redactions (conversation);

-- The words of messages and topics. `conversation` is the letter `c` and the id, so that a search of one conversation
-- does not look at the records of others. The words are separated by spaces before they come here.
CREATE VIRTUAL TABLE record_words USING fts5 (
    words, conversation, content = '', columnsize = 0, tokenize = 'ascii'
);
-- The words of a redacted message leave the file.
INSERT INTO record_words (record_words, rank) VALUES ('secure-delete', 1);

INSERT INTO counters VALUES (1, 1, 1, 1, 0, 0, 0);
