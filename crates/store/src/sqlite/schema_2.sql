-- Version 2 of the schema: conversations can be deleted.

-- A deleted conversation is not loaded, and has no members. Its records and its own rows are deleted step by step.
ALTER TABLE conversations ADD COLUMN is_deleted INTEGER NOT NULL DEFAULT 0;

CREATE INDEX device_sent_conversation ON device_sent (conversation);
