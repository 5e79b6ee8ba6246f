//! An honest reader who asks for pictures all the while, and notes whether each comes whole and in time.

use super::chance::Chance;
use super::raw::{Heard, Raw, get};
use super::{readers, until};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long an honest reader waits for a picture.
const WAIT: Duration = Duration::from_secs(2);
/// How many looks make a verdict.
const ENOUGH: usize = 60;
/// The picture: a transparent GIF of one pixel.
pub const GIF: &[u8] =
    b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;";

/// The reader, on a thread of its own.
pub struct Witness {
    done: Arc<AtomicBool>,
    notes: Arc<Mutex<Notes>>,
    thread: Option<JoinHandle<()>>,
}

/// What the reader saw.
#[derive(Debug, Default, Clone)]
pub struct Notes {
    /// How many pictures were asked for.
    pub asked: usize,
    /// What was wrong with those that were not right.
    pub wrong: Vec<String>,
    /// The longest wait for a right one.
    pub longest: Duration,
}

impl Witness {
    /// Begins to look, at the direct entrance and through the proxy in turn.
    pub fn start(direct: &str, proxied: &str) -> Self {
        let peers = [direct.to_owned(), proxied.to_owned()];
        let (done, notes) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Notes>>::default());
        let thread = std::thread::spawn({
            let (done, notes) = (done.clone(), notes.clone());
            move || {
                let mut chance = Chance::seeded(1);
                for turn in 0.. {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let begun = Instant::now();
                    let wrong = look(&peers[turn % 2], &mut chance).err();
                    let mut notes = notes.lock().expect("no thread panics with the lock held");
                    notes.asked += 1;
                    match wrong {
                        Some(wrong) => notes.wrong.push(wrong),
                        None => notes.longest = notes.longest.max(begun.elapsed()),
                    }
                    drop(notes);
                    // A reader, not one more flood.
                    std::thread::sleep(Duration::from_millis(10));
                }
            }
        });
        Self {
            done,
            notes,
            thread: Some(thread),
        }
    }

    /// Returns what was seen so far.
    pub fn notes(&self) -> Notes {
        self.notes
            .lock()
            .expect("no thread panics with the lock held")
            .clone()
    }

    /// Waits until enough was seen, ends, and fails unless 99 of 100 pictures came right and in time.
    #[track_caller]
    pub fn was_served(mut self) {
        until("a reader should have looked often enough", || {
            (self.notes().asked >= ENOUGH).then_some(())
        });
        self.done.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the reader's thread does not panic");
        }
        let notes = self.notes();
        let examples: Vec<&String> = notes.wrong.iter().take(5).collect();
        assert!(
            notes.wrong.len() * 100 <= notes.asked,
            "99 of 100 honest looks are answered within {WAIT:?}; {} of {} were not: {examples:?}",
            notes.wrong.len(),
            notes.asked
        );
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Relaxed);
    }
}

/// Asks once, as a picture in a mail does; `Err` says what was wrong.
pub fn look(peer: &str, chance: &mut Chance) -> Result<(), String> {
    let path = format!("/o/{}.gif", chance.token());
    let address = chance.address();
    let request = get(
        &path,
        &[
            ("User-Agent", readers::THUNDERBIRD),
            (readers::CLIENT_HEADER, &address),
        ],
    );
    let begun = Instant::now();
    let peer: SocketAddr = peer.parse().map_err(|error| format!("{peer}: {error}"))?;
    let mut raw =
        Raw::connect_within(&peer.to_string(), WAIT).map_err(|error| format!("connect: {error}"))?;
    if !raw.send(request) {
        return Err("the request was not taken".to_owned());
    }
    let left = WAIT.saturating_sub(begun.elapsed());
    let heard = raw.hear_until(left, |heard| heard.bytes.ends_with(GIF));
    is_the_picture(&heard).map_err(|what| format!("{what} after {:?}", begun.elapsed()))
}

/// Tells what is wrong with an answer that should be the picture.
pub fn is_the_picture(heard: &Heard) -> Result<(), String> {
    if heard.statuses() != [200] {
        return Err(format!("{:?}, closed: {}", heard.text(), heard.closed));
    }
    let response = heard.response();
    if response.header("content-type") != Some("image/gif") || response.body != GIF {
        return Err(format!("not the picture: {response:?}"));
    }
    let kept = response.header("cache-control").unwrap_or_default();
    if !kept.contains("no-store") {
        return Err(format!("a picture that caches may keep: {response:?}"));
    }
    Ok(())
}
