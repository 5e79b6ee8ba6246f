//! Fuzzing: what must hold of whatever strangers, a broken inner server or a broken disk send us.
//!
//! Each function takes any bytes and panics where a law is broken. The bodies stand beside what they look at;
//! the tests here replay `tests/corpus` and then mutate it for a while, in the same order each time, and
//! `fuzz/` hands the same functions to cargo-fuzz. `docs/architecture.md` says how to run that.

pub use crate::listener::fuzz::{forms, routes};
pub use crate::listener::gate::fuzz::{answer, chunks, head};
pub use crate::store::spool_fuzz::{spool, spool_file};

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::path::{Path, PathBuf};
    use std::time::{Duration, Instant};

    /// The same inputs come in the same order in each run; only their number depends on the machine.
    const SEED: u64 = 0x0c45_e3e7;
    /// Longest input: somewhat over the limit of a head.
    const LONGEST: usize = 20 * 1024;

    /// A body, and what it is fed with.
    struct Target {
        /// The folder of its corpus.
        name: &'static str,
        body: fn(&[u8]),
        /// Seconds in CI, out of 60 for all; a thirtieth of that elsewhere.
        share: u32,
        /// What a blind change would hardly ever come upon.
        words: &'static [&'static str],
    }

    const HEAD: Target = Target {
        name: "head",
        body: super::head,
        share: 20,
        words: &[
            "\r\n",
            "\n",
            "\r",
            "\r\n\r\n",
            "\n\n",
            "\0",
            "\t",
            " ",
            ":",
            ",",
            "\u{fc}",
            "\x7f",
            "?",
            "#",
            "%2e",
            "//",
            "GET ",
            "HEAD ",
            "POST ",
            "PRI * HTTP/2.0",
            " HTTP/1.1",
            " HTTP/1.0",
            "Content-Length: 3\r\n",
            "Content-Length: 0\r\n",
            "Content-Length: 18446744073709551616\r\n",
            "Content-Length: +1\r\n",
            "Transfer-Encoding: chunked\r\n",
            "Transfer-Encoding : chunked\r\n",
            "Connection: close\r\n",
            "Connection: keep-alive\r\n",
            "Expect: 100-continue\r\n",
            "X-Key: key-of-the-gate\r\n",
            "X-Door: direct\r\n",
            "X-Source: 192.0.2.1\r\n",
            "X-Head: 1\r\n",
            "X-Forwarded-For: 192.0.2.1, [2001:db8::1]:443\r\n",
            "User-Agent: x\r\n",
            "Purpose: prefetch\r\n",
            "Content-Type: a/b\r\n",
            "DNT: 1\r\n",
            "/w/watched",
            "/robots.txt",
            "/healthz",
            "/o/aaaaaaaaaaaaaaaaaaaaaaaaaa.gif",
            "/u/aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "/e/aaaaaaaaaaaaaaaaaaaaaaaaaa",
            "0\r\n\r\n",
            "3\r\nabc\r\n",
        ],
    };
    const CHUNKS: Target = Target {
        name: "chunks",
        body: super::chunks,
        share: 8,
        words: &[
            "0\r\n\r\n",
            "\r\n",
            "\n",
            "1\r\na\r\n",
            ";",
            "; x=\"y\"",
            " ",
            "\t",
            "-1",
            "+1",
            "0x1",
            "1000\r\n",
            "ffffffffffffffff",
            "A: b\r\n",
            "000000000000000",
        ],
    };
    const ANSWER: Target = Target {
        name: "answer",
        body: super::answer,
        share: 6,
        words: &[
            "HTTP/1.1 200 OK\r\n",
            "Content-Length: 3\r\n",
            "Content-Length: 0\r\n",
            "Server: x\r\n",
            "Connection: close\r\n",
            "connection: x\r\n",
            "\r\n\r\n",
            "\r\n",
            "\n",
            "GIF",
            "Content-Length: 99999999999999999999\r\n",
        ],
    };
    const ROUTES: Target = Target {
        name: "routes",
        body: super::routes,
        share: 6,
        words: &[
            "GET ",
            "HEAD ",
            "POST ",
            "get ",
            "/o/",
            "/u/",
            "/e/",
            "/w/",
            ".gif",
            "?",
            "#",
            "/",
            "..",
            "%2f",
            "a234567a",
            "\u{fc}",
            "/robots.txt",
            "/healthz",
            "aaaaaaaaaaaaaaaaaaaaaaaaaa",
        ],
    };
    const FORMS: Target = Target {
        name: "forms",
        body: super::forms,
        share: 6,
        words: &[
            "action=erase",
            "action=send_data",
            "action=stop_tracking",
            "List-Unsubscribe=One-Click",
            "&",
            "=",
            "%",
            "%61",
            "+",
            ";",
            "multipart/form-data; boundary=b\n",
            "--b\r\n",
            "--b--",
            "boundary=",
            "\"",
            "\r\n\r\n",
            "\n\n",
            "Content-Disposition: form-data; name=\"action\"\r\n\r\n",
            "erase",
            "name=",
            "\u{130}",
        ],
    };
    const SPOOL: Target = Target {
        name: "spool",
        body: super::spool,
        share: 8,
        words: &["\0", "\0\0\0\0", "\u{1}\0\0\0", "\u{7f}"],
    };
    const SPOOL_FILE: Target = Target {
        name: "spool_file",
        body: at_some_path,
        share: 6,
        words: &["casespl1", "\0\0\0\0", "\u{1}\0\0\0"],
    };
    const ALL: [&Target; 7] = [&HEAD, &CHUNKS, &ANSWER, &ROUTES, &FORMS, &SPOOL, &SPOOL_FILE];

    fn at_some_path(bytes: &[u8]) {
        let dir = tempfile::tempdir().unwrap();
        super::spool_file(bytes, &dir.path().join("spool"));
    }

    fn corpus() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus")
    }

    fn names(dir: &Path) -> Vec<String> {
        let mut names: Vec<String> = std::fs::read_dir(dir)
            .unwrap_or_else(|error| panic!("{}: {error}", dir.display()))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| !name.starts_with('.'))
            .collect();
        names.sort();
        names
    }

    impl Target {
        fn corpus(&self) -> Vec<(String, Vec<u8>)> {
            let dir = corpus().join(self.name);
            names(&dir)
                .into_iter()
                .map(|name| {
                    let bytes = std::fs::read(dir.join(&name)).unwrap();
                    (name, bytes)
                })
                .collect()
        }

        /// Runs the body; where it panics, says with what, in a form that can be put into the corpus.
        fn run(&self, bytes: &[u8], what: &str) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.body)(bytes))) {
                let file = std::env::temp_dir().join(format!("casement-fuzz-{}", self.name));
                let kept = match std::fs::write(&file, bytes) {
                    Ok(()) => file.display().to_string(),
                    Err(error) => error.to_string(),
                };
                eprintln!(
                    "{}: {what}, seed {SEED:#x}\ninput: b\"{}\"\nall {} bytes are in {kept}; put it into {} once it is understood",
                    self.name,
                    bytes[..bytes.len().min(4096)].escape_ascii(),
                    bytes.len(),
                    corpus().join(self.name).display()
                );
                std::panic::resume_unwind(panic);
            }
        }

        fn for_a_while(&self) {
            let pool = self.corpus();
            assert!(!pool.is_empty(), "{} has a corpus", self.name);
            let share = Duration::from_secs(self.share.into());
            let limit = if in_ci() { share } else { share / 30 };
            let start = Instant::now();
            let mut chance = Chance(SEED);
            let mut n = 0_u64;
            while start.elapsed() < limit {
                n += 1;
                let bytes = self.change(&pool, &mut chance);
                self.run(&bytes, &format!("input {n}"));
            }
            println!("{}: {n} inputs in {limit:?}, seed {SEED:#x}", self.name);
        }

        fn change(&self, pool: &[(String, Vec<u8>)], chance: &mut Chance) -> Vec<u8> {
            let mut bytes = pool[chance.below(pool.len())].1.clone();
            let times = if chance.below(8) == 0 { 24 } else { 4 };
            for _ in 0..=chance.below(times) {
                let at = chance.below(bytes.len() + 1);
                let end = at + chance.below((bytes.len() - at).min(64) + 1);
                match chance.below(11) {
                    0 if at < bytes.len() => bytes[at] ^= 1 << chance.below(8),
                    1 if at < bytes.len() => bytes[at] = chance.byte(),
                    2 if at < bytes.len() => bytes[at] = bytes[at].wrapping_add(1),
                    3 => {
                        let random: Vec<u8> = (0..=chance.below(8)).map(|_| chance.byte()).collect();
                        drop(bytes.splice(at..at, random));
                    }
                    4 => drop(bytes.drain(at..end)),
                    5 => {
                        let copy = bytes[at..end].to_vec();
                        let to = chance.below(bytes.len() + 1);
                        drop(bytes.splice(to..to, copy));
                    }
                    6 => bytes.truncate(at),
                    7 => {
                        let other = &pool[chance.below(pool.len())].1;
                        let from = chance.below(other.len() + 1);
                        bytes.truncate(at);
                        bytes.extend_from_slice(&other[from..]);
                    }
                    8 if chance.below(6) == 0 => {
                        let copy = bytes[at..end].repeat(chance.below(512));
                        drop(bytes.splice(at..at, copy));
                    }
                    9 => {
                        let word = self.words[chance.below(self.words.len())];
                        drop(bytes.splice(at..end, word.bytes()));
                    }
                    _ => {
                        let word = self.words[chance.below(self.words.len())];
                        drop(bytes.splice(at..at, word.bytes()));
                    }
                }
                bytes.truncate(LONGEST);
            }
            bytes
        }
    }

    fn in_ci() -> bool {
        std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
    }

    /// SplitMix64: a few bits that are the same each time.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> u64 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            z ^ (z >> 31)
        }

        fn below(&mut self, n: usize) -> usize {
            usize::try_from(self.next() % n as u64).unwrap()
        }

        fn byte(&mut self) -> u8 {
            self.next().to_le_bytes()[0]
        }
    }

    #[test]
    fn every_input_of_the_corpus_keeps_the_laws() {
        let mut folders: Vec<&str> = ALL.iter().map(|target| target.name).collect();
        folders.sort_unstable();
        assert_eq!(names(&corpus()), folders, "a folder for each body");
        for target in ALL {
            for (name, bytes) in target.corpus() {
                target.run(&bytes, &name);
            }
        }
    }

    #[test]
    fn the_minute_of_ci_is_shared_out() {
        assert_eq!(ALL.iter().map(|target| target.share).sum::<u32>(), 60);
    }

    #[test]
    fn heads_keep_their_laws_whatever_comes() {
        HEAD.for_a_while();
    }

    #[test]
    fn chunked_bodies_keep_their_laws_whatever_comes() {
        CHUNKS.for_a_while();
    }

    #[test]
    fn inner_answers_keep_their_laws_whatever_comes() {
        ANSWER.for_a_while();
    }

    #[test]
    fn routes_keep_their_laws_whatever_comes() {
        ROUTES.for_a_while();
    }

    #[test]
    fn forms_keep_their_laws_whatever_comes() {
        FORMS.for_a_while();
    }

    #[test]
    fn a_spools_records_keep_their_laws_whatever_stands_there() {
        SPOOL.for_a_while();
    }

    #[test]
    fn a_spools_file_keeps_its_laws_whatever_stands_there() {
        SPOOL_FILE.for_a_while();
    }
}
