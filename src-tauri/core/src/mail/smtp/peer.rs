//! A scripted mail server on loopback, for faults that no real one shows on demand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

/// How the peer ends a mail.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Ending {
    /// Says this after the end of the body.
    Reply(&'static str),
    /// Hangs up instead of replying to DATA.
    HangUpAtData,
    /// Hangs up after so many bytes of the body.
    HangUpInBody(usize),
    /// Reads the whole mail and hangs up without a word.
    Silence,
    /// Says these bytes after the end of the body, as they are.
    Raw(&'static [u8]),
    /// Says this after the end of the body, a byte at a time.
    Slowly(&'static str),
    /// Says this after the end of the body, and hangs up.
    Close(&'static str),
    /// Says this after so many bytes of the body, and takes nothing more.
    Refuse(usize, &'static str),
}

/// Tells whether a token is good.
pub(crate) type Takes = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the peer does.
#[derive(Clone)]
pub(crate) struct Script {
    /// Offers STARTTLS, with this certificate.
    pub(crate) starttls: Option<Arc<ServerConfig>>,
    /// Speaks TLS from the first byte, with this certificate.
    pub(crate) tls: Option<Arc<ServerConfig>>,
    /// Offers AUTH with these mechanisms and takes `news` with `secret`.
    pub(crate) mechanisms: Option<&'static str>,
    /// Takes `news` with the tokens of which this is true, by XOAUTH2; says no with a challenge first.
    pub(crate) bearer: Option<Takes>,
    /// Repeats what it was given, as it came and decoded, where it takes no login.
    pub(crate) echoes: bool,
    /// Replies to MAIL.
    pub(crate) mail: &'static str,
    /// Replies to DATA; a mail is read all the same.
    pub(crate) data: &'static str,
    /// Replies with 421 to the MAIL after so many mails, once, and hangs up.
    pub(crate) closing_after: Option<usize>,
    /// Hangs up so many connections before it greets.
    pub(crate) hang_ups: usize,
    /// Replies to RCPT, by the address.
    pub(crate) rcpt: fn(&str) -> &'static str,
    /// Ends the n-th mail, from 0.
    pub(crate) end: fn(usize) -> Ending,
    /// Hangs up after so many mails on one connection.
    pub(crate) mails_per_connection: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            starttls: None,
            tls: None,
            mechanisms: None,
            bearer: None,
            echoes: false,
            mail: "250 2.1.0 Ok",
            data: "354 Go",
            closing_after: None,
            hang_ups: 0,
            rcpt: |_| "250 2.1.5 Ok",
            end: |_| Ending::Reply("250 2.0.0 Ok: queued"),
            mails_per_connection: usize::MAX,
        }
    }
}

/// What the peer has seen.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Commands, one a line, without credentials' replies.
    pub(crate) commands: Vec<String>,
    /// Whole mails.
    pub(crate) mails: Vec<Vec<u8>>,
    /// Mails whose end came in a packet of its own.
    pub(crate) split_ends: usize,
    /// Connections.
    pub(crate) connections: usize,
    /// It has said that it closes.
    has_closed: bool,
}

/// A peer at work; ends when it is dropped.
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    pub(crate) seen: Arc<Mutex<Seen>>,
    stop: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn start(script: Script) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let stop = Arc::<AtomicBool>::default();
        let thread = std::thread::spawn({
            let (seen, stop) = (seen.clone(), stop.clone());
            move || {
                for stream in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let (script, seen) = (script.clone(), seen.clone());
                    std::thread::spawn(move || {
                        let connections = {
                            let mut seen = seen.lock().unwrap();
                            seen.connections += 1;
                            seen.connections
                        };
                        if connections <= script.hang_ups {
                            return;
                        }
                        // Hanging up is what most scripts are about.
                        let _ = talk(stream.unwrap(), &script, &seen);
                    });
                }
            }
        });
        Self {
            address,
            seen,
            stop,
            thread: Some(thread),
        }
    }

    pub(crate) fn mails(&self) -> usize {
        self.seen.lock().unwrap().mails.len()
    }

    /// The n-th mail as it came, from 0.
    pub(crate) fn mail(&self, n: usize) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap().mails[n]).into_owned()
    }

    pub(crate) fn commands(&self) -> String {
        self.seen.lock().unwrap().commands.join("\n")
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
    }
}

/// Says one reply in one write.
fn say(talk: &mut BufReader<Box<dyn Stream>>, reply: &str) -> std::io::Result<()> {
    talk.get_mut().write_all(format!("{reply}\r\n").as_bytes())?;
    talk.get_mut().flush()
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

fn talk(tcp: TcpStream, script: &Script, seen: &Mutex<Seen>) -> std::io::Result<()> {
    // The peer's own replies are not to wait for anybody.
    tcp.set_nodelay(true)?;
    let encrypt = |config: &Arc<ServerConfig>, tcp: TcpStream| -> Box<dyn Stream> {
        Box::new(StreamOwned::new(
            ServerConnection::new(config.clone()).unwrap(),
            tcp,
        ))
    };
    let stream: Box<dyn Stream> = match &script.tls {
        Some(config) => encrypt(config, tcp.try_clone()?),
        None => Box::new(tcp.try_clone()?),
    };
    let mut talk = BufReader::new(stream);
    say(&mut talk, "220 peer ESMTP")?;
    let mut encrypted = script.tls.is_some();
    let mut sent = 0;
    loop {
        let mut line = String::new();
        if talk.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let line = line.trim_end().to_owned();
        seen.lock().unwrap().commands.push(line.clone());
        let verb = line.split([' ', ':']).next().unwrap_or_default().to_uppercase();
        match verb.as_str() {
            "EHLO" => {
                let starttls = match (&script.starttls, encrypted) {
                    (Some(_), false) => "250-STARTTLS\r\n",
                    _ => "",
                };
                let auth = match script.mechanisms {
                    Some(mechanisms) => format!("250-AUTH {mechanisms}\r\n"),
                    None => String::new(),
                };
                say(&mut talk, &format!("250-peer\r\n{starttls}{auth}250 8BITMIME"))?;
            }
            "STARTTLS" => {
                say(&mut talk, "220 2.0.0 Ready")?;
                let config = script.starttls.as_ref().expect("only offered with a certificate");
                talk = BufReader::new(encrypt(config, tcp.try_clone()?));
                encrypted = true;
            }
            "AUTH" if line.to_uppercase().starts_with("AUTH XOAUTH2 ") => bearer(&mut talk, &line, script)?,
            "AUTH" => authenticate(&mut talk, &line, script.echoes)?,
            "MAIL" if closes(script, seen) => return say(&mut talk, "421 4.3.2 Shutting down"),
            "MAIL" if sent >= script.mails_per_connection => return Ok(()),
            "MAIL" => say(&mut talk, script.mail)?,
            "RCPT" => say(&mut talk, (script.rcpt)(&line))?,
            "DATA" => {
                let index = seen.lock().unwrap().mails.len();
                if !take(&mut talk, script.data, (script.end)(index), seen)? {
                    return Ok(());
                }
                sent += 1;
            }
            "QUIT" => {
                say(&mut talk, "221 2.0.0 Bye")?;
                return Ok(());
            }
            _ => say(&mut talk, "250 2.0.0 Ok")?,
        }
    }
}

/// Tells, once, that it is time to close.
fn closes(script: &Script, seen: &Mutex<Seen>) -> bool {
    let mut seen = seen.lock().unwrap();
    let closes = !seen.has_closed
        && script
            .closing_after
            .is_some_and(|after| seen.mails.len() >= after);
    seen.has_closed |= closes;
    closes
}

/// base64 of `\0news\0secret`, `news` and `secret`.
const PLAIN: &str = "AG5ld3MAc2VjcmV0";
const USER: &str = "bmV3cw==";
const PASSWORD: &str = "c2VjcmV0";

/// Returns what a refusal says of the login: a line of it as it came, and what that stands for.
fn echo(echoes: bool, line: &str) -> String {
    if !echoes {
        return String::new();
    }
    let given = line.rsplit(' ').next().unwrap_or_default();
    let decoded = data_encoding::BASE64.decode(given.as_bytes()).unwrap_or_default();
    let parts: Vec<_> = decoded
        .split(|byte| *byte < 2)
        .map(String::from_utf8_lossy)
        .collect();
    // Some cut what they repeat, some write it in capitals.
    format!(
        " \"{line}\" <{}…> {} [{}]",
        &given[..given.len() / 2],
        line.to_uppercase(),
        parts.join("] [")
    )
}

fn authenticate(talk: &mut BufReader<Box<dyn Stream>>, line: &str, echoes: bool) -> std::io::Result<()> {
    let mut last = line.to_owned();
    let mut answer = |talk: &mut BufReader<Box<dyn Stream>>, challenge: &str| {
        say(talk, &format!("334 {challenge}"))?;
        let mut line = String::new();
        talk.read_line(&mut line)?;
        last = line.trim_end().to_owned();
        std::io::Result::Ok(last.clone())
    };
    let good = if line.eq_ignore_ascii_case("AUTH LOGIN") {
        // "Username:" and "Password:"
        answer(talk, "VXNlcm5hbWU6")? == USER && answer(talk, "UGFzc3dvcmQ6")? == PASSWORD
    } else {
        line == format!("AUTH PLAIN {PLAIN}")
    };
    match good {
        true => say(talk, "235 2.7.0 Ok"),
        false => say(
            talk,
            &format!("535 5.7.8 Error: authentication failed{}", echo(echoes, &last)),
        ),
    }
}

/// <https://developers.google.com/workspace/gmail/imap/xoauth2-protocol#error_response>
fn bearer(talk: &mut BufReader<Box<dyn Stream>>, given_line: &str, script: &Script) -> std::io::Result<()> {
    let given = data_encoding::BASE64.decode(&given_line.as_bytes()["AUTH XOAUTH2 ".len()..]);
    let given = String::from_utf8(given.unwrap_or_default()).unwrap_or_default();
    let token = given
        .strip_prefix("user=news\x01auth=Bearer ")
        .and_then(|rest| rest.strip_suffix("\x01\x01"));
    let takes = script.bearer.as_ref().expect("only offered with a check");
    if token.is_some_and(|token| takes(token)) {
        return say(talk, "235 2.7.0 Accepted");
    }
    let why = data_encoding::BASE64.encode(br#"{"status":"401","schemes":"bearer","scope":"mail"}"#);
    say(talk, &format!("334 {why}"))?;
    let mut line = String::new();
    talk.read_line(&mut line)?;
    match line.as_str() {
        "\r\n" => {
            let echo = echo(script.echoes, given_line);
            say(
                talk,
                &format!("535 5.7.8 Username and Password not accepted{echo}"),
            )
        }
        _ => say(talk, "501 5.5.2 An empty line was awaited"),
    }
}

/// Takes a mail; tells whether the dialogue goes on.
fn take(
    talk: &mut BufReader<Box<dyn Stream>>,
    data: &str,
    end: Ending,
    seen: &Mutex<Seen>,
) -> std::io::Result<bool> {
    if matches!(end, Ending::HangUpAtData) {
        return Ok(false);
    }
    say(talk, data)?;
    let (mut mail, mut last) = (Vec::new(), 0);
    while !mail.ends_with(b"\r\n.\r\n") {
        let chunk = talk.fill_buf()?;
        if chunk.is_empty() {
            return Ok(false);
        }
        last = chunk.len();
        mail.extend_from_slice(chunk);
        talk.consume(last);
        if let Ending::HangUpInBody(limit) = end
            && mail.len() >= limit
        {
            return Ok(false);
        }
        if let Ending::Refuse(limit, reply) = end
            && mail.len() >= limit
        {
            say(talk, reply)?;
            // Until the client gives up; closing at once would reset the connection before it has read this.
            let mut rest = [0; 64 * 1024];
            while talk.get_mut().read(&mut rest)? > 0 {}
            return Ok(false);
        }
    }
    let mut seen = seen.lock().unwrap();
    if last <= 5 && mail.len() > 5 {
        seen.split_ends += 1;
    }
    seen.mails.push(mail);
    drop(seen);
    match end {
        Ending::Reply(reply) => {
            say(talk, reply)?;
            Ok(true)
        }
        Ending::Close(reply) => {
            say(talk, reply)?;
            Ok(false)
        }
        Ending::Raw(bytes) => {
            talk.get_mut().write_all(bytes)?;
            talk.get_mut().flush()?;
            Ok(true)
        }
        Ending::Slowly(reply) => {
            for byte in reply.bytes().chain(*b"\r\n") {
                talk.get_mut().write_all(&[byte])?;
                talk.get_mut().flush()?;
                // What makes it slow, and nothing waits for.
                std::thread::sleep(std::time::Duration::from_millis(3));
            }
            Ok(true)
        }
        _ => Ok(false),
    }
}
