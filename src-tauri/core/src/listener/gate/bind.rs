//! Decides which sockets may be opened.
//!
//! The direct entrance may face the internet. The one behind a proxy may not: whoever reaches it can claim any
//! address in the proxy's name.

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
    /// Not this computer, where a proxy's word is believed.
    #[error(
        "{0} can be reached from other computers, and whoever reaches the entrance behind a proxy is believed; \
         let it listen at 127.0.0.1, where only a proxy or tunnel on this computer comes in"
    )]
    NotLoopback(IpAddr),
}

/// Reads `ADDR:PORT` of this computer; any other address is refused.
pub fn parse_loopback(text: &str) -> Result<Bind, BindError> {
    let bind = parse(text)?;
    if bind.0.ip().to_canonical().is_loopback() {
        Ok(bind)
    } else {
        Err(BindError::NotLoopback(bind.0.ip()))
    }
}

/// Reads `ADDR:PORT`.
pub fn parse(text: &str) -> Result<Bind, BindError> {
    let text = text.trim();
    let addr = match text.rsplit_once(':') {
        Some((host, port)) if host.eq_ignore_ascii_case("localhost") => port
            .parse()
            .ok()
            .map(|port| SocketAddr::from(([127, 0, 0, 1], port))),
        _ => text.parse().ok(),
    };
    addr.map(Bind)
        .ok_or_else(|| BindError::Syntax(text.chars().take(80).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxys_entrance_is_on_this_computer() {
        for text in [
            "127.0.0.1:0",
            "127.0.0.2:80",
            "[::1]:8025",
            "localhost:8025",
            " 127.0.0.1:1 ",
        ] {
            assert!(parse_loopback(text).is_ok(), "{text} is this computer");
        }
        for text in ["0.0.0.0:80", "[::]:80", "192.168.1.4:80", "203.0.113.9:80"] {
            assert!(parse(text).is_ok(), "{text} may be bound for readers");
            let error = parse_loopback(text).unwrap_err();
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
