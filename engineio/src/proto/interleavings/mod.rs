//! Every order in which those who share a session can act, played to its end.
//!
//! What they share is behind one lock, and a step here is what is done while that is held, or by one
//! of them alone. So all orders of the steps are all that threads can make of them. Orders that come
//! to the same state go on as one.

mod upgrade;
mod writers;

use std::{
    collections::HashMap,
    fmt::{Debug, Write},
    hash::{DefaultHasher, Hasher},
    io::IoSlice,
};

use super::Outbox;

/// What is acted on, and by whom.
trait Scene: Clone {
    type Actor: Copy + Debug + 'static;
    const ACTORS: &'static [Self::Actor];

    fn can_act(&self, actor: Self::Actor) -> bool;
    /// Takes one step, and panics when that breaks a rule.
    fn act(&mut self, actor: Self::Actor);
    /// All that decides what can still happen.
    fn state(&self) -> impl Debug;
    /// Nobody can act any more.
    fn check_end(&self);
}

/// Plays every order; gives the number of states that were met.
fn play<S: Scene>(scene: &S) -> usize {
    let mut played = Played {
        order: Vec::new(),
        known: HashMap::new(),
        before: Vec::new(),
        ends: Vec::new(),
    };
    played.go_on(scene);
    played.check_that_all_end();
    played.known.len()
}

struct Played<A: Debug> {
    order: Vec<A>,
    known: HashMap<u64, usize>,
    /// For each state, those that it is a step away from.
    before: Vec<Vec<usize>>,
    ends: Vec<usize>,
}

impl<A: Debug> Played<A> {
    fn go_on<S: Scene<Actor = A>>(&mut self, scene: &S) -> usize
    where
        A: Copy,
    {
        let (next, hash) = (self.known.len(), hash(&scene.state()));
        if let Some(known) = self.known.get(&hash) {
            return *known;
        }
        self.known.insert(hash, next);
        self.before.push(Vec::new());
        let mut is_end = true;
        for actor in S::ACTORS.iter().filter(|actor| scene.can_act(**actor)) {
            is_end = false;
            self.order.push(*actor);
            let mut after = scene.clone();
            after.act(*actor);
            let after = self.go_on(&after);
            self.before[after].push(next);
            self.order.pop();
        }
        if is_end {
            scene.check_end();
            self.ends.push(next);
        }
        next
    }

    /// From no state do all orders go in a circle.
    fn check_that_all_end(&self) {
        let mut ends = vec![false; self.before.len()];
        let mut found = self.ends.clone();
        while let Some(state) = found.pop() {
            if !std::mem::replace(&mut ends[state], true) {
                found.extend(&self.before[state]);
            }
        }
        let circles = ends.iter().filter(|ends| !**ends).count();
        assert_eq!(circles, 0, "so many states never come to an end");
    }
}

impl<A: Debug> Drop for Played<A> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("after {:?}", self.order);
        }
    }
}

/// What an outbox holds, byte by byte; its own `Debug` shows no contents.
fn contents(outbox: &Outbox) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 16];
    let filled = outbox.gather(&mut slices);
    assert!(filled < slices.len(), "all of it");
    slices[..filled]
        .iter()
        .flat_map(|slice| slice.to_vec())
        .collect()
}

fn hash(state: &impl Debug) -> u64 {
    struct Into(DefaultHasher);
    impl Write for Into {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            self.0.write(text.as_bytes());
            Ok(())
        }
    }
    let mut hasher = Into(DefaultHasher::new());
    write!(hasher, "{state:?}").expect("a hasher takes everything");
    hasher.0.finish()
}
