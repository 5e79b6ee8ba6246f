use super::*;
use std::collections::BTreeMap;

fn facts(user_agent: &str) -> Facts<'_> {
    Facts {
        user_agent,
        head_only: false,
        delta: Some(TimeDelta::hours(2)),
        prefetch: false,
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
