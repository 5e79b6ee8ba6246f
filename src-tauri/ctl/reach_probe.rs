//! `reach status` and `reach probe`: the public address, seen from outside.

use crate::run::Session;
use anyhow::Result;
use casement_core::api::{Probe, ProbeVerdict, Reach};
use serde_json::json;
use std::process::ExitCode;

impl Session {
    /// Answers `reach status`.
    pub(crate) fn reach_status(&mut self) -> Result<()> {
        let value = self.access.call("reach_get", json!({}))?;
        let reach: Reach = serde_json::from_value(value.clone())?;
        self.show(&value, || status(&reach));
        Ok(())
    }

    /// Answers `reach probe`.
    pub(crate) fn reach_probe(&mut self, url: Option<&str>) -> Result<ExitCode> {
        let value = self.access.call("reach_probe", json!({ "url": url }))?;
        let probe: Probe = serde_json::from_value(value.clone())?;
        self.show(&value, || seen(&probe));
        Ok(match probe.verdict {
            ProbeVerdict::Ok => ExitCode::SUCCESS,
            _ => ExitCode::FAILURE,
        })
    }
}

fn status(reach: &Reach) -> String {
    let mut out = match &reach.address.url {
        Some(url) => format!("Mails carry {url}\n{}\n", reach.address.meaning),
        None => format!("Mails carry no address\n{}\n", reach.address.meaning),
    };
    if !reach.listening {
        out.push_str("The listener is off in this process.\n");
    }
    match &reach.probe {
        Some(probe) => {
            out.push_str(&format!("Asked {}\n", probe.at.format("%Y-%m-%d %H:%M:%S UTC")));
            out.push_str(&seen(probe));
        }
        None => out.push_str("Never seen from outside.\n"),
    }
    if let Some(at) = reach
        .last_good
        .filter(|at| reach.probe.as_ref().is_none_or(|probe| probe.at != *at))
    {
        out.push_str(&format!("Last proved {}\n", at.format("%Y-%m-%d %H:%M UTC")));
    }
    if let Some(at) = reach.next_probe_at {
        out.push_str(&format!("Asked again {}\n", at.format("%Y-%m-%d %H:%M:%S UTC")));
    }
    out.push_str(&format!(
        "Opened through it in the last day: {}\n",
        reach.opens_last_day
    ));
    out
}

fn seen(probe: &Probe) -> String {
    let mut out = format!("{}\n", probe.sentence);
    if let Some(advice) = &probe.advice {
        out.push_str(&format!("{advice}\n"));
    }
    if let Some(latency) = probe.latency_ms {
        out.push_str(&format!("Answered in {latency} ms\n"));
    }
    if let Some(until) = probe.certificate_until {
        out.push_str(&format!("Certificate until {}\n", until.format("%Y-%m-%d")));
    }
    out
}
