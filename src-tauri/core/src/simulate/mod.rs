//! An invented campaign: who gets it, who fetches the pictures in it, and what is true of it.
//!
//! For `casementctl simulate`, which plays it through the real policy, judge and report, and sets the report beside
//! the truth. Pure: the same audience and seed give the same campaign. The behaviour of clients and filters is that of
//! published observations (`docs/simulation.md`); what nobody has published is drawn anew for each run.

pub mod audience;
mod fetches;

pub use audience::{Audience, AudienceError, Client};

use crate::clock::Instant;
use crate::domain::campaign::CampaignTracking;
use crate::domain::consent::{ConsentState, UnknownPolicy};
use crate::domain::message::TrackingMode;
use crate::domain::{consent, window::Window};
use chrono::TimeDelta;
use fetches::World;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use std::net::IpAddr;

/// Somebody who gets the mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Person {
    /// The address.
    pub email: String,
    /// What they said about tracking.
    pub consent: ConsentState,
    /// When the server takes their mail.
    pub accepted_at: Instant,
    /// Their client showed the picture to them while the listener could be reached.
    pub looked: bool,
}

/// A request for somebody's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// When it comes.
    pub at: Instant,
    /// Whose picture: an index into [`Played::people`].
    pub person: usize,
    /// What it says it is.
    pub user_agent: String,
    /// From where.
    pub source: IpAddr,
    /// It asks not to be recorded.
    pub not_to_be_recorded: bool,
}

/// A campaign with its readers and all that comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Played {
    /// Opens count in it.
    pub window: Window,
    /// Everybody who gets the mail.
    pub people: Vec<Person>,
    /// Requests that reach the listener, in order of time.
    pub fetches: Vec<Fetch>,
    /// When the listener could be reached, in order.
    pub up: Vec<[Instant; 2]>,
}

impl Person {
    /// Tells whether their mail has a picture of its own.
    pub fn is_tracked(&self) -> bool {
        let (mode, _) = consent::decide(self.consent, UnknownPolicy::None, CampaignTracking::Individual);
        mode == TrackingMode::Personal
    }
}

impl Played {
    /// Returns the share of tracked people whose client showed them the picture while the listener could be reached;
    /// `None` where nobody is tracked.
    pub fn true_rate(&self) -> Option<f64> {
        let tracked = self.people.iter().filter(|person| person.is_tracked());
        let (n, looked) = tracked.fold((0_u32, 0_u32), |(n, looked), person| {
            (n + 1, looked + u32::from(person.looked))
        });
        (n > 0).then(|| f64::from(looked) / f64::from(n))
    }
}

/// Invents a campaign that begins at `start`.
pub fn play(audience: &Audience, seed: u64, start: Instant) -> Played {
    let mut rng = StdRng::seed_from_u64(seed);
    let window = Window {
        opens_from: start,
        opens_until: start + TimeDelta::days(i64::from(audience.days)),
    };
    let up = up(audience, window, &mut rng);
    let mut world = World::new(audience, window, &up, rng);
    let mut people = Vec::new();
    for index in 0..audience.people as usize {
        let share = index as f64 / f64::from(audience.people);
        let accepted_at = start + fetches::hours(audience.sending_hours * share);
        people.push(world.person(index, accepted_at));
    }
    let fetches = world.into_fetches();
    Played {
        window,
        people,
        fetches,
        up,
    }
}

/// Takes the listener's downtime out of the window: one or two gaps within its first two days, when most is read.
fn up(audience: &Audience, window: Window, rng: &mut StdRng) -> Vec<[Instant; 2]> {
    let mut up = vec![[window.opens_from, window.opens_until]];
    if audience.downtime_hours <= 0.0 {
        return up;
    }
    let gaps = rng.random_range(1..=2);
    let length = fetches::hours(audience.downtime_hours / f64::from(gaps));
    for _ in 0..gaps {
        let latest = (audience.days.min(2) * 24) as f64;
        let from = window.opens_from + fetches::hours(rng.random_range(0.0..latest));
        let until = from + length;
        up = up
            .into_iter()
            .flat_map(|[a, b]| [[a, b.min(from)], [a.max(until), b]])
            .filter(|[a, b]| a < b)
            .collect();
    }
    up
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Instant {
        "2026-04-01T08:00:00Z".parse().unwrap()
    }

    #[test]
    fn the_same_seed_plays_the_same_campaign() {
        let audience = Audience {
            people: 300,
            downtime_hours: 10.0,
            ..Audience::default()
        };
        let played = play(&audience, 7, start());
        assert_eq!(played, play(&audience, 7, start()));
        assert_ne!(played.fetches, play(&audience, 8, start()).fetches);
        assert!(played.fetches.is_sorted_by_key(|fetch| fetch.at));
        assert_eq!(played.people.len(), 300);
        for fetch in &played.fetches {
            let is_up = |[from, until]: &[Instant; 2]| (*from..*until).contains(&fetch.at);
            assert!(played.up.iter().any(is_up), "nobody answers at {}", fetch.at);
        }
        let down = (played.window.opens_until - played.window.opens_from)
            - played.up.iter().map(|[a, b]| *b - *a).sum::<TimeDelta>();
        assert!(
            down <= TimeDelta::hours(10) && down > TimeDelta::hours(4),
            "{down}"
        );
    }

    #[test]
    fn a_share_of_nobody_is_nobody() {
        let audience = Audience {
            people: 200,
            refused: 1.0,
            ..Audience::default()
        };
        let played = play(&audience, 1, start());
        assert_eq!(played.true_rate(), None);
        let audience = Audience {
            people: 200,
            read: 0.0,
            ..Audience::default()
        };
        assert_eq!(play(&audience, 1, start()).true_rate(), Some(0.0));
        let audience = Audience {
            people: 400,
            read: 1.0,
            images_blocked: 0.0,
            days: 60,
            ..Audience::default()
        };
        let all = play(&audience, 1, start()).true_rate().unwrap();
        assert!(
            all > 0.97,
            "who reads sees the picture, but for the slowest: {all}"
        );
    }
}
