//! A computer that loses its network and gets it back, in a network of its own (Linux namespaces).

use super::ssh::pair_at;
use crate::harness::{skip, until_or};
use casement_core::reach::tunnel::state::State;
use casement_core::reach::tunnel::words::Trouble;
use std::process::{Command, Stdio};

/// Tells the program below that it is in a network of its own.
const INSIDE: &str = "CASEMENT_TEST_IN_A_NETWORK_OF_ITS_OWN";

/// The address that this computer gets from its network, and the server's as well.
const ADDRESS: &str = "203.0.113.5";

fn connect() {
    run("ip link set lo up").unwrap();
    run(&format!("ip addr add {ADDRESS}/32 dev lo")).unwrap();
    // A way to everywhere. Nothing is there.
    run("ip route add default dev lo").unwrap();
}

fn disconnect() {
    run("ip route del default").unwrap();
    run(&format!("ip addr del {ADDRESS}/32 dev lo")).unwrap();
}

fn run(line: &str) -> Result<(), String> {
    let mut words = line.split(' ');
    let program = words.next().unwrap_or_default();
    let output = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("{line}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!(
        "`{line}` failed: {}",
        String::from_utf8_lossy(&output.stderr).trim()
    ))
}

#[test]
fn a_network_that_goes_and_comes_back_is_noticed() {
    let name = "a_network_that_goes_and_comes_back_is_noticed";
    // So that a refusal is told from a failure of what is tested.
    if let Err(why) = run("unshare --net ip link set lo up") {
        return skip(
            name,
            &format!("this machine gives no network of one's own (it takes root, unshare and ip): {why}"),
        );
    }
    let output = Command::new("unshare")
        .arg("--net")
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "reach::network::loses_its_network", "--nocapture"])
        .env(INSIDE, "1")
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        said.contains("1 passed") && said.contains("it came back"),
        "it was run: {said}"
    );
}

/// No test by itself: the one above runs it where it can take the network away.
#[test]
fn loses_its_network() {
    if std::env::var_os(INSIDE).is_none() {
        return;
    }
    connect();
    let mut pair = pair_at(ADDRESS, "loses_its_network").expect("sshd is here");
    pair.follow();
    pair.bench.until_state(State::Live);
    disconnect();
    // Nobody tells the supervisor: it sees by itself that the way out is gone, and asks.
    let status = pair
        .bench
        .until(|status| status.trouble == Some(Trouble::NoNetwork));
    assert_eq!(status.seen, None, "an address that leads nowhere is not offered");
    let before = status.starts;
    connect();
    let status = until_or(
        || format!("{:#?}", pair.bench.tunnel().status()),
        || Some(pair.bench.tunnel().status()).filter(|status| status.state == State::Live),
    );
    assert!(status.starts > before && status.trouble.is_none());
    println!("it came back");
}
