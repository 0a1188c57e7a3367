//! The queues in which what was committed waits to be said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::value::RawValue;

use super::World;
use crate::chat::live::{Delivery, Port, Room, SocketKey, To};

/// A socket server that fails over the first event.
struct Faulty {
    said: Arc<AtomicUsize>,
}

impl Port for Faulty {
    fn emit(&self, _: To<'_>, _: Delivery, _: &str, _: &RawValue) {}

    fn emit_unless_behind(
        &self,
        _: Room<'_>,
        _: &[SocketKey],
        _: &str,
        _: &RawValue,
    ) -> Vec<SocketKey> {
        let number = self.said.fetch_add(1, Ordering::SeqCst);
        assert!(number > 0, "this event was meant to panic");
        Vec::new()
    }

    fn is_behind(&self, _: &SocketKey) -> bool {
        false
    }

    fn leave(&self, _: Room<'_>, _: Room<'_>) {}

    fn disconnect(&self, _: Room<'_>) {}
}

#[tokio::test]
async fn a_panic_while_one_event_is_said_does_not_silence_the_chat() {
    let said = Arc::new(AtomicUsize::new(0));
    let port = Faulty {
        said: Arc::clone(&said),
    };
    let world = World::on(Box::new(port)).await;
    let ann = world.person("Ann").await;
    let id = world.group(&ann, &[]).await;
    for content in ["panics", "is said"] {
        world.say(&ann, &id, content).await;
    }
    assert_eq!(said.load(Ordering::SeqCst), 2);
}
