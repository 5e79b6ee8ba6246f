//! Tells the owners of writes what became of them.

use super::{Done, Kept};
use crate::store::Result;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread::JoinHandle;

/// Owners and what they are told.
pub(super) type News = Vec<(Done, Result<Kept>)>;

/// Tells owners of their commits, in order, on a thread of its own: the next commit need not wait for it.
pub(super) struct Teller {
    /// `None` where there is no thread: then they are told at once.
    news: Option<SyncSender<News>>,
    thread: Option<JoinHandle<()>>,
}

/// Commits whose owners may wait to be told; beyond it the writer waits.
const UNTOLD: usize = 16;

impl Teller {
    pub fn start() -> Self {
        let (news, told) = sync_channel::<News>(UNTOLD);
        let thread = std::thread::Builder::new()
            .name("casement-teller".into())
            .spawn(move || told.into_iter().for_each(tell));
        Self {
            news: thread.is_ok().then_some(news),
            thread: thread.ok(),
        }
    }

    pub fn tell(&self, news: News) {
        match &self.news {
            Some(sender) => {
                if let Err(unsent) = sender.send(news) {
                    tell(unsent.0);
                }
            }
            None => tell(news),
        }
    }
}

impl Drop for Teller {
    fn drop(&mut self) {
        self.news = None;
        if let Some(thread) = self.thread.take() {
            // Its panics are caught where they happen.
            let _ = thread.join();
        }
    }
}

fn tell(news: News) {
    for (done, result) in news {
        if catch_unwind(AssertUnwindSafe(|| done(result))).is_err() {
            tracing::error!("telling a writer of its commit panicked; the commit stands");
        }
    }
}
