//! Counts what passed, failed and was skipped, from the closing lines of the test runners.

/// What one runner, or all of them together, reported.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub passed: u64,
    pub failed: u64,
    /// Tests that exist and did not run: Rust's `#[ignore]`, Vitest's and Playwright's `skip` and `todo`.
    pub skipped: u64,
}

impl Tally {
    /// Adds what `line` reports, if it is a closing line.
    pub fn read(&mut self, line: &str) {
        if let Some(found) = closing_line(line) {
            self.add(found);
        }
    }

    /// Adds another count to this one.
    pub fn add(&mut self, other: Tally) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// Reads the closing line of a runner: `test result: ok. 3 passed; 0 failed; 1 ignored; …` (Cargo),
/// `Tests  1 failed | 3 passed (4)` (Vitest), or `3 passed, 1 failed` (the window's own runners).
fn closing_line(line: &str) -> Option<Tally> {
    let line = without_colours(line);
    let line = line.trim();
    let counts = ["test result: ok.", "test result: FAILED.", "Tests "]
        .iter()
        .find_map(|head| line.strip_prefix(head))
        .unwrap_or(line)
        .trim_start();
    if !counts.starts_with(|c: char| c.is_ascii_digit()) {
        return None;
    }
    let mut tally = Tally::default();
    let mut any = false;
    for part in counts.split([';', ',', '|']) {
        let mut words = part.split_whitespace();
        let (Some(Ok(count)), Some(word)) = (words.next().map(str::parse::<u64>), words.next()) else {
            continue;
        };
        match word {
            "passed" => tally.passed += count,
            "failed" => tally.failed += count,
            "ignored" | "skipped" | "todo" => tally.skipped += count,
            _ => continue,
        }
        any = true;
    }
    any.then_some(tally)
}

/// `line` without terminal escapes such as `ESC [ 3 2 m`.
fn without_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            // A sequence ends with its first letter; `[` opens it.
            for c in chars.by_ref() {
                if c.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(c);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_of_every_runner_are_counted() {
        let table = [
            (
                "test result: ok. 12 passed; 0 failed; 2 ignored; 0 measured; 3 filtered out; finished in 0.1s",
                Some((12, 0, 2)),
            ),
            (
                "test result: FAILED. 1 passed; 4 failed; 0 ignored; 0 measured",
                Some((1, 4, 0)),
            ),
            (
                "\u{1b}[2m      Tests \u{1b}[22m \u{1b}[1m\u{1b}[32m34 passed\u{1b}[39m (34)",
                Some((34, 0, 0)),
            ),
            (
                "      Tests  2 failed | 34 passed | 1 skipped (37)",
                Some((34, 2, 1)),
            ),
            (" Test Files  3 passed (3)", None),
            ("12 passed, 0 failed", Some((12, 0, 0))),
            ("  12 passed (3.4s)", Some((12, 0, 0))),
            ("test the_window_opens ... ok", None),
            ("412 of 1,079 sent", None),
            ("", None),
        ];
        for (line, expected) in table {
            let found = closing_line(line).map(|t| (t.passed, t.failed, t.skipped));
            assert_eq!(found, expected, "the counts of {line:?}");
        }
    }
}
