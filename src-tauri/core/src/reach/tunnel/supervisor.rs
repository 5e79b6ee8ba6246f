//! The thread that follows one tunnel: starts its program, hears it, asks its address, and starts it anew.
//!
//! It decides nothing: [`super::state`] does. Whatever blocks (asking an address, asking a program's own page) is on a
//! thread of its own, so that a stop is never late.

use super::child::{Child, Heard, Order};
use super::leash;
use super::page::{self, Said};
use super::state::{Act, Input, Machine, State};
pub use super::status::Status;
use super::watch::{LOOK, Watch};
use super::way::{Address, Plan, Ready};
use super::words::{self, Trouble};
use super::{ProbeResult, Prober};
use crate::clock::Clock;
use crate::ids::Entropy;
use crate::reach::Seen;
use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Lines that are kept of a program.
const LINES: usize = 200;
/// What may wait to be heard; beyond it whoever tells has to wait.
const UNHEARD: usize = 1024;
/// How long the leash may take for its work: more than its grace.
const LEASH: Duration = Duration::from_secs(8);

/// Makes the plan for the next start; what is missing for it is a sentence.
pub type MakePlan = Box<dyn Fn() -> Result<Plan, String> + Send>;

/// What a supervisor needs.
pub struct Needs {
    /// This program, which is the leash as well.
    pub leash: PathBuf,
    /// Where the leash notes what runs.
    pub note: PathBuf,
    /// All that programs are told of their surroundings.
    pub environment: Vec<(OsString, OsString)>,
    /// Makes the plan, at every start anew.
    pub plan: MakePlan,
    /// Asks the address; `None` where nobody can.
    pub prober: Option<Arc<dyn Prober>>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Gives chance.
    pub entropy: Arc<dyn Entropy>,
    /// Is told whenever the status changed.
    pub changed: Box<dyn Fn() + Send>,
}

enum Event {
    Start,
    Stop,
    Wake,
    Quit,
    Heard(u64, Heard),
    Url(u64, String),
    Ready(u64),
    Probed(u64, ProbeResult),
    /// Another address was said, and asked.
    Tried(u64, String, ProbeResult),
}

/// A tunnel that is followed. Dropping it ends its program in order, and waits for that.
pub struct Tunnel {
    events: SyncSender<Event>,
    status: Arc<Mutex<Status>>,
    thread: Option<JoinHandle<()>>,
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl Tunnel {
    /// Begins to follow a tunnel, which is stopped; ends what an earlier run may have left.
    pub fn follow(needs: Needs) -> std::io::Result<Self> {
        leash::sweep(&needs.note);
        let (events, heard) = sync_channel(UNHEARD);
        let status = Arc::<Mutex<Status>>::default();
        let thread = std::thread::Builder::new()
            .name("casement-tunnel".into())
            .spawn({
                let (events, status) = (events.clone(), status.clone());
                move || Supervisor::new(needs, events, status).run(&heard)
            })?;
        Ok(Self {
            events,
            status,
            thread: Some(thread),
        })
    }

    /// Wants it up; a pause ends at once.
    pub fn start(&self) {
        {
            let mut status = held(&self.status);
            // Whoever asks next is not to be told that it is off.
            if matches!(status.state, State::Stopped | State::NeedsUser) {
                status.state = State::Starting;
            }
        }
        self.tell(Event::Start);
    }

    /// Wants it down.
    pub fn stop(&self) {
        self.tell(Event::Stop);
    }

    /// Says that this computer was asleep or is in another network.
    pub fn wake(&self) {
        self.tell(Event::Wake);
    }

    /// Tells how it is.
    pub fn status(&self) -> Status {
        held(&self.status).clone()
    }

    fn tell(&self, event: Event) {
        // The thread ends with this only.
        let _ = self.events.send(event);
    }
}

impl Drop for Tunnel {
    fn drop(&mut self) {
        self.tell(Event::Quit);
        if let Some(thread) = self.thread.take() {
            // A panic there was reported there.
            let _ = thread.join();
        }
    }
}

/// What belongs to one start of the program.
struct Run {
    child: Child,
    plan: Plan,
    /// Ends its threads.
    over: Arc<AtomicBool>,
    /// The leash must be done by then.
    end_by: Option<Instant>,
    /// This computer was found through it.
    is_proved: bool,
    /// Another address is being asked.
    is_trying: bool,
}

impl Run {
    fn remove_first_read(&self) {
        for file in &self.plan.first_read {
            if let Err(error) = std::fs::remove_file(file)
                && error.kind() != std::io::ErrorKind::NotFound
            {
                tracing::warn!("{} cannot be removed: {error}", file.display());
            }
        }
    }
}

struct Supervisor {
    needs: Needs,
    events: SyncSender<Event>,
    status: Arc<Mutex<Status>>,
    machine: Machine,
    begun: Instant,
    /// The number of the present start: what earlier ones said late is not heard.
    number: u64,
    run: Option<Run>,
    /// To be started once the old one has ended.
    spawn_next: bool,
    lines: VecDeque<String>,
    is_probing: bool,
}

impl Supervisor {
    fn new(needs: Needs, events: SyncSender<Event>, status: Arc<Mutex<Status>>) -> Self {
        Self {
            needs,
            events,
            status,
            machine: Machine::default(),
            begun: Instant::now(),
            number: 0,
            run: None,
            spawn_next: false,
            lines: VecDeque::new(),
            is_probing: false,
        }
    }

    fn run(mut self, heard: &Receiver<Event>) {
        let mut watch = Watch::new(&*self.needs.clock);
        let mut quits = false;
        while !(quits && self.run.is_none()) {
            let event = match heard.recv_timeout(self.patience()) {
                Ok(event) => Some(event),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return,
            };
            if watch.has_changed(&*self.needs.clock) {
                self.step(Input::Woke);
            }
            // What came in meanwhile is heard at once, and told of once.
            for event in event.into_iter().chain(heard.try_iter().take(UNHEARD)) {
                match event {
                    Event::Quit => {
                        quits = true;
                        self.step(Input::Stop);
                    }
                    Event::Start if quits => {}
                    event => self.take(event),
                }
            }
            // Due whether or not somebody talks without a pause.
            if self.machine.due().is_some_and(|due| due <= self.now()) {
                self.step(Input::Tick);
            }
            self.hurry();
            self.tell();
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Start => self.step(Input::Start),
            Event::Stop | Event::Quit => self.step(Input::Stop),
            Event::Wake => self.step(Input::Woke),
            Event::Heard(number, heard) if number == self.number => self.heard(heard),
            Event::Url(number, url) if number == self.number => self.said(url),
            Event::Ready(number) if number == self.number => self.ready(),
            Event::Probed(number, result) if number == self.number => self.probed(result),
            Event::Tried(number, url, result) if number == self.number => self.tried(url, &result),
            // Of an earlier start.
            Event::Heard(..) | Event::Url(..) | Event::Ready(_) | Event::Probed(..) | Event::Tried(..) => {}
        }
    }

    fn ready(&mut self) {
        if let Some(run) = &self.run {
            run.remove_first_read();
        }
        self.step(Input::Ready);
    }

    fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    fn patience(&self) -> Duration {
        let due = self.machine.due().map(|due| due.saturating_sub(self.now()));
        let end = self
            .run
            .as_ref()
            .and_then(|run| run.end_by)
            .map(|by| by.saturating_duration_since(Instant::now()));
        due.into_iter().chain(end).fold(LOOK, Duration::min)
    }

    /// Ends the leash where it has not done its work in time.
    fn hurry(&mut self) {
        if let Some(run) = &mut self.run
            && run.end_by.is_some_and(|by| by <= Instant::now())
        {
            tracing::warn!("a tunnel's leash did not end in time and is killed");
            run.end_by = Some(Instant::now() + LEASH);
            run.child.kill();
        }
    }

    fn step(&mut self, input: Input) {
        let mut bytes = [0; 4];
        self.needs.entropy.fill(&mut bytes);
        let chance = f64::from(u32::from_le_bytes(bytes)) / (f64::from(u32::MAX) + 1.0);
        match self.machine.step(input, self.now(), chance) {
            Act::Wait => {}
            Act::Spawn if self.run.is_some() => self.spawn_next = true,
            Act::Spawn => self.spawn(),
            Act::End => self.end(),
            Act::Probe => self.probe(),
        }
    }

    fn end(&mut self) {
        self.spawn_next = false;
        if let Some(run) = &mut self.run {
            run.over.store(true, Ordering::Relaxed);
            run.child.end();
            run.end_by.get_or_insert(Instant::now() + LEASH);
        }
    }

    fn spawn(&mut self) {
        self.number += 1;
        self.lines.clear();
        self.is_probing = false;
        {
            let mut status = held(&self.status);
            status.starts += 1;
            status.seen = None;
            status.detail = None;
            status.latency = None;
            status.unproved = None;
        }
        let plan = match (self.needs.plan)() {
            Ok(plan) => plan,
            Err(sentence) => return self.failed(Trouble::Unfinished, sentence),
        };
        if !super::programs::is_program(&plan.program) {
            let sentence = format!("{} is no program that can be run.", plan.program.display());
            return self.failed(Trouble::ProgramMissing, sentence);
        }
        let order = Order {
            leash: self.needs.leash.clone(),
            note: self.needs.note.clone(),
            program: plan.program.clone(),
            arguments: plan.arguments.clone(),
            environment: self.needs.environment.clone(),
        };
        let (events, number) = (self.events.clone(), self.number);
        let child = match Child::start(&order, move |heard| {
            // Nobody listens any more once the tunnel is dropped.
            let _ = events.send(Event::Heard(number, heard));
        }) {
            Ok(child) => child,
            Err(error) => {
                let sentence = format!("{} cannot be run: {error}.", order.leash.display());
                return self.failed(Trouble::ProgramMissing, sentence);
            }
        };
        let over = Arc::<AtomicBool>::default();
        self.poll(&plan, &over);
        let (address, ready) = (plan.address.clone(), plan.ready.clone());
        self.run = Some(Run {
            child,
            plan,
            over,
            end_by: None,
            is_proved: false,
            is_trying: false,
        });
        if let Address::Fixed(url) = address {
            self.url(url);
        }
        if ready == Ready::Unsaid {
            self.ready();
        }
    }

    fn failed(&mut self, trouble: Trouble, sentence: String) {
        held(&self.status).detail = Some(sentence);
        self.step(Input::Ended(trouble));
    }

    fn heard(&mut self, heard: Heard) {
        match heard {
            Heard::Line(line) => {
                let Some(run) = &self.run else { return };
                let line = words::clean(&line, &run.plan.secrets);
                let pattern = match &run.plan.address {
                    Address::Said(pattern) | Address::Quick { pattern, .. } => Some(pattern),
                    Address::Fixed(_) => None,
                };
                let url = pattern.and_then(|pattern| words::address(&line, pattern));
                let is_ready = matches!(run.plan.ready, Ready::Words(words) if line.contains(words));
                if self.lines.len() == LINES {
                    self.lines.pop_front();
                }
                self.lines.push_back(line);
                if let Some(url) = url {
                    self.said(url);
                }
                if is_ready {
                    self.ready();
                }
            }
            Heard::Ended(code) => {
                let mut was_proved = false;
                if let Some(run) = self.run.take() {
                    run.over.store(true, Ordering::Relaxed);
                    run.remove_first_read();
                    was_proved = run.is_proved;
                }
                // So that its late answers are not heard.
                self.number += 1;
                self.is_probing = false;
                let trouble = match code {
                    Some(code) if code == i32::from(leash::CANNOT_RUN) && self.lines.len() <= 1 => {
                        Trouble::ProgramMissing
                    }
                    _ if was_proved => words::classify_after_success(self.lines.iter().map(String::as_str)),
                    _ => words::classify(self.lines.iter().map(String::as_str)),
                };
                if std::mem::take(&mut self.spawn_next) {
                    return self.spawn();
                }
                if !matches!(self.machine.state(), State::Stopped) {
                    held(&self.status).latency = None;
                }
                self.step(Input::Ended(trouble));
            }
        }
    }

    /// Takes in an address that a program says is its own.
    ///
    /// Once readers come through one, another is believed only where this computer is found through it, too: programs
    /// also say what strangers ask for.
    fn said(&mut self, url: String) {
        let Some(run) = &mut self.run else { return };
        if !run.is_proved
            || held(&self.status)
                .seen
                .as_ref()
                .is_some_and(|seen| seen.url == url)
        {
            return self.url(url);
        }
        let Some(prober) = self.needs.prober.clone().filter(|_| !run.is_trying) else {
            return;
        };
        run.is_trying = true;
        let (events, number) = (self.events.clone(), self.number);
        std::thread::spawn(move || {
            let result = prober.probe(&url);
            // Nobody listens any more once the tunnel is dropped.
            let _ = events.send(Event::Tried(number, url, result));
        });
    }

    fn tried(&mut self, url: String, result: &ProbeResult) {
        if let Some(run) = &mut self.run {
            run.is_trying = false;
        }
        if matches!(result, ProbeResult::Good { .. }) {
            self.url(url);
        }
    }

    fn url(&mut self, url: String) {
        let Some(run) = &self.run else { return };
        let seen = Seen {
            permanence: run.plan.address.permanence(&url),
            url: url.trim_end_matches('/').to_owned(),
        };
        let mut status = held(&self.status);
        if status.seen.as_ref() == Some(&seen) {
            return;
        }
        status.seen = Some(seen);
        drop(status);
        self.step(Input::Url);
    }

    /// Has a program's own page asked, where it has one.
    fn poll(&self, plan: &Plan, over: &Arc<AtomicBool>) {
        let Ready::Metrics(port) = plan.ready else { return };
        let wants_address = matches!(plan.address, Address::Quick { .. });
        let (events, number) = (self.events.clone(), self.number);
        page::ask(port, wants_address, over.clone(), move |said| {
            let event = match said {
                Said::Address(url) => Event::Url(number, url),
                Said::Ready => Event::Ready(number),
            };
            events.send(event).is_ok()
        });
    }

    fn probe(&mut self) {
        let url = held(&self.status).seen.as_ref().map(|seen| seen.url.clone());
        let Some(url) = url.filter(|_| !self.is_probing) else {
            return;
        };
        let Some(prober) = self.needs.prober.clone() else {
            let unproved = "Whether readers come through was not seen yet.".to_owned();
            return self.probed(ProbeResult::CannotTell(unproved));
        };
        self.is_probing = true;
        let (events, number) = (self.events.clone(), self.number);
        std::thread::spawn(move || {
            let result = prober.probe(&url);
            // As above.
            let _ = events.send(Event::Probed(number, result));
        });
    }

    fn probed(&mut self, result: ProbeResult) {
        self.is_probing = false;
        let mut status = held(&self.status);
        let input = match result {
            ProbeResult::Good { latency } => {
                if let Some(run) = &mut self.run {
                    run.is_proved = true;
                }
                status.latency = Some(latency);
                status.unproved = None;
                status.detail = None;
                Input::Good
            }
            ProbeResult::CannotTell(why) => {
                status.latency = None;
                status.unproved = Some(why);
                status.detail = None;
                Input::Good
            }
            ProbeResult::Missed(why) => {
                status.latency = None;
                status.detail = Some(why);
                Input::Missed
            }
            ProbeResult::Hindered(why) => {
                status.latency = None;
                status.unproved = None;
                status.detail = Some(why);
                Input::Hindered
            }
        };
        drop(status);
        self.step(input);
    }

    /// Writes down how it is, and tells of it where it changed.
    fn tell(&mut self) {
        let mut status = held(&self.status);
        let before = status.clone();
        status.state = self.machine.state();
        status.trouble = self.machine.trouble();
        status.lines = self.lines.iter().cloned().collect();
        status.last_words = self
            .lines
            .iter()
            .rev()
            .find(|line| !words::is_detail(line))
            .cloned();
        status.again_in = match status.state {
            State::Backoff => self.machine.due().map(|due| due.saturating_sub(self.now())),
            _ => None,
        };
        if !matches!(
            status.state,
            State::UrlKnown | State::Probing | State::Live | State::Degraded
        ) {
            status.seen = None;
        }
        // What passes by itself is no news.
        let is_news = before.state != status.state
            || before.seen != status.seen
            || before.last_words != status.last_words
            || before.latency.is_some() != status.latency.is_some()
            || before.detail != status.detail;
        drop(status);
        if is_news {
            (self.needs.changed)();
        }
    }
}
