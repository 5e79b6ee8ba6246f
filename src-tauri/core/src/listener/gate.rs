//! Decides which sockets may be opened.
//!
//! For now this computer only: tiny_http must not meet the internet. It has no timeouts and no limits, and one
//! hostile `Content-Length` ends the process. The gate that can face the internet is to be built here.

use std::net::{IpAddr, SocketAddr};

/// An address that may be bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bind(SocketAddr);

impl Bind {
    /// Returns the address.
    pub fn addr(self) -> SocketAddr {
        self.0
    }
}

/// Why an address may not be bound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BindError {
    /// Not of the form `ADDR:PORT`.
    #[error(
        "{0:?} is no address to listen at; write it like 127.0.0.1:8025, or 127.0.0.1:0 for any free port"
    )]
    Syntax(String),
    /// Not this computer.
    #[error(
        "{0} can be reached from other computers, which this version's listener must not be; \
         listen at 127.0.0.1 and let a proxy or tunnel on this computer pass requests on"
    )]
    NotLoopback(IpAddr),
}

/// Reads `ADDR:PORT`; only loopback addresses pass.
pub fn parse(text: &str) -> Result<Bind, BindError> {
    let text = text.trim();
    let addr = match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => port
            .parse()
            .ok()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
        _ => text.parse().ok(),
    };
    let addr = addr.ok_or_else(|| BindError::Syntax(text.chars().take(80).collect()))?;
    if addr.ip().to_canonical().is_loopback() {
        Ok(Bind(addr))
    } else {
        Err(BindError::NotLoopback(addr.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_computer_may_be_bound() {
        for text in [
            "127.0.0.1:0",
            "127.0.0.2:80",
            "[::1]:8025",
            "localhost:8025",
            " 127.0.0.1:1 ",
        ] {
            assert!(parse(text).is_ok(), "{text} is this computer");
        }
        for text in ["0.0.0.0:80", "[::]:80", "192.168.1.4:80", "203.0.113.9:80"] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, BindError::NotLoopback(_)),
                "{text} is open to others"
            );
            assert!(
                error.to_string().contains("127.0.0.1"),
                "says what to do: {error}"
            );
        }
        for text in ["", "8025", "127.0.0.1", "example.org:80", "127.0.0.1:99999"] {
            assert!(matches!(parse(text), Err(BindError::Syntax(_))), "{text}");
        }
    }
}
