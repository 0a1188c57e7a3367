//! What the application talks about: parsed values with their limits, and the
//! objects of CONTRACT section 3. Nothing of ours is imported here.

#[cfg(test)]
mod caps;
mod chat;
mod event;
mod fields;
mod id;
mod message;
mod notification;
mod number;
mod person;
mod text;
mod time;

pub use chat::{Chat, MemberRole, Participant};
pub use event::{CatchUp, LoggedEvent};
pub use fields::{Fields, Invalid, Parse, Problem};
pub use id::{ChatId, MessageId, NotificationId, SessionId, UserId};
pub use message::{
    Message, MessageKind, Reaction, ReactionCount, Reactions, SystemFact, SystemKind, SystemParams,
};
pub use notification::{Notification, NotificationKind};
pub use number::{Limit, Rev, Seq};
pub use person::{Person, Role, User};
pub use text::{ChatName, ClientMsgId, Content, Email, Emoji, Password, PersonName, SearchText};
pub use time::Timestamp;
