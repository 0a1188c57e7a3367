-- People. `email` is null for people of a host application that tells none,
-- `password_hash` for all people of a host application.
CREATE TABLE users (
    id            TEXT    NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    search_name   TEXT    NOT NULL,
    email         TEXT    UNIQUE,
    role          TEXT    NOT NULL CHECK (role IN ('student', 'tutor', 'admin')),
    password_hash TEXT,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER
) STRICT, WITHOUT ROWID;

-- A login on one device; its id is the `sid` of the tokens. A logged-out token
-- of a host application has a row of its own here until it expires.
CREATE TABLE sessions (
    id         TEXT    NOT NULL PRIMARY KEY,
    user_id    TEXT    NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Refresh tokens, hashed. A spent one is kept, so that its second use is seen.
CREATE TABLE refresh_tokens (
    hash       BLOB    NOT NULL PRIMARY KEY,
    session_id TEXT    NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- `last_seq` and `rev` are raised in the transaction that uses the number.
-- `direct_key` is the sorted pair of a direct chat: one pair has one chat.
CREATE TABLE chats (
    id         TEXT    NOT NULL PRIMARY KEY,
    name       TEXT,
    is_group   INTEGER NOT NULL,
    direct_key TEXT    UNIQUE,
    created_by TEXT    NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    last_seq   INTEGER NOT NULL DEFAULT 0,
    rev        INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE TABLE participants (
    chat_id       TEXT    NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    user_id       TEXT    NOT NULL REFERENCES users (id),
    role          TEXT    NOT NULL CHECK (role IN ('owner', 'moderator', 'member')),
    joined_at     INTEGER NOT NULL,
    read_seq      INTEGER NOT NULL DEFAULT 0,
    delivered_seq INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (chat_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX participants_by_user ON participants (user_id);

-- `body_hash` is of what the first send had: later edits do not count when a
-- repeat of `client_msg_id` is compared.
CREATE TABLE messages (
    id            TEXT    NOT NULL UNIQUE,
    chat_id       TEXT    NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    seq           INTEGER NOT NULL,
    rev           INTEGER NOT NULL,
    sender_id     TEXT    REFERENCES users (id),
    content       TEXT    NOT NULL,
    client_msg_id TEXT,
    body_hash     BLOB,
    reply_to      TEXT,
    mentions      TEXT,
    system_kind   TEXT,
    system_params TEXT,
    version       INTEGER NOT NULL DEFAULT 1,
    created_at    INTEGER NOT NULL,
    edited_at     INTEGER,
    deleted_at    INTEGER,
    deleted_by    TEXT
) STRICT;
CREATE UNIQUE INDEX messages_by_seq ON messages (chat_id, seq);
CREATE UNIQUE INDEX messages_by_client_msg_id ON messages (chat_id, sender_id, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

CREATE TABLE reactions (
    message_id TEXT    NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    emoji      TEXT    NOT NULL,
    user_id    TEXT    NOT NULL REFERENCES users (id),
    created_at INTEGER NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
) STRICT, WITHOUT ROWID;

-- The log that catch-up reads. Events about a message name it by `seq`, and
-- take what it says from the message itself: text is stored once, and is gone
-- when it is deleted. `payload` holds what cannot be taken from elsewhere.
CREATE TABLE chat_events (
    chat_id    TEXT    NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    rev        INTEGER NOT NULL,
    kind       TEXT    NOT NULL,
    seq        INTEGER,
    payload    TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (chat_id, rev)
) STRICT, WITHOUT ROWID;

-- One notification has one id for all the people that it goes to.
CREATE TABLE notifications (
    person_id  TEXT    NOT NULL REFERENCES users (id),
    id         TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    chat_id    TEXT    NOT NULL,
    user_id    TEXT,
    by_id      TEXT,
    message_id TEXT,
    created_at INTEGER NOT NULL,
    read_at    INTEGER,
    PRIMARY KEY (person_id, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX notifications_unread ON notifications (person_id) WHERE read_at IS NULL;
