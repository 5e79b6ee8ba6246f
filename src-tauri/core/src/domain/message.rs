//! A message: one campaign to one contact, the unit of sending and of measuring.

use super::text_enum;

text_enum! {
    /// Where a message is on its way. `accepted` is as far as it can be known until bounces are read.
    MessageState {
        /// Prepared, invisible until launch.
        Planned = "planned",
        /// Waits for a worker.
        Queued = "queued",
        /// Claimed; committed before the first byte of the mail's end can leave.
        HandingOver = "handing_over",
        /// The server took it (2xx after the end of the body).
        Accepted = "accepted",
        /// The server asked to try later (4xx); waits for `next_attempt_at`.
        Deferred = "deferred",
        /// The server refused it for good (5xx), or the last attempt failed.
        Rejected = "rejected",
        /// Whether it left cannot be known; never sent again by itself.
        Uncertain = "uncertain",
        /// The campaign was cancelled before it left.
        Cancelled = "cancelled",
        /// Not to be sent, with a reason.
        Skipped = "skipped",
    }
}

impl MessageState {
    /// Tells whether a message may go from this state to `next`.
    pub fn may_become(self, next: MessageState) -> bool {
        use MessageState::*;
        matches!(
            (self, next),
            (Planned, Queued | Skipped | Cancelled)
                // Rejected without an attempt: its mail service refuses the whole campaign. Uncertain: this ledger was
                // brought back from a copy, and does not know what left since.
                | (Queued | Deferred, HandingOver | Skipped | Cancelled | Rejected | Uncertain)
                // Back to the queue: the connection failed before the end of the body left. Skipped: the mail
                // could not be made, so nothing left.
                | (HandingOver, Accepted | Deferred | Rejected | Uncertain | Queued | Skipped)
                // A look at its pixel, or the user, proves that it arrived.
                | (Uncertain, Accepted | Queued | Cancelled)
        )
    }

    /// Tells whether the user may have a message that failed sent again.
    ///
    /// Never one that is uncertain: whether it is sent twice is a question of its own.
    pub fn may_be_sent_again(self, skipped: Option<SkipReason>) -> bool {
        match self {
            Self::Rejected => true,
            Self::Skipped => skipped == Some(SkipReason::RenderFailed),
            _ => false,
        }
    }

    /// Tells whether nothing more will happen to the message by itself.
    pub fn is_final(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Rejected | Self::Uncertain | Self::Cancelled | Self::Skipped
        )
    }
}

text_enum! {
    /// Why a message is not sent.
    SkipReason {
        /// The address unsubscribed.
        Unsubscribed = "unsubscribed",
        /// The address is suppressed for another reason: bounced, complained, or by hand.
        Suppressed = "suppressed",
        /// The contact was erased between planning and sending.
        Erased = "erased",
        /// The mail could not be rendered for this person.
        RenderFailed = "render_failed",
        /// The mail only asks for consent, and the person was asked lately or has answered.
        NotToBeAsked = "not_to_be_asked",
    }
}

text_enum! {
    /// How a message is tracked, from free to strict.
    TrackingMode {
        /// A pixel of its own.
        Personal = "personal",
        /// The campaign's shared pixel, which identifies nobody.
        Shared = "shared",
        /// No pixel.
        None = "none",
    }
}

text_enum! {
    /// Why an accepted message cannot be measured on its own.
    NotTrackedReason {
        /// The person refused tracking.
        Refused = "refused",
        /// Nobody knows what the person wants, and the workspace does not track then.
        UnknownConsent = "unknown_consent",
        /// The campaign does not track.
        CampaignOff = "campaign_off",
        /// The campaign carries one pixel for all.
        SharedPixel = "shared_pixel",
        /// The mail was sent without an address that readers can reach.
        NoAddress = "no_address",
        /// The person got as many tracked mails as the cap allows.
        FrequencyCap = "frequency_cap",
        /// The mail asks for consent to tracking: a pixel in it would not wait for the answer.
        AsksConsent = "asks_consent",
        /// The person, or what was recorded of them, was erased.
        Erased = "erased",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_failed_is_sent_again() {
        let again: Vec<MessageState> = MessageState::ALL
            .iter()
            .copied()
            .filter(|state| state.may_be_sent_again(Some(SkipReason::RenderFailed)))
            .collect();
        assert_eq!(again, [MessageState::Rejected, MessageState::Skipped]);
        for reason in SkipReason::ALL
            .iter()
            .filter(|reason| **reason != SkipReason::RenderFailed)
        {
            assert!(
                !MessageState::Skipped.may_be_sent_again(Some(*reason)),
                "{reason}: nothing failed there"
            );
        }
    }

    #[test]
    fn a_final_message_never_goes_out_again_by_itself() {
        for state in MessageState::ALL.iter().copied().filter(|state| state.is_final()) {
            assert!(
                !state.may_become(MessageState::HandingOver),
                "{state} must not be handed over"
            );
        }
    }
}
