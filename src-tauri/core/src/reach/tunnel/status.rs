//! How a tunnel is, as its supervisor tells it.

use super::state::State;
use super::words::Trouble;
use crate::reach::Seen;
use std::time::Duration;

/// How a tunnel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// Where it is.
    pub state: State,
    /// The address it offers.
    pub seen: Option<Seen>,
    /// What went wrong last; `None` once it works again.
    pub trouble: Option<Trouble>,
    /// More about it, as a sentence.
    pub detail: Option<String>,
    /// The program's last words, as it said them.
    pub last_words: Option<String>,
    /// Its last lines, oldest first.
    pub lines: Vec<String>,
    /// When it is started again.
    pub again_in: Option<Duration>,
    /// How long the last asking took; `None` where it did not answer, or nobody asked.
    pub latency: Option<Duration>,
    /// Why it cannot be told whether readers come through.
    pub unproved: Option<String>,
    /// How often the program was started.
    pub starts: u32,
}

impl Default for Status {
    fn default() -> Self {
        Self {
            state: State::Stopped,
            seen: None,
            trouble: None,
            detail: None,
            last_words: None,
            lines: Vec::new(),
            again_in: None,
            latency: None,
            unproved: None,
            starts: 0,
        }
    }
}
