//! Tokens: 128 random bits that carry nothing and are looked up.

use crate::ids::Entropy;
use data_encoding::{Encoding, Specification};
use std::fmt;
use std::sync::LazyLock;

/// RFC 4648 §6 base32 in lower case, without padding; unused bits of the last letter must be zero, so that
/// one token has one spelling.
static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification = Specification::new();
    specification.symbols.push_str("abcdefghijklmnopqrstuvwxyz234567");
    specification
        .encoding()
        .expect("32 distinct letters make an encoding")
});

/// What a pixel's or a preference page's address ends in: 26 letters and digits.
///
/// `Debug` shows nothing of it: whoever knows a token can act for its reader.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; 16]);

impl Token {
    /// The length of the text form.
    pub const TEXT_LEN: usize = 26;

    /// Makes a new token.
    pub fn generate(entropy: &dyn Entropy) -> Self {
        let mut bytes = [0; 16];
        entropy.fill(&mut bytes);
        Self(bytes)
    }

    /// Reads the text form; `None` for anything but its one spelling.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() != Self::TEXT_LEN {
            return None;
        }
        Self::from_bytes(&BASE32.decode(text.as_bytes()).ok()?)
    }

    /// Reads the form in which the database keeps it; `None` unless it is 16 bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }

    /// Returns the form in which the database keeps it.
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::SeededEntropy;

    #[test]
    fn a_token_has_one_spelling() {
        let token = Token::generate(&SeededEntropy::new(1));
        let text = token.to_string();
        assert_eq!(text.len(), Token::TEXT_LEN);
        assert_eq!(Token::parse(&text), Some(token));
        assert_eq!(
            Token::parse(&text.to_uppercase()),
            None,
            "upper case is another spelling"
        );
        let mut last = text.clone().into_bytes();
        // The last letter holds three bits; setting an unused one must not be read as the same token.
        last[25] = if last[25] == b'b' { b'c' } else { b'b' };
        assert_eq!(Token::parse(std::str::from_utf8(&last).unwrap()), None);
        for wrong in [
            "",
            "a",
            &text[1..],
            &format!("{text}a"),
            "aaaaaaaaaaaaaaaaaaaaaaaa\u{e9}",
        ] {
            assert_eq!(Token::parse(wrong), None, "{wrong:?}");
        }
    }
}
