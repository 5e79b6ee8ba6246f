//! The way that readers take to this computer: chosen, kept, started with the listener and ended with it.
//!
//! The listener has a port of its own for it, on loopback, and believes the provider's word for a reader's address
//! there and nowhere else.

mod keys;
mod outside;
#[cfg(test)]
mod tests;

use super::engine::Engine;
use super::{reach, tracking};
use crate::api::{
    ActivityKind, AddressSet, Code, Error, ListenerStart, Result, Tag, Tunnel, TunnelChosen, TunnelDown,
    TunnelSave, TunnelShow, TunnelUp,
};
use crate::clock::Instant;
use crate::listener::Door;
use crate::listener::gate::{self, Bind};
use crate::reach::route::Lasts;
use crate::reach::tunnel::state::State;
use crate::reach::tunnel::supervisor::{Needs, Status, Tunnel as Followed};
use crate::reach::tunnel::way::{Means, Plan, Way, known_host};
use crate::reach::tunnel::words::Trouble;
use crate::reach::tunnel::{leash, programs as tools};
use crate::store::activity::{self, NewActivity};
use crate::store::{Conn, setting};
pub use keys::{host_key, key, lines, programs};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

/// The setting that keeps the way.
const SETTING: &str = "tunnel";
/// The port of this computer at which a tunnel's traffic comes in where none was chosen.
const PORT: u16 = 4806;

/// What the binaries tell of this computer for tunnels.
#[derive(Debug, Clone, Default)]
pub struct Tools {
    /// Where programs are looked for, in this order.
    pub folders: Vec<PathBuf>,
    /// This program's own file, which is run as the leash of others; without it no tunnel is started.
    pub own: Option<PathBuf>,
    /// A folder outside every workspace for keys and tokens that programs read from files.
    pub private: Option<PathBuf>,
    /// All that programs are told of their surroundings, by name and value.
    pub environment: Vec<(OsString, OsString)>,
}

/// The tunnel, while it is followed.
#[derive(Default)]
pub(crate) struct Desk {
    followed: Mutex<Option<Followed>>,
    /// One starts or ends it at a time: the next one's files have the same names.
    turn: Mutex<()>,
}

fn held(engine: &Engine) -> MutexGuard<'_, Option<Followed>> {
    engine
        .tunnel
        .followed
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn turn(engine: &Engine) -> MutexGuard<'_, ()> {
    engine
        .tunnel
        .turn
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What is kept of the way. The token is in the key store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Kept {
    way: Way,
    port: u16,
    program: Option<String>,
    #[serde(default)]
    token: keys::Kept,
    is_on: bool,
}

fn kept(conn: &Conn) -> Result<Option<Kept>> {
    Ok(setting::get::<Option<Kept>>(conn, SETTING)?.flatten())
}

/// Answers how it is.
pub fn show(engine: &Arc<Engine>, _request: TunnelShow) -> Result<Tunnel> {
    let kept = engine.read(kept)?;
    let status = held(engine).as_ref().map(Followed::status).unwrap_or_default();
    let is_listening = tracking::status(engine).is_some();
    let runs_program = kept.as_ref().is_some_and(|kept| kept.way.program().is_some());
    let seen = match &kept {
        Some(Kept {
            way: Way::Proxy { url },
            ..
        }) => Some((url.clone(), Lasts::of(url).permanence())),
        _ => status
            .seen
            .as_ref()
            .map(|seen| (seen.url.clone(), seen.permanence)),
    };
    let sentence = sentence(kept.as_ref(), &status, is_listening);
    let (url, permanence) = seen.unzip();
    Ok(Tunnel {
        chosen: kept.map(|kept| TunnelChosen {
            way: kept.way,
            port: kept.port,
            program: kept.program,
            has_token: kept.token.is_there(),
            is_on: kept.is_on,
        }),
        runs_program,
        state: status.state,
        sentence,
        url,
        permanence,
        trouble: status.trouble,
        detail: status.detail,
        last_words: status.last_words,
        lines: status.lines,
        again_in: status
            .again_in
            .map(|left| u32::try_from(left.as_secs() + 1).unwrap_or(u32::MAX)),
        latency: status
            .latency
            .map(|latency| u32::try_from(latency.as_millis()).unwrap_or(u32::MAX)),
        unproved: status.unproved,
        starts: status.starts,
    })
}

fn sentence(kept: Option<&Kept>, status: &Status, is_listening: bool) -> String {
    let Some(kept) = kept else {
        return "No way to this computer was set up.".to_owned();
    };
    if !is_listening {
        return "The listener is off, so nothing comes in this way.".to_owned();
    }
    if kept.way.program().is_none() {
        return format!(
            "Your web server hands readers on to port {} of this computer. Casement starts nothing for it.",
            kept.port
        );
    }
    let url = status
        .seen
        .as_ref()
        .map_or("its address", |seen| seen.url.as_str());
    let trouble = status.trouble.map_or("", |trouble| trouble.sentence());
    match status.state {
        State::Stopped => "It is off: nobody reaches this computer this way.".to_owned(),
        State::Starting | State::UrlKnown => "Connecting.".to_owned(),
        State::Probing => format!("Connected. Looking whether this computer answers at {url}."),
        State::Live if status.unproved.is_some() => {
            format!("Connected at {url}. Whether readers come through was not seen yet.")
        }
        State::Live => format!("Readers reach this computer at {url}."),
        State::Degraded if status.trouble == Some(Trouble::Hindered) => {
            format!("Connected, but readers do not get through at {url}.")
        }
        State::Degraded => format!("This computer did not answer at {url} just now. It is asked again."),
        State::Backoff | State::NeedsUser => trouble.to_owned(),
    }
}

/// Says what is wrong with the tunnel to `url`, where it is the way there and is not up.
pub(crate) fn outage(engine: &Engine, url: &str) -> Result<Option<String>> {
    let Some(kept) = engine.read(kept)? else {
        return Ok(None);
    };
    if kept.way.program().is_none() || !kept.way.leads_from(url) {
        return Ok(None);
    }
    let status = held(engine).as_ref().map(Followed::status).unwrap_or_default();
    let is_up = matches!(status.state, State::Probing | State::Live | State::Degraded);
    let leads_there = status.seen.as_ref().is_none_or(|seen| seen.url == url);
    Ok(match (is_up, leads_there) {
        (true, true) => None,
        (true, false) => Some("The tunnel has another address now than mails carry.".to_owned()),
        (false, _) => Some(sentence(Some(&kept), &status, true)),
    })
}

/// Chooses a way.
pub fn save(engine: &Arc<Engine>, request: TunnelSave) -> Result<Tunnel> {
    let before = engine.read(kept)?;
    let next = match request.way {
        None => {
            if let Some(before) = &before {
                before.token.forget(engine)?;
            }
            None
        }
        Some(way) => {
            let way = checked(way)?;
            let port = request.port.unwrap_or(PORT);
            if port < 1024 {
                return Err(Error::field("port", "The port must be 1024 or more."));
            }
            if before.as_ref().is_none_or(|before| before.port != port) {
                can_be_taken(port)?;
            }
            let program = request.program.filter(|program| !program.trim().is_empty());
            if let Some(program) = &program
                && !programs_file(program)
            {
                return Err(Error::field(
                    "program",
                    format!("{program} is no program that can be run."),
                ));
            }
            let mut token = before
                .as_ref()
                .map(|before| before.token.clone())
                .unwrap_or_default();
            match (&way, &request.token) {
                (Way::CloudflareNamed { .. }, Some(secret)) => token.replace(engine, secret)?,
                (Way::CloudflareNamed { .. }, None) if token.is_there() => {}
                (Way::CloudflareNamed { .. }, None) => {
                    return Err(Error::field("token", "Paste the tunnel's token."));
                }
                _ => {
                    token.forget(engine)?;
                    token = keys::Kept::default();
                }
            }
            Some(Kept {
                way,
                port,
                program,
                token,
                is_on: before.as_ref().is_none_or(|before| before.is_on),
            })
        }
    };
    let address = next
        .as_ref()
        .and_then(|next| next.way.url())
        .filter(|_| request.use_address)
        .map(str::to_owned);
    let written = next.clone();
    engine.write(&[Tag::Reach], move |conn| {
        Ok(setting::set(conn, SETTING, &written)?)
    })?;
    if let Some(url) = address {
        reach::address_set(
            engine,
            AddressSet {
                url: Some(url),
                local: false,
            },
        )?;
    }
    if before != next || request.token.is_some() {
        end(engine);
        let entrance = |kept: &Option<Kept>| {
            kept.as_ref()
                .map(|kept| (kept.port, kept.way.client_header().map(str::to_owned)))
        };
        if entrance(&before) == entrance(&next) {
            follow(engine)?;
        } else {
            tracking::reopen(engine)?;
            follow(engine)?;
        }
    }
    show(engine, TunnelShow {})
}

/// Refuses a port that somebody has: nobody should lose the listener over it.
fn can_be_taken(port: u16) -> Result<()> {
    gate::bind((Ipv4Addr::LOCALHOST, port).into())
        .map(drop)
        .map_err(|error| {
            Error::field(
                "port",
                match error.kind() {
                    std::io::ErrorKind::AddrInUse => {
                        format!(
                            "Port {port} of this computer is taken by another program. Choose another one."
                        )
                    }
                    _ => format!("Port {port} of this computer cannot be used: {error}. Choose another one."),
                },
            )
        })
}

fn programs_file(program: &str) -> bool {
    tools::is_program(std::path::Path::new(program.trim()))
}

fn checked(way: Way) -> Result<Way> {
    way.check()
        .map_err(|(field, sentence)| Error::field(field, sentence))?;
    let base = |url: String| reach::public_base(&url);
    Ok(match way {
        Way::Proxy { url } => Way::Proxy { url: base(url)? },
        Way::Ssh {
            url,
            server,
            port,
            user,
            server_port,
            key_file,
            host_key,
        } => Way::Ssh {
            url: base(url)?,
            server,
            port,
            user,
            server_port,
            key_file: key_file.filter(|file| !file.trim().is_empty()),
            host_key,
        },
        Way::CloudflareNamed { url } => Way::CloudflareNamed { url: base(url)? },
        Way::CloudflareQuick {} => Way::CloudflareQuick {},
        Way::Command {
            argv,
            url,
            pattern,
            client_header,
        } => {
            let client_header = client_header
                .map(|header| header.trim().to_owned())
                .filter(|header| !header.is_empty());
            if let Some(header) = &client_header {
                tracking::check_header(header)?;
            }
            Way::Command {
                argv,
                url: url.map(base).transpose()?,
                pattern,
                client_header,
            }
        }
    })
}

/// Starts the tunnel, and the listener where it does not run.
pub fn up(engine: &Arc<Engine>, _request: TunnelUp) -> Result<Tunnel> {
    let Some(mut kept) = engine.read(kept)? else {
        return Err(Error::conflict(
            "No way to this computer was set up. Choose one in Settings → Public address.",
        ));
    };
    kept.is_on = true;
    engine.write(&[Tag::Reach], move |conn| {
        Ok(setting::set(conn, SETTING, &Some(kept))?)
    })?;
    if tracking::status(engine).is_none() {
        let usual = ListenerStart {
            bind: None,
            behind_proxy: None,
            client_header: None,
        };
        match reach::listener_start(engine, usual) {
            // Readers on this way do not need the usual port, which another workspace may have.
            Err(error) if error.code == Code::Conflict => reach::listener_start(engine, reach::here())?,
            started => started?,
        };
    }
    follow(engine)?;
    show(engine, TunnelShow {})
}

/// Ends the tunnel until it is started again.
pub fn down(engine: &Arc<Engine>, _request: TunnelDown) -> Result<Tunnel> {
    if let Some(mut kept) = engine.read(kept)? {
        kept.is_on = false;
        engine.write(&[Tag::Reach], move |conn| {
            Ok(setting::set(conn, SETTING, &Some(kept))?)
        })?;
    }
    end(engine);
    show(engine, TunnelShow {})
}

/// Returns where the listener takes the tunnel's traffic in, and whom it believes there.
pub(super) fn entrance(engine: &Engine) -> Result<Option<(Bind, Door)>> {
    let Some(kept) = engine.read(kept)? else {
        return Ok(None);
    };
    let bind = gate::parse_loopback(&format!("127.0.0.1:{}", kept.port))
        .map_err(|error| Error::field("port", error.to_string()))?;
    let door = Door::BehindProxy {
        client_header: kept.way.client_header().map(str::to_owned),
    };
    Ok(Some((bind, door)))
}

/// Starts the tunnel where one is wanted, the listener runs, and it is not up; a pause ends.
pub(super) fn follow(engine: &Arc<Engine>) -> Result<()> {
    let wanted = engine
        .read(kept)?
        .filter(|kept| kept.is_on && kept.way.program().is_some());
    if wanted.is_none() || tracking::status(engine).is_none() {
        return Ok(());
    }
    let Some(leash) = engine.tools.own.clone() else {
        return Err(Error::conflict(
            "This program does not know its own file, so it can start no tunnel.",
        ));
    };
    let _turn = turn(engine);
    let mut slot = held(engine);
    if slot.is_none() {
        let weak = Arc::downgrade(engine);
        let planned = weak.clone();
        let needs = Needs {
            leash,
            note: note(engine),
            environment: engine.tools.environment.clone(),
            plan: Box::new(move || {
                let engine = planned.upgrade().ok_or("The workspace is being closed.")?;
                plan(&engine).map_err(|error| error.message)
            }),
            prober: Some(outside::prober(engine)),
            clock: engine.clock.clone(),
            entropy: engine.entropy.clone(),
            changed: Box::new(move || {
                if let Some(engine) = weak.upgrade() {
                    engine.announce(&[Tag::Reach]);
                }
            }),
        };
        *slot = Some(Followed::follow(needs).map_err(|error| {
            Error::conflict(format!("The system gives no thread for the tunnel: {error}."))
        })?);
    }
    if let Some(tunnel) = slot.as_ref() {
        tunnel.start();
    }
    Ok(())
}

/// Settles what a crash left: a program whose leash was killed as well, a token's file.
pub(super) fn recover(engine: &Engine) {
    leash::sweep(&note(engine));
    keys::forget_files(engine);
}

fn note(engine: &Engine) -> PathBuf {
    engine.workspace.dir().join("tunnel.json")
}

/// Has the tunnel off in a workspace that is at another place than before: readers of the old one's mails would come
/// here.
pub(super) fn hold(conn: &Conn, now: Instant) -> Result<()> {
    let Some(mut kept) = kept(conn)?.filter(|kept| kept.is_on && kept.way.program().is_some()) else {
        return Ok(());
    };
    kept.is_on = false;
    setting::set(conn, SETTING, &Some(kept))?;
    let text = "The tunnel is off, since this workspace is at another place or on another computer than before. If readers \
                are to come here from now on, start it in Settings → Public address, and no longer there.";
    activity::add(conn, now, &NewActivity::new(ActivityKind::Reach, text))?;
    Ok(())
}

/// Ends the tunnel and waits until its program is gone.
pub(super) fn end(engine: &Engine) {
    let _turn = turn(engine);
    // Not under the lock of its state: whoever asks how it is shall not wait for it.
    let tunnel = held(engine).take();
    drop(tunnel);
    keys::forget_files(engine);
}

fn plan(engine: &Engine) -> Result<Plan> {
    let Some(kept) = engine.read(kept)? else {
        return Err(Error::conflict("No way was chosen."));
    };
    let program = program(engine, &kept)?;
    let files = keys::Files::of(engine)?;
    let key = match &kept.way {
        Way::Ssh {
            server,
            port,
            host_key,
            key_file,
            ..
        } => {
            files.write("known_hosts", &known_host(server, *port, host_key))?;
            let key = key_file.as_ref().map_or_else(|| files.key(), PathBuf::from);
            // Without this ssh would try keys of its own choice.
            if !key.is_file() {
                return Err(Error::conflict(format!(
                    "The key file {} is not there. Go through the steps again.",
                    key.display()
                )));
            }
            key
        }
        _ => files.key(),
    };
    files.write("empty.yml", "")?;
    let mut secrets = Vec::new();
    if let Way::CloudflareNamed { .. } = kept.way {
        let token = kept.token.reveal(engine)?;
        files.write("token", token.reveal())?;
        secrets.push(token.reveal().to_owned());
    }
    let means = Means {
        program: &program,
        port: kept.port,
        metrics: free_port()?,
        key: &key,
        known_hosts: &files.path("known_hosts"),
        token_file: &files.path("token"),
        empty: &files.path("empty.yml"),
    };
    let plan = kept
        .way
        .plan(&means)
        .ok_or_else(|| Error::conflict("Nothing is started for this way."))?;
    Ok(Plan { secrets, ..plan })
}

fn program(engine: &Engine, kept: &Kept) -> Result<PathBuf> {
    let name = kept.way.program().unwrap_or_default();
    if let Some(picked) = &kept.program {
        return Ok(PathBuf::from(picked.trim()));
    }
    let path = PathBuf::from(name);
    if path.is_absolute() {
        return Ok(path);
    }
    tools::find(name, &engine.tools.folders).ok_or_else(|| {
        Error::conflict(format!(
            "The program {name} is not on this computer. Install it, or choose its file."
        ))
    })
}

fn free_port() -> Result<u16> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|listener| listener.local_addr())
        .map(|addr| addr.port())
        .map_err(|error| Error::conflict(format!("No port of this computer is free: {error}.")))
}
