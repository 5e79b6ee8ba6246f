//! What a probe saw, as plain data.

use std::net::IpAddr;

/// What a probe saw.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// The host that was asked.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The addresses to which its name leads; empty where that is not known.
    pub addresses: Vec<IpAddr>,
    /// The address that was spoken to is this computer's own: nothing left it.
    pub is_own: bool,
    /// Names were looked up where the world does. False where a name server was named by hand, to try things out:
    /// then an address inside a network is what was meant.
    pub of_the_world: bool,
    /// The certificate that was shown, however the handshake ended.
    pub certificate: Option<Certificate>,
    /// What only the listener of this process answers.
    pub expected: String,
    /// How it ended.
    pub end: End,
}

/// A certificate that a server showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its end, in seconds since 1970.
    pub until: i64,
    /// The names that it is for.
    pub names: Vec<String>,
    /// It signed itself.
    pub is_self_signed: bool,
}

/// How far a probe came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum End {
    /// The address does not begin with `https://`.
    PlainHttp,
    /// This computer has no way to the internet.
    NoNetwork,
    /// The name leads nowhere.
    Name(NameFault),
    /// Nothing listens there.
    Refused,
    /// The network says that there is no way to it.
    NoWay,
    /// No answer in time.
    Timeout(Stage),
    /// No encrypted connection came about.
    Tls(TlsFault),
    /// The connection was closed before an answer came.
    HungUp,
    /// What came is no HTTP.
    Noise,
    /// An answer, and the one to the same question once more where it was asked.
    Answer {
        /// The answer.
        first: Answer,
        /// The answer to the second time, where one came.
        again: Option<Answer>,
    },
}

/// Why a name leads nowhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NameFault {
    /// There is no such name, or it has no address.
    Unknown,
    /// No name server answered.
    Silent,
    /// The name server failed.
    Failed,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The connection.
    Connect,
    /// The encryption.
    Tls,
    /// The answer.
    Answer,
}

/// Why no encrypted connection came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsFault {
    /// The certificate is over.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It is for other names.
    OtherName,
    /// No authority that this computer knows has signed it.
    Unvouched,
    /// Something else is wrong with it.
    Certificate(String),
    /// The server does not encrypt.
    Plain,
    /// Something else.
    Broken(String),
}

/// An answer over HTTP.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Names in lower case, and values.
    pub fields: Vec<(String, String)>,
    /// The first bytes of its body, in whatever coding.
    pub body: Vec<u8>,
}

impl Answer {
    /// Returns the first value of a field, `name` in lower case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns the body as text, in lower case.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).to_lowercase()
    }

    /// Tells whether somebody on the way had kept it: RFC 9111 §5.1, and the fields of the usual caches.
    pub fn was_kept(&self) -> bool {
        let is_hit = |value: &str| {
            value
                .to_ascii_lowercase()
                .split([',', ' ', ';'])
                .any(|word| matches!(word.trim(), "hit" | "stale" | "updating" | "revalidated"))
        };
        self.field("age")
            .is_some_and(|age| age.trim().parse::<u64>().is_ok_and(|age| age > 0))
            || ["cf-cache-status", "x-cache", "x-cache-status", "cache-status"]
                .iter()
                .any(|name| self.field(name).is_some_and(is_hit))
    }
}
