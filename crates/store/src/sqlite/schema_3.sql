-- Version 3 of the schema: the time of the last record of a conversation, also after it has expired. 0 without any.
ALTER TABLE heads ADD COLUMN last_at INTEGER NOT NULL DEFAULT 0;

UPDATE heads SET last_at = coalesce(
    (SELECT at FROM records WHERE records.conversation = heads.conversation AND seq = heads.last), 0
);
