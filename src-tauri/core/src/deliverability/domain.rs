//! Everything that mail servers ask about a sender's domain, in one go. Pure but for the names it asks.

use super::{Names, dkim, dmarc, hosts, senders, spf};
use crate::api::{CheckFinding, CheckSeverity};

/// What is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The sender's domain, in ASCII form and lower case.
    pub domain: String,
    /// The server that mails are handed to; `None` where it is not known, or is this computer.
    pub host: Option<String>,
    /// The name of the signing key.
    pub selector: Option<String>,
}

/// Asks all and returns what was found, by topic.
pub fn check(names: &dyn Names, question: &Question) -> Vec<CheckFinding> {
    let domain = question.domain.as_str();
    let host = question.host.as_deref();
    let mut out = spf::check(names, domain, host);
    out.extend(dkim::check(names, domain, host, question.selector.as_deref()));
    out.extend(dmarc::check(names, domain));
    out.push(hosts::mx(names, domain));
    let server = match host {
        Some(host) => Some((host.to_owned(), "your mail server".to_owned())),
        // Whoever runs the domain's own server mostly sends from it, too.
        None => names
            .mx(domain)
            .ok()
            .and_then(|hosts| hosts.into_iter().next())
            .map(|(_, host)| (host, "the server that takes the domain's mail".to_owned())),
    };
    if let Some((server, whose)) = server.filter(|(server, _)| !server.is_empty() && server != ".") {
        let of_provider = host.and_then(senders::of);
        let whose = of_provider.map_or(whose, |sender| format!("a server of {}", sender.provider));
        let mut found = hosts::ptr(names, &server, &whose);
        // A big provider passes mail on from other servers, and nobody can ask it for a record.
        if let (Some(found), Some(_)) = (&mut found, of_provider)
            && found.severity == CheckSeverity::Warn
        {
            found.severity = CheckSeverity::Unknown;
        }
        out.extend(found);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use crate::api::CheckTopic;

    #[test]
    fn every_topic_is_answered_in_order() {
        let names = Played::default()
            .txt("example.org", &["v=spf1 mx -all"])
            .mx("example.org", &["mx.example.org"])
            .host("mx.example.org", "192.0.2.25");
        let question = Question {
            domain: "example.org".into(),
            host: None,
            selector: None,
        };
        let topics: Vec<CheckTopic> = check(&names, &question).iter().map(|found| found.topic).collect();
        use CheckTopic::*;
        assert_eq!(topics, [Spf, Dkim, Dmarc, Mx, Ptr]);
    }
}
