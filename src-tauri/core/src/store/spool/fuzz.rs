//! What must hold of a spool, whatever is in its file. See [`crate::fuzz`].

#![expect(clippy::unwrap_used, reason = "a law that is broken is told by a panic")]

use super::{FRAME, HEADER, MAGIC, MAX_PAYLOAD, Record, Spool, frame, records};
use std::path::Path;

/// Reads `bytes` as what stands behind a spool's header; and keeps records made of them, and damages those.
pub fn spool(bytes: &[u8]) {
    let found = records(bytes);
    assert!(found.end <= bytes.len());
    let mut again = Vec::new();
    for record in &found.records {
        assert_eq!(
            record.at,
            HEADER + again.len() as u64,
            "records follow one another"
        );
        assert!((1..=MAX_PAYLOAD).contains(&record.payload.len()));
        frame(&mut again, record.sequence, record.transaction, &record.payload).unwrap();
        // Whether it was left out stands in a byte of its own, which is rewritten in its place.
        let state = again.len() - record.payload.len() - 1;
        again[state] = bytes[state];
    }
    assert_eq!(again, bytes[..found.end], "what is read was written so, whole");
    damaged(bytes);
}

/// Writes records, spoils the file as a crash or a bad disk does, and looks at what is read.
fn damaged(bytes: &[u8]) {
    let Some((plan, payloads)) = bytes.split_at_checked(8) else {
        return;
    };
    let (first, size) = (u64::from(plan[0]) + 1, usize::from(plan[1] % 64) + 1);
    let (mut file, mut written, mut ends) = (Vec::new(), Vec::new(), Vec::new());
    for (n, payload) in payloads.chunks(size).take(32).enumerate() {
        let sequence = first + n as u64;
        frame(&mut file, sequence, u64::from(plan[2]), payload).unwrap();
        written.push((sequence, payload));
        ends.push(file.len());
    }
    file.resize(file.len() + 256, 0);
    let at = (usize::from(plan[3]) << 8 | usize::from(plan[4])) % file.len();
    let length = usize::from(plan[5]).min(file.len() - at);
    let mut spoilt = file.clone();
    match plan[6] % 4 {
        0 => spoilt.truncate(at),
        1 => spoilt[at..at + length].fill(0),
        2 => spoilt[at] ^= 1 << (plan[7] % 8),
        _ => spoilt[at..at + length].fill(plan[7]),
    }
    let whole = ends.iter().filter(|end| **end <= at).count();
    let found = records(&spoilt).records;
    assert!(
        found.len() >= whole,
        "what stands before the damage is read: {whole} and not {}",
        found.len()
    );
    let is_same = |(record, (sequence, payload)): (&Record, &(u64, &[u8]))| {
        record.sequence == *sequence && record.payload == *payload
    };
    assert!(found.len() <= written.len() && found.iter().zip(&written).all(is_same));
}

/// Opens a spool at `path` that holds `bytes`: as they are where they begin with 0, else behind a header.
pub fn spool_file(bytes: &[u8], path: &Path) {
    let (first, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let mut file = Vec::new();
    if *first != 0 {
        file.extend_from_slice(MAGIC);
        file.push(1);
        file.resize(usize::try_from(HEADER).unwrap(), 0);
    }
    file.extend_from_slice(rest);
    if *first != 0 {
        file.resize(file.len() + 2 * FRAME, 0);
    }
    std::fs::write(path, &file).unwrap();
    let applied = u64::from(rest.get(12).copied().unwrap_or(0));
    let open = || Spool::open(path, applied).unwrap();
    let Some(spool) = open() else {
        let has_header = file.len() as u64 > HEADER && file.starts_with(MAGIC);
        assert!(!has_header, "a spool is one");
        return;
    };
    let found = spool.waiting().to_vec();
    let mut last = applied;
    for record in &found {
        assert!(record.sequence > last, "the order holds, and nothing comes twice");
        last = record.sequence;
    }
    drop(spool);
    let mut spool = open().unwrap();
    assert_eq!(spool.waiting(), found, "opening it changes nothing of it");
    // Where there is room for one more and a number is left, it is kept behind the others.
    if last < u64::MAX && spool.append(1, &[b"n".to_vec()]).is_ok() {
        drop(spool);
        let after = open().unwrap();
        assert_eq!(after.waiting()[..found.len()], found);
        assert_eq!(after.waiting().len(), found.len() + 1);
        assert_eq!(after.waiting()[found.len()].payload, b"n");
    }
}
