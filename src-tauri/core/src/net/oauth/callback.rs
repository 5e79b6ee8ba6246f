//! The listener on loopback to which the browser brings the answer of one login (RFC 8252 §7.3).
//!
//! Bound for that login only, and closed by its answer, its time limit or its end. Only a request that carries the
//! login's state is an answer; what else comes, from a page or a program that guesses ports, is refused and changes
//! nothing.

use crate::secrets::Secret;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// The longest head of a request, in bytes. Codes of Microsoft have more than a thousand.
const MAX_HEAD: usize = 16 * 1024;
/// For one browser's connection to send its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often the end of the login is looked for.
const TICK: Duration = Duration::from_millis(100);
/// So many requests that are no answer end the login: somebody is guessing.
const MAX_STRANGERS: usize = 200;

/// Why a login brought no code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAnswer {
    /// The person said no (`access_denied`).
    Denied,
    /// The service said no, in its words.
    Refused(String),
    /// Nobody came in time.
    Timeout,
    /// The login was ended from here.
    Cancelled,
    /// Too many requests that were not the answer.
    Strangers,
    /// The system gave no socket.
    Io(String),
}

/// A port of this computer that waits for one answer.
pub struct Callback {
    listener: std::net::TcpListener,
    port: u16,
}

impl Callback {
    /// Binds a free port of 127.0.0.1.
    pub fn bind() -> io::Result<Self> {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        Ok(Self { listener, port })
    }

    /// Returns the port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the request that carries `state` and returns its code; the port is closed when this returns.
    pub fn wait(
        self,
        state: &str,
        limit: Duration,
        is_cancelled: &dyn Fn() -> bool,
    ) -> Result<Secret, NoAnswer> {
        let failed = |error: io::Error| NoAnswer::Io(error.to_string());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(failed)?;
        let state: Arc<str> = state.into();
        runtime.block_on(async {
            let listener = TcpListener::from_std(self.listener).map_err(failed)?;
            let end = tokio::time::sleep(limit);
            tokio::pin!(end);
            let mut tick = tokio::time::interval(TICK);
            let (sender, mut answers) = mpsc::channel(16);
            let mut strangers = 0;
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        // A browser opens connections that it never uses: each is read beside the others.
                        if let Ok((stream, _)) = accepted {
                            tokio::spawn(serve(stream, self.port, state.clone(), sender.clone()));
                        }
                    }
                    Some(answer) = answers.recv() => match answer {
                        Some(answer) => return answer,
                        None => strangers += 1,
                    },
                    () = &mut end => return Err(NoAnswer::Timeout),
                    _ = tick.tick() => if is_cancelled() { return Err(NoAnswer::Cancelled) },
                }
                if strangers >= MAX_STRANGERS {
                    return Err(NoAnswer::Strangers);
                }
            }
        })
    }
}

type Answer = Result<Secret, NoAnswer>;

/// Reads one request and answers it with a page; tells the answer of the login, or `None` of a stranger.
async fn serve(mut stream: TcpStream, port: u16, state: Arc<str>, answers: mpsc::Sender<Option<Answer>>) {
    let Ok(Some(head)) = tokio::time::timeout(PATIENCE, read_head(&mut stream)).await else {
        return;
    };
    let answer = read(&head, port, &state);
    let (status, words) = match &answer {
        Some(Ok(_)) => ("200 OK", "You can close this tab and go back to Casement."),
        Some(Err(_)) => (
            "200 OK",
            "You were not signed in. You can close this tab; Casement says what to do.",
        ),
        None => ("404 Not Found", "There is nothing here. You can close this tab."),
    };
    let page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><meta name=\"color-scheme\" content=\"light dark\">\
         <title>Casement</title><body style=\"font:16px system-ui;margin:20vh auto;max-inline-size:28em;padding:0 1em\">\
         <p>{words}</p></body></html>"
    );
    // The code is in the address: it goes into no cache and to no other page.
    let reply = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\
         Cache-Control: no-store\r\nReferrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\n\
         Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'\r\n\r\n{page}",
        page.len()
    );
    // A browser that has gone needs no page.
    let _ = tokio::time::timeout(PATIENCE, async {
        stream.write_all(reply.as_bytes()).await?;
        stream.shutdown().await
    })
    .await;
    let _ = answers.send(answer).await;
}

/// Reads until the head's end; `None` where the peer goes before, or sends too much.
async fn read_head(stream: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    let mut chunk = [0; 2048];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let n = stream.read(&mut chunk).await.ok()?;
        if n == 0 || head.len() + n > MAX_HEAD {
            return None;
        }
        head.extend_from_slice(&chunk[..n]);
    }
    Some(head)
}

/// Reads a request's head; `None` where it is not this login's answer.
fn read(head: &[u8], port: u16, state: &str) -> Option<Answer> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut fields);
    if !request.parse(head).is_ok_and(|parsed| parsed.is_complete()) || request.method != Some("GET") {
        return None;
    }
    // A name that somebody else's DNS leads here is no name of this computer.
    let host = request
        .headers
        .iter()
        .find(|field| field.name.eq_ignore_ascii_case("host"))?;
    let own = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    if !own
        .iter()
        .any(|own| own.as_bytes().eq_ignore_ascii_case(host.value))
    {
        return None;
    }
    let query = request.path?.strip_prefix("/?")?;
    let mut found = [const { None }; 4];
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        let at = ["state", "code", "error", "error_description"]
            .iter()
            .position(|known| *known == name);
        if let Some(at) = at
            && found[at].replace(value.into_owned()).is_some()
        {
            // RFC 6749 §3.1: parameters must not be repeated.
            return None;
        }
    }
    let [came, code, error, description] = found;
    if came.as_deref() != Some(state) {
        return None;
    }
    match (code, error) {
        (Some(code), None) if !code.is_empty() => Some(Ok(Secret::new(code))),
        (None, Some(error)) if error == "access_denied" => Some(Err(NoAnswer::Denied)),
        (None, Some(error)) => {
            let words = description.map_or(error.clone(), |words| format!("{error}: {words}"));
            Some(Err(NoAnswer::Refused(clean(&words))))
        }
        _ => None,
    }
}

/// Returns words of a service as they may be shown: no control characters, at most 300 characters.
pub(super) fn clean(words: &str) -> String {
    let plain = words.chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(300).collect::<String>().trim().to_owned()
}
