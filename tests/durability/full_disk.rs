//! A disk of three megabytes that fills up, and gets room again.

use super::Readers;
use crate::harness::crowd::{Crowd, Deed, Reader};
use crate::harness::ctl::Serving;
use crate::harness::disk::SmallDisk;
use crate::harness::raw::{exchange, get};
use crate::harness::witness::GIF;
use crate::harness::{PATIENCE, readers, until};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// A workspace on a full disk, and a listener that has felt it.
struct Full {
    disk: SmallDisk,
    ballast: PathBuf,
    crowd: Crowd,
    readers: Readers,
    serving: Serving,
    refused: usize,
}

impl Full {
    /// `None` where no disk can be mounted.
    fn set_up(test: &str) -> Option<Self> {
        let Some(disk) = SmallDisk::mount("3m") else {
            // A container may not mount; `kill` and `power_cut` need no disk of their own.
            eprintln!("{test}: this process may not mount a small disk");
            return None;
        };
        let crowd = Crowd::of(400).moved_to(disk.path().join("workspace"));
        let readers = Readers::of(&crowd);
        let serving = crowd.ctl.serve("listen");
        for _ in 0..10 {
            assert_eq!(readers.one(&serving.proxied), Some(Some(200)), "there is room");
        }
        let ballast = disk.fill();
        let mut full = Self {
            disk,
            ballast,
            crowd,
            readers,
            serving,
            refused: 0,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        for _ in 0..200 {
            if full.readers.one(&full.serving.proxied) != Some(Some(200)) {
                full.refused += 1;
            }
            assert!(Instant::now() < deadline, "a full disk makes nobody wait");
        }
        Some(full)
    }

    fn a_refusal_shows_the_picture(&self) {
        let reader: &Reader = &self.crowd.readers[0];
        let headers = [
            (readers::CLIENT_HEADER, "198.51.100.7"),
            ("User-Agent", readers::IPHONE),
        ];
        let response = exchange(&self.serving.proxied, get(&reader.pixel, &headers), PATIENCE).response();
        assert!([200, 503].contains(&response.status), "{response:?}");
        assert_eq!(response.body, GIF, "the mail looks as it should");
        assert_eq!(response.header("content-type"), Some("image/gif"));
        let kept = response.header("cache-control").unwrap_or_default();
        assert!(kept.contains("no-store"), "no cache keeps it: {response:?}");
    }
}

#[test]
fn a_listener_on_a_full_disk_recovers_by_itself_and_has_lost_nothing() {
    let Some(full) = Full::set_up("a_listener_on_a_full_disk_recovers_by_itself_and_has_lost_nothing") else {
        return;
    };
    // Somebody's second look, which is not counted below: it is one more hit of a message.
    let looks_again = full.crowd.readers[0].email.clone();
    full.a_refusal_shows_the_picture();
    full.disk.give_back(&full.ballast);
    let (crowd, readers, serving) = (full.crowd, full.readers, full.serving);
    until("requests should be answered with 200 again", || {
        (readers.one(&serving.proxied)? == Some(200)).then_some(())
    });
    until("what was acknowledged meanwhile should be known", || {
        readers.lost(&crowd).is_empty().then_some(())
    });
    for _ in 0..20 {
        assert_eq!(readers.one(&serving.proxied), Some(Some(200)), "and it goes on");
    }
    serving.stop();
    assert!(readers.lost(&crowd).is_empty(), "nor is it lost by the stop");
    let opened = crowd.who_did(Deed::Open);
    assert!(opened.contains(&looks_again));
    let rows = crowd.hits();
    assert!(
        rows == opened.len() || rows == opened.len() + 1,
        "one row each, and perhaps one for the second look: {rows} rows of {}",
        opened.len()
    );
}

#[test]
fn a_kill_on_a_full_disk_loses_nothing_of_what_was_acknowledged() {
    let Some(mut full) = Full::set_up("a_kill_on_a_full_disk_loses_nothing_of_what_was_acknowledged") else {
        return;
    };
    full.serving.group.kill();
    full.disk.give_back(&full.ballast);
    let (crowd, readers) = (full.crowd, full.readers);
    let serving = crowd.ctl.serve("listen");
    until("what was acknowledged should be known after the start", || {
        readers.lost(&crowd).is_empty().then_some(())
    });
    assert_eq!(readers.one(&serving.proxied), Some(Some(200)), "and it goes on");
    serving.stop();
    readers.are_all_known(&crowd);
}
