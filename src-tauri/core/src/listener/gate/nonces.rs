//! Questions that this process asks itself from outside: who can answer them is here.
//!
//! A path is answered once, within its time, and at every entrance; before and afterwards it is as unknown as any other.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// How long a question is waited for: what asks it gives up after ten seconds.
const LIFE: Duration = Duration::from_secs(60);
/// Questions that are waited for at most; the oldest is forgotten first.
const MOST: usize = 64;

/// What a path that no reader asks for is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ours {
    /// Nobody's.
    No,
    /// The watchdog's.
    Watch,
    /// A question that was waited for, and the field that proves the answer: `Name: value`.
    Proof(String),
    /// One that was answered before: not ours any more, and no stranger's either.
    Spent,
}

/// The questions that are waited for.
#[derive(Default)]
pub struct Nonces(Mutex<VecDeque<Nonce>>);

struct Nonce {
    // Hashes are compared in constant time, so that nobody finds a path out letter by letter.
    path: blake3::Hash,
    /// `None` once it was answered.
    proof: Option<String>,
    until: Instant,
}

impl Nonces {
    /// Answers `path` once from now on, with the field `proof`.
    pub fn expect(&self, path: &str, proof: String, now: Instant) {
        let mut nonces = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let path = blake3::hash(path.as_bytes());
        nonces.retain(|nonce| nonce.until > now && nonce.path != path);
        if nonces.len() >= MOST {
            nonces.pop_front();
        }
        nonces.push_back(Nonce {
            path,
            proof: Some(proof),
            until: now + LIFE,
        });
    }

    /// Takes the answer of a path.
    pub fn take(&self, path: &str, now: Instant) -> Ours {
        let mut nonces = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if nonces.is_empty() {
            return Ours::No;
        }
        let asked = blake3::hash(path.as_bytes());
        match nonces
            .iter_mut()
            .find(|nonce| nonce.path == asked && nonce.until > now)
        {
            Some(nonce) => nonce.proof.take().map_or(Ours::Spent, Ours::Proof),
            None => Ours::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_answered_once_and_in_time() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        assert_eq!(nonces.take("/a", start), Ours::No);
        nonces.expect("/a", "proof of a".into(), start);
        nonces.expect("/b", "proof of b".into(), start);
        assert_eq!(nonces.take("/c", start), Ours::No);
        assert_eq!(nonces.take("/a", start), Ours::Proof("proof of a".into()));
        assert_eq!(nonces.take("/a", start), Ours::Spent, "once");
        assert_eq!(nonces.take("/b", start + LIFE), Ours::No, "in time");
        assert_eq!(nonces.take("/a", start + LIFE), Ours::No, "forgotten");
    }

    #[test]
    fn so_many_are_waited_for_and_no_more() {
        let (nonces, start) = (Nonces::default(), Instant::now());
        for n in 0..=MOST {
            nonces.expect(&format!("/{n}"), "proof".into(), start);
        }
        assert_eq!(nonces.take("/0", start), Ours::No, "the oldest had to go");
        assert_eq!(nonces.take("/1", start), Ours::Proof("proof".into()));
        nonces.expect("/new", "proof".into(), start + LIFE);
        assert_eq!(nonces.0.lock().unwrap().len(), 1, "what is over takes no place");
    }
}
