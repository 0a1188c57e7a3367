//! The writer: one task, one connection, one durable commit for everything
//! that waits.
//!
//! It takes all jobs that are queued into one transaction, commits once, and
//! then tells them in their order. Under load that is one `fsync` for many
//! messages; a lone job commits at once. Messages that stand beside each other
//! share their statements, and so do notifications. A bad job never fails its
//! neighbours: when something was written before a failure, the batch runs
//! again, one by one, with a savepoint before each job. When storage stalls, the
//! batch is given up at once, and so are those who wait behind it. Telling a job
//! must not wait: publishing happens elsewhere.

use std::sync::Arc;
use std::time::{Duration, Instant};

use engineio::metrics::{Counter, Histogram};

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::failpoint;
use super::posting::{self, Posting};
use super::{Answer, NewNotification, StoreError, Write};

/// Jobs that may wait for the writer; more of them wait with their senders.
const QUEUE: usize = 1024;

/// Jobs that share one commit. Bounds how long the first waits for the last.
const BATCH: usize = 256;

/// How long a job waits for room in the queue before it is refused.
const QUEUE_PATIENCE: Duration = Duration::from_secs(5);

/// A batch that failed after this time has failed because storage does not move.
const STALL: Duration = Duration::from_millis(if cfg!(test) { 200 } else { 2000 });

/// Whether what a job did is to be kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is, if the commit succeeds.
    Keep,
    /// It was refused; nothing of it may stay.
    Undo,
}

/// A piece of work inside of a transaction.
pub(crate) trait Job: Send {
    /// Does it. The answer is kept until [`Job::finish`]. It may run more than
    /// once; then only the last time counts.
    fn run<'a>(&'a mut self, connection: &'a mut dyn Write) -> Answer<'a, Verdict>;
    /// The message that it appends, when that is all that it does.
    fn posting(&mut self) -> Option<&mut dyn Posting> {
        None
    }
    /// The notification that it keeps, when that is all that it does. It is
    /// kept after everything else of its batch: nothing waits for it.
    fn notification(&self) -> Option<NewNotification<'_>> {
        None
    }
    /// Says how it went: after the commit, in the order of the batch. Must not
    /// wait.
    fn finish(self: Box<Self>, outcome: Result<(), StoreError>);
}

/// What the writer counts.
#[derive(Debug)]
pub(crate) struct WriterMetrics {
    /// Jobs that shared a commit.
    pub(crate) size: Histogram,
    /// From the beginning of a batch until its jobs know how it went.
    pub(crate) time: Histogram,
    /// Batches that could not be committed.
    pub(crate) failed: Counter,
}

impl Default for WriterMetrics {
    fn default() -> Self {
        Self {
            size: Histogram::of_sizes(),
            time: Histogram::of_times(),
            failed: Counter::default(),
        }
    }
}

/// Where jobs are handed in.
pub(crate) struct Writer {
    queue: mpsc::Sender<Box<dyn Job>>,
    metrics: Arc<WriterMetrics>,
    stop: parking_lot::Mutex<Option<(oneshot::Sender<()>, JoinHandle<()>)>>,
}

impl Writer {
    /// Starts the task over the connection that writes.
    pub(crate) fn start(connection: Box<dyn Write>) -> Self {
        let (queue, jobs) = mpsc::channel(QUEUE);
        let (stop, stopped) = oneshot::channel();
        let metrics = Arc::<WriterMetrics>::default();
        let task = tokio::spawn(run(connection, jobs, stopped, Arc::clone(&metrics)));
        Self {
            queue,
            metrics,
            stop: parking_lot::Mutex::new(Some((stop, task))),
        }
    }

    /// Queues a job. When there is room, that happens before the first await,
    /// so jobs run in the order in which they were handed in.
    ///
    /// # Errors
    /// [`StoreError::Overloaded`] when there is no room for long, or the
    /// writer has ended; the job was not run.
    pub(crate) async fn submit(&self, job: Box<dyn Job>) -> Result<(), StoreError> {
        let queued = self.queue.send_timeout(job, QUEUE_PATIENCE).await;
        queued.map_err(|_| StoreError::Overloaded)
    }

    /// What it counts.
    pub(crate) fn metrics(&self) -> &WriterMetrics {
        &self.metrics
    }

    /// Jobs that wait.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Finishes what is queued, then ends the task and its connection.
    pub(crate) async fn close(&self) {
        let running = self.stop.lock().take();
        if let Some((stop, task)) = running {
            drop(stop);
            // A panic of the task was reported by the runtime already.
            let _ = task.await;
        }
    }
}

async fn run(
    mut connection: Box<dyn Write>,
    mut jobs: mpsc::Receiver<Box<dyn Job>>,
    mut stop: oneshot::Receiver<()>,
    metrics: Arc<WriterMetrics>,
) {
    let mut batch = Vec::new();
    let mut stopping = false;
    loop {
        let taken = tokio::select! {
            biased;
            taken = jobs.recv_many(&mut batch, BATCH) => taken,
            _ = &mut stop, if !stopping => {
                stopping = true;
                // What is queued already still comes out of it.
                jobs.close();
                continue;
            }
        };
        if taken == 0 {
            return;
        }
        let begun = Instant::now();
        metrics.size.observe(taken as u64);
        let stored = commit(connection.as_mut(), &mut batch).await;
        metrics.time.observe_time(begun.elapsed());
        if !stored {
            metrics.failed.count();
        }
        if !stored && begun.elapsed() > STALL {
            refuse_waiting(&mut jobs);
        }
    }
}

/// Storage has stalled: those who have waited behind a batch that failed over it would wait as long
/// again, and could be stored after they were told that they were not.
fn refuse_waiting(jobs: &mut mpsc::Receiver<Box<dyn Job>>) {
    for _ in 0..jobs.len() {
        if let Ok(job) = jobs.try_recv() {
            job.finish(Err(StoreError::NotCommitted));
        }
    }
}

/// How the jobs of a batch are run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// Those of one kind share their statements, as long as no job fails after
    /// it has written something.
    Together,
    /// One by one, with a savepoint before each.
    Savepoints,
}

/// What came of each job of a batch.
type Outcomes = Vec<Result<(), StoreError>>;

/// Runs a batch, commits it, and tells every job; whether the transaction was committed.
async fn commit(connection: &mut dyn Write, batch: &mut Vec<Box<dyn Job>>) -> bool {
    batch.sort_by_key(|job| job.notification().is_some());
    let outcomes = match attempt(connection, batch, Guard::Together).await {
        Ok(None) => match connection.rollback().await {
            Ok(()) => attempt(connection, batch, Guard::Savepoints).await,
            Err(error) => Err(error),
        },
        outcomes => outcomes,
    };
    match outcomes {
        Ok(outcomes) => {
            for (job, outcome) in batch.drain(..).zip(outcomes.into_iter().flatten()) {
                job.finish(outcome);
            }
            true
        }
        Err(error) => {
            give_up(connection, batch, &error).await;
            false
        }
    }
}

/// The transaction as a whole has failed.
async fn give_up(connection: &mut dyn Write, batch: &mut Vec<Box<dyn Job>>, error: &StoreError) {
    tracing::warn!(%error, jobs = batch.len(), "a batch was not committed");
    if let Err(error) = connection.rollback().await {
        // Some faults make the database roll back by itself.
        tracing::debug!(%error, "nothing to roll back");
    }
    for job in batch.drain(..) {
        job.finish(Err(StoreError::NotCommitted));
    }
}

/// The outcome of each job; none when the batch needs savepoints, and an error
/// when the transaction as a whole failed.
async fn attempt(
    connection: &mut dyn Write,
    batch: &mut [Box<dyn Job>],
    guard: Guard,
) -> Result<Option<Outcomes>, StoreError> {
    connection.begin().await?;
    failpoint::pass(failpoint::BEFORE_INSERT)?;
    let mut outcomes = Vec::with_capacity(batch.len());
    let mut rest = batch;
    while !rest.is_empty() {
        let count = alike(rest, guard);
        let (jobs, later) = rest.split_at_mut(count);
        match (guard, jobs) {
            (Guard::Savepoints, [job]) => {
                outcomes.push(run_guarded(connection, job.as_mut()).await?);
            }
            (_, jobs) => match run_together(connection, jobs).await? {
                Some(some) => outcomes.extend(some),
                None => return Ok(None),
            },
        }
        rest = later;
    }
    failpoint::pass(failpoint::BEFORE_COMMIT)?;
    connection.commit().await?;
    Ok(Some(outcomes))
}

/// How many jobs from the first on can share their statements.
fn alike(jobs: &mut [Box<dyn Job>], guard: Guard) -> usize {
    if guard == Guard::Savepoints {
        return 1;
    }
    let postings = jobs.iter_mut().map_while(|job| job.posting().map(drop));
    let notifications = |jobs: &[Box<dyn Job>]| {
        let kept = jobs.iter().map_while(|job| job.notification().map(drop));
        kept.count()
    };
    match postings.count() {
        0 => notifications(jobs).max(1),
        count => count,
    }
}

/// None when something was left behind that must be undone, or it is not known
/// whose fault an error was.
///
/// # Errors
/// When it was nobody's, but storage's: to run the jobs once more would only
/// take as long again.
async fn run_together(
    connection: &mut dyn Write,
    jobs: &mut [Box<dyn Job>],
) -> Result<Option<Outcomes>, StoreError> {
    let clean = if jobs[0].posting().is_some() {
        posting::run(connection, jobs).await
    } else if jobs[0].notification().is_some() {
        let notifications: Vec<_> = jobs.iter().filter_map(|job| job.notification()).collect();
        let kept = connection.insert_notifications(&notifications).await;
        kept.map(|()| true)
    } else {
        let outcome = run_bare(connection, jobs[0].as_mut()).await?;
        return Ok(outcome.map(|outcome| vec![outcome]));
    };
    match clean {
        Ok(clean) => Ok(clean.then(|| jobs.iter().map(|_| Ok(())).collect())),
        Err(error) if error.is_temporary() => Err(error),
        Err(_) => Ok(None),
    }
}

/// None when the job has left something behind that must be undone.
///
/// # Errors
/// As [`run_together`].
async fn run_bare(
    connection: &mut dyn Write,
    job: &mut dyn Job,
) -> Result<Option<Result<(), StoreError>>, StoreError> {
    connection.take_touched();
    let verdict = match job.run(connection).await {
        Err(error) if error.is_temporary() => return Err(error),
        verdict => verdict,
    };
    let clean = matches!(verdict, Ok(Verdict::Keep)) || !connection.take_touched();
    Ok(clean.then(|| verdict.map(drop)))
}

async fn run_guarded(
    connection: &mut dyn Write,
    job: &mut dyn Job,
) -> Result<Result<(), StoreError>, StoreError> {
    connection.savepoint().await?;
    let verdict = job.run(connection).await;
    match verdict {
        // Not the job's fault: those behind it would only wait as long, and be stored after their
        // senders were told that they were not.
        Err(error) if error.is_temporary() => return Err(error),
        Ok(Verdict::Keep) => {}
        _ => connection.undo().await?,
    }
    connection.release().await?;
    Ok(verdict.map(drop))
}
