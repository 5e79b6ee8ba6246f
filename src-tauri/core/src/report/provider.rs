//! Mail providers by the domain of an address.
//!
//! No name server is asked: that would tell it whom we mail. So an organisation's own domain is "other", also where
//! Google or Microsoft keeps its mailboxes.

use crate::api::{Provider, ProviderParts};
use crate::domain::open::Signal;
use std::collections::BTreeMap;

/// Domains at which a provider gives out addresses.
const DOMAINS: &[(Provider, &[&str])] = &[
    (Provider::Gmail, &["gmail.com", "googlemail.com"]),
    (Provider::Apple, &["icloud.com", "me.com", "mac.com"]),
    (Provider::Yahoo, &["aol.com", "ymail.com", "rocketmail.com"]),
    (Provider::Microsoft, &["msn.com"]),
];

/// Providers that give out addresses at the same name in many countries: `yahoo.co.uk`, `hotmail.fr`.
const NAMES: &[(Provider, &[&str])] = &[
    (Provider::Yahoo, &["yahoo"]),
    (Provider::Microsoft, &["outlook", "hotmail", "live"]),
];

/// Returns whose mailbox an address at `domain` is, judged by the domain's name alone.
pub fn of(domain: &str) -> Provider {
    let domain = domain.to_ascii_lowercase();
    let listed = |(_, domains): &&(Provider, &[&str])| domains.contains(&domain.as_str());
    if let Some((provider, _)) = DOMAINS.iter().find(listed) {
        return *provider;
    }
    // `yahoo.com`, `yahoo.fr`, `yahoo.co.uk`; but not `yahoo.example.org`, which anybody may have.
    let (name, ending) = domain.split_once('.').unwrap_or((&domain, ""));
    let is_public = match ending.split_once('.') {
        None => ending == "com" || ending.len() == 2,
        Some((second, country)) => matches!(second, "co" | "com") && country.len() == 2,
    };
    let named = |(_, names): &&(Provider, &[&str])| is_public && names.contains(&name);
    NAMES
        .iter()
        .find(named)
        .map_or(Provider::Other, |(provider, _)| *provider)
}

/// Adds up counts by domain: the domain, what was seen (`None` where the mail is not tracked), how many. Providers
/// without a mail are left out.
pub fn parts(counts: impl IntoIterator<Item = (String, Option<Signal>, u32)>) -> Vec<ProviderParts> {
    let mut found: BTreeMap<Provider, ProviderParts> = BTreeMap::new();
    for (domain, signal, n) in counts {
        let provider = of(&domain);
        let parts = found.entry(provider).or_insert(ProviderParts {
            provider,
            accepted: 0,
            tracked: 0,
            confirmed: 0,
            unknown: 0,
            machine_only: 0,
            no_signal: 0,
        });
        parts.accepted += n;
        let Some(signal) = signal else { continue };
        parts.tracked += n;
        *match signal {
            Signal::Human => &mut parts.confirmed,
            Signal::Unknown => &mut parts.unknown,
            Signal::MachineOnly => &mut parts.machine_only,
            Signal::None => &mut parts.no_signal,
        } += n;
    }
    found.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_provider_is_told_by_its_own_domains_alone() {
        for (domain, provider) in [
            ("gmail.com", Provider::Gmail),
            ("GoogleMail.com", Provider::Gmail),
            ("icloud.com", Provider::Apple),
            ("yahoo.com", Provider::Yahoo),
            ("yahoo.co.uk", Provider::Yahoo),
            ("yahoo.com.br", Provider::Yahoo),
            ("aol.com", Provider::Yahoo),
            ("hotmail.fr", Provider::Microsoft),
            ("outlook.com", Provider::Microsoft),
            ("live.com", Provider::Microsoft),
            ("live.example.org", Provider::Other),
            ("yahoo.museum", Provider::Other),
            ("notgmail.com", Provider::Other),
            ("gmail.com.example.org", Provider::Other),
            ("example.org", Provider::Other),
            ("", Provider::Other),
        ] {
            assert_eq!(of(domain), provider, "{domain}");
        }
    }

    #[test]
    fn counts_add_up_by_provider() {
        let told = parts([
            ("gmail.com".to_owned(), Some(Signal::Human), 3),
            ("googlemail.com".to_owned(), Some(Signal::None), 2),
            ("gmail.com".to_owned(), None, 1),
            ("example.org".to_owned(), Some(Signal::MachineOnly), 4),
        ]);
        let told: Vec<_> = told
            .iter()
            .map(|p| {
                (
                    p.provider,
                    p.accepted,
                    p.tracked,
                    p.confirmed,
                    p.machine_only,
                    p.no_signal,
                )
            })
            .collect();
        assert_eq!(
            told,
            [(Provider::Gmail, 6, 5, 3, 0, 2), (Provider::Other, 4, 4, 0, 4, 0)]
        );
    }
}
