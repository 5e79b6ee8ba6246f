//! An engine over a fresh workspace, for the tests of use cases.

use super::engine::{Durability, Engine, EngineOptions, Tools};
use crate::api::{Job, JobStarted, Result};
use crate::clock::{Clock, ManualClock};
use crate::ids::SeededEntropy;
use crate::secrets::{KeyStore, KeyStoreError, Place, Secret};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

/// An engine, its clock, and the folder that goes when this goes.
pub(crate) struct Bench {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) dir: tempfile::TempDir,
}

/// Opens an engine whose clock stands at 2026-04-01T08:00:00Z.
pub(crate) fn bench() -> Bench {
    with(Arc::new(NoKeys), None)
}

/// Opens such an engine with a key store of the test's own.
pub(crate) fn bench_with(keys: Arc<dyn KeyStore>) -> Bench {
    with(keys, None)
}

/// The same with a name server to ask.
pub(crate) fn bench_asking(dns: SocketAddr) -> Bench {
    with(Arc::new(NoKeys), Some(dns))
}

fn with(keys: Arc<dyn KeyStore>, dns: Option<SocketAddr>) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-04-01T08:00:00Z".parse().unwrap()));
    let engine = open_with(dir.path(), clock.clone(), keys, dns).unwrap();
    Bench { engine, clock, dir }
}

/// Opens such an engine that trusts one root more, for addresses whose names a test gives out.
pub(crate) fn bench_outside(dns: SocketAddr, root: &[u8]) -> Bench {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::at("2026-04-01T08:00:00Z".parse().unwrap()));
    let engine = open_outside(dir.path(), clock.clone(), dns, root);
    Bench { engine, clock, dir }
}

/// The same over the workspace in `dir`, with any clock.
pub(crate) fn open_outside(dir: &Path, clock: Arc<dyn Clock>, dns: SocketAddr, root: &[u8]) -> Arc<Engine> {
    Engine::open(EngineOptions {
        dns: Some(dns),
        extra_roots: vec![root.to_vec()],
        ..options(dir, clock, Arc::new(NoKeys))
    })
    .unwrap()
}

/// Opens an engine over the workspace in `dir`.
pub(crate) fn open(dir: &Path, clock: Arc<dyn Clock>) -> Arc<Engine> {
    open_with(dir, clock, Arc::new(NoKeys), None).unwrap()
}

/// The same where it may be refused.
pub(crate) fn try_open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Arc<Engine>> {
    open_with(dir, clock, Arc::new(NoKeys), None)
}

fn open_with(
    dir: &Path,
    clock: Arc<dyn Clock>,
    keys: Arc<dyn KeyStore>,
    dns: Option<SocketAddr>,
) -> Result<Arc<Engine>> {
    Engine::open(EngineOptions {
        dns,
        ..options(dir, clock, keys)
    })
}

fn options(dir: &Path, clock: Arc<dyn Clock>, keys: Arc<dyn KeyStore>) -> EngineOptions {
    EngineOptions {
        workspace: dir.join("workspace"),
        clock,
        entropy: Arc::new(SeededEntropy::new(1)),
        keys,
        zone: "UTC".into(),
        machine: "here".into(),
        extra_roots: Vec::new(),
        dns: None,
        durability: Durability::Full,
        tools: Tools::default(),
    }
}

impl Bench {
    /// Writes a file beside the workspace and returns its path.
    pub(crate) fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// Waits for a job to end.
    pub(crate) fn finish(&self, started: Result<JobStarted>) -> Job {
        self.engine.jobs.wait(started.unwrap().job).unwrap()
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.engine.shutdown();
    }
}

/// A key store that remembers, and can be looked into.
#[derive(Default)]
pub(crate) struct Keys(Mutex<BTreeMap<String, String>>);

impl Keys {
    /// Returns all that is kept, by its name.
    pub(crate) fn entries(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.0.lock().unwrap()
    }

    /// Returns all that is kept, `{}` where nothing is.
    pub(crate) fn shown(&self) -> String {
        format!("{:?}", self.entries())
    }
}

impl KeyStore for Keys {
    fn put(&self, name: &str, secret: &Secret) -> std::result::Result<Place, KeyStoreError> {
        self.entries().insert(name.to_owned(), secret.reveal().to_owned());
        Ok(Place::Keychain)
    }

    fn get(&self, _: Place, name: &str) -> std::result::Result<Secret, KeyStoreError> {
        let found = self.entries().get(name).cloned();
        found.map(Secret::new).ok_or(KeyStoreError::Missing)
    }

    fn remove(&self, _: Place, name: &str) -> std::result::Result<(), KeyStoreError> {
        self.entries().remove(name);
        Ok(())
    }
}

/// Most tests of use cases log in nowhere.
struct NoKeys;

impl KeyStore for NoKeys {
    fn put(&self, _: &str, _: &Secret) -> std::result::Result<Place, KeyStoreError> {
        Ok(Place::File)
    }

    fn get(&self, _: Place, _: &str) -> std::result::Result<Secret, KeyStoreError> {
        Err(KeyStoreError::Missing)
    }

    fn remove(&self, _: Place, _: &str) -> std::result::Result<(), KeyStoreError> {
        Ok(())
    }
}
