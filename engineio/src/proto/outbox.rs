//! The outbox: everything that waits to be sent on one session.
//!
//! Two lanes. *Control* holds finished WebSocket frames of the engine (ping, pong, close) and goes
//! ahead of everything except a frame of which some bytes are already on the wire. *Data* holds the
//! application's [`Frame`]s in order. Over polling only the data lane is used; there the session
//! puts its control packets in front of the payload itself.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    task::{Poll, ready},
};

use bytes::Bytes;

use super::{
    frame::{BinaryForm, Frame},
    payload,
};

/// Bytes that may wait in the control lane: hundreds of pongs.
const MAX_CONTROL_BYTES: usize = 64 * 1024;

/// Slices of one vectored write.
const MAX_SLICES: usize = 64;

/// Limits of an outbox, in bytes of queued frames.
#[derive(Debug, Clone, Copy)]
pub struct OutboxLimits {
    /// Past this mark the outbox is congested until it has drained.
    pub soft_bytes: usize,
    /// A frame that would exceed this is refused, and the session is to be closed.
    pub hard_bytes: usize,
    /// What all sessions of a server may have queued together. Beyond it those with most are
    /// closed. Counted in steps of 16 KiB per session, so that small queues cost nothing.
    pub total_bytes: usize,
}

impl Default for OutboxLimits {
    fn default() -> Self {
        Self {
            soft_bytes: 1 << 20,
            hard_bytes: 4 << 20,
            total_bytes: 512 << 20,
        }
    }
}

/// Whether what is queued can leave now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sink {
    /// A stream that takes bytes, or a poll that waits.
    Ready,
    /// A full stream, or no poll.
    Blocked,
}

/// What the sender of a frame has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Enqueued {
    /// Nothing: the session's task will come to it.
    Queued,
    /// The session's task sleeps and must be woken, or the outbox be flushed in its place.
    WakeNeeded,
}

/// Why a frame was not queued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnqueueError {
    /// The session is closed, or about to be.
    #[error("the session is closed")]
    Closed,
    /// The peer takes too little: the hard limit is reached, and the session will be closed.
    /// `WakeNeeded` says whether its task sleeps.
    #[error("the outbox is full")]
    Full(Enqueued),
}

/// The queue of one session. Others enqueue; the session's owner gathers and advances.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))]
pub struct Outbox {
    control: Vec<u8>,
    control_sent: usize,
    data: VecDeque<Frame>,
    /// Bytes of the first data frame that are on the wire. Not zero only while no control bytes
    /// are half sent, and the other way round.
    front_sent: usize,
    data_bytes: usize,
    limits: OutboxLimits,
    form: BinaryForm,
    sink: Sink,
    /// The owner sleeps and wants to be woken when there is something for it to do.
    parked: bool,
    /// A flusher has promised to come: nobody else needs to do anything.
    listed: bool,
    sealed: bool,
    congested: bool,
    /// Congestion has ended since this was last asked.
    relieved: bool,
    overflowed: bool,
    /// Bytes that streams have taken, modulo 2^32: only whether it moves is of interest.
    taken: u32,
}

impl Outbox {
    /// An empty outbox.
    #[must_use]
    pub fn new(limits: OutboxLimits, form: BinaryForm) -> Self {
        Self {
            control: Vec::new(),
            control_sent: 0,
            data: VecDeque::new(),
            front_sent: 0,
            data_bytes: 0,
            limits,
            form,
            sink: Sink::Blocked,
            parked: false,
            listed: false,
            sealed: false,
            congested: false,
            relieved: false,
            overflowed: false,
            taken: 0,
        }
    }

    /// Queues a frame.
    ///
    /// # Errors
    /// [`EnqueueError`] when the session is closed, or the frame exceeds the hard limit.
    pub fn enqueue(&mut self, frame: Frame) -> Result<Enqueued, EnqueueError> {
        match self.push(frame) {
            Ok(true) => Ok(self.call_owner()),
            Ok(false) => Ok(Enqueued::Queued),
            Err(error) => Err(error),
        }
    }

    /// Queues a frame for a flusher: where this says [`Enqueued::WakeNeeded`], somebody must come
    /// with [`Outbox::begin_flush`]. The owner is left asleep.
    ///
    /// # Errors
    /// As [`Outbox::enqueue`].
    pub fn enqueue_listed(&mut self, frame: Frame) -> Result<Enqueued, EnqueueError> {
        let wanted = self.push(frame)? && self.parked && !self.listed;
        self.listed |= wanted;
        Ok(match wanted {
            true => Enqueued::WakeNeeded,
            false => Enqueued::Queued,
        })
    }

    /// Whether a frame that is queued now can leave at once: one that cannot wait is dropped
    /// otherwise.
    #[must_use]
    pub fn takes_volatile(&self) -> bool {
        self.sink == Sink::Ready && self.is_empty()
    }

    /// Queues a frame if it can leave at once, else drops it: `None` when dropped.
    pub fn enqueue_volatile(&mut self, frame: Frame) -> Option<Enqueued> {
        self.takes_volatile()
            .then(|| self.enqueue(frame).ok())
            .flatten()
    }

    /// Whether a frame of so many bytes would be refused. A single one may be larger than the
    /// limit: it is about what piles up.
    #[must_use]
    pub fn is_full_for(&self, bytes: usize) -> bool {
        self.data_bytes > 0 && self.data_bytes + bytes > self.limits.hard_bytes
    }

    /// Queues. `true`: it could leave now, or the owner must hear of congestion.
    fn push(&mut self, frame: Frame) -> Result<bool, EnqueueError> {
        if self.sealed {
            return Err(EnqueueError::Closed);
        }
        let bytes = frame.wire_len();
        if self.is_full_for(bytes) {
            self.overflow();
            return Err(EnqueueError::Full(self.call_owner()));
        }
        self.data_bytes += bytes;
        self.data.push_back(frame);
        let newly_congested = !self.congested && self.data_bytes > self.limits.soft_bytes;
        self.congested |= newly_congested;
        Ok(newly_congested || self.sink == Sink::Ready)
    }

    /// What waits is too much: nothing more is taken, and the owner will close the session.
    pub fn overflow(&mut self) {
        self.overflowed = true;
        self.sealed = true;
    }

    /// A flusher has come. `true`: it may write what is queued, because the owner sleeps; nothing
    /// else writes meanwhile. An owner that is awake will write by itself.
    #[must_use]
    pub fn begin_flush(&mut self) -> bool {
        self.listed = false;
        self.parked
    }

    /// Whether there is something that only the owner can do: to write what a flusher left, or to
    /// time how long the peer stays behind.
    #[must_use]
    pub fn needs_owner(&self) -> bool {
        self.congested || self.overflowed || self.relieved || self.has_pending()
    }

    /// Marks the owner as awake; says whether it slept, so that the caller wakes it.
    pub fn call_owner(&mut self) -> Enqueued {
        match std::mem::replace(&mut self.parked, false) {
            true => Enqueued::WakeNeeded,
            false => Enqueued::Queued,
        }
    }

    /// The owner is about to sleep. `false`: there is something to send that it has not tried yet.
    #[must_use]
    pub fn park(&mut self) -> bool {
        let idle = self.sink == Sink::Blocked || !self.has_pending();
        self.parked = idle && !self.overflowed && !self.relieved;
        self.parked
    }

    /// The owner runs: nobody needs to wake it.
    pub fn unpark(&mut self) {
        self.parked = false;
    }

    /// Says whether what is queued can leave now.
    pub fn set_sink(&mut self, sink: Sink) {
        self.sink = sink;
    }

    /// Whether what is queued can leave now.
    #[must_use]
    pub fn sink(&self) -> Sink {
        self.sink
    }

    /// From now on every frame is refused.
    pub fn seal(&mut self) {
        self.sealed = true;
    }

    /// Whether frames are refused.
    #[must_use]
    pub fn is_sealed(&self) -> bool {
        self.sealed
    }

    /// Drops the queued frames, except the rest of one that is half on the wire.
    pub fn discard(&mut self) {
        let keep = usize::from(self.front_sent > 0);
        self.data.truncate(keep);
        self.data_bytes = self.data.iter().map(Frame::wire_len).sum();
        self.overflowed = false;
    }

    /// Whether no data waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// Whether anything waits, control bytes included.
    #[must_use]
    pub fn has_pending(&self) -> bool {
        !self.data.is_empty() || !self.control.is_empty()
    }

    /// Whether everything that is queued may be compressed.
    #[must_use]
    pub fn is_compressible(&self) -> bool {
        self.data.iter().all(Frame::is_compressible)
    }

    /// Bytes of queued frames.
    #[must_use]
    pub fn queued_bytes(&self) -> usize {
        self.data_bytes
    }

    /// A mark that moves with every byte a stream takes, if bytes wait for a stream that is full.
    #[must_use]
    pub fn blocked_at(&self) -> Option<u32> {
        (self.sink == Sink::Blocked && self.has_pending()).then_some(self.taken)
    }

    fn control_bytes(&self) -> usize {
        self.control.len() - self.control_sent
    }

    /// Whether the soft mark was passed and the queue has not drained since.
    #[must_use]
    pub fn is_congested(&self) -> bool {
        self.congested
    }

    /// Whether congestion has ended since this was last asked, however short it was.
    pub fn take_relieved(&mut self) -> bool {
        std::mem::take(&mut self.relieved)
    }

    /// Whether the hard limit was reached, so that the session must be closed.
    #[must_use]
    pub fn has_overflowed(&self) -> bool {
        self.overflowed
    }

    /// Says which form of binary messages the client takes on a stream. Only before any is queued.
    pub fn set_form(&mut self, form: BinaryForm) {
        self.form = form;
    }

    /// Adds whole WebSocket frames to the control lane.
    ///
    /// A peer that makes the engine answer and never reads the answers is closed like one that does
    /// not read its messages.
    pub fn push_control(&mut self, bytes: &[u8]) {
        if self.control_bytes() + bytes.len() > MAX_CONTROL_BYTES {
            self.overflowed = true;
        }
        self.control.extend_from_slice(bytes);
    }

    /// Takes over the unsent control bytes of a probe that becomes the session's stream. They go
    /// first: part of a frame may be on the wire already. A ping may be waiting behind them.
    pub fn adopt(&mut self, probe: &mut Self) {
        debug_assert!(self.control_sent == 0 && self.front_sent == 0);
        self.form = probe.form;
        self.control_sent = std::mem::take(&mut probe.control_sent);
        let waiting = std::mem::replace(&mut self.control, std::mem::take(&mut probe.control));
        self.control.extend(waiting);
    }

    /// Fills `slices` with what goes next onto the stream; gives their number.
    #[expect(
        clippy::indexing_slicing,
        reason = "no more control bytes are sent than there are"
    )]
    pub fn gather<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let data_first = usize::from(self.front_sent > 0);
        let unfinished = self.data.iter().take(data_first);
        let first = unfinished.flat_map(|frame| frame.stream_slices(self.form));
        let control = std::iter::once(&self.control[self.control_sent..]);
        let queued = self.data.iter().skip(data_first);
        let queued = queued.flat_map(|frame| frame.stream_slices(self.form));
        let all = skip_bytes(first, self.front_sent)
            .chain(control)
            .chain(queued);
        let mut filled = 0;
        for (slot, slice) in slices.iter_mut().zip(all.filter(|slice| !slice.is_empty())) {
            *slot = IoSlice::new(slice);
            filled += 1;
        }
        filled
    }

    /// Gives what goes next to `write`, and takes note of what it took. Nothing taken is an error.
    ///
    /// # Errors
    /// Those of `write`.
    #[expect(
        clippy::indexing_slicing,
        reason = "as many are filled as there are at most"
    )]
    pub fn write_to(
        &mut self,
        write: impl FnOnce(&[IoSlice<'_>]) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let written = match self.one_slice() {
            Some(slice) => ready!(write(&[IoSlice::new(slice)])),
            None => {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let filled = self.gather(&mut slices);
                ready!(write(&slices[..filled]))
            }
        }?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(written))
    }

    /// What goes next when it is a single block, as it mostly is.
    fn one_slice(&self) -> Option<&[u8]> {
        let alone = self.control.is_empty() && self.front_sent == 0 && self.data.len() == 1;
        alone
            .then(|| self.data.front()?.as_one_slice(self.form))
            .flatten()
    }

    /// The stream took `written` bytes of what was gathered.
    pub fn advance(&mut self, mut written: usize) {
        self.taken = self.taken.wrapping_add(written as u32);
        if self.front_sent > 0 {
            written = self.advance_front(written);
        }
        if written > 0 {
            written = self.advance_control(written);
        }
        while written > 0 {
            written = self.advance_front(written);
        }
        self.note_drained();
    }

    fn advance_control(&mut self, written: usize) -> usize {
        let taken = written.min(self.control_bytes());
        self.control_sent += taken;
        if self.control_sent == self.control.len() {
            // Control traffic is rare: an idle session keeps no buffer for it.
            self.control = Vec::new();
            self.control_sent = 0;
        }
        written - taken
    }

    fn advance_front(&mut self, written: usize) -> usize {
        let Some(front) = self.data.front() else {
            return 0;
        };
        let left = front.stream_len(self.form) - self.front_sent;
        if written < left {
            self.front_sent += written;
            return 0;
        }
        self.data_bytes -= front.wire_len();
        self.data.pop_front();
        self.front_sent = 0;
        written - left
    }

    fn note_drained(&mut self) {
        if self.data.is_empty() {
            self.relieved |= std::mem::take(&mut self.congested);
            if self.data.capacity() > 64 {
                self.data = VecDeque::new();
            }
        }
    }

    /// Takes all queued data as one polling payload, `control` packets first.
    pub fn take_payload(&mut self, control: &[&'static str]) -> Bytes {
        let control = control
            .iter()
            .map(|packet| Bytes::from_static(packet.as_bytes()));
        let payload = payload::join(control.chain(self.data.iter().flat_map(Frame::records)));
        self.data.clear();
        self.data_bytes = 0;
        self.note_drained();
        payload
    }
}

/// Leaves out the first `skip` bytes of a sequence of slices.
#[expect(
    clippy::indexing_slicing,
    reason = "at most the whole slice is skipped"
)]
fn skip_bytes<'a>(
    slices: impl Iterator<Item = &'a [u8]>,
    mut skip: usize,
) -> impl Iterator<Item = &'a [u8]> {
    slices.map(move |slice| {
        let skipped = skip.min(slice.len());
        skip -= skipped;
        &slice[skipped..]
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outbox() -> Outbox {
        let mut outbox = Outbox::new(OutboxLimits::default(), BinaryForm::Frames);
        outbox.set_sink(Sink::Ready);
        outbox
    }

    /// Writes at most `max` bytes, as a socket that takes so many.
    fn write(outbox: &mut Outbox, max: usize) -> Vec<u8> {
        let mut slices = [IoSlice::new(&[]); 8];
        let filled = outbox.gather(&mut slices);
        let mut bytes = slices[..filled]
            .iter()
            .flat_map(|slice| slice.to_vec())
            .collect::<Vec<_>>();
        bytes.truncate(max);
        outbox.advance(bytes.len());
        bytes
    }

    #[test]
    fn control_goes_before_queued_data() {
        let mut outbox = outbox();
        let _ = outbox.enqueue(Frame::text("a")).unwrap();
        outbox.push_control(b"\x81\x012");
        assert_eq!(write(&mut outbox, 100), b"\x81\x012\x81\x024a");
        assert!(!outbox.has_pending());
    }

    #[test]
    fn control_waits_for_the_end_of_a_half_sent_frame() {
        let mut outbox = outbox();
        let _ = outbox.enqueue(Frame::text("ab")).unwrap();
        let _ = outbox.enqueue(Frame::text("c")).unwrap();
        assert_eq!(write(&mut outbox, 2), b"\x81\x03");
        outbox.push_control(b"CTL");
        assert_eq!(write(&mut outbox, 4), b"4abC");
        outbox.push_control(b"!");
        assert_eq!(write(&mut outbox, 100), b"TL!\x81\x024c");
        assert_eq!(outbox.queued_bytes(), 0);
    }

    #[test]
    fn what_waits_already_follows_what_a_probe_has_half_sent() {
        let (mut outbox, mut probe) = (outbox(), outbox());
        probe.push_control(b"\x81\x063probe");
        assert_eq!(write(&mut probe, 3), b"\x81\x063");
        outbox.push_control(b"\x81\x012");
        let _ = outbox.enqueue(Frame::text("a")).unwrap();
        outbox.adopt(&mut probe);
        assert_eq!(write(&mut outbox, 100), b"probe\x81\x012\x81\x024a");
        assert!(!outbox.has_pending() && !probe.has_pending());
    }

    #[test]
    fn a_payload_takes_everything_in_order() {
        let mut outbox = outbox();
        let _ = outbox.enqueue(Frame::text("a")).unwrap();
        let _ = outbox
            .enqueue(Frame::binary(Bytes::from_static(&[1, 2, 3, 4])))
            .unwrap();
        assert_eq!(outbox.take_payload(&["2"]), "2\x1e4a\x1ebAQIDBA==");
        assert!(outbox.is_empty());
    }

    #[test]
    fn a_sleeping_owner_is_woken_once() {
        let mut outbox = outbox();
        assert!(outbox.park());
        assert_eq!(outbox.enqueue(Frame::text("a")), Ok(Enqueued::WakeNeeded));
        assert_eq!(outbox.enqueue(Frame::text("b")), Ok(Enqueued::Queued));
        assert!(!outbox.park(), "there is something to send");
    }

    #[test]
    fn a_flusher_is_asked_once_and_writes_only_while_the_owner_sleeps() {
        let mut outbox = outbox();
        assert!(outbox.park());
        let listed = outbox.enqueue_listed(Frame::text("a"));
        assert_eq!(listed, Ok(Enqueued::WakeNeeded));
        let again = outbox.enqueue_listed(Frame::text("b"));
        assert_eq!(again, Ok(Enqueued::Queued));
        assert!(outbox.begin_flush(), "the owner sleeps");
        write(&mut outbox, 100);
        assert!(!outbox.needs_owner());
        outbox.unpark();
        let awake = outbox.enqueue_listed(Frame::text("c"));
        assert_eq!(awake, Ok(Enqueued::Queued), "the owner comes to it");
        assert!(!outbox.begin_flush());
    }

    #[test]
    fn who_sends_beside_the_flusher_wakes_the_owner_all_the_same() {
        let mut outbox = outbox();
        assert!(outbox.park());
        let _ = outbox.enqueue_listed(Frame::text("a"));
        assert_eq!(outbox.enqueue(Frame::text("b")), Ok(Enqueued::WakeNeeded));
        assert!(!outbox.begin_flush(), "nothing is left for it to do");
    }

    #[test]
    fn an_owner_that_cannot_send_is_left_asleep() {
        let mut outbox = outbox();
        outbox.set_sink(Sink::Blocked);
        assert!(outbox.park());
        assert_eq!(outbox.enqueue(Frame::text("a")), Ok(Enqueued::Queued));
    }

    #[test]
    fn a_volatile_frame_is_dropped_unless_it_can_leave_at_once() {
        let mut outbox = outbox();
        assert!(outbox.enqueue_volatile(Frame::text("a")).is_some());
        assert!(
            outbox.enqueue_volatile(Frame::text("b")).is_none(),
            "something waits"
        );
        write(&mut outbox, 100);
        outbox.set_sink(Sink::Blocked);
        assert!(
            outbox.enqueue_volatile(Frame::text("c")).is_none(),
            "nothing takes it"
        );
    }

    #[test]
    fn the_hard_limit_refuses_and_calls_the_owner() {
        let limits = OutboxLimits {
            soft_bytes: 10,
            hard_bytes: 20,
            ..OutboxLimits::default()
        };
        let mut outbox = Outbox::new(limits, BinaryForm::Frames);
        assert!(outbox.park());
        let _ = outbox.enqueue(Frame::text("1234567")).unwrap();
        assert!(!outbox.is_congested());
        assert_eq!(outbox.enqueue(Frame::text("1")), Ok(Enqueued::WakeNeeded));
        assert!(outbox.is_congested(), "the soft mark is passed");
        assert!(outbox.park());
        let full = outbox.enqueue(Frame::text("1234567"));
        assert_eq!(full, Err(EnqueueError::Full(Enqueued::WakeNeeded)));
        assert!(outbox.has_overflowed());
        assert_eq!(outbox.enqueue(Frame::text("")), Err(EnqueueError::Closed));
    }

    #[test]
    fn the_hard_limit_is_reached_to_the_byte() {
        let outbox = |hard_bytes| {
            let limits = OutboxLimits {
                hard_bytes,
                ..OutboxLimits::default()
            };
            let mut outbox = Outbox::new(limits, BinaryForm::Frames);
            let _ = outbox.enqueue(Frame::text("1234567")).unwrap();
            outbox
        };
        let twice = 2 * outbox(0).queued_bytes();
        assert!(outbox(twice).enqueue(Frame::text("1234567")).is_ok());
        let full = outbox(twice - 1).enqueue(Frame::text("1234567"));
        assert!(matches!(full, Err(EnqueueError::Full(_))));
    }

    #[test]
    fn control_frames_that_nobody_reads_are_bounded() {
        let mut outbox = outbox();
        for _ in 0..512 {
            outbox.push_control(&[0; 127]);
        }
        assert!(!outbox.has_overflowed());
        outbox.push_control(&[0; 1000]);
        assert!(outbox.has_overflowed());
    }

    #[test]
    fn congestion_ends_when_the_queue_has_drained() {
        let limits = OutboxLimits {
            soft_bytes: 5,
            hard_bytes: 100,
            ..OutboxLimits::default()
        };
        let mut outbox = Outbox::new(limits, BinaryForm::Frames);
        let _ = outbox.enqueue(Frame::text("123")).unwrap();
        let _ = outbox.enqueue(Frame::text("4")).unwrap();
        write(&mut outbox, 6);
        assert!(outbox.is_congested() && !outbox.take_relieved());
        write(&mut outbox, 100);
        assert!(!outbox.is_congested());
        assert!(outbox.needs_owner() && !outbox.park(), "it has to be told");
        assert!(outbox.take_relieved() && !outbox.take_relieved(), "once");
        assert!(outbox.park());
    }

    #[test]
    fn discarding_keeps_the_rest_of_a_half_sent_frame() {
        let mut outbox = outbox();
        let _ = outbox.enqueue(Frame::text("ab")).unwrap();
        let _ = outbox.enqueue(Frame::text("c")).unwrap();
        write(&mut outbox, 3);
        outbox.discard();
        outbox.push_control(b"bye");
        assert_eq!(write(&mut outbox, 100), b"abbye");
    }

    proptest! {
        #[test]
        fn whatever_the_socket_takes_every_byte_leaves_once_and_frames_stay_whole(
            steps in prop::collection::vec((0..3_u8, 0..40_usize), 1..200)
        ) {
            let mut outbox = outbox();
            let (mut wire, mut sent) = (Vec::new(), 0_u8);
            for (kind, amount) in steps {
                match kind {
                    0 => {
                        sent = sent.wrapping_add(1);
                        let mut builder = Frame::builder();
                        // Some in one block with their text, some not.
                        builder.attach(Bytes::from(vec![sent; amount * 20]));
                        let _ = outbox.enqueue(builder.finish());
                    }
                    1 => outbox.push_control(&[0x89, 0]),
                    _ => wire.extend(write(&mut outbox, amount)),
                }
            }
            while outbox.has_pending() {
                wire.extend(write(&mut outbox, 257));
            }
            let mut expected = 1_u8;
            let mut rest = &wire[..];
            let mut after_text = false;
            while let [first, len, tail @ ..] = rest {
                    let (len, tail) = match len {
                        126 => (usize::from(tail[0]) << 8 | usize::from(tail[1]), &tail[2..]),
                        _ => (usize::from(*len), tail),
                    };
                    let (payload, next) = tail.split_at(len);
                match first {
                    0x81 => after_text = true,
                    0x82 => {
                        prop_assert!(after_text && payload.iter().all(|&byte| byte == expected));
                        expected = expected.wrapping_add(1);
                        after_text = false;
                    }
                    _ => prop_assert!(*first == 0x89 && !after_text, "control inside a frame"),
                }
                rest = next;
            }
            prop_assert_eq!(expected, sent.wrapping_add(1));
        }
    }
}
