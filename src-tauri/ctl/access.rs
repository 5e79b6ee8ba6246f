//! Finds the workspace's engine, or becomes it.

use crate::machine;
use anyhow::{Context, Result};
use casement_core::api::{self, Code, EngineHost, Job, JobState};
use casement_core::app::engine::{Durability, Engine, EngineOptions};
use casement_core::clock::SystemClock;
use casement_core::engine::socket::Client;
use casement_core::ids::{Entropy, SystemEntropy};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant};

/// A way to ask commands: the engine itself, or the process that is it.
pub enum Access {
    /// This process holds the workspace.
    Engine(Arc<Engine>),
    /// Another one does.
    Remote(Box<Client>, PathBuf),
}

/// Returns the workspace's folder: `given`, or the one that the app uses.
pub fn workspace(given: Option<PathBuf>) -> Result<PathBuf> {
    match given {
        Some(dir) => Ok(dir),
        None => machine::workspace().context("this system names no folder for app data; say --workspace DIR"),
    }
}

/// Opens the engine of `workspace` in this process.
pub fn engine(workspace: &Path, entropy: Arc<dyn Entropy>) -> api::Result<Arc<Engine>> {
    let engine = Engine::open(EngineOptions {
        workspace: workspace.to_owned(),
        clock: Arc::new(SystemClock),
        entropy,
        keys: machine::key_store(),
        zone: machine::zone(),
        machine: machine::name(),
        extra_roots: machine::extra_roots(),
        dns: machine::dns(),
        durability: Durability::Full,
        tools: machine::tools(),
    })?;
    engine.serve(Arc::new(EngineHost(Arc::downgrade(&engine))))?;
    Ok(engine)
}

impl Access {
    /// Becomes the engine of `workspace`, or connects to the one there is.
    pub fn open(workspace: &Path) -> Result<Self> {
        // A one-off command of another process lets go within moments.
        let end = Instant::now() + Duration::from_secs(5);
        loop {
            match engine(workspace, Arc::new(SystemEntropy)) {
                Ok(engine) => return Ok(Self::Engine(engine)),
                Err(error) if error.code == Code::Locked => match Client::connect(workspace) {
                    Ok(client) => return Ok(Self::Remote(Box::new(client), workspace.to_owned())),
                    Err(_) if Instant::now() < end => std::thread::yield_now(),
                    Err(_) => return Err(error.into()),
                },
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Asks a command.
    pub fn call(&mut self, command: &str, request: Value) -> Result<Value> {
        let answer = match self {
            Self::Engine(engine) => api::dispatch(engine, command, request),
            Self::Remote(client, _) => client
                .call(command, request, &mut |_| {})
                .context("the engine of this workspace ended in mid-command; try again")?,
        };
        Ok(answer?)
    }

    /// Asks a command and reads its answer.
    pub fn ask<T: serde::de::DeserializeOwned>(&mut self, command: &str, request: Value) -> Result<T> {
        let answer = self.call(command, request)?;
        serde_json::from_value(answer)
            .with_context(|| format!("the answer of {command} has another shape than expected"))
    }

    /// Calls `check` now and after every event, until it returns something.
    pub fn until<T>(&mut self, mut check: impl FnMut(&mut Self) -> Result<Option<T>>) -> Result<T> {
        let (sender, events) = std::sync::mpsc::channel();
        match self {
            Self::Engine(engine) => {
                let own = engine.subscribe();
                std::thread::spawn(move || {
                    // Until nobody waits any more.
                    own.into_iter()
                        .take_while(|event| sender.send(event.clone()).is_ok())
                        .for_each(drop);
                });
            }
            Self::Remote(_, workspace) => {
                let mut follower = Client::connect(workspace)?;
                follower.subscribe()?;
                std::thread::spawn(move || -> std::io::Result<()> {
                    while sender.send(follower.next_event()?).is_ok() {}
                    Ok(())
                });
            }
        }
        loop {
            if let Some(found) = check(self)? {
                return Ok(found);
            }
            match events.recv_timeout(Duration::from_secs(1)) {
                // Gathers what came in meanwhile: one check serves them all.
                Ok(_) => while events.try_recv().is_ok() {},
                // What is due changes with time alone, too.
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the engine of this workspace ended"),
            }
        }
    }

    /// Waits for a job and returns its result; `progress` is called at every change.
    pub fn wait_job(&mut self, started: Value, mut progress: impl FnMut(&Job)) -> Result<Value> {
        let id = started["job"].clone();
        let job: Job = self.until(|access| {
            let job: Job = access.ask("job_get", json!({ "job": id }))?;
            progress(&job);
            Ok((job.state != JobState::Running).then_some(job))
        })?;
        match job.error {
            Some(error) => Err(error.into()),
            None => Ok(job.result),
        }
    }

    /// Ends this process's engine, if it is one.
    pub fn close(self) {
        if let Self::Engine(engine) = self {
            engine.shutdown();
        }
    }
}
