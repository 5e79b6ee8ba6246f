//! Numbers in sentences.

/// Writes a number with its thousands set apart, as the window does: `12,345`.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_the_window_writes_them() {
        for (n, text) in [
            (0, "0"),
            (999, "999"),
            (1204, "1,204"),
            (200_000, "200,000"),
            (1_204_567, "1,204,567"),
        ] {
            assert_eq!(grouped(n), text);
        }
    }
}
