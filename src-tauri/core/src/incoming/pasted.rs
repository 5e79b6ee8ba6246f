//! Addresses that were pasted: one a line, with names, quotes and commas around them.

use crate::domain::contact::EmailAddress;

/// Largest text, in bytes.
pub const MAX_TEXT: usize = 5 << 20;

/// One answer to a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u32,
    /// The address, or what stands there instead.
    pub address: Result<EmailAddress, String>,
}

/// Reads lines; empty ones are passed over, and every other one is answered at least once.
pub fn read(text: &str) -> Vec<Line> {
    let mut out = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let number = u32::try_from(index + 1).unwrap_or(u32::MAX);
        let line = line.trim();
        if line.is_empty() {
            continue;
        }
        let mut found = Vec::new();
        for piece in pieces(line) {
            let address = match piece.parse::<EmailAddress>() {
                Ok(address) => Ok(address),
                Err(_) => Err(piece
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(80)
                    .collect()),
            };
            found.push(Line { number, address });
        }
        if found.is_empty() {
            found.push(Line {
                number,
                address: Err(line
                    .chars()
                    .filter(|letter| !letter.is_control())
                    .take(80)
                    .collect()),
            });
        }
        out.append(&mut found);
    }
    out
}

/// Returns what looks like an address: all in `<>`, or else all words with an `@`.
fn pieces(line: &str) -> Vec<&str> {
    let in_brackets: Vec<&str> = line
        .split('<')
        .skip(1)
        .filter_map(|rest| rest.split_once('>'))
        .map(|(inside, _)| inside.trim())
        .filter(|inside| inside.contains('@'))
        .map(without_scheme)
        .collect();
    if !in_brackets.is_empty() {
        return in_brackets;
    }
    line.split(|letter: char| letter.is_whitespace() || matches!(letter, ',' | ';' | '|'))
        .map(|word| word.trim_matches(['"', '\'', '(', ')', '[', ']', '<', '>']))
        .filter(|word| word.contains('@'))
        .map(without_scheme)
        .collect()
}

fn without_scheme(word: &str) -> &str {
    match word.get(..7) {
        Some(scheme) if scheme.eq_ignore_ascii_case("mailto:") => &word[7..],
        _ => word,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<(u32, Result<String, String>)> {
        read(text)
            .into_iter()
            .map(|line| (line.number, line.address.map(|address| address.to_string())))
            .collect()
    }

    #[test]
    fn names_quotes_and_commas_are_tolerated() {
        let good = |address: &str| Ok(address.to_owned());
        for (text, expected) in [
            ("ana@example.org", vec![good("ana@example.org")]),
            ("Ana Li <ana@example.org>", vec![good("ana@example.org")]),
            ("\"Li, Ana\" <ana@example.org>", vec![good("ana@example.org")]),
            (
                "ana@example.org, bo@example.org;",
                vec![good("ana@example.org"), good("bo@example.org")],
            ),
            ("Ana,Li,ana@example.org", vec![good("ana@example.org")]),
            ("'ana@example.org'\t550 unknown", vec![good("ana@example.org")]),
            ("MAILTO:ana@example.org", vec![good("ana@example.org")]),
            (
                "<ana@example.org>, Bo <bo@example.org>",
                vec![good("ana@example.org"), good("bo@example.org")],
            ),
        ] {
            let found: Vec<_> = of(text).into_iter().map(|(_, address)| address).collect();
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn every_line_with_something_is_answered() {
        assert_eq!(
            of("\r\nana@example.org\r\n\r\nnobody\r\nx@y\n"),
            [
                (2, Ok("ana@example.org".into())),
                (4, Err("nobody".into())),
                (5, Err("x@y".into())),
            ]
        );
        assert_eq!(of(""), []);
        assert_eq!(of(&"@".repeat(300))[0].1, Err("@".repeat(80)));
    }
}
