//! What was found about a mail, as the window shows it.

use crate::api::{Finding, FindingLevel};
use crate::render::audit::{AuditProblem, Severity};

/// A field that a person has no value for.
pub(crate) fn unresolved(field: &str) -> Finding {
    let message = format!(
        "No value for {field}. Give it a fallback, such as {{{{ {field} | fallback(\"…\") }}}}, or fill it in."
    );
    finding(FindingLevel::Error, "unresolved_field", message)
}

/// What the audit found, as the window knows it, without anything of the reader's own: it is kept.
pub(crate) fn found(problem: &AuditProblem) -> Finding {
    let level = match problem.severity {
        Severity::Error => FindingLevel::Error,
        Severity::Warning => FindingLevel::Warning,
    };
    let id = match problem.id {
        "large" | "clipped" => "large_html",
        "no_postal_address" => "no_postal_address",
        "unresolved_field" => "unresolved_field",
        _ => "audit_mismatch",
    };
    finding(level, id, problem.message.as_str())
}

/// As [`found`], with what it is about: for one reader's preview, which nobody keeps.
pub(crate) fn shown(problem: &AuditProblem) -> Finding {
    let mut found = found(problem);
    if !problem.quote.is_empty() {
        found.message.push_str(&format!(" It is {}.", problem.quote));
    }
    found
}

/// A finding about the mail as a whole.
pub(crate) fn finding(level: FindingLevel, id: &str, message: impl Into<String>) -> Finding {
    Finding {
        level,
        id: id.to_owned(),
        message: message.into(),
        block: None,
        recipients: 0,
        people: Vec::new(),
        examples: Vec::new(),
    }
}
