//! What a status code says of the address (RFC 3463).

/// What became of a mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It did not arrive and never will: the address is no good.
    AddressGone,
    /// It was refused for good because of what it is or who sends it. Another mail may arrive.
    MailRefused,
    /// It has not arrived yet, or was given up after a fault that may pass.
    Delayed,
    /// It arrived.
    Delivered,
    /// The report does not say.
    Unclear,
}

/// Returns what an enhanced status code of class 4 or 5 says: `5.1.1` is a mailbox that is not there.
///
/// RFC 3463 §3: x.6.z is about the mail's content, x.7.z about policy, 5.1.7 and 5.1.8 about the sender, 5.2.3 and 5.3.4
/// about its size. Nobody is taken off a list for those: one blocked campaign would empty it.
pub(super) fn of_code((class, subject, detail): (u8, u8, u16)) -> Status {
    match (class, subject, detail) {
        (2, ..) => Status::Delivered,
        (4, ..) => Status::Delayed,
        (5, 1, 7 | 8) | (5, 2, 3) | (5, 3, 4) | (5, 6 | 7, _) => Status::MailRefused,
        (5, ..) => Status::AddressGone,
        _ => Status::Unclear,
    }
}

/// A failure for good that gives no reason (RFC 3463 §3.1).
pub(super) const NO_REASON: (u8, u8, u16) = (5, 0, 0);

/// Returns what a server's words say: by their enhanced status code, or by their reply code where that gives no reason.
pub(super) fn of_words(text: &str) -> Option<Status> {
    let code = code(text);
    code.filter(|code| *code != NO_REASON)
        .map(of_code)
        .or_else(|| reply(text))
        .or(code.map(of_code))
}

/// Finds the first enhanced status code in a text: a class of 2, 4 or 5, a subject of 0 to 7, and a detail.
pub(super) fn code(text: &str) -> Option<(u8, u8, u16)> {
    text.split(|letter: char| !letter.is_ascii_digit() && letter != '.')
        .find_map(|word| {
            let mut parts = word.trim_end_matches('.').split('.');
            let class = parts.next()?.parse().ok()?;
            let subject = parts.next()?.parse().ok()?;
            let detail: u16 = parts.next()?.parse().ok()?;
            let fits = matches!(class, 2 | 4 | 5) && subject <= 7 && detail <= 999 && parts.next().is_none();
            fits.then_some((class, subject, detail))
        })
}

/// Finds the first reply code of a mail server in a text (RFC 5321 §4.2.3).
pub(super) fn reply(text: &str) -> Option<Status> {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '.')
        .find_map(|word| match word {
            "550" | "551" | "553" => Some(Status::AddressGone),
            // The third stands in no standard, and Exchange says it of mail that it blocks.
            "552" | "554" | "571" => Some(Status::MailRefused),
            "421" | "450" | "451" | "452" => Some(Status::Delayed),
            _ => None,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_found_and_told_from_versions_and_addresses() {
        for (text, expected) in [
            ("5.1.1", Some((5, 1, 1))),
            ("smtp; 550 5.1.1 <ana@example.org>: unknown", Some((5, 1, 1))),
            ("4.4.7 (delivery time expired)", Some((4, 4, 7))),
            ("(#5.7.1).", Some((5, 7, 1))),
            ("Exim 4.94.2", None),
            ("from 192.0.2.5", None),
            ("5.1", None),
            ("5.1.1.1", None),
            ("", None),
        ] {
            assert_eq!(code(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_the_mail_is_not_held_against_the_address() {
        for (code, status) in [
            ((5, 1, 1), Status::AddressGone),
            ((5, 0, 0), Status::AddressGone),
            ((5, 2, 1), Status::AddressGone),
            ((5, 4, 1), Status::AddressGone),
            ((5, 1, 8), Status::MailRefused),
            ((5, 3, 4), Status::MailRefused),
            ((5, 6, 0), Status::MailRefused),
            ((5, 7, 1), Status::MailRefused),
            ((4, 2, 2), Status::Delayed),
            ((2, 1, 5), Status::Delivered),
        ] {
            assert_eq!(of_code(code), status, "{code:?}");
        }
    }
}
