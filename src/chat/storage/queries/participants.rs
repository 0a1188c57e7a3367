//! Who is in a chat: as what, and how far they have read.

use crate::chat::domain::{ChatId, MemberRole, Person, Seq, Timestamp, UserId};
use crate::chat::storage::rows::{PersonRow, StandingRow, ids, positions};
use crate::chat::storage::sql::{Db, Sql, sql};
use crate::chat::storage::{Standing, StoreError};

pub(super) async fn standing(
    db: &mut Db<'_>,
    chat: &ChatId,
    user: &UserId,
) -> Result<Option<Standing>, StoreError> {
    let row = db
        .query(
            "SELECT c.is_group, c.last_seq, c.rev, coalesce(p.read_seq, 0) AS read_seq, p.role
             FROM chats c LEFT JOIN participants p ON p.chat_id = c.id AND p.user_id = $1
             WHERE c.id = $2",
        )
        .bind(user.as_str())
        .bind(chat.as_str())
        .fetch_optional::<StandingRow>()
        .await?;
    row.map(StandingRow::read).transpose()
}

pub(super) async fn of(db: &mut Db<'_>, chat: &ChatId) -> Result<Vec<UserId>, StoreError> {
    let rows = db
        .query("SELECT user_id FROM participants WHERE chat_id = $1")
        .bind(chat.as_str())
        .fetch_all()
        .await?;
    Ok(ids(rows))
}

pub(super) async fn read_positions(
    db: &mut Db<'_>,
    chat: &ChatId,
) -> Result<Vec<(UserId, Seq)>, StoreError> {
    let rows = db
        .query("SELECT user_id, read_seq FROM participants WHERE chat_id = $1")
        .bind(chat.as_str())
        .fetch_all()
        .await?;
    Ok(positions(rows))
}

pub(super) async fn count(db: &mut Db<'_>, chat: &ChatId) -> Result<u32, StoreError> {
    let (count,) = db
        .query("SELECT count(*) FROM participants WHERE chat_id = $1")
        .bind(chat.as_str())
        .fetch_one::<(i64,)>()
        .await?;
    Ok(count as u32)
}

pub(super) async fn among(
    db: &mut Db<'_>,
    chat: &ChatId,
    people: &[UserId],
) -> Result<Vec<UserId>, StoreError> {
    let rows = db
        .query(sql!(
            "SELECT user_id FROM participants WHERE chat_id = $1 AND user_id ",
            among("$2")
        ))
        .bind(chat.as_str())
        .bind_list(people.iter().map(UserId::as_str))
        .fetch_all()
        .await?;
    Ok(ids(rows))
}

pub(super) async fn longest_standing(
    db: &mut Db<'_>,
    chat: &ChatId,
    except: &UserId,
) -> Result<Option<Person>, StoreError> {
    let row = db
        .query(
            "SELECT u.id, u.name, u.role FROM participants p JOIN users u ON u.id = p.user_id
             WHERE p.chat_id = $1 AND p.user_id <> $2 ORDER BY p.joined_at, p.user_id LIMIT 1",
        )
        .bind(chat.as_str())
        .bind(except.as_str())
        .fetch_optional::<PersonRow>()
        .await?;
    row.map(PersonRow::read).transpose()
}

pub(super) const UNREAD: &str = "SELECT p.read_seq,
                (SELECT count(*) FROM (SELECT 1 FROM messages m
                     WHERE m.chat_id = p.chat_id AND m.seq > p.read_seq
                       AND m.sender_id <> $2 AND m.deleted_at IS NULL LIMIT 100) unread)
         FROM participants p WHERE p.chat_id = $1 AND p.user_id = $2";

pub(super) async fn unread(
    db: &mut Db<'_>,
    chat: &ChatId,
    user: &UserId,
) -> Result<Option<(Seq, u32)>, StoreError> {
    let row = db
        .query(UNREAD)
        .bind(chat.as_str())
        .bind(user.as_str())
        .fetch_optional::<(i64, i64)>()
        .await?;
    Ok(row.map(|(read, unread)| (Seq(read as u64), unread as u32)))
}

pub(super) async fn insert(
    db: &mut Db<'_>,
    chat: &ChatId,
    users: &[UserId],
    role: MemberRole,
    now: Timestamp,
    read_seq: Seq,
) -> Result<(), StoreError> {
    db.query(sql!(
        "INSERT INTO participants (chat_id, user_id, role, joined_at, read_seq, delivered_seq)
         SELECT $1, value, $3, $4, $5, $5 FROM ",
        each("$2")
    ))
    .bind(chat.as_str())
    .bind_list(users.iter().map(UserId::as_str))
    .bind(role.as_str())
    .bind(now.0)
    .bind(read_seq.0 as i64)
    .execute()
    .await
}

pub(super) async fn delete(
    db: &mut Db<'_>,
    chat: &ChatId,
    user: &UserId,
) -> Result<(), StoreError> {
    db.query("DELETE FROM participants WHERE chat_id = $1 AND user_id = $2")
        .bind(chat.as_str())
        .bind(user.as_str())
        .execute()
        .await
}

pub(super) async fn set_role(
    db: &mut Db<'_>,
    chat: &ChatId,
    user: &UserId,
    role: MemberRole,
) -> Result<(), StoreError> {
    db.query("UPDATE participants SET role = $1 WHERE chat_id = $2 AND user_id = $3")
        .bind(role.as_str())
        .bind(chat.as_str())
        .bind(user.as_str())
        .execute()
        .await
}

pub(super) async fn demote_owner(db: &mut Db<'_>, chat: &ChatId) -> Result<(), StoreError> {
    db.query("UPDATE participants SET role = 'moderator' WHERE chat_id = $1 AND role = 'owner'")
        .bind(chat.as_str())
        .execute()
        .await
}

pub(super) async fn raise_read(
    db: &mut Db<'_>,
    chat: &ChatId,
    user: &UserId,
    seq: Seq,
) -> Result<bool, StoreError> {
    let raised = db
        .query(
            "UPDATE participants SET read_seq = $1,
                    delivered_seq = CASE WHEN delivered_seq < $1 THEN $1 ELSE delivered_seq END
             WHERE chat_id = $2 AND user_id = $3 AND read_seq < $1",
        )
        .bind(seq.0 as i64)
        .bind(chat.as_str())
        .bind(user.as_str())
        .rows_affected()
        .await?;
    Ok(raised > 0)
}

pub(super) async fn raise_delivered(
    db: &mut Db<'_>,
    user: &UserId,
    reached: &[(ChatId, Seq)],
) -> Result<Vec<(ChatId, Seq)>, StoreError> {
    let rows = db
        .query(Sql {
            sqlite: "UPDATE participants SET delivered_seq = place.value ->> 1
                 FROM json_each($2) place
                 WHERE chat_id = place.value ->> 0 AND user_id = $1
                   AND delivered_seq < place.value ->> 1
                 RETURNING chat_id, delivered_seq",
            postgres: "UPDATE participants SET delivered_seq = place.seq
                 FROM unnest($2, $3) AS place (chat_id, seq)
                 WHERE participants.chat_id = place.chat_id AND participants.user_id = $1
                   AND participants.delivered_seq < place.seq
                 RETURNING participants.chat_id, participants.delivered_seq",
        })
        .bind(user.as_str())
        .bind_pairs(
            reached
                .iter()
                .map(|(chat, seq)| (chat.as_str(), seq.0 as i64)),
        )
        .fetch_all()
        .await?;
    Ok(positions(rows))
}
