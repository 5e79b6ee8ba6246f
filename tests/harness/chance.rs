//! Random choices that repeat: a test that fails can be run again as it was.

/// Letters of a token (`tracking::token`), written out a second time.
const LETTERS: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// SplitMix64 (Steele, Lea and Flood 2014).
pub struct Chance(u64);

impl Chance {
    /// Begins at `seed`.
    pub fn seeded(seed: u64) -> Self {
        Self(seed)
    }

    /// Returns 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^ (bits >> 31)
    }

    /// Returns a number from 0 to `end`, without `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits() % end
    }

    /// Returns a well-formed token that belongs to nobody.
    pub fn token(&mut self) -> String {
        let mut token: String = (0..25).map(|_| self.letter(1)).collect();
        // 128 bits leave three for the last letter; the two that are unused must be zero.
        token.push(self.letter(4));
        token
    }

    fn letter(&mut self, step: u64) -> char {
        let index = self.below(32 / step) * step;
        char::from(LETTERS[index as usize])
    }

    /// Returns one of 131,072 addresses that are for tests (RFC 2544).
    pub fn address(&mut self) -> String {
        let bits = self.bits();
        format!(
            "198.{}.{}.{}",
            18 + (bits & 1),
            (bits >> 8) & 255,
            (bits >> 16) & 255
        )
    }
}
