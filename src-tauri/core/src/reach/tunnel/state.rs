//! What a tunnel does next: a machine of states without threads, time or chance of its own.
//!
//! `Stopped → Starting → UrlKnown → Probing → Live ⇄ Degraded → Backoff → (Starting | NeedsUser)`.
//! Whoever drives it tells it what happened and does what it answers.

use super::words::Trouble;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// How long a program may take until it is connected.
pub const START: Duration = Duration::from_secs(60);
/// How often a fresh address is asked, and for how long.
const FRESH_PROBE: Duration = Duration::from_secs(2);
const FRESH: Duration = Duration::from_secs(60);
/// How often an address that works is asked, give or take a fifth.
const PROBE: Duration = Duration::from_secs(60);
/// How soon an address that did not answer is asked again.
const DOUBT: Duration = Duration::from_secs(5);
/// Misses in a row after which the program is started anew.
const MISSES: u32 = 3;
/// The longest pause between two starts.
const LONGEST: Duration = Duration::from_secs(60);
/// A pause where a service said that it was asked too often.
const QUOTA: Duration = Duration::from_secs(10 * 60);
/// After so long without trouble the next pause is a short one again.
const PROVED: Duration = Duration::from_secs(10 * 60);

/// Where a tunnel is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS)]
#[serde(rename_all = "snake_case")]
#[ts(rename = "TunnelState")]
pub enum State {
    /// Nothing runs, and nothing shall.
    Stopped,
    /// The program runs; its address is not known yet.
    Starting,
    /// The address is known; the program is not connected yet.
    UrlKnown,
    /// Connected; nobody has been through it yet.
    Probing,
    /// Readers come through.
    Live,
    /// It did not answer the last time.
    Degraded,
    /// It ended, and is started again after a pause.
    Backoff,
    /// It ended, and only a person can help.
    NeedsUser,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Somebody wants it.
    Start,
    /// Nobody wants it any more.
    Stop,
    /// The address is known, for the first time or anew.
    Url,
    /// The program says that it is connected.
    Ready,
    /// The address was asked: this instance answered, or that cannot be told from here.
    Good,
    /// The address was asked, and this instance did not answer.
    Missed,
    /// The address was asked, and what came back is not for the program to mend.
    Hindered,
    /// The program ended.
    Ended(Trouble),
    /// This computer was asleep, or is in another network.
    Woke,
    /// Time passed.
    Tick,
}

/// What is to be done about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Nothing.
    Wait,
    /// Start the program.
    Spawn,
    /// End the program; [`Input::Ended`] follows.
    End,
    /// Ask the address.
    Probe,
}

/// One tunnel's state. Times are since any fixed moment, and never go back.
#[derive(Debug, Clone)]
pub struct Machine {
    state: State,
    /// Something is due then.
    due: Option<Duration>,
    is_ready: bool,
    starts: u32,
    misses: u32,
    live_since: Option<Duration>,
    fresh_until: Duration,
    /// Why this side ended the program, for its end says nothing of it.
    because: Option<Trouble>,
    trouble: Option<Trouble>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            state: State::Stopped,
            due: None,
            is_ready: false,
            starts: 0,
            misses: 0,
            live_since: None,
            fresh_until: Duration::ZERO,
            because: None,
            trouble: None,
        }
    }
}

impl Machine {
    /// Returns where it is.
    pub fn state(&self) -> State {
        self.state
    }

    /// Returns when it wants [`Input::Tick`] at the latest; `None` where nothing is due.
    pub fn due(&self) -> Option<Duration> {
        self.due
    }

    /// Returns what went wrong last; `None` once it works again.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble
    }

    /// Takes in what happened at `now`. `chance` is in 0..1.
    pub fn step(&mut self, input: Input, now: Duration, chance: f64) -> Act {
        use State::{Backoff, Degraded, Live, NeedsUser, Probing, Starting, Stopped, UrlKnown};
        match (self.state, input) {
            (_, Input::Stop) => {
                let is_running = !matches!(self.state, Stopped | Backoff | NeedsUser);
                *self = Self::default();
                if is_running { Act::End } else { Act::Wait }
            }
            (Stopped | NeedsUser | Backoff, Input::Start) => {
                self.starts = 0;
                self.spawn(now)
            }
            // The network may be another one; a service that was asked too often is not asked sooner for that.
            (Backoff, Input::Woke) if self.trouble != Some(Trouble::Quota) => self.spawn(now),
            (Backoff, Input::Tick) if self.is_due(now) => self.spawn(now),
            (Starting, Input::Url) => {
                self.state = UrlKnown;
                if self.is_ready { self.fresh(now) } else { Act::Wait }
            }
            (UrlKnown | Probing | Live | Degraded, Input::Url) if self.is_ready => self.fresh(now),
            (Starting, Input::Ready) => {
                self.is_ready = true;
                Act::Wait
            }
            (UrlKnown, Input::Ready) => {
                self.is_ready = true;
                self.fresh(now)
            }
            (Starting | UrlKnown, Input::Tick) if self.is_due(now) => self.end(Trouble::NeverReady),
            (Probing | Live | Degraded, Input::Good) => {
                self.state = Live;
                self.misses = 0;
                self.trouble = None;
                self.live_since.get_or_insert(now);
                self.due = Some(now + PROBE.mul_f64(0.8 + 0.4 * chance));
                Act::Wait
            }
            // A name or a certificate that was just made takes a while to be known everywhere.
            (Probing, Input::Missed | Input::Hindered) if now < self.fresh_until => {
                self.due = Some(now + FRESH_PROBE);
                Act::Wait
            }
            (Probing, Input::Missed) => self.end(Trouble::NotReached),
            (Probing | Live | Degraded, Input::Hindered) => {
                self.state = Degraded;
                self.misses = 0;
                self.trouble = Some(Trouble::Hindered);
                self.due = Some(now + PROBE.mul_f64(0.8 + 0.4 * chance));
                Act::Wait
            }
            (Live | Degraded, Input::Missed) => {
                self.state = Degraded;
                self.misses += 1;
                if self.misses >= MISSES {
                    return self.end(Trouble::NotReached);
                }
                self.due = Some(now + DOUBT);
                Act::Wait
            }
            (Probing | Live | Degraded, Input::Woke) => self.probe(now),
            (Probing | Live | Degraded, Input::Tick) if self.is_due(now) => self.probe(now),
            (Starting | UrlKnown | Probing | Live | Degraded, Input::Ended(trouble)) => {
                let trouble = self.because.take().unwrap_or(trouble);
                self.ended(trouble, now, chance);
                Act::Wait
            }
            _ => Act::Wait,
        }
    }

    fn is_due(&self, now: Duration) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    fn spawn(&mut self, now: Duration) -> Act {
        self.state = State::Starting;
        self.is_ready = false;
        self.misses = 0;
        self.live_since = None;
        self.because = None;
        self.due = Some(now + START);
        Act::Spawn
    }

    fn fresh(&mut self, now: Duration) -> Act {
        self.state = State::Probing;
        self.fresh_until = now + FRESH;
        self.probe(now)
    }

    fn probe(&mut self, now: Duration) -> Act {
        // Whoever asks answers within ten seconds; should that get lost, it is asked again.
        self.due = Some(now + PROBE);
        Act::Probe
    }

    fn end(&mut self, because: Trouble) -> Act {
        self.because = Some(because);
        // Until it has ended there is nothing to do.
        self.due = None;
        Act::End
    }

    fn ended(&mut self, trouble: Trouble, now: Duration, chance: f64) {
        if self
            .live_since
            .is_some_and(|since| now.saturating_sub(since) >= PROVED)
        {
            self.starts = 0;
        }
        self.trouble = Some(trouble);
        self.live_since = None;
        if trouble.needs_user() {
            self.state = State::NeedsUser;
            self.due = None;
            return;
        }
        self.state = State::Backoff;
        let pause = match trouble {
            Trouble::Quota => QUOTA.mul_f64(1.0 + chance),
            _ => pause(self.starts, chance),
        };
        self.starts = self.starts.saturating_add(1);
        self.due = Some(now + pause);
    }
}

/// Returns the pause after `starts` starts that failed: anything from one second to 1, 2, 4 … 60.
fn pause(starts: u32, chance: f64) -> Duration {
    let top = Duration::from_secs(1 << starts.min(6)).min(LONGEST);
    let least = Duration::from_secs(1);
    least + (top.saturating_sub(least)).mul_f64(chance)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Input as I;

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// Drives a machine through `steps` of (second, input, act, state).
    fn drive(steps: &[(u64, Input, Act, State)]) -> Machine {
        let mut machine = Machine::default();
        for (at, (second, input, act, state)) in steps.iter().enumerate() {
            let done = machine.step(input.clone(), s(*second), 0.5);
            assert_eq!(
                (done, machine.state()),
                (*act, *state),
                "step {at}: {input:?} at {second} s"
            );
        }
        machine
    }

    fn live() -> Vec<(u64, Input, Act, State)> {
        vec![
            (0, I::Start, Act::Spawn, State::Starting),
            (1, I::Url, Act::Wait, State::UrlKnown),
            (2, I::Ready, Act::Probe, State::Probing),
            (3, I::Good, Act::Wait, State::Live),
        ]
    }

    fn live_and(more: &[(u64, Input, Act, State)]) -> Machine {
        drive(&[live(), more.to_vec()].concat())
    }

    #[test]
    fn a_tunnel_goes_from_state_to_state_as_listed() {
        use State::{Backoff, Degraded, Live, NeedsUser, Probing, Starting, Stopped, UrlKnown};
        // Up, asked again in its time, and stopped.
        live_and(&[
            (62, I::Tick, Act::Wait, Live),
            (63, I::Tick, Act::Probe, Live),
            (64, I::Good, Act::Wait, Live),
            (65, I::Stop, Act::End, Stopped),
            (66, I::Ended(Trouble::Ended), Act::Wait, Stopped),
        ]);
        // The order of address and readiness does not matter.
        drive(&[
            (0, I::Start, Act::Spawn, Starting),
            (1, I::Ready, Act::Wait, Starting),
            (2, I::Url, Act::Probe, Probing),
        ]);
        // Never ready.
        drive(&[
            (0, I::Start, Act::Spawn, Starting),
            (1, I::Url, Act::Wait, UrlKnown),
            (59, I::Tick, Act::Wait, UrlKnown),
            (60, I::Tick, Act::End, UrlKnown),
            (61, I::Tick, Act::Wait, UrlKnown),
            (62, I::Ended(Trouble::Ended), Act::Wait, Backoff),
            (63, I::Tick, Act::Spawn, Starting),
        ]);
        // A fresh address gets a minute.
        drive(&[
            (0, I::Start, Act::Spawn, Starting),
            (0, I::Url, Act::Wait, UrlKnown),
            (0, I::Ready, Act::Probe, Probing),
            (1, I::Missed, Act::Wait, Probing),
            (3, I::Tick, Act::Probe, Probing),
            (60, I::Missed, Act::End, Probing),
            (61, I::Ended(Trouble::Ended), Act::Wait, Backoff),
        ]);
        // One miss is a doubt, three are an end.
        live_and(&[
            (63, I::Tick, Act::Probe, Live),
            (64, I::Missed, Act::Wait, Degraded),
            (69, I::Tick, Act::Probe, Degraded),
            (70, I::Good, Act::Wait, Live),
            (130, I::Tick, Act::Probe, Live),
            (131, I::Missed, Act::Wait, Degraded),
            (132, I::Missed, Act::Wait, Degraded),
            (133, I::Missed, Act::End, Degraded),
            (134, I::Ended(Trouble::Ended), Act::Wait, Backoff),
            (135, I::Start, Act::Spawn, Starting),
        ]);
        // What the program cannot mend does not end it, once a fresh address has had its minute.
        drive(&[
            (0, I::Start, Act::Spawn, Starting),
            (0, I::Url, Act::Wait, UrlKnown),
            (0, I::Ready, Act::Probe, Probing),
            (1, I::Hindered, Act::Wait, Probing),
            (3, I::Tick, Act::Probe, Probing),
            (60, I::Hindered, Act::Wait, Degraded),
            (120, I::Tick, Act::Probe, Degraded),
            (121, I::Hindered, Act::Wait, Degraded),
            (181, I::Tick, Act::Probe, Degraded),
            (182, I::Good, Act::Wait, Live),
        ]);
        // What only a person can mend is not tried again by itself, and at once when they ask.
        live_and(&[
            (9, I::Ended(Trouble::Login), Act::Wait, NeedsUser),
            (999, I::Tick, Act::Wait, NeedsUser),
            (1000, I::Woke, Act::Wait, NeedsUser),
            (1001, I::Start, Act::Spawn, Starting),
        ]);
        // A new address is asked anew; so is an old one after sleep.
        live_and(&[
            (9, I::Url, Act::Probe, Probing),
            (10, I::Good, Act::Wait, Live),
            (11, I::Woke, Act::Probe, Live),
        ]);
        // A network that comes back ends a pause; not that of a service that was asked too often.
        live_and(&[
            (9, I::Ended(Trouble::NoNetwork), Act::Wait, Backoff),
            (9, I::Woke, Act::Spawn, Starting),
            (9, I::Ended(Trouble::Quota), Act::Wait, Backoff),
            (10, I::Woke, Act::Wait, Backoff),
            (599, I::Tick, Act::Wait, Backoff),
            (10, I::Stop, Act::Wait, Stopped),
        ]);
    }

    #[test]
    fn pauses_grow_to_a_minute_and_are_short_again_after_ten_good_minutes() {
        let tops: Vec<u64> = (0..9)
            .map(|n| pause(n, 0.999_999_9).as_secs_f64().round() as u64)
            .collect();
        assert_eq!(tops, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
        assert_eq!(pause(6, 0.0), s(1), "anything from a second on");
        let mut machine = Machine::default();
        machine.step(I::Start, s(0), 1.0);
        let mut at = 0;
        for _ in 0..8 {
            machine.step(I::Ended(Trouble::Lost), s(at), 1.0);
            at = machine.due().unwrap().as_secs();
            assert_eq!(machine.step(I::Tick, s(at), 1.0), Act::Spawn);
        }
        machine.step(I::Url, s(at), 0.5);
        machine.step(I::Ready, s(at), 0.5);
        machine.step(I::Good, s(at), 0.5);
        machine.step(I::Ended(Trouble::Lost), s(at + 599), 1.0);
        assert_eq!(machine.due(), Some(s(at + 599 + 60)), "not yet");
        let at = at + 700;
        machine.step(I::Tick, s(at), 0.5);
        machine.step(I::Url, s(at), 0.5);
        machine.step(I::Ready, s(at), 0.5);
        machine.step(I::Good, s(at), 0.5);
        assert_eq!(machine.trouble(), None, "what was is over");
        machine.step(I::Ended(Trouble::Lost), s(at + 600), 1.0);
        assert_eq!(machine.due(), Some(s(at + 601)));
    }
}
