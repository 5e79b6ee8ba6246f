//! DMARC: what a domain wants done with mails that nobody vouches for (RFC 7489). Pure but for the names it asks.
//!
//! The organisational domain is found by walking up the names (RFC 9989 §4.10), which needs no list of public suffixes.

use super::{NameError, Names, finding, is_within, shown, tag, unasked};
use crate::api::{CheckFinding, CheckSeverity, CheckTopic};

/// Names that are asked on the way up, at most (RFC 9989 §4.10).
const MAX_STEPS: usize = 8;

/// A record, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The domain whose `_dmarc` it is.
    pub at: String,
    /// As it was read.
    pub record: String,
}

/// What the walk up the names found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Walk {
    /// The record that holds for the domain: its own, or that of the organisation.
    pub policy: Option<Policy>,
    /// The organisational domain; the domain itself where no record is found.
    pub organisation: String,
}

/// Why there is no policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WalkError {
    /// A name could not be asked.
    Unasked(String, NameError),
    /// A name has several records, which counts as none (RFC 7489 §6.6.3).
    Several(Policy),
}

fn is_dmarc(record: &str) -> bool {
    record
        .split(';')
        .next()
        .and_then(|first| first.split_once('='))
        .is_some_and(|(key, value)| key.trim().eq_ignore_ascii_case("v") && value.trim() == "DMARC1")
}

/// Walks from `domain` up to its top and returns the record that holds for it.
pub fn walk(names: &dyn Names, domain: &str) -> Result<Walk, WalkError> {
    let labels: Vec<&str> = domain.split('.').collect();
    // A long name is asked itself, and then from its seventh label up.
    let from = labels.len().saturating_sub(MAX_STEPS - 1).max(1);
    let starts = std::iter::once(0).chain(from..labels.len()).take(MAX_STEPS);
    let mut found: Vec<Policy> = Vec::new();
    let mut organisation = None;
    for start in starts {
        let at = labels[start..].join(".");
        let records = match names.txt(&format!("_dmarc.{at}")) {
            Ok(records) => records,
            Err(error) if error.is_absent() => continue,
            // Whoever runs the top of the names owes nobody an answer.
            Err(_) if start + 1 == labels.len() => continue,
            Err(error) => return Err(WalkError::Unasked(format!("_dmarc.{at}"), error)),
        };
        let all: Vec<String> = records.into_iter().filter(|record| is_dmarc(record)).collect();
        match all.as_slice() {
            [] => continue,
            [record] => {
                let policy = Policy {
                    at: at.clone(),
                    record: record.clone(),
                };
                let psd = tag(record, "psd").unwrap_or("u").to_ascii_lowercase();
                match psd.as_str() {
                    "n" => organisation = Some(at),
                    "y" if start > 0 => organisation = Some(labels[start - 1..].join(".")),
                    _ => {}
                }
                found.push(policy);
                if organisation.is_some() {
                    break;
                }
            }
            several => {
                return Err(WalkError::Several(Policy {
                    at,
                    record: several.join(" | "),
                }));
            }
        }
    }
    let organisation = organisation
        .or_else(|| found.last().map(|policy| policy.at.clone()))
        .unwrap_or_else(|| domain.to_owned());
    // Its own, or else the organisation's.
    let policy = found
        .iter()
        .find(|policy| policy.at == domain)
        .or_else(|| found.iter().find(|policy| policy.at == organisation))
        .or(found.last())
        .cloned();
    Ok(Walk { policy, organisation })
}

/// Says what `domain` wants done with mails that fail.
pub fn check(names: &dyn Names, domain: &str) -> Vec<CheckFinding> {
    let topic = CheckTopic::Dmarc;
    let found = match walk(names, domain) {
        Ok(found) => found,
        Err(WalkError::Unasked(name, error)) => return vec![unasked(topic, &name, &error)],
        Err(WalkError::Several(policy)) => {
            return vec![finding(
                topic,
                CheckSeverity::Bad,
                format!(
                    "{} has several DMARC records and may have one: receivers then use none. Remove all but one.",
                    policy.at
                ),
                &format!("_dmarc.{} TXT {}", policy.at, policy.record),
            )];
        }
    };
    let Some(policy) = found.policy else {
        return vec![finding(
            topic,
            CheckSeverity::Warn,
            format!(
                "{domain} has no DMARC record. Gmail and Yahoo ask it of whoever sends much. Add a TXT record \
                 _dmarc.{domain} with v=DMARC1; p=none as a start."
            ),
            "",
        )];
    };
    vec![judge(domain, &policy)]
}

fn judge(domain: &str, policy: &Policy) -> CheckFinding {
    let record = &policy.record;
    let own = policy.at == domain;
    let wish = match tag(record, "sp") {
        Some(below) if !own => Some(below),
        _ => tag(record, "p"),
    };
    let place = if own {
        String::new()
    } else {
        format!(" (the record of {} holds)", policy.at)
    };
    let strict = [("adkim", "signatures"), ("aspf", "envelopes")]
        .into_iter()
        .filter(|(name, _)| is_strict(record, name))
        .map(|(_, of)| of)
        .collect::<Vec<_>>();
    let exact = match strict.as_slice() {
        [] => String::new(),
        of => format!(" It wants {} of exactly this domain.", of.join(" and ")),
    };
    let (severity, sentence) = match wish.map(str::to_ascii_lowercase).as_deref() {
        Some("reject") => (
            CheckSeverity::Good,
            format!("{domain} asks receivers to refuse mails that only claim to come from it{place}.{exact}"),
        ),
        Some("quarantine") => (
            CheckSeverity::Good,
            format!(
                "{domain} asks receivers to file as spam what only claims to come from it{place}.{exact}"
            ),
        ),
        Some("none") => (
            CheckSeverity::Good,
            format!(
                "{domain} has a DMARC record that asks for nothing yet{place}. That is enough to send; p=quarantine would \
                 protect your name better.{exact}"
            ),
        ),
        Some(other) => (
            CheckSeverity::Bad,
            format!(
                "The DMARC record of {} asks for “{}”, which receivers do not know. Write p=none, p=quarantine or p=reject.",
                policy.at,
                shown(other, 40)
            ),
        ),
        None => (
            CheckSeverity::Bad,
            format!(
                "The DMARC record of {} does not say what it asks for. Add p=none to it.",
                policy.at
            ),
        ),
    };
    finding(
        CheckTopic::Dmarc,
        severity,
        sentence,
        &format!("_dmarc.{} TXT {record}", policy.at),
    )
}

fn is_strict(record: &str, name: &str) -> bool {
    tag(record, name).is_some_and(|mode| mode.eq_ignore_ascii_case("s"))
}

/// Whether a signature of one domain speaks for another (RFC 7489 §3.1.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alignment {
    /// It does.
    Aligned,
    /// It does not.
    Apart,
    /// It is of the same organisation, and the policy asks for exactly the same domain.
    NotExactly,
    /// A name could not be asked.
    Unasked(String, NameError),
}

/// Tells whether a signature of `signing` speaks for mails from `from`.
pub fn aligns(names: &dyn Names, from: &str, signing: &str) -> Alignment {
    if from.eq_ignore_ascii_case(signing) {
        return Alignment::Aligned;
    }
    let organisation = |domain: &str| match walk(names, domain) {
        Ok(found) => Ok(found),
        Err(WalkError::Several(policy)) => Ok(Walk {
            organisation: policy.at,
            policy: None,
        }),
        Err(WalkError::Unasked(name, error)) => Err(Alignment::Unasked(name, error)),
    };
    let of_from = match organisation(&from.to_ascii_lowercase()) {
        Ok(found) => found,
        Err(unasked) => return unasked,
    };
    let of_signing = match organisation(&signing.to_ascii_lowercase()) {
        Ok(found) => found,
        Err(unasked) => return unasked,
    };
    // Without any record the organisation cannot be told; one above the other is taken for the same.
    let same = of_from.organisation == of_signing.organisation
        || of_from.policy.is_none()
            && of_signing.policy.is_none()
            && (is_within(from, signing) || is_within(signing, from))
            && signing.contains('.');
    let exact = of_from
        .policy
        .is_some_and(|policy| is_strict(&policy.record, "adkim"));
    match (same, exact) {
        (true, false) => Alignment::Aligned,
        (true, true) => Alignment::NotExactly,
        (false, _) => Alignment::Apart,
    }
}

#[cfg(test)]
mod tests {
    use super::super::played::Played;
    use super::*;
    use CheckSeverity::{Bad, Good, Unknown, Warn};

    fn of(record: &str) -> CheckFinding {
        check(
            &Played::default().txt("_dmarc.example.org", &[record]),
            "example.org",
        )
        .remove(0)
    }

    #[test]
    fn a_policy_is_judged_by_what_it_asks_for() {
        for (record, severity) in [
            ("v=DMARC1; p=none", Good),
            ("v=DMARC1;p=Quarantine;rua=mailto:a@example.org", Good),
            ("v = DMARC1 ; p = reject ; adkim=s; aspf=s", Good),
            ("v=DMARC1; p=monitor", Bad),
            ("v=DMARC1", Bad),
            ("v=DMARC1; rua=mailto:a@example.org", Bad),
            ("v=DMARC2; p=none", Warn),
            ("p=none; v=DMARC1", Warn),
            ("dmarc1", Warn),
        ] {
            let found = of(record);
            assert_eq!(found.severity, severity, "{record}: {}", found.sentence);
        }
        assert!(
            of("v=DMARC1; p=reject; adkim=s")
                .sentence
                .contains("exactly this domain")
        );
    }

    #[test]
    fn a_name_below_takes_the_organisations_record_and_its_wish_for_names_below() {
        let names = Played::default().txt("_dmarc.example.org", &["v=DMARC1; p=none; sp=reject"]);
        let found = check(&names, "news.club.example.org");
        assert_eq!(found[0].severity, Good);
        assert!(found[0].sentence.contains("refuse"), "{found:?}");
        assert!(
            found[0].sentence.contains("the record of example.org holds"),
            "{found:?}"
        );
        assert_eq!(
            names.asked.borrow().first().map(String::as_str),
            Some("_dmarc.news.club.example.org"),
            "its own comes first"
        );
    }

    #[test]
    fn none_two_and_no_answer_are_three_things() {
        assert_eq!(check(&Played::default(), "example.org")[0].severity, Warn);
        let two = Played::default().txt("_dmarc.example.org", &["v=DMARC1; p=none", "v=DMARC1; p=reject"]);
        assert_eq!(check(&two, "example.org")[0].severity, Bad);
        let dead = Played::default().fails("_dmarc.example.org", NameError::TimedOut);
        assert_eq!(check(&dead, "example.org")[0].severity, Unknown);
    }

    #[test]
    fn a_name_of_many_labels_asks_eight_names_at_most() {
        let names = Played::default();
        let long = "a.".repeat(60) + "example.org";
        assert_eq!(check(&names, &long)[0].severity, Warn);
        assert_eq!(names.asked.borrow().len(), MAX_STEPS);
    }

    #[test]
    fn a_public_suffix_that_says_so_is_no_organisation() {
        let names = Played::default()
            .txt("_dmarc.bank", &["v=DMARC1; p=reject; psd=y"])
            .txt("_dmarc.a.bank", &["v=DMARC1; p=none"]);
        assert_eq!(walk(&names, "mail.a.bank").unwrap().organisation, "a.bank");
        assert_eq!(aligns(&names, "a.bank", "b.bank"), Alignment::Apart);
    }

    #[test]
    fn alignment_follows_the_organisation_and_the_policy() {
        let names = |record: &str| Played::default().txt("_dmarc.example.org", &[record]);
        let relaxed = names("v=DMARC1; p=none");
        assert_eq!(aligns(&relaxed, "example.org", "EXAMPLE.org"), Alignment::Aligned);
        assert_eq!(
            aligns(&relaxed, "news.example.org", "mail.example.org"),
            Alignment::Aligned
        );
        assert_eq!(aligns(&relaxed, "example.org", "example.net"), Alignment::Apart);
        assert_eq!(
            aligns(&relaxed, "example.org", "notexample.org"),
            Alignment::Apart
        );
        let strict = names("v=DMARC1; p=none; adkim=s");
        assert_eq!(
            aligns(&strict, "example.org", "mail.example.org"),
            Alignment::NotExactly
        );
        let none = Played::default();
        assert_eq!(
            aligns(&none, "example.org", "mail.example.org"),
            Alignment::Aligned
        );
        assert_eq!(
            aligns(&none, "example.org", "org"),
            Alignment::Apart,
            "a top is nobody's"
        );
        let dead = Played::default().fails("_dmarc.example.org", NameError::TimedOut);
        assert!(matches!(
            aligns(&dead, "example.org", "mail.example.org"),
            Alignment::Unasked(..)
        ));
    }
}
