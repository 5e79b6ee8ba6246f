//! The local socket by which other processes reach the engine.
//!
//! A Unix socket in the 0700 workspace (a named pipe on Windows), one JSON document a line. A request is
//! `{"id": N, "command": NAME, "request": {…}}`; the answer `{"id": N, "ok": …}` or `{"id": N, "error": {…}}`.
//! `{"id": N, "subscribe": true}` asks for events, which then come as `{"event": …}` in between.
//! The same frames are spoken on standard input and output by `casementctl rpc`.

use crate::api::{Code, Error, Event};
use interprocess::local_socket::traits::{ListenerExt, Stream as _};
use interprocess::local_socket::{Listener, ListenerOptions, Name, Stream};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// The longest frame that is read, in bytes.
pub const MAX_FRAME: u64 = 16 * 1024 * 1024;

/// What a frame asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Comes back with the answer.
    pub id: u64,
    /// A command of the table.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub command: String,
    /// Its request.
    #[serde(default)]
    pub request: Value,
    /// Asks for events instead.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub subscribe: bool,
}

/// What a frame answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// The request's; `None` for events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<u64>,
    /// The command's response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ok: Option<Value>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Error>,
    /// Something that happened.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<Event>,
}

/// What the socket needs of the engine behind it.
pub trait Host: Send + Sync + 'static {
    /// Answers a command.
    fn call(&self, command: &str, request: Value) -> Result<Value, Error>;
    /// Returns a channel of events from now on.
    fn subscribe(&self) -> Receiver<Event>;
}

/// Reads requests from `input` and writes answers and events to `output` until `input` ends.
///
/// A line that is no request is answered with an error and ends nothing; a line longer than [`MAX_FRAME`]
/// ends the conversation.
pub fn converse(
    host: &dyn Host,
    input: impl Read,
    output: Box<dyn Write + Send>,
    ended: &AtomicBool,
) -> io::Result<()> {
    let output = Arc::new(Mutex::new(output));
    let closed = Arc::new(AtomicBool::new(false));
    let mut input = BufReader::new(input);
    let mut follower: Option<JoinHandle<()>> = None;
    let result = loop {
        if ended.load(Ordering::Relaxed) {
            break Ok(());
        }
        let mut line = Vec::new();
        match (&mut input).take(MAX_FRAME).read_until(b'\n', &mut line) {
            Ok(0) => break Ok(()),
            Ok(_) if line.last() != Some(&b'\n') && line.len() as u64 == MAX_FRAME => {
                break Err(io::Error::new(
                    io::ErrorKind::InvalidData,
                    "a frame is longer than 16 MiB",
                ));
            }
            Ok(_) => {}
            Err(error) => break Err(error),
        }
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        let response = match serde_json::from_slice::<Request>(&line) {
            Ok(request) if request.subscribe => {
                if follower.is_none() {
                    follower = Some(follow(host.subscribe(), output.clone(), closed.clone())?);
                }
                Response {
                    id: Some(request.id),
                    ok: Some(Value::Object(Default::default())),
                    error: None,
                    event: None,
                }
            }
            Ok(request) => answer(request.id, host.call(&request.command, request.request)),
            Err(error) => answer(
                0,
                Err(Error::new(
                    Code::Invalid,
                    format!("this frame is no request: {error}"),
                )),
            ),
        };
        write_frame(&output, &response)?;
    };
    closed.store(true, Ordering::Relaxed);
    if let Some(follower) = follower {
        // It has nothing to say that could matter now.
        let _ = follower.join();
    }
    result
}

fn answer(id: u64, result: Result<Value, Error>) -> Response {
    match result {
        Ok(value) => Response {
            id: Some(id),
            ok: Some(value),
            error: None,
            event: None,
        },
        Err(error) => Response {
            id: Some(id),
            ok: None,
            error: Some(error),
            event: None,
        },
    }
}

fn write_frame(output: &Mutex<Box<dyn Write + Send>>, response: &Response) -> io::Result<()> {
    let mut frame = serde_json::to_vec(response)?;
    frame.push(b'\n');
    let mut output = output.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    output.write_all(&frame)?;
    output.flush()
}

fn follow(
    events: Receiver<Event>,
    output: Arc<Mutex<Box<dyn Write + Send>>>,
    closed: Arc<AtomicBool>,
) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new()
        .name("casement-follow".into())
        .spawn(move || {
            while !closed.load(Ordering::Relaxed) {
                match events.recv_timeout(Duration::from_millis(200)) {
                    Ok(event) => {
                        let frame = Response {
                            id: None,
                            ok: None,
                            error: None,
                            event: Some(event),
                        };
                        if write_frame(&output, &frame).is_err() {
                            return;
                        }
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            }
        })
}

/// The engine's end of the socket.
pub struct Server {
    stop: Arc<AtomicBool>,
    dir: PathBuf,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens on the socket of the workspace in `dir`. The caller holds the workspace's lock, so a socket
    /// file that is there already was left by a crash, and is replaced.
    pub fn start(dir: &Path, host: Arc<dyn Host>) -> io::Result<Self> {
        let listener = listen(dir)?;
        let stop = Arc::new(AtomicBool::new(false));
        let thread = std::thread::Builder::new()
            .name("casement-socket".into())
            .spawn({
                let stop = stop.clone();
                move || accept(listener, host, stop)
            })?;
        Ok(Self {
            stop,
            dir: dir.to_owned(),
            thread: Some(thread),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept loop, which then sees that it shall end. Where the socket's file was removed, nothing
        // wakes it: it ends with the process, and must not be waited for.
        let woken = connect(&self.dir).is_ok();
        if let Some(thread) = self.thread.take().filter(|_| woken) {
            // A panic of the loop was reported where it happened.
            let _ = thread.join();
        }
    }
}

fn accept(listener: Listener, host: Arc<dyn Host>, stop: Arc<AtomicBool>) {
    for stream in listener.incoming() {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => {
                tracing::warn!(%error, "the local socket could not accept a connection");
                continue;
            }
        };
        let (host, stop) = (host.clone(), stop.clone());
        let spawned = std::thread::Builder::new()
            .name("casement-client".into())
            .spawn(move || {
                let stream = Shared(Arc::new(stream));
                if let Err(error) = converse(&*host, stream.clone(), Box::new(stream), &stop) {
                    tracing::debug!(%error, "a conversation on the local socket ended");
                }
            });
        if let Err(error) = spawned {
            tracing::warn!(%error, "no thread for a connection on the local socket");
        }
    }
}

/// Both ends of a connection, for a reading and a writing thread.
#[derive(Clone)]
struct Shared(Arc<Stream>);

impl Read for Shared {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        (&*self.0).read(buffer)
    }
}

impl Write for Shared {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        (&*self.0).write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        (&*self.0).flush()
    }
}

/// A conversation with the engine of a workspace.
pub struct Client {
    input: BufReader<Box<dyn Read + Send>>,
    output: Box<dyn Write + Send>,
    next: u64,
}

impl Client {
    /// Connects to the engine of the workspace in `dir`.
    pub fn connect(dir: &Path) -> io::Result<Self> {
        let stream = Shared(Arc::new(connect(dir)?));
        Ok(Self {
            input: BufReader::new(Box::new(stream.clone())),
            output: Box::new(stream),
            next: 1,
        })
    }

    /// Asks a command and waits for its answer; `on_event` is called for events in between.
    pub fn call(
        &mut self,
        command: &str,
        request: Value,
        on_event: &mut dyn FnMut(Event),
    ) -> io::Result<Result<Value, Error>> {
        self.ask(
            Request {
                id: 0,
                command: command.to_owned(),
                request,
                subscribe: false,
            },
            on_event,
        )
    }

    /// Asks for events from now on.
    pub fn subscribe(&mut self) -> io::Result<()> {
        let request = Request {
            id: 0,
            command: String::new(),
            request: Value::Null,
            subscribe: true,
        };
        self.ask(request, &mut |_| {})?.map_err(io::Error::other)?;
        Ok(())
    }

    /// Waits for the next event.
    pub fn next_event(&mut self) -> io::Result<Event> {
        loop {
            if let Some(event) = self.read()?.event {
                return Ok(event);
            }
        }
    }

    /// Returns both ends, to pass frames on as they are.
    pub fn into_parts(self) -> (BufReader<Box<dyn Read + Send>>, Box<dyn Write + Send>) {
        (self.input, self.output)
    }

    fn ask(
        &mut self,
        mut request: Request,
        on_event: &mut dyn FnMut(Event),
    ) -> io::Result<Result<Value, Error>> {
        request.id = self.next;
        self.next += 1;
        let mut frame = serde_json::to_vec(&request)?;
        frame.push(b'\n');
        self.output.write_all(&frame)?;
        self.output.flush()?;
        loop {
            let response = self.read()?;
            if let Some(event) = response.event {
                on_event(event);
            } else if response.id == Some(request.id) {
                return Ok(response
                    .error
                    .map_or_else(|| Ok(response.ok.unwrap_or_default()), Err));
            }
        }
    }

    fn read(&mut self) -> io::Result<Response> {
        let mut line = Vec::new();
        if (&mut self.input).take(MAX_FRAME).read_until(b'\n', &mut line)? == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the engine closed the conversation",
            ));
        }
        Ok(serde_json::from_slice(&line)?)
    }
}

fn connect(dir: &Path) -> io::Result<Stream> {
    with_name(dir, Stream::connect)
}

fn listen(dir: &Path) -> io::Result<Listener> {
    #[cfg(unix)]
    match std::fs::remove_file(dir.join("casement.sock")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    with_name(dir, |name| ListenerOptions::new().name(name).create_sync())
}

/// Calls `then` with the socket's name.
#[cfg(unix)]
fn with_name<T>(dir: &Path, then: impl FnOnce(Name<'_>) -> io::Result<T>) -> io::Result<T> {
    use interprocess::local_socket::{GenericFilePath, ToFsName};
    use std::os::fd::AsRawFd;
    let path = dir.join("casement.sock");
    // A socket's path is limited to 107 bytes (unix(7)), 103 on macOS; a folder's descriptor makes it short.
    if path.as_os_str().len() > 100 && cfg!(target_os = "linux") {
        let folder = std::fs::File::open(dir)?;
        let path = format!("/proc/self/fd/{}/casement.sock", folder.as_raw_fd());
        return then(path.to_fs_name::<GenericFilePath>()?);
    }
    then(path.to_fs_name::<GenericFilePath>()?)
}

/// Calls `then` with the pipe's name: a hash of the folder, for pipes have one name space a machine.
#[cfg(windows)]
fn with_name<T>(dir: &Path, then: impl FnOnce(Name<'_>) -> io::Result<T>) -> io::Result<T> {
    use interprocess::local_socket::{GenericNamespaced, ToNsName};
    let hash = blake3::hash(dir.to_string_lossy().as_bytes()).to_hex();
    then(format!("casement-{}", &hash[..32]).to_ns_name::<GenericNamespaced>()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::Sender;

    struct Echo(Mutex<Vec<Sender<Event>>>);

    impl Host for Echo {
        fn call(&self, command: &str, request: Value) -> Result<Value, Error> {
            match command {
                "echo" => Ok(request),
                "event" => {
                    for sender in self.0.lock().unwrap().iter() {
                        sender
                            .send(Event::Changed {
                                tags: vec![crate::api::Tag::Opens],
                            })
                            .unwrap();
                    }
                    Ok(Value::Null)
                }
                _ => Err(Error::not_found("command", command)),
            }
        }

        fn subscribe(&self) -> Receiver<Event> {
            let (sender, receiver) = std::sync::mpsc::channel();
            self.0.lock().unwrap().push(sender);
            receiver
        }
    }

    #[test]
    fn commands_errors_and_events_cross_the_socket() {
        let dir = tempfile::tempdir().unwrap();
        // Longer than a socket's path may be.
        let long = dir.path().join("a-folder-with-a-very-long-name-".repeat(5));
        std::fs::create_dir(&long).unwrap();
        let _server = Server::start(&long, Arc::new(Echo(Mutex::default()))).unwrap();
        let mut client = Client::connect(&long).unwrap();
        let answer = client
            .call("echo", serde_json::json!({"a": 1}), &mut |_| {})
            .unwrap();
        assert_eq!(answer, Ok(serde_json::json!({"a": 1})));
        let refused = client
            .call("nothing", Value::Null, &mut |_| {})
            .unwrap()
            .unwrap_err();
        assert_eq!(refused.code, Code::NotFound);
        client.subscribe().unwrap();
        let mut other = Client::connect(&long).unwrap();
        other.call("event", Value::Null, &mut |_| {}).unwrap().unwrap();
        assert!(matches!(client.next_event().unwrap(), Event::Changed { .. }));
    }

    #[test]
    fn a_line_that_is_no_request_is_answered_and_ends_nothing() {
        let host = Echo(Mutex::default());
        let (sender, receiver) = std::sync::mpsc::channel::<Vec<u8>>();
        struct Sink(Sender<Vec<u8>>);
        impl Write for Sink {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0.send(bytes.to_vec()).unwrap();
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let input: &[u8] = b"no json\n\n{\"id\":7,\"command\":\"echo\",\"request\":1}\n\xff\xfe\n";
        converse(&host, input, Box::new(Sink(sender)), &AtomicBool::new(false)).unwrap();
        let out: Vec<String> = receiver
            .into_iter()
            .map(|line| String::from_utf8(line).unwrap())
            .collect();
        assert_eq!(out.len(), 3, "each line is answered: {out:?}");
        assert!(out[0].contains("no request") && out[2].contains("no request"));
        assert!(
            out[1].contains("\"id\":7"),
            "a bad line before it changes nothing"
        );
    }
}
