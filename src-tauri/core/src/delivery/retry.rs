//! What an error means: whose fault it is, and when the mail may be tried again. Pure.
//!
//! Sources: RFC 5321 §4.2 (reply codes), RFC 3463 (enhanced codes), Google's and Microsoft's lists of SMTP
//! errors for what their limits look like.

use super::transport::{DeliveryError, ErrorKind, Stage};
use crate::clock::Instant;
use chrono::TimeDelta;

/// Attempts after which a mail is given up. With the back-off below that is about three and a half hours.
pub const MAX_ATTEMPTS: u32 = 6;
/// Minutes to wait after the first, second and every later attempt. Greylisting asks for 5 to 15.
const BACK_OFF_MINUTES: [i64; 3] = [5, 15, 60];

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

/// Tells whether a reply speaks of the sender's limit: x.4.5 (Gmail's daily limit), 4.7.28 (its rate limit),
/// or says so. x.2.2 is the recipient's full mailbox and none of these.
fn says_quota(reply: &str) -> bool {
    let lower = reply.to_lowercase();
    [" 5.4.5", " 4.4.5", " 4.7.28", " 5.7.28"]
        .iter()
        .any(|code| format!(" {lower}").contains(code))
        || ["sending limit", "sending quota", "too many messages sent"]
            .iter()
            .any(|words| lower.contains(words))
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

/// Decides about a mail after an error.
///
/// `attempts` counts this one. `jitter` in `[0, 1)` lengthens the wait by up to a fifth, so that a thousand
/// deferred mails do not come back in the same second.
pub fn judge(error: &DeliveryError, attempts: u32, now: Instant, jitter: f64) -> Verdict {
    if error.is_uncertain() {
        return Verdict::Uncertain;
    }
    let account_side = error.kind.is_account_side();
    if error.stage == Stage::Connecting || (account_side && error.is_permanent()) {
        return Verdict::Requeue { at: now };
    }
    // Without a code, but not the connection's fault: the mail was refused on our side, for an address that cannot
    // stand in an envelope.
    if error.is_permanent() || (error.code.is_none() && !account_side) {
        return Verdict::Reject { gave_up: false };
    }
    // From here on: 4xx, or a connection that broke in the middle of this mail.
    if attempts >= MAX_ATTEMPTS {
        return Verdict::Reject { gave_up: true };
    }
    // A broken connection says little about the mail: a short wait, so that others go first, and a mail that
    // always breaks it cannot hold up the rest.
    let minutes = if error.code.is_none() {
        1
    } else {
        BACK_OFF_MINUTES[(attempts.max(1) as usize - 1).min(BACK_OFF_MINUTES.len() - 1)]
    };
    let wait = minutes * 60_000;
    let jitter = (wait as f64 * 0.2 * jitter.clamp(0.0, 1.0)) as i64;
    Verdict::Defer {
        at: now + TimeDelta::milliseconds(wait + jitter),
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
    fn four_hundreds_wait_longer_each_time_and_are_given_up() {
        let now = crate::clock::from_millis(0);
        let error = error(Stage::BeforeBody, ErrorKind::Recipient, Some(451));
        let minutes: Vec<i64> = (1..MAX_ATTEMPTS)
            .map(|attempts| match judge(&error, attempts, now, 0.0) {
                Verdict::Defer { at } => (at - now).num_minutes(),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(minutes, [5, 15, 60, 60, 60]);
        assert_eq!(
            judge(&error, MAX_ATTEMPTS, now, 0.0),
            Verdict::Reject { gave_up: true }
        );
        let Verdict::Defer { at } = judge(&error, 1, now, 0.999) else {
            panic!()
        };
        assert!(at - now > TimeDelta::minutes(5) && at - now < TimeDelta::minutes(6));
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
        let silent = error(Stage::AfterBody, ErrorKind::Network, None);
        assert_eq!(
            judge(&silent, 1, now, 0.0),
            Verdict::Uncertain,
            "it may have left: never again by itself"
        );
    }
}
