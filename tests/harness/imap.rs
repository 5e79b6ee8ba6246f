//! The few words of IMAP (RFC 9051) that it takes to read a mailbox.

use super::PATIENCE;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// A logged-in reader.
pub struct Mailbox {
    stream: BufReader<TcpStream>,
    tag: u32,
}

/// One answer: its untagged lines, each with the literals that it announced.
type Answer = Vec<(String, Vec<Vec<u8>>)>;

impl Mailbox {
    /// Logs in and opens the inbox.
    pub fn open(port: u16, user: &str, password: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("Dovecot takes connections");
        stream
            .set_read_timeout(Some(PATIENCE))
            .expect("a timeout can be set");
        let mut mailbox = Self {
            stream: BufReader::new(stream),
            tag: 0,
        };
        let greeting = mailbox.line();
        assert!(greeting.starts_with("* OK"), "Dovecot greets: {greeting}");
        mailbox.ask(&format!("LOGIN \"{user}\" \"{password}\""));
        mailbox.ask("SELECT INBOX");
        mailbox
    }

    /// Returns how many mails there are now.
    pub fn count(&mut self) -> usize {
        let status = self.ask("STATUS INBOX (MESSAGES)");
        status
            .iter()
            .find_map(|(line, _)| line.split("MESSAGES ").nth(1)?.trim_end_matches(')').parse().ok())
            .expect("STATUS tells the number of messages")
    }

    /// Returns every mail as it was delivered, oldest first.
    pub fn mails(&mut self) -> Vec<Vec<u8>> {
        self.ask("NOOP");
        if self.count() == 0 {
            return Vec::new();
        }
        self.ask("FETCH 1:* BODY.PEEK[]")
            .into_iter()
            .filter(|(line, _)| line.contains("FETCH"))
            .filter_map(|(_, literals)| literals.into_iter().next())
            .collect()
    }

    fn ask(&mut self, command: &str) -> Answer {
        self.tag += 1;
        let tag = format!("t{}", self.tag);
        self.stream
            .get_mut()
            .write_all(format!("{tag} {command}\r\n").as_bytes())
            .expect("Dovecot reads commands");
        let mut answer = Answer::new();
        loop {
            let mut line = self.line();
            let mut literals = Vec::new();
            // `{N}` at the end of a line announces N bytes, after which the line goes on.
            while let Some(size) = literal(&line) {
                let mut bytes = vec![0; size];
                self.stream.read_exact(&mut bytes).expect("a literal is complete");
                literals.push(bytes);
                line.push_str(&self.line());
            }
            if let Some(result) = line.strip_prefix(&format!("{tag} ")) {
                let verb = command.split(' ').next().unwrap_or_default();
                assert!(result.starts_with("OK"), "Dovecot refuses {verb}: {result}");
                return answer;
            }
            answer.push((line, literals));
        }
    }

    fn line(&mut self) -> String {
        let mut line = Vec::new();
        let read = self.stream.read_until(b'\n', &mut line).expect("Dovecot answers");
        assert!(read > 0, "Dovecot hung up");
        String::from_utf8_lossy(&line).trim_end().to_owned()
    }
}

fn literal(line: &str) -> Option<usize> {
    line.strip_suffix('}')?.rsplit_once('{')?.1.parse().ok()
}
