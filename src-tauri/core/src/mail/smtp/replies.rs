//! The server's words, before lettre reads them: whole lines, one reply for each request, none without end. Pure.
//!
//! lettre 0.11.23 takes whatever stands in its buffer for the reply to its next command, gathers a line however long
//! it grows, and gives up a connection for one byte that is no UTF-8, which makes an uncertain mail of one that was
//! taken. So what it gets is made here: exactly the reply that is awaited, as valid text, each line cut.

use crate::delivery::transport::clean_reply;
use std::io;

/// What is kept of a line. RFC 5321 §4.5.3.1.5 allows 512; lettre gives up at 1,000.
const KEPT: usize = 900;
/// A line that is longer is no reply any more. Nothing is held of what lies between.
const MAX_LINE: usize = 64 * 1024;

/// What came from the server and was not read yet.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// As it came, without what was cut away.
    raw: Vec<u8>,
    /// Bytes that were cut away of the line at the end of `raw`.
    cut: usize,
    /// Whole lines of the reply that is awaited.
    ready: Vec<u8>,
    awaited: bool,
}

/// A line of a reply, as it is given on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// Without its end.
    pub(super) text: String,
    /// The reply ends with it.
    pub(super) is_last: bool,
}

fn wrong(words: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, words)
}

impl Replies {
    /// Says that a reply is awaited from now on.
    pub(super) fn ask(&mut self) {
        self.awaited = true;
    }

    /// Tells whether a reply is awaited and has not come to its end.
    pub(super) fn is_awaited(&self) -> bool {
        self.awaited
    }

    /// Takes what came. Fails on a line that has no end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.raw.extend_from_slice(bytes);
        let start = self
            .raw
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |end| end + 1);
        let length = self.raw.len() - start;
        if length > KEPT {
            self.cut = if start == 0 { self.cut } else { 0 } + length - KEPT;
            self.raw.truncate(start + KEPT);
        }
        if self.cut > MAX_LINE {
            return Err(wrong(format!(
                "the server's reply is a line of more than {MAX_LINE} bytes: {}",
                self.words()
            )));
        }
        Ok(())
    }

    /// Takes the next whole line of the awaited reply. Fails on a line that belongs to no reply.
    pub(super) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let Some(end) = self
            .raw
            .iter()
            .position(|byte| *byte == b'\n')
            .filter(|_| self.awaited)
        else {
            return Ok(None);
        };
        let line: Vec<u8> = self.raw.drain(..=end).collect();
        self.cut = 0;
        let mut text = String::from_utf8_lossy(&line)
            .trim_end_matches(['\r', '\n'])
            .to_owned();
        text.truncate(text.floor_char_boundary(KEPT));
        let bytes = text.as_bytes();
        let is_reply = bytes.len() >= 3
            && bytes[..3].iter().all(u8::is_ascii_digit)
            && matches!(bytes.get(3), None | Some(b' ' | b'-'));
        if !is_reply {
            return Err(wrong(format!(
                "the server said what is no reply: {}",
                clean_reply(&text)
            )));
        }
        if bytes.len() == 3 {
            // RFC 5321 §4.2: a code alone is a reply, too; lettre wants the space.
            text.push(' ');
        }
        let is_last = text.as_bytes()[3] == b' ';
        self.awaited = !is_last;
        self.ready.extend_from_slice(text.as_bytes());
        // A bare line feed as well: lettre would wait for the other half of it until the time is over.
        self.ready.extend_from_slice(b"\r\n");
        Ok(Some(Line { text, is_last }))
    }

    /// Gives on up to `most` bytes of whole lines.
    pub(super) fn take(&mut self, most: usize) -> Vec<u8> {
        let n = most.min(self.ready.len());
        self.ready.drain(..n).collect()
    }

    /// Tells whether anything can be taken.
    pub(super) fn is_ready(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Returns the first byte of what came and was not taken.
    pub(super) fn first(&self) -> Option<u8> {
        self.ready.first().or(self.raw.first()).copied()
    }

    /// The error for words that came before they were asked for.
    ///
    /// They may never be taken for the reply to what is asked next: every later mail would be said to be accepted or
    /// refused by the reply to another one.
    pub(super) fn unasked(&self) -> io::Error {
        wrong(format!(
            "the server said what nobody had asked for: {}",
            self.words()
        ))
    }

    fn words(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw[..self.raw.len().min(200)]).into_owned();
        clean_reply(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines that come of `parts`, as lettre reads them.
    fn read(parts: &[&[u8]]) -> io::Result<String> {
        let mut replies = Replies::default();
        replies.ask();
        for part in parts {
            replies.push(part)?;
            while replies.next_line()?.is_some() {}
        }
        Ok(String::from_utf8(replies.take(usize::MAX)).unwrap())
    }

    #[test]
    fn replies_are_read_in_whatever_pieces_and_manners_they_come() {
        let table: &[(&[&[u8]], &str)] = &[
            (&[b"250 2.0.0 Ok\r\n"], "250 2.0.0 Ok\r\n"),
            (&[b"2", b"5", b"0 Ok\r", b"\n"], "250 Ok\r\n"),
            (&[b"250-a\r\n250 b\r\n"], "250-a\r\n250 b\r\n"),
            (&[b"250\r\n"], "250 \r\n"),
            (&[b"250 bare\n"], "250 bare\r\n"),
            (&[b"250 caf\xe9 ok\r\n"], "250 caf\u{fffd} ok\r\n"),
            (&[b"250-half"], ""),
            (&[b"250 one\r\n250 two\r\n"], "250 one\r\n"),
        ];
        for (parts, wanted) in table {
            assert_eq!(read(parts).unwrap(), *wanted, "{parts:?}");
        }
        for bad in [
            b"hello\r\n".as_slice(),
            b"2500 x\r\n",
            b"\r\n",
            b"25\r\n",
            b"\xff\xff\xff \r\n",
        ] {
            let error = read(&[bad]).unwrap_err();
            assert!(error.to_string().contains("no reply"), "{bad:?}: {error}");
        }
    }

    #[test]
    fn a_long_line_is_cut_and_one_without_end_is_an_error_and_neither_is_held() {
        let long = [b"250 ".as_slice(), &[b'x'; 20_000], b"\r\n"].concat();
        let mut replies = Replies::default();
        replies.ask();
        for part in long.chunks(700) {
            replies.push(part).unwrap();
            assert!(replies.raw.len() <= KEPT + 700);
        }
        let line = replies.next_line().unwrap().unwrap();
        assert!(line.is_last && line.text.len() <= KEPT && line.text.starts_with("250 xxx"));

        let mut replies = Replies::default();
        replies.ask();
        let mut pushed = 0;
        let error = loop {
            match replies.push(&[b'9'; 8192]) {
                Ok(()) => pushed += 8192,
                Err(error) => break error,
            }
            assert!(replies.raw.capacity() < 64 * 1024, "nothing is gathered");
            assert!(pushed < 1_000_000, "a line of a megabyte is given up");
        };
        assert!(error.to_string().contains("more than 65536 bytes"), "{error}");
    }

    #[test]
    fn the_rest_behind_a_reply_is_known_to_be_unasked() {
        let mut replies = Replies::default();
        replies.ask();
        replies.push(b"250 Ok\r\n250 And more\r\n").unwrap();
        assert!(replies.next_line().unwrap().unwrap().is_last);
        assert_eq!(replies.next_line().unwrap(), None, "one reply for one request");
        assert_eq!(replies.take(usize::MAX), b"250 Ok\r\n");
        assert_eq!(replies.first(), Some(b'2'));
        assert!(
            replies.unasked().to_string().ends_with("250 And more"),
            "it is named"
        );
    }

    /// Whatever a server says, in whatever pieces: no panic, no memory, and nothing but whole reply lines come out.
    #[test]
    fn replies_keep_their_laws_whatever_a_server_says() {
        let mut seed = 7_u64;
        let mut random = move || {
            seed = seed
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) as usize
        };
        let pieces: [&[u8]; 8] = [b"250", b" ", b"-", b"\r\n", b"\n", b"\xff\xfe", b"\0", b"Ok"];
        for _ in 0..2_000 {
            let mut replies = Replies::default();
            let mut given = Vec::new();
            replies.ask();
            'server: for _ in 0..random() % 40 {
                if replies.push(pieces[random() % 8]).is_err() {
                    break;
                }
                loop {
                    match replies.next_line() {
                        Ok(Some(_)) => {}
                        Ok(None) => break,
                        Err(_) => break 'server,
                    }
                }
                given.extend(replies.take(random() % 9));
            }
            given.extend(replies.take(usize::MAX));
            let text = String::from_utf8(given).expect("it is text");
            assert!(text.is_empty() || text.ends_with("\r\n"), "{text:?}");
            let last = text.lines().filter(|line| line.as_bytes()[3] == b' ').count();
            assert!(last <= 1, "one reply for one request: {text:?}");
        }
    }
}
