//! Which entrances the listener opens, and whom it believes at each.

use super::super::engine::Engine;
use super::super::error::sentence;
use super::super::{rehearsal, tunnel};
use super::DEFAULT_BIND;
use crate::api::{Error, ListenerStart, Result};
use crate::listener::Door;
use crate::listener::gate::{self, Bind, BindError};
use std::net::SocketAddr;

/// Whom an entrance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Readers themselves.
    Readers,
    /// A proxy that was asked for.
    Proxy,
    /// The practice outbox, where no proxy that names its clients has one.
    Practice,
    /// The tunnel.
    Tunnel,
}

/// An entrance to be opened.
pub(super) struct Planned {
    /// The request's field that names it.
    pub(super) field: &'static str,
    pub(super) bind: Bind,
    pub(super) door: Door,
    pub(super) role: Role,
}

/// Reads what is asked into addresses that may be bound.
///
/// An entrance at any free port gets the one it had in `before`.
pub(super) fn plan(
    engine: &Engine,
    request: &ListenerStart,
    before: &[(Role, SocketAddr)],
) -> Result<Vec<Planned>> {
    let invalid =
        |field: &'static str| move |error: BindError| Error::field(field, sentence(&error.to_string()));
    let mut planned = Vec::new();
    let bind = match (&request.bind, &request.behind_proxy) {
        (None, None) => Some(DEFAULT_BIND),
        (bind, _) => bind.as_deref(),
    };
    if let Some(bind) = bind {
        planned.push(Planned {
            field: "bind",
            bind: gate::parse(bind).map_err(invalid("bind"))?,
            door: Door::Direct,
            role: Role::Readers,
        });
    }
    let client_header = request.client_header.as_deref().map(str::trim);
    if let Some(header) = client_header {
        check_header(header)?;
    }
    match (&request.behind_proxy, client_header) {
        (Some(bind), header) => {
            planned.push(Planned {
                field: "behind_proxy",
                bind: gate::parse_loopback(bind).map_err(invalid("behind_proxy"))?,
                door: behind(header),
                role: Role::Proxy,
            });
            if header.is_none() {
                planned.push(Planned {
                    field: "behind_proxy",
                    bind: gate::parse_loopback(DEFAULT_BIND).map_err(invalid("behind_proxy"))?,
                    door: behind(Some(rehearsal::CLIENT_HEADER)),
                    role: Role::Practice,
                });
            }
        }
        (None, Some(_)) => {
            return Err(Error::field(
                "client_header",
                "A header with the client's address is believed only behind a proxy: name that entrance too.",
            ));
        }
        (None, None) => {}
    }
    if let Some((bind, door)) = tunnel::entrance(engine)? {
        planned.push(Planned {
            field: "port",
            bind,
            door,
            role: Role::Tunnel,
        });
    }
    for one in planned.iter_mut().filter(|one| one.bind.addr().port() == 0) {
        let had = before.iter().find(|(role, _)| *role == one.role);
        if let Some((_, addr)) = had {
            one.bind = gate::parse(&addr.to_string()).map_err(invalid(one.field))?;
        }
    }
    Ok(planned)
}

fn behind(header: Option<&str>) -> Door {
    Door::BehindProxy {
        client_header: header.map(str::to_owned),
    }
}

/// Refuses what can be no header's name.
pub(crate) fn check_header(header: &str) -> Result<()> {
    let is_name = !header.is_empty()
        && header
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "-_".contains(c));
    if is_name {
        return Ok(());
    }
    Err(Error::field(
        "client_header",
        format!("{header:?} is no name of a header. Write it like X-Forwarded-For or CF-Connecting-IP."),
    ))
}
