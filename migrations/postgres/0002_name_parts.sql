-- Every end of every name in lower case: people are found by any part of their
-- name, as a range of this index.
CREATE TABLE name_parts (
    part    TEXT COLLATE "C" NOT NULL,
    user_id TEXT COLLATE "C" NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (part, user_id)
);
CREATE INDEX name_parts_by_user ON name_parts (user_id);

INSERT INTO name_parts
SELECT DISTINCT substr(search_name, start), id
FROM users, generate_series(1, length(search_name)) start
WHERE start = 1 OR start < length(search_name);
