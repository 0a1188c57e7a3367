//! The writer over a real engine.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

type Finished = Arc<Mutex<Vec<(u32, bool)>>>;

/// Says something in a chat, and then perhaps fails.
struct Say {
    number: u32,
    chat: ChatId,
    who: UserId,
    end: End,
    finished: Finished,
}

#[derive(Clone, Copy, PartialEq)]
enum End {
    Keep,
    Undo,
    Fail,
}

impl Job for Say {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            say(connection, &self.chat, &self.who, "x").await;
            match self.end {
                End::Keep => Ok(Verdict::Keep),
                End::Undo => Ok(Verdict::Undo),
                // A participant who is in it already: the schema refuses.
                End::Fail => {
                    let role = MemberRole::Member;
                    let (chat, who) = (&self.chat, std::slice::from_ref(&self.who));
                    connection
                        .insert_participants(chat, who, role, NOW, Seq(0))
                        .await?;
                    Ok(Verdict::Keep)
                }
            }
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        self.finished.lock().push((self.number, outcome.is_ok()));
    }
}

#[tokio::test]
async fn a_bad_job_never_fails_its_neighbours_and_all_are_told_in_order() {
    let Engine {
        store,
        mut connection,
        ..
    } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    let finished = Finished::default();
    let ends = [End::Keep, End::Fail, End::Keep, End::Undo, End::Keep];
    for (number, end) in (0..).zip(ends) {
        let (chat, who, finished) = (chat.clone(), who.clone(), Arc::clone(&finished));
        let job = Say {
            number,
            chat,
            who,
            end,
            finished,
        };
        writer.submit(Box::new(job)).await.expect("there is room");
    }
    writer.close().await;
    let told = [(0, true), (1, false), (2, true), (3, true), (4, true)];
    assert_eq!(*finished.lock(), told);
    let mut read = store.read().await.expect("a reader");
    let head = read.head(&chat).await.expect("answers").expect("a chat");
    assert_eq!((head.last_seq, head.rev), (Seq(3), Rev(3)));
    let kept = read
        .messages_by_seq(&chat, &[Seq(1), Seq(2), Seq(3), Seq(4)])
        .await;
    assert_eq!(kept.expect("answers").len(), 3);
}

/// Asks what cannot be asked, and writes nothing: PostgreSQL knows no text with a NUL in it.
struct Ask {
    finished: Finished,
}

impl Job for Ask {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            connection.direct_chat("\0").await?;
            Err(StoreError::Query(sqlx::Error::RowNotFound))
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        self.finished.lock().push((0, outcome.is_ok()));
    }
}

#[tokio::test]
async fn a_question_that_fails_takes_nothing_from_the_jobs_behind_it() {
    let Engine {
        store,
        mut connection,
        ..
    } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    let finished = Finished::default();
    let ask = Ask {
        finished: Arc::clone(&finished),
    };
    let say = Say {
        number: 1,
        chat: chat.clone(),
        who,
        end: End::Keep,
        finished: Arc::clone(&finished),
    };
    writer.submit(Box::new(ask)).await.expect("there is room");
    writer.submit(Box::new(say)).await.expect("there is room");
    writer.close().await;
    assert_eq!(*finished.lock(), [(0, false), (1, true)]);
    let mut read = store.read().await.expect("a reader");
    let head = read.head(&chat).await.expect("answers").expect("a chat");
    assert_eq!(head.last_seq, Seq(1), "what was told as stored is stored");
}

#[tokio::test]
async fn after_the_end_nothing_is_taken() {
    let Engine { mut connection, .. } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    writer.close().await;
    let job = Say {
        number: 0,
        chat,
        who,
        end: End::Keep,
        finished: Finished::default(),
    };
    assert!(matches!(
        writer.submit(Box::new(job)).await,
        Err(StoreError::Overloaded)
    ));
}

/// Says something, and tells how often it ran; a stall hits it after it has written.
struct Stalled {
    say: Say,
    runs: Arc<Mutex<u32>>,
}

impl Job for Stalled {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            *self.runs.lock() += 1;
            self.say.run(connection).await?;
            Err(StoreError::Unavailable(sqlx::Error::PoolTimedOut))
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        Box::new(self.say).finish(outcome);
    }
}

#[tokio::test]
async fn a_batch_that_storage_leaves_waiting_waits_once_and_not_once_more_with_savepoints() {
    let Engine {
        store,
        mut connection,
        _directory,
        ..
    } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    let (finished, runs) = (Finished::default(), Arc::<Mutex<u32>>::default());
    let say = |number| Say {
        number,
        chat: chat.clone(),
        who: who.clone(),
        end: End::Keep,
        finished: Arc::clone(&finished),
    };
    let stalled = Stalled {
        say: say(1),
        runs: Arc::clone(&runs),
    };
    let jobs: [Box<dyn Job>; 3] = [Box::new(say(0)), Box::new(stalled), Box::new(say(2))];
    for job in jobs {
        writer.submit(job).await.expect("there is room");
    }
    writer.close().await;
    assert_eq!(*runs.lock(), 1);
    assert_eq!(*finished.lock(), [(0, false), (1, false), (2, false)]);
    let mut read = store.read().await.expect("a reader");
    let head = read.head(&chat).await.expect("answers").expect("a chat");
    assert_eq!((head.last_seq, head.rev), (Seq(0), Rev(0)));
}

/// The first of its batch: when it learns that storage has stalled, storage goes on.
struct Unlocking {
    say: Say,
    lock: Box<dyn Any + Send>,
}

impl Job for Unlocking {
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict> {
        Box::pin(async move {
            // Waits for the lock, where the beginning of the transaction did not.
            connection.head(&self.say.chat).await?;
            self.say.run(connection).await
        })
    }

    fn finish(self: Box<Self>, outcome: Result<(), StoreError>) {
        drop(self.lock);
        Box::new(self.say).finish(outcome);
    }
}

#[tokio::test]
async fn those_who_waited_behind_a_stall_are_refused_with_it_and_what_comes_later_is_stored() {
    let Engine {
        store,
        mut connection,
        url,
        _directory,
    } = engine().await;
    let who = person(connection.as_mut(), "ann").await;
    let chat = chat(connection.as_mut(), &who).await;
    let writer = Writer::start(connection);
    let finished = Finished::default();
    let say = |number| Say {
        number,
        chat: chat.clone(),
        who: who.clone(),
        end: End::Keep,
        finished: Arc::clone(&finished),
    };
    let first = Unlocking {
        say: say(0),
        lock: lock_everything(&url).await,
    };
    writer.submit(Box::new(first)).await.expect("there is room");
    while writer.waiting() > 0 {
        tokio::task::yield_now().await;
    }
    for number in 1..=2 {
        let waiting = Box::new(say(number));
        writer.submit(waiting).await.expect("there is room");
    }
    while finished.lock().is_empty() {
        tokio::task::yield_now().await;
    }
    writer
        .submit(Box::new(say(3)))
        .await
        .expect("there is room");
    writer.close().await;
    let told = [(0, false), (1, false), (2, false), (3, true)];
    assert_eq!(*finished.lock(), told);
    let mut read = store.read().await.expect("a reader");
    let head = read.head(&chat).await.expect("answers").expect("a chat");
    assert_eq!((head.last_seq, head.rev), (Seq(1), Rev(1)));
}
