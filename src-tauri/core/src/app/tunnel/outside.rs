//! Whether readers come through a tunnel: this Casement is asked for from outside.

use super::super::engine::Engine;
use super::super::reach_probe;
use crate::api::{Probe, ProbeVerdict};
use crate::reach::tunnel::{ProbeResult, Prober};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

/// Returns who asks on behalf of this engine's tunnel. Keeps no engine alive.
pub(super) fn prober(engine: &Arc<Engine>) -> Arc<dyn Prober> {
    Arc::new(Outside {
        engine: Arc::downgrade(engine),
        gets_through: AtomicBool::new(false),
    })
}

struct Outside {
    engine: Weak<Engine>,
    /// As the last look said.
    gets_through: AtomicBool,
}

impl Prober for Outside {
    fn probe(&self, base_url: &str) -> ProbeResult {
        let engine = self.engine.upgrade();
        let seen = match &engine {
            Some(engine) => reach_probe::look(engine, base_url),
            None => Ok(None),
        };
        let is_through = matches!(&seen, Ok(Some(seen)) if seen.verdict == ProbeVerdict::Ok);
        let was_through = self.gets_through.swap(is_through, Ordering::Relaxed);
        if let (Some(engine), true, false) = (&engine, is_through, was_through) {
            // The address in use may be this one, and is known to be reached as soon as it is.
            reach_probe::again(engine);
        }
        match seen {
            Ok(Some(seen)) => result(seen),
            Ok(None) => ProbeResult::CannotTell("The listener is off, so nothing here could answer.".into()),
            Err(error) => ProbeResult::CannotTell(error.message),
        }
    }
}

/// Tells what a look from outside means for the tunnel: whether to start it anew may help.
fn result(seen: Probe) -> ProbeResult {
    use ProbeVerdict::{
        Cached, CannotSelfTest, Certificate, Foreign, Interstitial, Name, NoNetwork, NothingBehind, Ok,
        OtherCasement, PlainHttp, Redirect, Refused, Timeout,
    };
    match seen.verdict {
        Ok => ProbeResult::Good {
            latency: Duration::from_millis(seen.latency_ms.unwrap_or_default().into()),
        },
        CannotSelfTest => ProbeResult::CannotTell(seen.sentence),
        NothingBehind | Refused | Timeout | NoNetwork => ProbeResult::Missed(seen.sentence),
        Interstitial | Redirect | Cached | PlainHttp | Certificate | OtherCasement | Foreign | Name => {
            ProbeResult::Hindered(seen.sentence)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_started_anew_only_where_that_may_help() {
        use ProbeVerdict as V;
        let seen = |verdict| {
            result(Probe {
                url: "https://news.example.org".into(),
                at: "2026-04-01T08:00:00Z".parse().unwrap(),
                verdict,
                sentence: "Seen.".into(),
                advice: None,
                latency_ms: Some(40),
                certificate_until: None,
            })
        };
        let said = || "Seen.".to_owned();
        let latency = Duration::from_millis(40);
        for (verdict, wanted) in [
            (V::Ok, ProbeResult::Good { latency }),
            (V::CannotSelfTest, ProbeResult::CannotTell(said())),
            (V::NothingBehind, ProbeResult::Missed(said())),
            (V::Refused, ProbeResult::Missed(said())),
            (V::Timeout, ProbeResult::Missed(said())),
            (V::NoNetwork, ProbeResult::Missed(said())),
            (V::Name, ProbeResult::Hindered(said())),
            (V::Interstitial, ProbeResult::Hindered(said())),
            (V::Redirect, ProbeResult::Hindered(said())),
            (V::Cached, ProbeResult::Hindered(said())),
            (V::PlainHttp, ProbeResult::Hindered(said())),
            (V::Certificate, ProbeResult::Hindered(said())),
            (V::OtherCasement, ProbeResult::Hindered(said())),
            (V::Foreign, ProbeResult::Hindered(said())),
        ] {
            assert_eq!(seen(verdict), wanted, "{verdict:?}");
        }
    }
}
