//! The way in for readers: pixels, preference pages, one-click unsubscribe, erasure.
//!
//! Owns sockets, routes and the pages' HTML; knows nothing of the database. What a request means is asked of
//! two ports, [`HitSink`] and [`Pages`], which `app::tracking` implements. Only `server` names tiny_http, and
//! no type of it leaves that file: a request is handed on as plain data with a closure that answers it.

pub mod body;
pub mod front;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
pub mod gate;
mod order;
pub mod pages;
mod reply;
pub mod routes;
pub mod server;

use crate::tracking::token::Token;
use pages::Page;
use std::net::IpAddr;

/// Longest header value that is looked at, in characters; the rest is cut off.
pub const MAX_HEADER: usize = 512;

/// Which door a request came through. Trust is decided by the door's own port, never by what a request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Door {
    /// The peer is the reader.
    Direct,
    /// A proxy or tunnel on this computer is the peer, and names the reader in this header, if it names one.
    BehindProxy {
        /// The header's name; `None` where the proxy sends none.
        client_header: Option<String>,
    },
}

/// How a pixel was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// For its bytes.
    Get,
    /// For its headers only: a habit of scanners.
    Head,
}

/// A request for a pixel, as plain data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hit {
    /// What the address ends in.
    pub token: Token,
    /// How it was asked for.
    pub method: Method,
    /// It came through the direct door, where the peer is the reader.
    pub direct: bool,
    /// The reader's address; `None` where a proxy did not say.
    pub source: Option<IpAddr>,
    /// Without control characters, at most [`MAX_HEADER`] characters; empty where there is none.
    pub user_agent: String,
    /// Every value of `DNT`.
    pub dnt: Vec<String>,
    /// Every value of `Sec-GPC`.
    pub gpc: Vec<String>,
    /// It says of itself that nobody looks yet: `Purpose` or `Sec-Purpose` is `prefetch`.
    pub prefetch: bool,
}

/// What became of a hit. Both are answered with the same picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is on disk, stored or counted.
    Recorded,
    /// It could not be stored.
    Unavailable,
}

/// What a reader asks for on the preference page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Do not record when I open these mails.
    StopRecording,
    /// Record again; the wording of the page is kept with it.
    AllowRecording,
    /// Send me no more mails.
    Unsubscribe,
    /// Mail all that is held about me to the address on file.
    SendData,
    /// Erase what was recorded of me; only once recording has ended.
    EraseRecorded,
}

/// Answers a hit; may be called on any thread, and does not wait for the reader's connection.
pub type AnswerHit = Box<dyn FnOnce(Outcome) + Send>;
/// Answers with a page, or `None` where the workspace could not be read or written.
pub type AnswerPage = Box<dyn FnOnce(Option<Page>) + Send>;

/// Takes hits. Must not block: the answer comes later.
pub trait HitSink: Send + Sync {
    /// Records `hit` and calls `answer` once it is on disk, or cannot be.
    fn hit(&self, hit: Hit, answer: AnswerHit);
}

/// Knows what a preference page says, and does what a reader asks. Must not block.
pub trait Pages: Send + Sync {
    /// Says what the page of `token` shows. Changes nothing.
    fn show(&self, token: Token, answer: AnswerPage);
    /// Does `wish` for the reader of `token`, and answers once that is on disk. Doing it again changes nothing.
    fn act(&self, token: Token, wish: Wish, answer: AnswerPage);
    /// Says what the link `token` would erase, or has erased. Changes nothing.
    fn show_erasure(&self, token: Token, answer: AnswerPage);
    /// Erases the person of the link `token`, and answers once that is done or sure to be done.
    fn erase(&self, token: Token, answer: AnswerPage);
}

/// The two ports, and who is told of a failure.
pub struct Site {
    /// Takes hits.
    pub hits: Box<dyn HitSink>,
    /// Answers pages.
    pub pages: Box<dyn Pages>,
    /// Is told, as a sentence, when an entrance has failed.
    pub failed: Box<dyn Fn(String) + Send + Sync>,
}
