//! The base address that mails carry, and the listener's state.

use super::engine::Engine;
use super::{reach_probe, tracking, tunnel};
use crate::api::{
    ActivityKind, Address, AddressSet, AddressShow, Error, ListenerStart, ListenerStatus, ListenerStatusGet,
    ListenerStop, ReachLevel, Result, RouteKind, Tag,
};
use crate::store::activity::{self, NewActivity};
use crate::store::{Conn, counter, route, setting};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;

pub(crate) use crate::store::route::Route;

#[derive(Serialize, Deserialize)]
struct Stored {
    kind: RouteKind,
    url: String,
}

/// Returns the base address that mails carry from now on; its row must exist already.
pub(crate) fn current_route(conn: &Conn) -> Result<Route> {
    let stored = stored(conn)?;
    Ok(route::find(conn, stored.kind, &stored.url)?)
}

fn stored(conn: &Conn) -> Result<Stored> {
    Ok(setting::get(conn, "address")?.unwrap_or(Stored {
        kind: RouteKind::None,
        url: String::new(),
    }))
}

/// Answers the base address in use.
pub fn address_show(engine: &Arc<Engine>, _request: AddressShow) -> Result<Address> {
    engine.read(address)
}

pub(crate) fn address(conn: &Conn) -> Result<Address> {
    let stored = stored(conn)?;
    Ok(describe(stored.kind, &stored.url))
}

/// Puts an address into words.
pub(crate) fn describe(kind: RouteKind, url: &str) -> Address {
    let meaning = match kind {
        RouteKind::Public => "Mails carry a pixel, a link to end tracking, and one-click unsubscribe.",
        RouteKind::Local => "For trying out: pixels and links work on this computer only.",
        RouteKind::None => "Opens are not measured. Readers unsubscribe by mail.",
    };
    Address {
        kind,
        url: (kind != RouteKind::None).then(|| url.to_owned()),
        meaning: meaning.to_owned(),
    }
}

/// Sets the base address that mails carry from now on. Mail already sent keeps its own.
pub fn address_set(engine: &Arc<Engine>, request: AddressSet) -> Result<Address> {
    let (kind, base_url) = asked_for(request.url.as_deref(), request.local)?;
    let now = engine.clock.now();
    let address = engine.write(&[Tag::Reach, Tag::Campaigns, Tag::Activity], move |conn| {
        let route = route::ensure(conn, kind, &base_url, now)?;
        setting::set(
            conn,
            "address",
            &Stored {
                kind,
                url: route.base_url.clone(),
            },
        )?;
        let text = match kind {
            RouteKind::None => "Mails carry no address of this computer from now on".to_owned(),
            _ => format!("Mails carry the address {base_url} from now on"),
        };
        activity::add(conn, now, &NewActivity::new(ActivityKind::Reach, text))?;
        Ok(describe(kind, &route.base_url))
    })?;
    reach_probe::again(engine);
    Ok(address)
}

/// Reads a base address that readers everywhere can reach.
pub(crate) fn public_base(text: &str) -> Result<String> {
    parse_base(text, false).map(|(_, base)| base)
}

/// Reads what is to be set.
pub(crate) fn asked_for(url: Option<&str>, local: bool) -> Result<(RouteKind, String)> {
    match url {
        None => Ok((RouteKind::None, String::new())),
        Some(url) => parse_base(url, local),
    }
}

/// Reads a base address: scheme, host and port, nothing else.
pub(crate) fn parse_base(text: &str, local: bool) -> Result<(RouteKind, String)> {
    let fail = |message: String| Error::field("url", message);
    let url = url::Url::parse(text.trim()).map_err(|error| {
        fail(format!(
            "{text:?} is no address ({error}). Write it like https://news.example.org."
        ))
    })?;
    let host = url.host_str().filter(|host| !host.is_empty());
    let Some(host) = host else {
        return Err(fail(format!(
            "{text:?} names no host. Write it like https://news.example.org."
        )));
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail(
            "The address must not contain a user name or a password: every mail would show it.".into(),
        ));
    }
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err(fail(
            "The address must end behind the host: Casement adds its own paths.".into(),
        ));
    }
    let base = url.as_str().trim_end_matches('/').to_owned();
    match (url.scheme(), is_here(host), local) {
        ("http", true, true) => Ok((RouteKind::Local, base)),
        ("http", true, false) | ("https", true, _) => Err(fail(format!(
            "{host} is this computer, which your readers cannot reach. To try things out, mark the address as local."
        ))),
        ("http" | "https", false, true) => Err(fail(format!(
            "{host} is not this computer, so it cannot be marked as local."
        ))),
        ("http", false, false) => Err(fail(
            "A public address must begin with https://: mail programs block or warn about http.".into(),
        )),
        ("https", false, false) if is_private(host) => Err(fail(format!(
            "{host} is an address inside your own network, which your readers cannot reach."
        ))),
        ("https", false, false) => Ok((RouteKind::Public, base)),
        (scheme, ..) => Err(fail(format!(
            "{scheme}: is no web address. Write it like https://news.example.org."
        ))),
    }
}

fn ip(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || ip(host).is_some_and(|ip| ip.is_loopback())
}

/// RFC 1918, RFC 4193, RFC 3927, RFC 4291 §2.5.6, RFC 6598.
fn is_private(host: &str) -> bool {
    if !host.contains(['.', ':']) || host.to_ascii_lowercase().ends_with(".local") {
        return true;
    }
    ip(host).is_some_and(|ip| match ip {
        IpAddr::V4(ip) => {
            let [a, b, ..] = ip.octets();
            ip.is_private()
                || ip.is_link_local()
                || ip.is_unspecified()
                || (a == 100 && (64..128).contains(&b))
        }
        IpAddr::V6(ip) => {
            ip.is_unspecified()
                || (ip.segments()[0] & 0xfe00) == 0xfc00
                || (ip.segments()[0] & 0xffc0) == 0xfe80
        }
    })
}

/// Returns how the window's own listener listens: on this computer, with an entrance behind a proxy for
/// mails that the practice outbox opens.
pub(crate) fn here() -> ListenerStart {
    ListenerStart {
        bind: Some("127.0.0.1:0".into()),
        behind_proxy: Some("127.0.0.1:0".into()),
        client_header: Some(super::rehearsal::CLIENT_HEADER.into()),
    }
}

/// The port at which a listener answers where none is named.
const PORT: u16 = 4805;

/// Where the practice outbox finds the listener, as a proxy in front of it would.
pub(crate) struct PracticeEntrance {
    /// `http://ADDR:PORT`.
    pub(crate) url: String,
    /// The header that names the client.
    pub(crate) client_header: String,
}

/// Returns the entrance behind a proxy of this engine's listener, which is started where it does not run.
pub(crate) fn practice_entrance(engine: &Arc<Engine>) -> Result<PracticeEntrance> {
    running(engine)?;
    tracking::practice(engine)
        .map(|(url, client_header)| PracticeEntrance { url, client_header })
        .ok_or_else(|| {
            Error::conflict(
                "The listener runs without an entrance for practice. Stop it and start it again in Settings.",
            )
        })
}

/// Returns the address for practice mails: this computer's own listener, which is started where it does not
/// run. So that practice is measured before anyone has set a public address.
pub(crate) fn practice_route(engine: &Arc<Engine>) -> Result<Route> {
    let status = running(engine)?;
    let Some(entrance) = status
        .entrances
        .into_iter()
        .find(|entrance| !entrance.behind_proxy)
    else {
        return Err(Error::conflict(
            "The listener answers at no address. Stop it and start it again in Settings.",
        ));
    };
    let now = engine.clock.now();
    engine.write(&[], move |conn| {
        let url = from_here(&entrance.url);
        Ok(route::ensure(conn, RouteKind::Local, &url, now)?)
    })
}

/// Returns where an entrance is found on this computer: one at every address is at none by that name.
pub(crate) fn from_here(url: &str) -> String {
    url.replace("//0.0.0.0:", "//127.0.0.1:")
        .replace("//[::]:", "//[::1]:")
}

fn running(engine: &Arc<Engine>) -> Result<tracking::RunningStatus> {
    if tracking::status(engine).is_none() {
        listener_start(engine, here())?;
    }
    tracking::status(engine).ok_or_else(|| Error::conflict("The listener stopped right after its start."))
}

/// Starts the listener of this engine; nothing happens where it runs already.
///
/// Where nothing is asked it listens where the window's listener does: at a fixed port, so that mails and proxies
/// find it again, with an entrance for practice.
pub fn listener_start(engine: &Arc<Engine>, mut request: ListenerStart) -> Result<ListenerStatus> {
    if request
        == (ListenerStart {
            bind: None,
            behind_proxy: None,
            client_header: None,
        })
    {
        request = ListenerStart {
            bind: Some(format!("127.0.0.1:{PORT}")),
            ..here()
        };
    }
    tracking::start(engine, request)?;
    // Readers who come another way are not to be kept out by it; its own state says what is wrong.
    if let Err(error) = tunnel::follow(engine) {
        tracing::warn!("the tunnel is not started: {error}");
    }
    engine.announce(&[Tag::Reach]);
    listener_status(engine, ListenerStatusGet {})
}

/// Stops the listener.
pub fn listener_stop(engine: &Arc<Engine>, _request: ListenerStop) -> Result<ListenerStatus> {
    tunnel::end(engine);
    tracking::stop(engine);
    engine.announce(&[Tag::Reach]);
    listener_status(engine, ListenerStatusGet {})
}

/// Answers whether pixels can reach us, in words.
pub fn listener_status(engine: &Arc<Engine>, _request: ListenerStatusGet) -> Result<ListenerStatus> {
    let now = engine.clock.now();
    let (address, alarm, seen) = engine.read(|conn| {
        let seen = reach_probe::level(conn, current_route(conn)?.id, now)?;
        Ok((address(conn)?, alarm(conn)?, seen))
    })?;
    let running = tracking::status(engine);
    let listening = running.is_some();
    let outage = match &address.url {
        Some(url) if listening && address.kind == RouteKind::Public => tunnel::outage(engine, url)?,
        _ => None,
    };
    let (level, sentence) = match (listening, address.kind) {
        _ if let Some(outage) = outage => (ReachLevel::Unreachable, outage),
        (true, RouteKind::Public) => seen,
        (true, RouteKind::Local) => (
            ReachLevel::LocalOnly,
            "Pixels can reach us from this computer only: good for trying out.".to_owned(),
        ),
        (true, RouteKind::None) => (
            ReachLevel::Unreachable,
            "Mails carry no address yet, so opens are not measured.".to_owned(),
        ),
        (false, RouteKind::None) => (ReachLevel::Unreachable, "Opens are not measured.".to_owned()),
        (false, _) => (
            ReachLevel::Unreachable,
            "The listener is off: opens that come now are lost.".to_owned(),
        ),
    };
    let running = running.unwrap_or_else(|| tracking::at_rest(engine));
    Ok(ListenerStatus {
        listening,
        entrances: running.entrances,
        address,
        sentence,
        level,
        hits_per_minute: running.hits_per_minute,
        last_error: running.last_error,
        since: running.since,
        connections: small(running.connections.0),
        connections_limit: small(running.connections.1),
        queue: small(running.queue),
        spooled: small(running.spooled),
        refused: running.refused,
        restarts: small(usize::try_from(running.restarts).unwrap_or(usize::MAX)),
        alarm,
    })
}

fn small(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Says that readers' buttons had no effect, where that happened: nobody else would ever notice.
fn alarm(conn: &Conn) -> Result<Option<String>> {
    let Some((n, at)) = counter::last(conn, counter::UNMATCHED_POSTS)? else {
        return Ok(None);
    };
    let times = if n == 1 {
        "Once".to_owned()
    } else {
        format!("{n} times")
    };
    Ok(Some(format!(
        "{times} somebody pressed a button (unsubscribe, or end recording) behind a link that belongs to nobody \
         here, last on {}. A few are cut-off links or crawlers. Many mean that mails carry links of another or a \
         lost workspace: those readers could not unsubscribe.",
        at.format("%-d %B %Y, %H:%M UTC")
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_address_is_https_and_reachable() {
        assert_eq!(
            parse_base("https://news.example.org/", false).unwrap(),
            (RouteKind::Public, "https://news.example.org".to_owned())
        );
        for (text, word) in [
            ("http://news.example.org", "https://"),
            ("https://localhost:8080", "this computer"),
            ("http://127.0.0.1:8080", "mark the address as local"),
            ("https://192.168.1.4", "inside your own network"),
            ("https://100.64.0.9", "inside your own network"),
            ("https://nas", "inside your own network"),
            ("https://u:p@news.example.org", "password"),
            ("https://news.example.org/pixels", "behind the host"),
            ("ftp://news.example.org", "no web address"),
            ("news.example.org", "no address"),
        ] {
            let error = parse_base(text, false).unwrap_err();
            assert!(error.message.contains(word), "{text}: {}", error.message);
            assert_eq!(error.field.as_deref(), Some("url"));
        }
    }

    #[test]
    fn a_local_address_is_http_on_this_computer() {
        assert_eq!(
            parse_base("http://127.0.0.1:4805", true).unwrap(),
            (RouteKind::Local, "http://127.0.0.1:4805".to_owned())
        );
        assert!(
            parse_base("https://news.example.org", true).is_err(),
            "another computer is not local"
        );
    }
}
