-- Every end of every name in lower case: people are found by any part of their
-- name, as a range of this index.
CREATE TABLE name_parts (
    part    TEXT NOT NULL,
    user_id TEXT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    PRIMARY KEY (part, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX name_parts_by_user ON name_parts (user_id);

WITH RECURSIVE ends (part, user_id) AS (
    SELECT search_name, id FROM users
    UNION
    SELECT substr(part, 2), user_id FROM ends WHERE length(part) > 2
)
INSERT INTO name_parts SELECT part, user_id FROM ends WHERE part <> '';
