//! Another program holds the database's write lock for longer than the listener waits for it.

use super::Readers;
use crate::harness::crowd::{Crowd, Deed};
use crate::harness::lock::Lock;
use crate::harness::{skip, until};
use std::time::Duration;

/// How long it holds the lock. The listener waits five seconds for it.
const HELD: Duration = Duration::from_secs(8);

#[test]
fn a_database_that_is_locked_for_eight_seconds_loses_nothing() {
    let crowd = Crowd::of(400);
    let readers = Readers::of(&crowd);
    let serving = crowd.ctl.serve("listen");
    for _ in 0..20 {
        assert_eq!(readers.one(&serving.proxied), Some(Some(200)), "before the lock");
    }

    let Some(lock) = Lock::take(&crowd.ctl.workspace().join("casement.db")) else {
        let test = "a_database_that_is_locked_for_eight_seconds_loses_nothing";
        return skip(test, "there is no sqlite3");
    };
    let acting = readers.act(4, &serving.proxied, 300);
    lock.give_back_after(HELD);

    until("requests should be answered with 200 again", || {
        (readers.one(&serving.proxied)? == Some(200)).then_some(())
    });
    readers.pause();
    for thread in acting {
        thread.join().expect("a reader does not panic");
    }
    for _ in 0..20 {
        assert_eq!(readers.one(&serving.proxied), Some(Some(200)), "after the lock");
    }
    until("what was acknowledged meanwhile should be known", || {
        readers.lost(&crowd).is_empty().then_some(())
    });
    serving.stop();
    readers.are_all_known(&crowd);
    assert!(
        !readers.who(Deed::Unsubscribe, false).is_empty(),
        "all kinds took part"
    );
}
