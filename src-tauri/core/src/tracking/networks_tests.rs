//! The table of networks, row by row, and what is found in it.

use super::*;
use chrono::NaiveDate;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn label(address: &str) -> Option<&'static str> {
    label_of(address.parse().unwrap()).map(Network::as_str)
}

#[test]
fn every_row_is_a_network_with_a_label_a_source_and_a_date() {
    let mut lines = TABLE.lines();
    assert_eq!(lines.next(), Some("prefix,label,source,date"));
    let mut seen = BTreeSet::new();
    for line in lines {
        let fields: Vec<_> = line.split(',').collect();
        let [prefix, label, source, date] = fields[..] else {
            panic!("four fields: {line}");
        };
        assert!(Range::parse(prefix).is_some(), "no network, or host bits: {line}");
        assert!(Network::parse(label).is_some(), "no such label: {line}");
        assert!(source.len() > 10, "where from: {line}");
        assert!(date.parse::<NaiveDate>().is_ok(), "as of when: {line}");
        assert!(seen.insert(prefix), "twice: {line}");
    }
    assert_eq!(rows().len(), seen.len(), "no row is left out");
    assert!(seen.len() > 50);
}

#[test]
fn what_is_no_network_is_refused() {
    for prefix in [
        "",
        "192.0.2.0",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.1/24",
        "0.0.0.0/0",
        "::/0",
        "2001:db8::1/64",
        "2001:db8::/129",
        "example.org/24",
    ] {
        assert_eq!(Range::parse(prefix), None, "{prefix}");
    }
    assert!(Range::parse("192.0.2.1/32").is_some() && Range::parse("2001:db8::1/128").is_some());
}

#[test]
fn filters_are_known_by_their_addresses() {
    for (address, wanted) in [
        ("40.92.0.0", Some("microsoft_eop")),
        ("40.93.255.255", Some("microsoft_eop")),
        ("40.94.0.0", None),
        ("52.238.78.88", Some("microsoft_eop")),
        ("52.238.78.89", None),
        ("2a01:111:f403:8000::25", Some("microsoft_eop")),
        ("209.222.82.9", Some("barracuda")),
        ("18.133.136.127", Some("barracuda")),
        ("18.133.136.95", None),
        ("67.231.154.7", Some("proofpoint")),
        ("205.139.110.1", Some("mimecast")),
        ("66.249.93.84", Some("google")),
        ("108.177.2.32", Some("google")),
        ("203.0.113.9", None),
        ("2001:db8::1", None),
        ("0.0.0.0", None),
        ("::", None),
        ("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", None),
    ] {
        assert_eq!(label(address), wanted, "{address}");
    }
}

#[test]
fn microsofts_own_network_is_none_of_its_filters() {
    // Outlook on the web fetches pictures from here, when somebody looks.
    for address in [
        "13.107.128.5",
        "40.96.0.1",
        "40.104.0.1",
        "52.96.0.1",
        "2603:1000::1",
    ] {
        assert_eq!(label(address), None, "{address}");
    }
}

#[test]
fn an_ipv4_address_means_the_same_in_its_ipv6_form() {
    for address in ["40.92.1.1", "209.222.82.9", "66.249.93.84", "203.0.113.9"] {
        assert_eq!(label(&format!("::ffff:{address}")), label(address), "{address}");
    }
    assert_eq!(
        label("::40.92.1.1"),
        None,
        "the form that nobody uses is another address"
    );
}

#[test]
fn a_network_is_a_scanners_or_a_probable_one_or_neither() {
    for network in Network::ALL {
        assert!(!(network.is_scanner() && network.is_probable()), "{network:?}");
        assert_eq!(Network::parse(network.as_str()), Some(network));
        assert!(!network.name().is_empty());
    }
    assert!(Network::MicrosoftEop.is_scanner() && Network::Mimecast.is_probable());
    for network in [Network::Google, Network::Yahoo, Network::AppleEgress] {
        assert!(
            !network.is_scanner() && !network.is_probable(),
            "people are behind {network:?}"
        );
    }
}

/// Addresses at the table's edges, near them, and anywhere.
fn addresses() -> impl Strategy<Value = IpAddr> {
    let edges: Vec<u128> = rows()
        .into_iter()
        .flat_map(|(range, _)| [range.first, range.last])
        .collect();
    let near = (prop::sample::select(edges), -2_i8..=2)
        .prop_map(|(edge, by)| IpAddr::V6(edge.wrapping_add_signed(by.into()).into()));
    prop_oneof![
        near,
        any::<u32>().prop_map(|number| IpAddr::V4(number.into())),
        any::<u128>().prop_map(|number| IpAddr::V6(number.into())),
    ]
}

proptest! {
    #![proptest_config(crate::cases::seeded(256))]

    #[test]
    fn the_search_finds_what_reading_every_row_finds(address in addresses()) {
        let rows = rows();
        prop_assert_eq!(label_of(address), smallest(&rows, number(address)));
        prop_assert_eq!(label_of(address), label_of(address.to_canonical()));
    }

    #[test]
    fn of_networks_in_one_another_the_smallest_counts(
        picks in prop::collection::vec((any::<u8>(), 121_u32..=128, 0_usize..8), 1..12),
        address in any::<u8>(),
    ) {
        let base = number("2001:db8::".parse().unwrap());
        let rows: Vec<_> = picks
            .iter()
            .map(|(low, length, network)| {
                let hosts = (1_u128 << (128 - length)) - 1;
                let first = (base | u128::from(*low)) & !hosts;
                (Range { first, last: first | hosts }, Network::ALL[*network])
            })
            .collect();
        let segments = segments(&rows);
        let address = base | u128::from(address);
        let at = segments.partition_point(|(start, _)| *start <= address);
        let found = at.checked_sub(1).and_then(|at| segments[at].1);
        prop_assert_eq!(found, smallest(&rows, address));
    }
}
