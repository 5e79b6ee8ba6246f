//! What `campaign window` asks for: an end in days or by date, a grace, or the end now.

use anyhow::{Result, bail};
use serde_json::{Value, json};

/// What was said on the command line.
#[derive(Debug, clap::Args)]
pub struct Change {
    /// Its id.
    id: i64,
    /// So many days from the launch on.
    #[arg(long, conflicts_with_all = ["from", "until"])]
    days: Option<u32>,
    /// Local time, such as 2026-04-01T09:00:00.
    #[arg(long, requires = "until")]
    from: Option<String>,
    /// Local time, exclusive.
    #[arg(long, requires = "from")]
    until: Option<String>,
    /// Time zone, such as Europe/Berlin.
    #[arg(long)]
    zone: Option<String>,
    /// End it now.
    #[arg(long, conflicts_with_all = ["days", "from", "until", "zone", "grace"])]
    end: bool,
    /// Days after it in which loads are still counted as late, 0 to 90.
    #[arg(long)]
    grace: Option<u32>,
}

impl Change {
    /// Returns the command and its request.
    pub fn request(self) -> Result<(&'static str, Value)> {
        if self.end {
            return Ok(("campaign_window_end", json!({ "id": self.id })));
        }
        let window = match (self.days, self.from, self.until, self.zone) {
            (Some(days), _, _, Some(zone)) => json!({ "days": days, "zone": zone }),
            (Some(days), ..) => json!({ "days": days }),
            (None, Some(from), Some(until), zone) => {
                json!({ "from": from, "until": until, "zone": zone.unwrap_or_else(crate::machine::zone) })
            }
            _ if self.grace.is_some() => Value::Null,
            _ => bail!("say --days N, --from and --until, --grace N, or --end"),
        };
        let request = json!({ "id": self.id, "window": window, "grace_days": self.grace });
        Ok(("campaign_window_set", request))
    }
}
