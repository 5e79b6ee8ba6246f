//! Hits that mean something only together, in any order.

use super::*;
use proptest::prelude::*;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36";
const WEBKIT: &str =
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
const MPP: &str = "Mozilla/5.0";
const GMAIL: &str =
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)";
const CURL: &str = "curl/8.5.0";
const AGENTS: &[&str] = &[CHROME, WEBKIT, MPP, GMAIL, CURL, ""];

/// A hit in plain words: mail, milliseconds since the mails were taken, agent, address.
#[derive(Debug, Clone, Copy)]
struct Plain {
    mail: i64,
    at: i64,
    agent: &'static str,
    address: u16,
}

fn plain(mail: i64, seconds: i64, agent: &'static str, address: u16) -> Plain {
    Plain {
        mail,
        at: seconds * 1000,
        agent,
        address,
    }
}

/// A hit's evidence as it lies in the database.
#[derive(Debug, Clone)]
struct Kept {
    plain: Plain,
    id: HitId,
    told: Told,
    /// Addresses in one /24 share their hundreds.
    network: String,
    address: Vec<u8>,
    client: Vec<u8>,
    label: Option<Network>,
}

fn keep(hits: &[Plain]) -> Vec<Kept> {
    hits.iter()
        .enumerate()
        .map(|(index, plain)| {
            let told = classify::tell(plain.agent);
            let mut client = told.client().as_bytes().to_vec();
            if !told.is_a_services_own() {
                client.extend(plain.address.to_be_bytes());
            }
            Kept {
                plain: *plain,
                id: HitId(index as i64 + 1),
                told,
                network: format!("198.18.{}.0/24", plain.address / 100),
                address: plain.address.to_be_bytes().to_vec(),
                client,
                label: None,
            }
        })
        .collect()
}

fn accepted() -> Instant {
    "2026-04-01T08:00:00Z".parse().unwrap()
}

/// Mail `n` goes to domain `n % 5`.
fn mails(n: i64) -> HashMap<MessageId, Mail> {
    (0..n)
        .map(|n| {
            let mail = Mail {
                accepted_at: Some(accepted()),
                domain: format!("domain{}.example", n % 5),
                tried_out: false,
            };
            (MessageId(n), mail)
        })
        .collect()
}

fn evidence(kept: &[Kept]) -> Vec<Evidence<'_>> {
    kept.iter()
        .map(|kept| Evidence {
            id: kept.id,
            message: MessageId(kept.plain.mail),
            at: accepted() + TimeDelta::milliseconds(kept.plain.at),
            told: &kept.told,
            said: Said::Nothing,
            timing: Timing::Known,
            network: &kept.network,
            address: &kept.address,
            label: kept.label,
            client: &kept.client,
        })
        .collect()
}

/// Judges hits; returns reason and whether a look begins, in the order of the hits.
fn judged(kept: &[Kept], labels: &Labels) -> Vec<(HitClass, &'static str, bool)> {
    let mut verdicts = judge(&mails(60), &evidence(kept), labels);
    verdicts.sort_by_key(|judged| judged.id);
    verdicts
        .into_iter()
        .map(|judged| (judged.class, judged.reason, judged.new_look))
        .collect()
}

fn reasons(hits: &[Plain]) -> Vec<&'static str> {
    judged(&keep(hits), &Labels::default())
        .into_iter()
        .map(|(_, reason, _)| reason)
        .collect()
}

#[test]
fn gaps_under_thirty_minutes_are_one_look() {
    let at: Instant = "2026-03-01T12:00:00Z".parse().unwrap();
    assert!(is_new_look(None, at));
    assert!(!is_new_look(Some(at - TimeDelta::milliseconds(1_799_999)), at));
    assert!(is_new_look(Some(at - TimeDelta::minutes(30)), at));
    assert!(
        !is_new_look(Some(at + TimeDelta::hours(1)), at),
        "a clock set back makes no look"
    );
}

#[test]
fn later_machines_take_nothing_away() {
    let mut signal = Signal::None;
    for (class, wanted) in [
        (HitClass::MachinePrefetch, Signal::MachineOnly),
        (HitClass::Unknown, Signal::Unknown),
        (HitClass::HumanProxy, Signal::Human),
        (HitClass::Scanner, Signal::Human),
    ] {
        signal = signal_after(signal, class);
        assert_eq!(signal, wanted, "after {class}");
    }
}

#[test]
fn three_networks_within_two_minutes_are_a_burst_backwards_too() {
    let hits = [
        plain(1, 100, CHROME, 100),
        plain(1, 150, CHROME, 200),
        plain(1, 220, CHROME, 300),
        plain(1, 5000, CHROME, 100),
    ];
    assert_eq!(reasons(&hits), ["burst", "burst", "burst", "browser"]);
    let slower = [
        plain(1, 100, CHROME, 100),
        plain(1, 150, CHROME, 200),
        plain(1, 221, CHROME, 300),
    ];
    assert_eq!(reasons(&slower), ["browser"; 3], "over more than two minutes");
    let two = [
        plain(1, 100, CHROME, 100),
        plain(1, 101, CHROME, 200),
        plain(1, 102, CHROME, 201),
    ];
    assert_eq!(
        reasons(&two),
        ["burst"; 3],
        "two networks, but three addresses within half a minute"
    );
    let apart = [
        plain(1, 100, CHROME, 100),
        plain(1, 110, CHROME, 200),
        plain(1, 131, CHROME, 201),
    ];
    assert_eq!(reasons(&apart), ["browser"; 3]);
}

#[test]
fn services_own_machines_are_no_burst() {
    let hits = [
        plain(1, 100, GMAIL, 100),
        plain(1, 101, GMAIL, 200),
        plain(1, 102, GMAIL, 300),
        plain(1, 103, MPP, 400),
        plain(1, 104, CHROME, 500),
    ];
    assert_eq!(
        reasons(&hits),
        [
            "named_proxy",
            "named_proxy",
            "named_proxy",
            "apple_mpp",
            "browser"
        ]
    );
}

#[test]
fn one_address_for_many_peoples_mails_is_a_scanner_and_an_office_is_none() {
    let gateway: Vec<Plain> = (0..12).map(|n| plain(n, 60 + n * 5, CHROME, 7)).collect();
    assert_eq!(reasons(&gateway), ["fan_out"; 12]);
    let office: Vec<Plain> = (0..12).map(|n| plain(n * 5, 60 + n * 5, CHROME, 7)).collect();
    assert_eq!(reasons(&office), ["browser"; 12], "of one domain");
    let slow: Vec<Plain> = (0..12).map(|n| plain(n, 60 + n * 70, CHROME, 7)).collect();
    assert_eq!(reasons(&slow), ["browser"; 12], "over a quarter of an hour");
    let few: Vec<Plain> = (0..9).map(|n| plain(n, 60 + n, CHROME, 7)).collect();
    assert_eq!(reasons(&few), ["browser"; 9], "fewer than ten people");
}

#[test]
fn what_is_early_at_a_gateways_domain_is_not_called_a_person() {
    // Three mails to one domain are scanned by bursts; a fourth is asked for by one address, as fast.
    let mut hits = Vec::new();
    for mail in [0, 5, 10] {
        for network in 1..=3 {
            hits.push(plain(
                mail,
                20 + i64::from(network),
                CHROME,
                network * 100 + mail as u16,
            ));
        }
    }
    hits.push(plain(15, 30, CHROME, 901));
    hits.push(plain(15, 61, CHROME, 902));
    hits.push(plain(1, 30, CHROME, 903));
    let reasons = reasons(&hits);
    assert_eq!(reasons[..9], ["burst"; 9]);
    assert_eq!(
        reasons[9..],
        ["gateway_domain", "browser", "browser"],
        "a minute later, or at another domain, it may be anybody"
    );
}

#[test]
fn an_address_that_scanned_other_mails_is_not_called_a_person() {
    let mut hits: Vec<Plain> = (0..3).map(|mail| plain(mail, 1, CHROME, 7)).collect();
    hits.push(plain(9, 50_000, CHROME, 7));
    hits.push(plain(10, 50_000, CHROME, 8));
    let reasons = reasons(&hits);
    assert_eq!(
        reasons,
        ["instant", "instant", "instant", "scanner_address", "browser"]
    );
    let mut quick: Vec<Plain> = (0..3)
        .map(|mail| plain(mail * 5, 12 + 15 * mail, CHROME, 7))
        .collect();
    assert_eq!(
        self::reasons(&quick),
        ["scanner_address"; 3],
        "each within a minute of its delivery"
    );
    quick.extend((21..25).map(|mail| plain(mail, 3600 * mail, CHROME, 7)));
    assert_eq!(
        self::reasons(&quick),
        ["browser"; 7],
        "of seven, three are no half"
    );
    let mut office: Vec<Plain> = (0..3).map(|mail| plain(mail, 1, CHROME, 7)).collect();
    office.extend((3..20).map(|mail| plain(mail, 3600 * mail, CHROME, 7)));
    assert!(
        self::reasons(&office)[3..]
            .iter()
            .all(|reason| *reason == "browser"),
        "three who were very fast do not make an office of twenty a scanner"
    );
}

#[test]
fn the_time_since_delivery_holds_only_where_it_is_known() {
    let mail = |accepted: Option<Instant>, tried_out| Mail {
        accepted_at: accepted,
        domain: String::new(),
        tried_out,
    };
    let at = accepted();
    let second = TimeDelta::seconds(1);
    for (mail, hit, timing, wanted) in [
        (
            mail(Some(at), false),
            at + second,
            Timing::Known,
            (Some(second), false),
        ),
        (
            mail(Some(at), false),
            at,
            Timing::BeforeAccept,
            (Some(TimeDelta::zero()), false),
        ),
        (
            mail(Some(at), false),
            at - second,
            Timing::BeforeAccept,
            (None, true),
        ),
        (mail(None, false), at, Timing::BeforeAccept, (None, true)),
        (
            mail(Some(at), false),
            at - second,
            Timing::ClockSet,
            (None, false),
        ),
        (
            mail(Some(at), false),
            at + second,
            Timing::ClockSet,
            (None, false),
        ),
        (mail(Some(at), true), at + second, Timing::Known, (None, false)),
    ] {
        assert_eq!(
            since_delivery(&mail, hit, timing),
            wanted,
            "{mail:?} {hit} {timing:?}"
        );
    }
}

#[test]
fn what_the_user_says_of_one_hit_holds_whatever_the_rules_say() {
    let kept = keep(&[
        plain(1, 100, CURL, 1),
        plain(1, 200, CHROME, 2),
        plain(1, 300, GMAIL, 3),
    ]);
    let labels = |says| Labels {
        hits: kept.iter().map(|hit| (hit.id, says)).collect(),
        ..Labels::default()
    };
    let classes = |says| -> Vec<HitClass> {
        judged(&kept, &labels(says))
            .iter()
            .map(|(class, reason, _)| {
                assert_eq!(*reason, "labelled_hit");
                *class
            })
            .collect()
    };
    assert_eq!(
        classes(Says::Person),
        [HitClass::HumanDirect, HitClass::HumanDirect, HitClass::HumanProxy]
    );
    assert_eq!(
        classes(Says::Machine),
        [HitClass::Library, HitClass::Scanner, HitClass::Scanner]
    );
    assert_eq!(classes(Says::Unknown), [HitClass::Unknown; 3]);
}

#[test]
fn a_domain_or_network_makes_no_people_of_machines() {
    let kept = keep(&[
        plain(1, 100, CURL, 1),
        plain(1, 200, CHROME, 2),
        plain(2, 300, CHROME, 201),
    ]);
    let by_domain = |says| Labels {
        domains: HashMap::from([("domain1.example".to_owned(), says)]),
        ..Labels::default()
    };
    let by_network = |says| Labels {
        networks: HashMap::from([("198.18.0.0/24".to_owned(), says)]),
        ..Labels::default()
    };
    let found = |labels: &Labels| -> Vec<HitClass> {
        judged(&kept, labels)
            .into_iter()
            .map(|(class, ..)| class)
            .collect()
    };
    use HitClass::*;
    for labels in [by_domain(Says::Machine), by_network(Says::Machine)] {
        assert_eq!(found(&labels), [Library, Scanner, HumanDirect]);
    }
    for labels in [by_domain(Says::Unknown), by_network(Says::Unknown)] {
        assert_eq!(found(&labels), [Library, Unknown, HumanDirect]);
    }
    for labels in [by_domain(Says::Person), by_network(Says::Person)] {
        assert_eq!(
            found(&labels),
            found(&Labels::default()),
            "that is not for a rule to say"
        );
    }
}

fn hits() -> impl Strategy<Value = Vec<Plain>> {
    let hit = (0..20_i64, 0..900_000_i64, 0..AGENTS.len(), 0..6_u16, 0..8_u16).prop_map(
        |(mail, at, agent, network, host)| Plain {
            mail,
            at,
            agent: AGENTS[agent],
            address: network * 100 + host,
        },
    );
    prop::collection::vec(hit, 0..80)
}

proptest! {
    #![proptest_config(crate::cases::seeded(256))]

    #[test]
    fn the_order_in_which_hits_come_decides_nothing(hits in hits(), seed in any::<u64>()) {
        let kept = keep(&hits);
        let mut shuffled = kept.clone();
        // Fisher and Yates, by a plain linear congruence.
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            shuffled.swap(index, (state >> 33) as usize % (index + 1));
        }
        let sort = |mut verdicts: Vec<Judged>| { verdicts.sort_by_key(|judged| judged.id); verdicts };
        let labels = Labels::default();
        prop_assert_eq!(
            sort(judge(&mails(20), &evidence(&kept), &labels)),
            sort(judge(&mails(20), &evidence(&shuffled), &labels))
        );
    }

    #[test]
    fn a_network_label_only_takes_looks_away(hits in hits(), labelled in 0..6_u16, network in 0..Network::ALL.len()) {
        let kept = keep(&hits);
        let mut with_label = kept.clone();
        let prefix = format!("198.18.{labelled}.0/24");
        for hit in with_label.iter_mut().filter(|hit| hit.network == prefix) {
            hit.label = Some(Network::ALL[network]);
        }
        let says = Labels { networks: HashMap::from([(prefix, Says::Machine)]), ..Labels::default() };
        let before = judged(&kept, &Labels::default());
        for after in [judged(&with_label, &Labels::default()), judged(&kept, &says)] {
            for ((was, ..), (is, reason, _)) in before.iter().zip(&after) {
                let evidence = |class: &HitClass| Signal::of(*class);
                prop_assert!(
                    evidence(is) <= evidence(was),
                    "a label on a network made {} of {}: {}", is, was, reason
                );
            }
        }
    }

    #[test]
    fn judging_twice_says_the_same(hits in hits()) {
        let kept = keep(&hits);
        prop_assert_eq!(judged(&kept, &Labels::default()), judged(&kept, &Labels::default()));
    }
}
