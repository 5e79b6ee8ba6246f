//! A workspace's engine as the window has it: opened beside whoever asks, and opened again in the same place when a
//! backup is to take the workspace's place.
//!
//! Until it is open, commands wait; where it cannot be opened, each of them answers with the reason, but for those that
//! mend it.

use super::{Code, Error, Event, Result, dispatch};
use crate::app::backup;
use crate::app::engine::Engine;
use crate::engine::socket::Host;
use serde_json::Value;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

/// Opens the engine; told once more for every time that it is opened again.
type Open = Box<dyn FnMut() -> Result<Arc<Engine>> + Send>;

enum State {
    Opening,
    Open(Arc<Engine>),
    Refused(Error),
    /// It was shut down for good.
    Ended,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    listeners: Mutex<Vec<Sender<Event>>>,
    workspace: PathBuf,
}

/// An engine that can be opened again in its place.
#[derive(Clone)]
pub struct Residence(Arc<Shared>);

impl Residence {
    /// Opens the engine of `workspace` by `open` on a thread of its own.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        workspace: PathBuf,
        open: impl FnMut() -> Result<Arc<Engine>> + Send + 'static,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(Shared {
            state: Mutex::new(State::Opening),
            changed: Condvar::new(),
            listeners: Mutex::default(),
            workspace,
        });
        std::thread::Builder::new()
            .name("casement-residence".into())
            .spawn({
                let shared = shared.clone();
                move || shared.live(Box::new(open))
            })?;
        Ok(Self(shared))
    }

    /// Returns the engine, once it is open; or why it could not be opened.
    pub fn wait(&self) -> Result<Arc<Engine>> {
        let mut state = self.0.lock();
        loop {
            match &*state {
                State::Open(engine) => return Ok(engine.clone()),
                State::Refused(error) => return Err(error.clone()),
                State::Ended => return Err(closing()),
                State::Opening => {
                    state = self
                        .0
                        .changed
                        .wait(state)
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                }
            }
        }
    }

    /// Returns the engine if it is open now.
    pub fn engine(&self) -> Option<Arc<Engine>> {
        match &*self.0.lock() {
            State::Open(engine) => Some(engine.clone()),
            _ => None,
        }
    }

    /// Shuts the engine down for good.
    pub fn shutdown(&self) {
        let before = self.0.set(State::Ended);
        if let State::Open(engine) = before {
            engine.shutdown();
        }
        self.0.listeners().clear();
    }
}

impl Host for Residence {
    fn call(&self, command: &str, request: Value) -> Result<Value> {
        let request = if request.is_null() {
            serde_json::json!({})
        } else {
            request
        };
        match self.wait() {
            Ok(engine) => dispatch(&engine, command, request),
            Err(error) if error.code == Code::Damaged => {
                let answer = closed(&self.0.workspace, command, request).unwrap_or(Err(error));
                if command == "backup_restore" && answer.is_ok() {
                    self.0.set(State::Opening);
                }
                answer
            }
            Err(error) => Err(error),
        }
    }

    fn subscribe(&self) -> Receiver<Event> {
        let (sender, receiver) = channel();
        self.0.listeners().push(sender);
        receiver
    }
}

fn closing() -> Error {
    Error::new(Code::Locked, "The workspace is being closed.")
}

/// Answers what can be asked of a workspace that is damaged; `None` for all else.
fn closed(workspace: &std::path::Path, command: &str, request: Value) -> Option<Result<Value>> {
    fn parse<T: serde::de::DeserializeOwned>(request: Value) -> Result<T> {
        serde_json::from_value(request)
            .map_err(|error| Error::invalid(format!("the request is wrong: {error}")))
    }
    fn answer<T: serde::Serialize>(answer: T) -> Result<Value> {
        serde_json::to_value(answer).map_err(|error| Error::new(Code::Internal, error.to_string()))
    }
    match command {
        "backup_list" => Some(answer(backup::list_closed(workspace))),
        "backup_look" => {
            Some(parse(request).and_then(|request| answer(backup::look_closed(workspace, &request)?)))
        }
        "backup_restore" => Some(
            parse(request).and_then(|request| answer(backup::restore::start_closed(workspace, &request)?)),
        ),
        _ => None,
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn listeners(&self) -> MutexGuard<'_, Vec<Sender<Event>>> {
        self.listeners
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn set(&self, state: State) -> State {
        let before = std::mem::replace(&mut *self.lock(), state);
        self.changed.notify_all();
        before
    }

    fn send(&self, event: &Event) {
        self.listeners()
            .retain(|listener| listener.send(event.clone()).is_ok());
    }

    /// Opens, and opens again when that is asked for, until it is ended.
    fn live(&self, mut open: Open) {
        loop {
            let opened = open();
            let events = opened.as_ref().ok().map(|engine| engine.subscribe());
            {
                let mut state = self.lock();
                if matches!(*state, State::Ended) {
                    drop(state);
                    if let Ok(engine) = opened {
                        engine.shutdown();
                    }
                    return;
                }
                *state = match opened {
                    Ok(engine) => State::Open(engine),
                    Err(error) => {
                        tracing::error!("the workspace cannot be opened: {error}");
                        State::Refused(error)
                    }
                };
                self.changed.notify_all();
            }
            let Some(events) = events else {
                if !self.wait_for_another_try() {
                    return;
                }
                continue;
            };
            let mut is_to_reopen = false;
            for event in events {
                if matches!(event, Event::Reopen {}) {
                    is_to_reopen = true;
                    break;
                }
                self.send(&event);
            }
            if !is_to_reopen {
                return;
            }
            let before = {
                let mut state = self.lock();
                match &*state {
                    State::Open(_) => std::mem::replace(&mut *state, State::Opening),
                    _ => return,
                }
            };
            // Whoever hears of it and asks again waits for the engine to come.
            self.send(&Event::Reopen {});
            if let State::Open(engine) = before {
                engine.shutdown();
            }
        }
    }

    /// Waits until something may have mended what kept the workspace from opening; false where it was ended.
    fn wait_for_another_try(&self) -> bool {
        let mut state = self.lock();
        loop {
            match *state {
                State::Opening => return true,
                State::Ended => return false,
                State::Refused(_) | State::Open(_) => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(|poisoned| poisoned.into_inner());
                }
            }
        }
    }
}
