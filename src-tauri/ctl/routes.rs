//! `reach routes`: every address that mails were sent with; and what `address set` leaves behind.

use crate::print;
use crate::reach::Reach;
use crate::run::Session;
use anyhow::Result;
use casement_core::api::{self, AddressPreviewed, RouteKind, RouteRow, Routes};
use casement_core::reach::Permanence;
use serde_json::{Value, json};
use std::process::ExitCode;

impl Session {
    /// Answers what is asked of `reach`.
    pub(crate) fn reach(&mut self, command: Reach) -> Result<ExitCode> {
        match command {
            Reach::Up => unreachable!("handled before a session is opened"),
            Reach::Status => self.reach_status()?,
            Reach::Probe { url } => return self.reach_probe(url.as_deref()),
            Reach::Routes => {
                let value = self.access.call("routes_get", json!({}))?;
                let found: Routes = serde_json::from_value(value.clone())?;
                self.show(&value, || routes(&found));
            }
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Sets the address that mails carry, and says what goes on pointing at those before it.
    pub(crate) fn set_address(&mut self, request: &Value) -> Result<()> {
        let change: AddressPreviewed = self.access.ask("address_preview", request.clone())?;
        let address = self.access.call("address_set", request.clone())?;
        self.show(&address, || {
            let mut out = self::address(&address);
            for sentence in change.lasts.iter().chain(&change.keeps) {
                out.push_str(&format!("{sentence}\n"));
            }
            out
        });
        Ok(())
    }
}

/// The address in use, in words.
pub fn address(value: &Value) -> String {
    let url = value["url"].as_str().unwrap_or("none");
    format!("{url}\n{}\n", value["meaning"].as_str().unwrap_or_default())
}

/// Tells whether a launch was refused because the address's host has to be typed.
pub fn asks_for_host(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<api::Error>();
    error.is_some_and(|error| error.field.as_deref() == Some("confirm_host"))
}

/// Addresses, a line each.
fn routes(found: &Routes) -> String {
    let rows: Vec<Vec<String>> = found.routes.iter().map(row).collect();
    let mut out = print::table(
        &[
            "address",
            "lasts",
            "now",
            "mails",
            "still open",
            "to be sent",
            "until",
            "opens in 24 h",
        ],
        &rows,
    );
    for row in &found.routes {
        if let Some(sentence) = &row.lasts {
            out.push_str(&format!("{sentence}\n"));
        }
    }
    out
}

fn row(row: &RouteRow) -> Vec<String> {
    let lasts = match row.permanence {
        None => "",
        Some(Permanence::Own) => "your own",
        Some(Permanence::Lent) => "lent",
        Some(Permanence::Temporary) => "for a while",
    };
    let address = match row.kind {
        RouteKind::None => "none".to_owned(),
        _ if row.tried_out => format!("{} (for trying out)", row.url),
        _ => row.url.clone(),
    };
    vec![
        address,
        lasts.to_owned(),
        if row.current { "yes" } else { "" }.to_owned(),
        row.messages.to_string(),
        row.live_messages.to_string(),
        row.waiting.to_string(),
        row.until
            .map(|until| until.format("%Y-%m-%d %H:%M UTC").to_string())
            .unwrap_or_default(),
        row.opens_last_day.to_string(),
    ]
}
