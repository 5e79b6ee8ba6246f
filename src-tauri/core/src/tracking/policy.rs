//! May a hit be recorded? Pure: a function of its arguments.
//!
//! The order of the questions is part of the promise (`docs/privacy.md`): a reader's own wish comes before the
//! window and the cap, so that nothing but a number is ever kept against it.

use crate::domain::consent::ConsentState;
use crate::domain::message::TrackingMode;
use crate::domain::open::HitClass;
use crate::domain::window::{Position, Window};

/// What a pixel's token belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Nothing.
    Unknown,
    /// A test mail.
    Test,
    /// All readers of a campaign together.
    Shared {
        /// The campaign's window; `None` before launch.
        window: Option<Window>,
    },
    /// One mail.
    Message(MessageFacts),
}

/// What policy must know of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MessageFacts {
    /// As it was sent.
    pub tracking: TrackingMode,
    /// The reader ended recording through this mail.
    pub opted_out: bool,
    /// What the person says now; `None` once they are erased.
    pub consent: Option<ConsentState>,
    /// It went to the sender's own address.
    pub to_sender: bool,
    /// The campaign's window; `None` before launch.
    pub window: Option<Window>,
}

/// What policy must know of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RequestFacts {
    /// The peer is this computer itself, at the door where peers are readers.
    pub from_here: bool,
    /// The reader's browser asks for it ([`asks_not_to_be_recorded`]).
    pub not_to_be_recorded: bool,
}

/// What may be done with a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Only counted, with nothing that tells whose it was.
    Count(Counted),
    /// It may be recorded, within the cap.
    Record,
}

/// Why a hit is only counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// The token belongs to nothing.
    UnknownToken,
    /// The token belongs to a test mail.
    Test,
    /// The sender's own look.
    Own,
    /// At the reader's request.
    NotRecordedAtRequest,
    /// The person refused, or ended recording.
    Refused,
    /// Before the window.
    Early,
    /// At the window's end or after.
    Late,
}

/// Decides whether a hit at a moment that lies at `position` of its window may be recorded.
pub fn decide(target: &Target, request: RequestFacts, position: Option<Position>) -> Decision {
    use Counted::*;
    let counted = match target {
        Target::Unknown => Some(UnknownToken),
        Target::Test => Some(Test),
        _ if request.from_here => Some(Own),
        Target::Message(message) if message.to_sender => Some(Own),
        _ if request.not_to_be_recorded => Some(NotRecordedAtRequest),
        Target::Message(message) if is_refused(message) => Some(Refused),
        _ => match position {
            Some(Position::Inside) => None,
            Some(Position::Late) => Some(Late),
            // Nothing was launched yet: before any window.
            Some(Position::Early) | None => Some(Early),
        },
    };
    counted.map_or(Decision::Record, Decision::Count)
}

fn is_refused(message: &MessageFacts) -> bool {
    message.opted_out
        || message.tracking != TrackingMode::Personal
        || message.consent == Some(ConsentState::Refused)
}

impl Target {
    /// Returns the window in which it counts.
    pub fn window(&self) -> Option<Window> {
        match self {
            Self::Unknown | Self::Test => None,
            Self::Shared { window } => *window,
            Self::Message(message) => message.window,
        }
    }
}

/// Tells whether a browser asks not to be recorded: any value of `DNT` or `Sec-GPC` is `1`.
///
/// A proxy may join repeated headers with commas (RFC 9110 §5.3). Absence or `0` is no consent.
pub fn asks_not_to_be_recorded(dnt: &[String], gpc: &[String]) -> bool {
    dnt.iter()
        .chain(gpc)
        .flat_map(|value| value.split(','))
        .any(|value| value.trim() == "1")
}

/// How many hits of one message are stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cap {
    /// In all.
    pub hits: u32,
    /// Of these, of machine classes.
    pub machine_hits: u32,
}

impl Default for Cap {
    fn default() -> Self {
        Self {
            hits: 20,
            machine_hits: 8,
        }
    }
}

/// What is stored of a message already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Hits.
    pub hits: u32,
    /// Of these, of machine classes.
    pub machine_hits: u32,
}

impl Cap {
    /// Tells whether one more hit of `class` is stored, whatever came before. Beyond that, only the first of its
    /// class and client is.
    pub fn has_room(self, stored: Stored, class: HitClass) -> bool {
        stored.hits < self.hits && (!class.is_machine() || stored.machine_hits < self.machine_hits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message() -> MessageFacts {
        MessageFacts {
            tracking: TrackingMode::Personal,
            opted_out: false,
            consent: Some(ConsentState::Granted),
            to_sender: false,
            window: None,
        }
    }

    const PLAIN: RequestFacts = RequestFacts {
        from_here: false,
        not_to_be_recorded: false,
    };
    const INSIDE: Option<Position> = Some(Position::Inside);

    #[test]
    fn a_readers_wish_comes_before_the_window() {
        use Counted::*;
        let wish = RequestFacts {
            not_to_be_recorded: true,
            ..PLAIN
        };
        let here = RequestFacts {
            from_here: true,
            ..wish
        };
        let refused = MessageFacts {
            consent: Some(ConsentState::Refused),
            ..message()
        };
        let opted_out = MessageFacts {
            opted_out: true,
            ..message()
        };
        let untracked = MessageFacts {
            tracking: TrackingMode::None,
            ..message()
        };
        let to_sender = MessageFacts {
            to_sender: true,
            ..message()
        };
        let erased = MessageFacts {
            consent: None,
            ..message()
        };
        let late = Some(Position::Late);
        let table = [
            (Target::Unknown, here, late, Decision::Count(UnknownToken)),
            (Target::Test, here, late, Decision::Count(Test)),
            (Target::Message(message()), here, late, Decision::Count(Own)),
            (Target::Message(to_sender), wish, late, Decision::Count(Own)),
            (
                Target::Message(refused.clone()),
                wish,
                late,
                Decision::Count(NotRecordedAtRequest),
            ),
            (Target::Message(refused), PLAIN, late, Decision::Count(Refused)),
            (
                Target::Message(opted_out),
                PLAIN,
                INSIDE,
                Decision::Count(Refused),
            ),
            (
                Target::Message(untracked),
                PLAIN,
                INSIDE,
                Decision::Count(Refused),
            ),
            (Target::Message(message()), PLAIN, late, Decision::Count(Late)),
            (
                Target::Message(message()),
                PLAIN,
                Some(Position::Early),
                Decision::Count(Early),
            ),
            (Target::Message(message()), PLAIN, None, Decision::Count(Early)),
            (Target::Message(message()), PLAIN, INSIDE, Decision::Record),
            (Target::Message(erased), PLAIN, INSIDE, Decision::Record),
            (
                Target::Shared { window: None },
                wish,
                INSIDE,
                Decision::Count(NotRecordedAtRequest),
            ),
            (Target::Shared { window: None }, PLAIN, INSIDE, Decision::Record),
        ];
        for (target, request, position, wanted) in table {
            assert_eq!(
                decide(&target, request, position),
                wanted,
                "{target:?} {request:?} {position:?}"
            );
        }
    }

    #[test]
    fn only_the_value_1_asks_not_to_be_recorded() {
        let table: [(&[&str], bool); 10] = [
            (&["1"], true),
            (&[" 1 "], true),
            (&["\t1"], true),
            (&["0", "1"], true),
            (&["0, 1"], true),
            (&["0"], false),
            (&["null"], false),
            (&["yes"], false),
            (&["11"], false),
            (&[], false),
        ];
        for (values, wanted) in table {
            let values: Vec<String> = values.iter().map(|value| (*value).to_owned()).collect();
            assert_eq!(asks_not_to_be_recorded(&values, &[]), wanted, "DNT {values:?}");
            assert_eq!(
                asks_not_to_be_recorded(&[], &values),
                wanted,
                "Sec-GPC {values:?}"
            );
        }
    }

    #[test]
    fn the_cap_is_on_all_hits_and_on_those_of_machines() {
        let cap = Cap::default();
        let stored = |hits, machine_hits| Stored { hits, machine_hits };
        assert!(cap.has_room(stored(19, 8), HitClass::HumanDirect));
        assert!(
            !cap.has_room(stored(20, 0), HitClass::HumanDirect),
            "20 hits are the cap"
        );
        assert!(
            !cap.has_room(stored(8, 8), HitClass::Scanner),
            "8 of them by machines"
        );
        assert!(
            cap.has_room(stored(8, 8), HitClass::Unknown),
            "unknown is no machine"
        );
    }
}
