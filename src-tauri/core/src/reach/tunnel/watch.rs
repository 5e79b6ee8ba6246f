//! Sees that this computer slept, or is in another network.

use crate::clock::Clock;
use std::net::{IpAddr, UdpSocket};
use std::time::{Duration, Instant};

/// How often the network and the clock are looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// A clock that jumps so far ahead of time that passed was asleep.
const SLEPT: Duration = Duration::from_secs(5);

/// Sees that this computer slept, or is in another network.
pub(super) struct Watch {
    wall: chrono::DateTime<chrono::Utc>,
    passed: Instant,
    network: [Option<IpAddr>; 2],
    looked: Instant,
}

impl Watch {
    pub(super) fn new(clock: &dyn Clock) -> Self {
        Self {
            wall: clock.now(),
            passed: Instant::now(),
            network: network(),
            looked: Instant::now(),
        }
    }

    pub(super) fn has_changed(&mut self, clock: &dyn Clock) -> bool {
        let (wall, passed) = (clock.now(), Instant::now());
        let by_wall = (wall - self.wall).to_std().unwrap_or_default();
        // On some systems the time that passed includes sleep; nobody waits here for so long.
        let slept = !clock.is_played()
            && (by_wall > passed - self.passed + SLEPT || passed - self.passed > LOOK + 2 * SLEPT);
        (self.wall, self.passed) = (wall, passed);
        let mut moved = false;
        if slept || passed - self.looked >= LOOK {
            let network = network();
            moved = network != self.network;
            (self.network, self.looked) = (network, passed);
        }
        slept || moved
    }
}

/// Returns the addresses from which this computer would speak to the world; nothing is sent for it.
fn network() -> [Option<IpAddr>; 2] {
    // Addresses for documentation (RFC 5737, RFC 3849): the route is looked up, and that is all.
    [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")].map(|(here, there)| {
        let socket = UdpSocket::bind(here).ok()?;
        socket.connect(there).ok()?;
        Some(socket.local_addr().ok()?.ip())
    })
}
