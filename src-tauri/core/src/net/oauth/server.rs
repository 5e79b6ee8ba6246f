//! An authorization server on loopback for tests, as strict as RFC 6749, RFC 7636 and RFC 8252 let one be.
//!
//! It checks the state's presence, S256, the redirect address and the client's secret; a code is good once; a refresh
//! token is good once, and its successor is new. What breaks a rule is answered with the RFC's error.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use sha2::{Digest, Sha256};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

pub(crate) const CLIENT: &str = "casement-test";
pub(crate) const SECRET: &str = "client secret & more";
/// Whose tokens they are, as a mail server learns it by introspection (RFC 7662).
pub(crate) const USER: &str = "news@harbour.test";

struct Code {
    challenge: String,
    redirect: String,
}

/// What the server has given out, and how it behaves.
#[derive(Default)]
pub(crate) struct State {
    codes: BTreeMap<String, Code>,
    refresh: BTreeSet<String>,
    /// Tokens that a mail server may take.
    pub(crate) access: BTreeSet<String>,
    issued: u32,
    /// The person says no.
    pub(crate) denies: bool,
    /// Gives no refresh token.
    pub(crate) gives_no_refresh: bool,
    /// The token endpoint answers with this instead.
    pub(crate) answers: Option<(u16, &'static str)>,
    /// So many times was a token renewed.
    pub(crate) renewals: u32,
}

/// A server at work; ends when it is dropped.
pub(crate) struct AuthServer {
    pub(crate) address: SocketAddr,
    pub(crate) state: Arc<Mutex<State>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl AuthServer {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let (state, stop) = (state.clone(), stop.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    // A client that hangs up is no concern of the next.
                    let _ = answer(stream.unwrap(), &state);
                }
            }
        });
        Self {
            address,
            state,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn authorize(&self) -> String {
        format!("http://{}/authorize", self.address)
    }

    pub(crate) fn token(&self) -> String {
        format!("http://{}/token", self.address)
    }

    pub(crate) fn introspect(&self) -> String {
        format!("http://{}/introspect", self.address)
    }

    /// Takes every permission back.
    pub(crate) fn revoke(&self) {
        let mut state = self.state.lock().unwrap();
        state.refresh.clear();
        state.access.clear();
    }
}

impl Drop for AuthServer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

type Fields = BTreeMap<String, String>;

fn fields(text: &str) -> Fields {
    url::form_urlencoded::parse(text.as_bytes())
        .into_owned()
        .collect()
}

fn answer(stream: TcpStream, state: &Mutex<State>) -> std::io::Result<()> {
    let mut talk = BufReader::new(stream);
    let mut line = String::new();
    talk.read_line(&mut line)?;
    let mut length = 0;
    loop {
        let mut field = String::new();
        talk.read_line(&mut field)?;
        if field.trim().is_empty() {
            break;
        }
        if let Some(value) = field.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    talk.read_exact(&mut body)?;
    let target = line.split(' ').nth(1).unwrap_or_default();
    let mut state = state.lock().unwrap();
    let reply = match target.split_once('?') {
        Some(("/authorize", query)) => match authorize(&mut state, &fields(query)) {
            Ok(location) => {
                format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
            }
            Err(why) => http(400, &format!("{why:?}")),
        },
        None if target == "/token" => match state.answers {
            Some((status, text)) => http(status, text),
            None => match token(&mut state, &fields(std::str::from_utf8(&body).unwrap())) {
                Ok(json) => http(200, &json.to_string()),
                Err(error) => http(
                    400,
                    &serde_json::json!({ "error": error, "error_description": "as the RFC says" })
                        .to_string(),
                ),
            },
        },
        None if target == "/introspect" => {
            let asked = fields(std::str::from_utf8(&body).unwrap());
            let is_active = asked
                .get("token")
                .is_some_and(|token| state.access.contains(token));
            http(
                200,
                &serde_json::json!({ "active": is_active, "username": USER }).to_string(),
            )
        }
        _ => http(404, "nothing"),
    };
    talk.get_mut().write_all(reply.as_bytes())
}

fn http(status: u16, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} Said\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// Returns where the browser goes next, once the person has chosen.
fn authorize(state: &mut State, asked: &Fields) -> Result<String, &'static str> {
    let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    if get("response_type") != "code" || get("client_id") != CLIENT {
        return Err("no code for this client");
    }
    if get("code_challenge_method") != "S256" || get("code_challenge").len() != 43 {
        return Err("PKCE with S256 is required");
    }
    if get("state").len() < 43 || get("scope") != "mail offline_access" {
        return Err("no state, or another scope");
    }
    let mut back = url::Url::parse(get("redirect_uri")).map_err(|_| "no redirect address")?;
    if back.scheme() != "http" || back.host_str() != Some("127.0.0.1") || back.path() != "/" {
        return Err("the redirect address is not registered");
    }
    if state.denies {
        back.query_pairs_mut()
            .append_pair("error", "access_denied")
            .append_pair("state", get("state"));
        return Ok(back.into());
    }
    let code = fresh(state, "code");
    state.codes.insert(
        code.clone(),
        Code {
            challenge: get("code_challenge").to_owned(),
            redirect: get("redirect_uri").to_owned(),
        },
    );
    back.query_pairs_mut()
        .append_pair("code", &code)
        .append_pair("state", get("state"));
    Ok(back.into())
}

fn token(state: &mut State, asked: &Fields) -> Result<serde_json::Value, &'static str> {
    let get = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    if get("client_id") != CLIENT || get("client_secret") != SECRET {
        return Err("invalid_client");
    }
    match get("grant_type") {
        "authorization_code" => {
            let code = state.codes.remove(get("code")).ok_or("invalid_grant")?;
            let challenge = BASE64URL_NOPAD.encode(&Sha256::digest(get("code_verifier")));
            if code.challenge != challenge || code.redirect != get("redirect_uri") {
                return Err("invalid_grant");
            }
        }
        "refresh_token" => {
            if !state.refresh.remove(get("refresh_token")) {
                return Err("invalid_grant");
            }
            state.renewals += 1;
        }
        _ => return Err("unsupported_grant_type"),
    }
    let access = fresh(state, "access");
    state.access.insert(access.clone());
    let mut json = serde_json::json!({ "access_token": access, "token_type": "Bearer", "expires_in": 3600 });
    if !state.gives_no_refresh {
        let refresh = fresh(state, "refresh");
        state.refresh.insert(refresh.clone());
        json["refresh_token"] = refresh.into();
    }
    Ok(json)
}

/// Returns a word that nobody guesses from the one before.
fn fresh(state: &mut State, kind: &str) -> String {
    state.issued += 1;
    let digest = Sha256::digest(format!("{kind} {}", state.issued));
    format!("{kind}-{}", HEXLOWER.encode(&digest))
}

/// Opens `url` as a browser does, and follows to the page that it ends on; returns that page's status and text.
pub(crate) fn browse(url: &str) -> (u16, String) {
    let mut at = url::Url::parse(url).unwrap();
    for _ in 0..3 {
        let (status, head, body) = get(&at);
        match head.lines().find_map(|line| line.strip_prefix("Location: ")) {
            Some(next) if status == 302 => at = url::Url::parse(next).unwrap(),
            _ => return (status, body),
        }
    }
    panic!("{url} leads round in circles");
}

fn get(url: &url::Url) -> (u16, String, String) {
    let (host, port) = (url.host_str().unwrap(), url.port().unwrap());
    let target = format!("{}?{}", url.path(), url.query().unwrap_or_default());
    let request = format!("GET {target} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n");
    let text = raw(port, &request).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_owned(), body.to_owned())
}

/// Sends `request` to a port of this computer and returns all that comes back.
pub(crate) fn raw(port: u16, request: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.write_all(request.as_bytes())?;
    let mut text = String::new();
    // All replies end with the connection, or say their length: an authorization server's is short and last.
    stream.shutdown(std::net::Shutdown::Write)?;
    stream.read_to_string(&mut text)?;
    Ok(text)
}
