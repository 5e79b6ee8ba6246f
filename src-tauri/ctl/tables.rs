//! Lists of people and campaigns as text.

use crate::print;
use serde_json::Value;

/// People.
pub fn contacts(value: &Value) -> String {
    let rows: Vec<Vec<String>> = value["contacts"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|contact| {
            let text = |name: &str| contact[name].as_str().unwrap_or_default().to_owned();
            let name = format!("{} {}", text("first_name"), text("last_name"));
            vec![
                contact["id"].to_string(),
                text("email"),
                name.trim().to_owned(),
                text("consent"),
                text("suppressed"),
            ]
        })
        .collect();
    let shown = rows.len();
    format!(
        "{}{shown} of {}\n",
        print::table(&["id", "address", "name", "tracking", "no mail"], &rows),
        value["total"]
    )
}

/// Campaigns.
pub fn campaigns(value: &Value) -> String {
    let rows: Vec<Vec<String>> = value["campaigns"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|campaign| {
            let text = |name: &str| campaign[name].as_str().unwrap_or_default().to_owned();
            vec![
                campaign["id"].to_string(),
                text("state"),
                text("name"),
                text("subject"),
            ]
        })
        .collect();
    print::table(&["id", "state", "name", "subject"], &rows)
}
