//! What is turned away, why, and what it is told.

use crate::listener::reply::Reply;
use std::sync::atomic::{AtomicU64, Ordering};

/// Why a request, or a connection, was turned away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// No HTTP, or a head that could be read in two ways.
    Malformed,
    /// Another version than HTTP/1.0 or 1.1: often the preface of HTTP/2.
    Version,
    /// A head over the limits.
    LargeHead,
    /// A body where none belongs, or too large a one.
    LargeBody,
    /// A transfer coding.
    Coding,
    /// A path that is none of ours.
    Unknown,
    /// A question of this process's own that was answered before. It is answered as an unknown path, and not counted:
    /// nobody else asked.
    Spent,
    /// A method that the path does not take; these it takes.
    Method(&'static str),
    /// A head or body that did not come to its end in time.
    Slow,
    /// The oldest unfinished head, where a new connection needed its place.
    Evicted,
    /// One source had too many connections open.
    SourceBusy,
    /// One source asked too often.
    SourceRate,
    /// No place was left, and nobody to take it from.
    Full,
    /// The inner server did not answer, or said that it cannot.
    Unavailable,
    /// The connection could not be accepted: mostly, no file descriptor was left.
    Accept,
    /// An answer was ready, and the client did not take it.
    NotTaken,
}

const REASONS: [(&str, &str); 15] = [
    ("malformed", "not readable as HTTP"),
    ("version", "another version of HTTP"),
    ("large_head", "too long a head"),
    ("large_body", "a body where none belongs, or too large a one"),
    ("coding", "a transfer coding"),
    ("unknown_path", "an address that does not exist here"),
    ("method", "a method that the address does not take"),
    ("slow", "not finished in time"),
    ("evicted", "the slowest, when all places were taken"),
    ("source_busy", "too many connections from one place"),
    ("source_rate", "too many requests from one place"),
    ("full", "no place was left"),
    (
        "unavailable",
        "could not be stored; the reader was asked to try again",
    ),
    ("accept", "could not be accepted by this computer"),
    ("not_taken", "the answer was not taken"),
];

impl Refusal {
    fn index(self) -> Option<usize> {
        Some(match self {
            Self::Spent => return None,
            Self::Malformed => 0,
            Self::Version => 1,
            Self::LargeHead => 2,
            Self::LargeBody => 3,
            Self::Coding => 4,
            Self::Unknown => 5,
            Self::Method(_) => 6,
            Self::Slow => 7,
            Self::Evicted => 8,
            Self::SourceBusy => 9,
            Self::SourceRate => 10,
            Self::Full => 11,
            Self::Unavailable => 12,
            Self::Accept => 13,
            Self::NotTaken => 14,
        })
    }

    /// Returns what is answered; `None` where the connection is just closed.
    pub(super) fn reply(self) -> Option<Reply> {
        Some(match self {
            Self::Malformed | Self::Coding => Reply::text(400, "This request cannot be understood.\n"),
            Self::Version => Reply::text(505, "HTTP/1.1, please.\n"),
            Self::LargeHead => Reply::text(431, "The head of this request is too large.\n"),
            Self::LargeBody => Reply::text(413, "The request is too large.\n"),
            Self::Unknown | Self::Spent => Reply::text(404, "There is nothing here.\n"),
            Self::Method(allowed) => {
                let mut reply = Reply::text(405, "This method is not for this address.\n");
                reply.headers.push(("Allow", allowed));
                reply
            }
            Self::SourceBusy | Self::SourceRate => {
                let mut reply = Reply::pixel(429);
                reply.headers.push(("Retry-After", "10"));
                reply
            }
            Self::Full => Reply::pixel_unavailable(),
            Self::Slow | Self::Evicted | Self::Accept | Self::NotTaken | Self::Unavailable => return None,
        })
    }
}

/// How often each reason came up since the start.
#[derive(Debug, Default)]
pub struct Refused([AtomicU64; REASONS.len()]);

impl Refused {
    /// Counts one.
    pub(super) fn count(&self, refusal: Refusal) {
        if let Some(index) = refusal.index() {
            self.0[index].fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the reasons that came up: a word for programs, words for people, and how often.
    pub fn read(&self) -> Vec<(&'static str, &'static str, u64)> {
        REASONS
            .iter()
            .zip(&self.0)
            .map(|((word, words), n)| (*word, *words, n.load(Ordering::Relaxed)))
            .filter(|(.., n)| *n > 0)
            .collect()
    }
}
