-- The tables of migrations/sqlite, column by column, so that a store can be moved.
-- Ids are compared byte by byte (COLLATE "C"), as SQLite does.

-- People. `email` is null for people of a host application that tells none,
-- `password_hash` for all people of a host application.
CREATE TABLE users (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name          TEXT    NOT NULL,
    search_name   TEXT COLLATE "C" NOT NULL,
    email         TEXT    UNIQUE,
    role          TEXT    NOT NULL CHECK (role IN ('student', 'tutor', 'admin')),
    password_hash TEXT,
    created_at    BIGINT NOT NULL,
    last_seen_at  BIGINT
);

-- A login on one device; its id is the `sid` of the tokens. A logged-out token
-- of a host application has a row of its own here until it expires.
CREATE TABLE sessions (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL,
    revoked_at BIGINT
);
CREATE INDEX sessions_by_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Refresh tokens, hashed. A spent one is kept, so that its second use is seen.
CREATE TABLE refresh_tokens (
    hash       BYTEA    NOT NULL PRIMARY KEY,
    session_id TEXT COLLATE "C" NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT
);
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);

-- `last_seq` and `rev` are raised in the transaction that uses the number.
-- `direct_key` is the sorted pair of a direct chat: one pair has one chat.
CREATE TABLE chats (
    id         TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    name       TEXT,
    is_group   BOOLEAN NOT NULL,
    direct_key TEXT COLLATE "C" UNIQUE,
    created_by TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    last_seq   BIGINT NOT NULL DEFAULT 0,
    rev        BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE participants (
    chat_id       TEXT COLLATE "C" NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    user_id       TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    role          TEXT    NOT NULL CHECK (role IN ('owner', 'moderator', 'member')),
    joined_at     BIGINT NOT NULL,
    read_seq      BIGINT NOT NULL DEFAULT 0,
    delivered_seq BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (chat_id, user_id)
);
CREATE INDEX participants_by_user ON participants (user_id);

-- `body_hash` is of what the first send had: later edits do not count when a
-- repeat of `client_msg_id` is compared.
CREATE TABLE messages (
    id            TEXT COLLATE "C" NOT NULL UNIQUE,
    chat_id       TEXT COLLATE "C" NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    seq           BIGINT NOT NULL,
    rev           BIGINT NOT NULL,
    sender_id     TEXT COLLATE "C" REFERENCES users (id),
    content       TEXT    NOT NULL,
    client_msg_id TEXT COLLATE "C",
    body_hash     BYTEA,
    reply_to      TEXT COLLATE "C",
    mentions      TEXT,
    system_kind   TEXT,
    system_params TEXT,
    version       BIGINT  NOT NULL DEFAULT 1,
    created_at    BIGINT NOT NULL,
    edited_at     BIGINT,
    deleted_at    BIGINT,
    deleted_by    TEXT COLLATE "C" );
CREATE UNIQUE INDEX messages_by_seq ON messages (chat_id, seq);
CREATE UNIQUE INDEX messages_by_client_msg_id ON messages (chat_id, sender_id, client_msg_id)
    WHERE client_msg_id IS NOT NULL;

CREATE TABLE reactions (
    message_id TEXT COLLATE "C" NOT NULL REFERENCES messages (id) ON DELETE CASCADE,
    emoji      TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    created_at BIGINT NOT NULL,
    PRIMARY KEY (message_id, emoji, user_id)
);

-- The log that catch-up reads. Events about a message name it by `seq`, and
-- take what it says from the message itself: text is stored once, and is gone
-- when it is deleted. `payload` holds what cannot be taken from elsewhere.
CREATE TABLE chat_events (
    chat_id    TEXT COLLATE "C" NOT NULL REFERENCES chats (id) ON DELETE CASCADE,
    rev        BIGINT NOT NULL,
    kind       TEXT    NOT NULL,
    seq        BIGINT,
    payload    TEXT,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (chat_id, rev)
);

-- One notification has one id for all the people that it goes to.
CREATE TABLE notifications (
    person_id  TEXT COLLATE "C" NOT NULL REFERENCES users (id),
    id         TEXT COLLATE "C" NOT NULL,
    kind       TEXT    NOT NULL,
    chat_id    TEXT COLLATE "C" NOT NULL,
    user_id    TEXT COLLATE "C",
    by_id      TEXT COLLATE "C",
    message_id TEXT COLLATE "C",
    created_at BIGINT NOT NULL,
    read_at    BIGINT,
    PRIMARY KEY (person_id, id)
);
CREATE INDEX notifications_unread ON notifications (person_id) WHERE read_at IS NULL;
