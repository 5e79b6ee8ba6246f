//! Long jobs: a thread, progress, and a safe point at which they can be cancelled.

use crate::api::{Error, Job, JobState};
use crate::ids::JobId;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

type Notify = Arc<dyn Fn(Job) + Send + Sync>;

struct Entry {
    job: Job,
    cancel: Arc<AtomicBool>,
}

/// The jobs of an engine.
#[derive(Clone)]
pub struct Jobs {
    entries: Arc<Mutex<BTreeMap<JobId, Entry>>>,
    changed: Arc<Condvar>,
    next: Arc<AtomicI64>,
    notify: Notify,
}

/// What a running job sees of itself.
#[derive(Clone)]
pub struct Progress {
    id: JobId,
    cancel: Arc<AtomicBool>,
    jobs: Jobs,
}

impl Progress {
    /// Returns the job's id.
    pub fn id(&self) -> JobId {
        self.id
    }

    /// Tells how far the job is, and ends it with [`crate::api::Code::Cancelled`] where the user asked for that.
    ///
    /// To be called at safe points only.
    pub fn step(&self, done: u64, total: Option<u64>) -> Result<(), Error> {
        self.jobs.update(self.id, |job| {
            job.done = done;
            job.total = total;
        });
        if self.is_cancelled() {
            return Err(Error::new(crate::api::Code::Cancelled, "Cancelled."));
        }
        Ok(())
    }

    /// Tells whether the user asked the job to end.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }
}

impl Jobs {
    /// Returns an empty set of jobs that calls `notify` at every change.
    pub fn new(notify: impl Fn(Job) + Send + Sync + 'static) -> Self {
        Self {
            entries: Arc::default(),
            changed: Arc::default(),
            next: Arc::new(AtomicI64::new(1)),
            notify: Arc::new(notify),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<JobId, Entry>> {
        self.entries
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Starts `work` on a thread of its own and returns the job's id at once.
    ///
    /// A panic in `work` ends the job as failed.
    pub fn start<T: serde::Serialize>(
        &self,
        title: impl Into<String>,
        work: impl FnOnce(&Progress) -> Result<T, Error> + Send + 'static,
    ) -> JobId {
        let id = JobId(self.next.fetch_add(1, Ordering::Relaxed));
        let cancel = Arc::new(AtomicBool::new(false));
        let job = Job {
            id,
            title: title.into(),
            state: JobState::Running,
            done: 0,
            total: None,
            result: serde_json::Value::Null,
            error: None,
        };
        {
            let mut entries = self.lock();
            entries.insert(
                id,
                Entry {
                    job: job.clone(),
                    cancel: cancel.clone(),
                },
            );
            while entries.len() > 50 {
                let Some(old) = entries
                    .iter()
                    .find(|(_, entry)| entry.job.state != JobState::Running)
                    .map(|(id, _)| *id)
                else {
                    break;
                };
                entries.remove(&old);
            }
        }
        (self.notify)(job);
        let progress = Progress {
            id,
            cancel,
            jobs: self.clone(),
        };
        let run = move || {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| work(&progress)));
            progress.jobs.end(
                id,
                match result {
                    Ok(Ok(value)) => serde_json::to_value(value).map_err(|error| {
                        Error::new(
                            crate::api::Code::Internal,
                            format!("the job's result is no JSON: {error}"),
                        )
                    }),
                    Ok(Err(error)) => Err(error),
                    Err(_) => Err(Error::new(
                        crate::api::Code::Internal,
                        "the job stopped by an internal fault; nothing half-done was kept",
                    )),
                },
            );
        };
        if std::thread::Builder::new()
            .name(format!("casement-job-{id}"))
            .spawn(run)
            .is_err()
        {
            self.end(
                id,
                Err(Error::new(
                    crate::api::Code::Internal,
                    "no thread could be started for this job; close other programs and try again",
                )),
            );
        }
        id
    }

    fn update(&self, id: JobId, change: impl FnOnce(&mut Job)) {
        let Some(job) = self.lock().get_mut(&id).map(|entry| {
            change(&mut entry.job);
            entry.job.clone()
        }) else {
            return;
        };
        self.changed.notify_all();
        (self.notify)(job);
    }

    fn end(&self, id: JobId, result: Result<serde_json::Value, Error>) {
        self.update(id, |job| match result {
            Ok(value) => {
                job.state = JobState::Done;
                job.result = value;
            }
            Err(error) => {
                job.state = if error.code == crate::api::Code::Cancelled {
                    JobState::Cancelled
                } else {
                    JobState::Failed
                };
                job.error = Some(error);
            }
        });
    }

    /// Asks a job to end at its next safe point; tells whether there is such a job.
    pub fn cancel(&self, id: JobId) -> bool {
        match self.lock().get(&id) {
            Some(entry) => {
                entry.cancel.store(true, Ordering::Relaxed);
                true
            }
            None => false,
        }
    }

    /// Asks all running jobs to end.
    pub fn cancel_all(&self) {
        for entry in self.lock().values() {
            entry.cancel.store(true, Ordering::Relaxed);
        }
    }

    /// Changes what is kept of the jobs that have ended. Nobody is told.
    pub fn amend(&self, change: impl Fn(&mut Job)) {
        for entry in self.lock().values_mut() {
            if entry.job.state != JobState::Running {
                change(&mut entry.job);
            }
        }
    }

    /// Returns a job.
    pub fn get(&self, id: JobId) -> Option<Job> {
        self.lock().get(&id).map(|entry| entry.job.clone())
    }

    /// Returns all jobs, newest first.
    pub fn list(&self) -> Vec<Job> {
        self.lock()
            .values()
            .rev()
            .map(|entry| entry.job.clone())
            .collect()
    }

    /// Waits until no job is running.
    pub fn wait_idle(&self) {
        let mut entries = self.lock();
        while entries.values().any(|entry| entry.job.state == JobState::Running) {
            entries = self
                .changed
                .wait(entries)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }

    /// Waits until the job has ended and returns it; `None` where there is no such job.
    pub fn wait(&self, id: JobId) -> Option<Job> {
        let mut entries = self.lock();
        loop {
            let job = entries.get(&id)?.job.clone();
            if job.state != JobState::Running {
                return Some(job);
            }
            entries = self
                .changed
                .wait(entries)
                .unwrap_or_else(|poisoned| poisoned.into_inner());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_job_ends_at_its_next_step() {
        let jobs = Jobs::new(|_| {});
        let id = jobs.start("Counting", |progress| {
            loop {
                progress.step(1, None)?;
                std::thread::yield_now();
            }
            #[allow(unreachable_code)]
            Ok(())
        });
        assert!(jobs.cancel(id));
        assert_eq!(jobs.wait(id).unwrap().state, JobState::Cancelled);
    }

    #[test]
    fn a_job_that_panics_is_reported_as_failed() {
        let jobs = Jobs::new(|_| {});
        let id = jobs.start("Failing", |_| -> Result<(), Error> { panic!("on purpose") });
        assert_eq!(jobs.wait(id).unwrap().state, JobState::Failed);
    }
}
