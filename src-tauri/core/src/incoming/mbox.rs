//! Mails out of a file: one mail, or a mailbox of many (mbox).

use mail_parser::mailbox::mbox::MessageIterator;
use std::io::BufRead;

/// Mails of one file, at most.
pub const MAX_MAILS: usize = 50_000;

/// Tells whether a file begins as a mailbox does.
pub fn is_mailbox(start: &[u8]) -> bool {
    start.starts_with(b"From ")
}

/// Returns the mails of a mailbox one after the other.
pub fn mails(reader: impl BufRead) -> impl Iterator<Item = std::io::Result<Vec<u8>>> {
    MessageIterator::new(reader).map(|mail| mail.map(|mail| mail.unwrap_contents()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mailbox_is_taken_apart_and_its_quoted_lines_are_restored() {
        let text = "From a@example.org Wed Apr  1 08:00:00 2026\nSubject: one\n\n>From here\n>>From there\n\nFrom b@example.org \
                    Wed Apr  1 08:00:00 2026\nSubject: two\n\nx\n";
        assert!(is_mailbox(text.as_bytes()));
        let found: Vec<Vec<u8>> = mails(text.as_bytes()).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!(found[0], b"Subject: one\n\nFrom here\n>From there\n\n");
        for noise in [
            "",
            "From",
            "From \n",
            "From \nFrom \nFrom \n",
            "From \u{0}\n\u{0}",
        ] {
            assert!(mails(noise.as_bytes()).all(|mail| mail.is_ok()), "{noise:?}");
        }
    }
}
