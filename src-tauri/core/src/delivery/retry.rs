//! What an error means: whose fault it is, and when the mail may be tried again. Pure.
//!
//! Sources: RFC 5321 §4.2 (reply codes), RFC 3463 (enhanced codes), RFC 6647 (greylisting); Google's "SMTP errors and
//! codes" and "Email sender guidelines", and Microsoft's "Fix NDR error 550 5.7.x" for what their limits and their
//! refusals of a sender look like (read 2026-11).

use super::transport::{DeliveryError, ErrorKind, Stage};
use crate::clock::Instant;
use chrono::TimeDelta;

/// Attempts at a reader's copy of what is held, after which it is given up however they ended; more than any plan
/// below has.
pub const MAX_ATTEMPTS: u32 = 10;

/// Minutes to wait after each attempt that a server answered with "later"; after the last one the mail is given up.
///
/// A greylist wants the same mail again after 5 to 60 minutes and knows it for hours; a full mailbox is emptied once
/// a day, if at all; a mailbox that gets mail too fast has caught up within the hour.
const GREYLISTED: &[i64] = &[5, 10, 20, 40, 60, 120, 240, 480];
const MAILBOX_FULL: &[i64] = &[60, 240, 720, 1440, 1440];
const TOO_FAST: &[i64] = &[15, 30, 60, 120, 240, 480];
const CONTENT: &[i64] = &[15, 60, 240, 480];
const LATER: &[i64] = &[5, 15, 60, 120, 240, 480];
/// A broken connection says little about the mail: a short wait, so that others go first, and a mail that always breaks
/// it cannot hold up the rest.
const BROKEN: &[i64] = &[1, 5, 15, 60];
/// How long a mail waits after a server that closed for all of them, so that others go first.
const CLOSED_MINUTES: i64 = 1;

/// Where in the dialogue a reply came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Greeting, EHLO, STARTTLS.
    Greeting,
    /// AUTH.
    Login,
    /// MAIL FROM.
    Sender,
    /// RCPT TO.
    Recipient,
    /// DATA, and the reply after the mail's end.
    Data,
}

/// Returns whose fault a negative reply is.
pub fn kind_of(phase: Phase, code: u16, reply: &str) -> ErrorKind {
    if matches!(code, 530 | 534 | 535 | 538) || phase == Phase::Login {
        return ErrorKind::Auth;
    }
    if says_quota(reply) {
        return ErrorKind::Quota;
    }
    match (phase, code) {
        // RFC 5321 §3.8: the server closes the connection, whatever was asked.
        (_, 421) | (Phase::Greeting, _) => ErrorKind::Network,
        (Phase::Sender, 452) => ErrorKind::Quota,
        (Phase::Sender, 552) => ErrorKind::Message,
        (Phase::Sender, _) => ErrorKind::Account,
        (Phase::Recipient, _) => ErrorKind::Recipient,
        (Phase::Data, _) => ErrorKind::Message,
        (Phase::Login, _) => ErrorKind::Auth,
    }
}

/// Returns the enhanced status code (RFC 3463) at the head of a reply: class, subject, detail.
pub fn enhanced(reply: &str) -> Option<(u16, u16, u16)> {
    reply.split([' ', '-']).take(4).find_map(|word| {
        let mut parts = word.split('.').map(|part| match part.len() {
            1..=3 => part.parse::<u16>().ok(),
            _ => None,
        });
        let code = (parts.next()??, parts.next()??, parts.next()??);
        (parts.next().is_none() && matches!(code.0, 2 | 4 | 5)).then_some(code)
    })
}

/// Tells whether a reply speaks of the sender's limit: x.4.5 (Gmail's daily limit), x.7.28 (its rate limit),
/// or says so. x.2.2 is the recipient's full mailbox and none of these.
fn says_quota(reply: &str) -> bool {
    let lower = reply.to_lowercase();
    matches!(enhanced(reply), Some((_, 4, 5) | (_, 7, 28)))
        || ["sending limit", "sending quota", "too many messages sent"]
            .iter()
            .any(|words| lower.contains(words))
}

/// Tells whether a reply in lower case says that it only wants the same mail once more.
fn says_greylisted(lower: &str) -> bool {
    lower.contains("greylist") || lower.contains("graylist")
}

/// How a server asks for fewer mails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slow {
    /// Fewer at a time.
    Pace,
    /// No more today.
    Day,
}

/// Returns whether an error asks for fewer mails: 4.2.1 (to this mailbox too fast), 4.7.0 and 4.7.28 (an unusual rate),
/// x.4.5 (the limit of a day).
pub fn slow_down(error: &DeliveryError) -> Option<Slow> {
    let lower = error.reply.to_lowercase();
    match enhanced(&error.reply) {
        Some((_, 4, 5)) => Some(Slow::Day),
        _ if error.kind == ErrorKind::Auth || says_greylisted(&lower) => None,
        Some((4, 2, 1) | (4, 7, 0) | (_, 7, 28)) => Some(Slow::Pace),
        _ if error.kind == ErrorKind::Quota && (lower.contains("daily") || lower.contains("per day")) => {
            Some(Slow::Day)
        }
        _ if error.kind == ErrorKind::Quota => Some(Slow::Pace),
        _ => None,
    }
}

impl DeliveryError {
    /// Tells whether an error says something of the account, and not of one mail or its recipient alone.
    pub fn concerns_account(&self) -> bool {
        self.kind.is_account_side() || slow_down(self).is_some()
    }
}

/// Returns why a mail service refuses everything from this sender, as a sentence: its domain lacks what the service
/// demands. The next mail to the same service would meet the same words.
pub fn refuses_sender(error: &DeliveryError) -> Option<&'static str> {
    if !error.is_permanent() {
        return None;
    }
    match enhanced(&error.reply)? {
        (5, 7, 515) => Some(
            "The sender's domain does not meet this service's demands on authentication (SPF, DKIM and DMARC).",
        ),
        (5, 7, 509) => Some("The sender's domain says by DMARC that such mail is to be refused."),
        (5, 7, 26) => {
            Some("The mail is not authenticated: the sender's domain needs SPF or DKIM, and DMARC.")
        }
        (5, 7, 25) => Some("The sending server's address has no name (PTR record) that leads back to it."),
        (5, 7, 27) => Some("SPF of the sender's domain does not allow the sending server."),
        (5, 7, 30) => Some("The mail's DKIM signature is missing or does not hold."),
        (5, 7, 29) => Some("The sending server does not use TLS, which this service demands."),
        (5, 7, 606..=649) => Some("The service has blocked the sending server's address."),
        _ => None,
    }
}

/// What is to become of a mail that was not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not this mail's fault: back to the queue, no attempt counted.
    Requeue {
        /// Not before then.
        at: Instant,
    },
    /// Try again.
    Defer {
        /// Not before then.
        at: Instant,
    },
    /// Never again.
    Reject {
        /// The attempts are used up; otherwise the server refused it for good.
        gave_up: bool,
    },
    /// Nobody knows; never again by itself.
    Uncertain,
}

/// Returns how long to wait after each attempt, in minutes.
fn waits(error: &DeliveryError) -> &'static [i64] {
    let lower = error.reply.to_lowercase();
    match (error.kind, error.code, enhanced(&error.reply)) {
        (_, None, _) => BROKEN,
        (_, _, Some((4, 2, 2))) => MAILBOX_FULL,
        (_, _, Some((4, 2, 1))) => TOO_FAST,
        (ErrorKind::Recipient, _, Some((4, 7, 1))) => GREYLISTED,
        _ if says_greylisted(&lower) => GREYLISTED,
        (ErrorKind::Recipient, Some(452), _) => MAILBOX_FULL,
        (ErrorKind::Message, ..) => CONTENT,
        _ => LATER,
    }
}

/// Decides about a mail after an error.
///
/// `attempts` counts this one. `jitter` in `[0, 1)` lengthens the wait by up to a fifth, so that a thousand
/// deferred mails do not come back in the same second.
pub fn judge(error: &DeliveryError, attempts: u32, now: Instant, jitter: f64) -> Verdict {
    if error.is_uncertain() {
        return Verdict::Uncertain;
    }
    let wait = |minutes: i64| {
        let wait = minutes * 60_000;
        now + TimeDelta::milliseconds(wait + (wait as f64 * 0.2 * jitter.clamp(0.0, 1.0)) as i64)
    };
    let account_side = error.kind.is_account_side();
    // What the account waits for costs no mail an attempt.
    if error.stage == Stage::Connecting || (account_side && error.is_permanent()) {
        return Verdict::Requeue { at: now };
    }
    if account_side && error.code.is_some() {
        return Verdict::Requeue {
            at: wait(CLOSED_MINUTES),
        };
    }
    // Without a code, but not the connection's fault: the mail was refused on our side, for an address that cannot
    // stand in an envelope.
    if error.is_permanent() || (error.code.is_none() && !account_side) {
        return Verdict::Reject { gave_up: false };
    }
    // From here on: 4xx, or a connection that broke in the middle of this mail.
    match waits(error).get(attempts.max(1) as usize - 1) {
        Some(minutes) => Verdict::Defer { at: wait(*minutes) },
        None => Verdict::Reject { gave_up: true },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(stage: Stage, kind: ErrorKind, code: Option<u16>) -> DeliveryError {
        DeliveryError {
            kind,
            stage,
            code,
            reply: String::new(),
        }
    }

    #[test]
    fn replies_are_blamed_on_the_right_side() {
        use ErrorKind as K;
        use Phase as P;
        let table = [
            (P::Login, 535, "5.7.8 Error: authentication failed", K::Auth),
            (P::Login, 454, "4.7.0 Temporary authentication failure", K::Auth),
            (P::Sender, 530, "5.7.0 Authentication required", K::Auth),
            (
                P::Sender,
                553,
                "5.7.1 Sender address rejected: not owned by user",
                K::Account,
            ),
            (P::Sender, 452, "4.3.1 Insufficient system storage", K::Quota),
            (P::Data, 550, "5.4.5 Daily user sending limit exceeded", K::Quota),
            (P::Data, 421, "4.7.28 Unusual rate of mail", K::Quota),
            (P::Recipient, 550, "5.1.1 User unknown", K::Recipient),
            (P::Recipient, 451, "4.7.1 Greylisted", K::Recipient),
            (P::Recipient, 452, "4.2.2 The mailbox is over quota", K::Recipient),
            (P::Recipient, 421, "4.3.2 Shutting down", K::Network),
            (P::Data, 554, "5.7.1 Spam", K::Message),
            (P::Data, 552, "5.3.4 Message too big", K::Message),
            (P::Greeting, 554, "No SMTP service here", K::Network),
        ];
        for (phase, code, reply, kind) in table {
            assert_eq!(kind_of(phase, code, reply), kind, "{phase:?} {code} {reply}");
        }
    }

    #[test]
    fn each_kind_of_later_has_its_own_plan_and_an_end() {
        let now = crate::clock::from_millis(0);
        for (kind, code, reply, plan) in [
            (ErrorKind::Recipient, 451, "4.7.1 Greylisted", GREYLISTED),
            (
                ErrorKind::Recipient,
                450,
                "Greylisted, see http://example.org",
                GREYLISTED,
            ),
            (
                ErrorKind::Recipient,
                452,
                "4.2.2 The mailbox is over quota",
                MAILBOX_FULL,
            ),
            (
                ErrorKind::Recipient,
                450,
                "4.2.1 receiving mail at a rate",
                TOO_FAST,
            ),
            (ErrorKind::Message, 451, "4.7.1 Content check", CONTENT),
            (ErrorKind::Recipient, 451, "4.3.0 later", LATER),
        ] {
            let error = DeliveryError {
                reply: reply.into(),
                ..error(Stage::BeforeBody, kind, Some(code))
            };
            let mut attempts = 0;
            let minutes: Vec<i64> = std::iter::from_fn(|| {
                attempts += 1;
                match judge(&error, attempts, now, 0.0) {
                    Verdict::Defer { at } => Some((at - now).num_minutes()),
                    other => {
                        assert_eq!(other, Verdict::Reject { gave_up: true }, "{reply}");
                        None
                    }
                }
            })
            .collect();
            assert_eq!(minutes, plan, "{reply}");
            let Verdict::Defer { at } = judge(&error, 1, now, 0.999) else {
                panic!()
            };
            let first = TimeDelta::minutes(plan[0]);
            assert!(
                at - now > first && at - now < first * 6 / 5,
                "chance only lengthens"
            );
        }
    }

    #[test]
    fn enhanced_codes_are_read_where_they_stand_and_nowhere_else() {
        for (reply, code) in [
            ("5.4.5 Daily user sending limit exceeded", Some((5, 4, 5))),
            ("550 5.7.515 Access denied", Some((5, 7, 515))),
            ("421-4.7.28 unusual rate 421 4.7.28", Some((4, 7, 28))),
            ("Your server 192.0.2.1 is listed", None),
            ("4.7 later", None),
            ("5.1.1.1 what", None),
            ("9.1.1 what", None),
            ("", None),
        ] {
            assert_eq!(enhanced(reply), code, "{reply}");
        }
    }

    #[test]
    fn a_service_that_refuses_the_sender_is_told_from_one_that_refuses_a_person() {
        let of = |code: u16, reply: &str| {
            refuses_sender(&DeliveryError {
                reply: reply.into(),
                ..error(Stage::AfterBody, ErrorKind::Message, Some(code))
            })
        };
        assert!(
            of(
                550,
                "5.7.515 Access denied, sending domain does not meet the required level"
            )
            .is_some()
        );
        assert!(
            of(
                550,
                "5.7.26 This mail has been blocked because the sender is unauthenticated"
            )
            .is_some()
        );
        assert!(of(550, "5.7.1 Spam").is_none());
        assert!(of(550, "5.1.1 User unknown").is_none());
        assert!(of(421, "4.7.26 later").is_none(), "not for good");
    }

    #[test]
    fn what_is_not_the_mails_fault_costs_it_no_attempt() {
        let now = crate::clock::from_millis(0);
        let refused = error(Stage::Connecting, ErrorKind::Network, None);
        assert_eq!(judge(&refused, 99, now, 0.5), Verdict::Requeue { at: now });
        let quota = error(Stage::AfterBody, ErrorKind::Quota, Some(550));
        assert_eq!(judge(&quota, 1, now, 0.5), Verdict::Requeue { at: now });
        let unknown = error(Stage::BeforeBody, ErrorKind::Recipient, Some(550));
        assert_eq!(judge(&unknown, 1, now, 0.5), Verdict::Reject { gave_up: false });
        let dropped = error(Stage::BeforeBody, ErrorKind::Network, None);
        assert_eq!(
            judge(&dropped, 1, now, 0.0),
            Verdict::Defer {
                at: now + TimeDelta::minutes(1)
            }
        );
        let closing = error(Stage::BeforeBody, ErrorKind::Network, Some(421));
        assert_eq!(
            judge(&closing, 99, now, 0.0),
            Verdict::Requeue {
                at: now + TimeDelta::minutes(1)
            },
            "a server that closes counts against no mail"
        );
        let silent = error(Stage::AfterBody, ErrorKind::Network, None);
        assert_eq!(
            judge(&silent, 1, now, 0.0),
            Verdict::Uncertain,
            "it may have left: never again by itself"
        );
    }
}
