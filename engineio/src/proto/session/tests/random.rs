//! Random operations against a small model.

use proptest::prelude::*;

use super::*;
use crate::proto::fuzz::{Client, eio_session};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn whatever_happens_each_message_arrives_once_and_in_order(ops in prop::collection::vec(any::<u8>(), 0..120)) {
        eio_session(&ops, Instant::now());
    }

    #[test]
    fn a_well_behaved_client_receives_everything(
        upgrade_at in 0..30_usize, steps in prop::collection::vec(0..4_u8, 30)
    ) {
        let mut client = Client::new(Instant::now());
        for (index, step) in steps.into_iter().enumerate() {
            let polling = client.session.transport() == TransportKind::Polling;
            if index == upgrade_at {
                prop_assert!(client.session.handle_stream_attached(Instant::now()));
                client.hear(Via::Probe, "2probe");
            } else if index == upgrade_at + 3 {
                client.hear(Via::Probe, "5");
            } else if step > 1 || !polling || client.session.has_poll() {
                client.send(step);
            } else {
                client.get();
            }
            client.drain();
            client.check();
        }
        if client.session.transport() == TransportKind::Polling && !client.session.has_poll() {
            client.get();
            client.drain();
        }
        prop_assert_eq!(client.received, client.sent);
        prop_assert!(!client.closed);
    }
}
