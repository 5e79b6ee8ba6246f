//! The public address seen from outside, and every address that mails were sent with.

use super::{Address, RouteKind, data};
use crate::clock::Instant;
use crate::reach::Permanence;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

data! {
    /// Asks how the public address is. Provides `reach`.
    pub struct ReachGet {}

    /// How the public address is.
    pub struct Reach {
        /// What mails carry.
        pub address: Address,
        /// The listener answers on this computer.
        pub listening: bool,
        /// What the last probe of it saw.
        pub probe: Option<Probe>,
        /// When it was last proved from outside.
        pub last_good: Option<Instant>,
        /// Probes in a row that say that readers cannot get through.
        pub misses: u32,
        /// When it is probed again by itself; `null` where nobody does: no listener runs, mails carry no public address, or
        /// one that is reserved for examples and tests.
        pub next_probe_at: Option<Instant>,
        /// Mails that carry it and were opened for the first time in the last 24 hours.
        pub opens_last_day: u32,
    }

    /// Asks an address for a proof that this Casement answers behind it. Announces `reach`.
    pub struct ReachProbe {
        /// A base address; `null` for the one in use.
        #[serde(default)] #[ts(optional)]
        pub url: Option<String>,
    }

    /// What was seen from outside.
    pub struct Probe {
        /// The base address that was asked.
        pub url: String,
        /// When.
        pub at: Instant,
        /// What was seen.
        pub verdict: ProbeVerdict,
        /// The same in a sentence.
        pub sentence: String,
        /// What to do about it.
        pub advice: Option<String>,
        /// From the first word to the whole answer, the lookup of the name left out, in milliseconds.
        pub latency_ms: Option<u32>,
        /// When its certificate ends.
        pub certificate_until: Option<Instant>,
    }

    /// Asks for every address that mails were sent with. Provides `reach`, `campaigns`.
    pub struct RoutesGet {}

    /// Every address that mails were sent with, and the one in use; the one in use first, then the latest.
    pub struct Routes {
        /// One for each.
        pub routes: Vec<RouteRow>,
    }

    /// An address that mails were sent with.
    pub struct RouteRow {
        /// The base address; empty for kind *none*.
        pub url: String,
        /// Which kind.
        pub kind: RouteKind,
        /// How long such an address lasts; `null` for kind *none*.
        pub permanence: Option<Permanence>,
        /// Why it may not last, in a sentence; `null` for a name of one's own and for kind *none*.
        pub lasts: Option<String>,
        /// Mails carry it from now on.
        pub current: bool,
        /// Nobody elsewhere can reach it: it was tried out.
        pub tried_out: bool,
        /// When it was used first.
        pub since: Instant,
        /// Sent mails whose pixels and links name it, of campaigns whose window is not over.
        pub live_messages: u32,
        /// Campaigns to which those belong.
        pub live_campaigns: u32,
        /// Mails of launched campaigns that are still to be sent and will carry it.
        pub waiting: u32,
        /// Mails that were sent with it at all: their links to unsubscribe name it for ever. Practice is left out.
        pub messages: u32,
        /// When the last window of those campaigns ends.
        pub until: Option<Instant>,
        /// What its last probe saw.
        pub probe: Option<Probe>,
        /// When it was last proved from outside.
        pub last_good: Option<Instant>,
        /// Opens of mails that carry it, in the last 24 hours.
        pub opens_last_day: u32,
    }

    /// Asks what another base address would change, as [`super::AddressSet`] would set it; changes nothing. Refused where
    /// that would be. Provides `reach`, `campaigns`.
    pub struct AddressPreview {
        /// Scheme, host and port; `null` is *none*.
        pub url: Option<String>,
        /// Must be said for an address on this computer.
        #[serde(default)]
        pub local: bool,
    }

    /// What another base address would change.
    pub struct AddressPreviewed {
        /// What mails would carry.
        pub address: Address,
        /// It is another one than now.
        pub changed: bool,
        /// Mails still depend on the one in use: to be said before it is changed.
        pub ask: bool,
        /// Sent mails of campaigns whose window is not over, which go on naming the one in use.
        pub live_messages: u32,
        /// What goes on pointing at addresses that mails carried until now, a sentence each.
        pub keeps: Vec<String>,
        /// How long the new address lasts; `null` for kind *none*.
        pub permanence: Option<Permanence>,
        /// Why it may not last, in a sentence.
        pub lasts: Option<String>,
    }
}

/// What a probe saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum ProbeVerdict {
    /// This Casement answered.
    Ok,
    /// A page stands in between, which a mail program cannot click away.
    Interstitial,
    /// The address sends on to another one.
    Redirect,
    /// An answer came that was kept by somebody on the way.
    Cached,
    /// It is not https.
    PlainHttp,
    /// The certificate is wrong or over.
    Certificate,
    /// Another Casement answered, or this one with another workspace.
    OtherCasement,
    /// Something else answered.
    Foreign,
    /// The server in front answered that nothing is behind it.
    NothingBehind,
    /// The name is not known.
    Name,
    /// Nothing answers at that address.
    Refused,
    /// No answer in time.
    Timeout,
    /// This computer has no way to the internet.
    NoNetwork,
    /// The name leads back to this network, and the router does not let it out and in again: says nothing about others.
    CannotSelfTest,
}
