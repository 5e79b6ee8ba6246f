//! What the user says of hits, and judging them again.

use super::data;
use crate::clock::Instant;
use crate::domain::label::{LabelKind, Says};
use crate::ids::{CampaignId, LabelId};

data! {
    /// Says what a hit, or all hits of a mail domain's readers or from a network, are taken for. In place of what was
    /// said of the same before. Announces `opens`, `activity`.
    pub struct LabelSet {
        /// What it is about.
        pub kind: LabelKind,
        /// The hit's id, a mail domain, or a network: IPv4 /24 or IPv6 /48, or any address in it.
        pub value: String,
        /// Of a domain or a network only `machine` or `unknown`: a rule over many never makes people of machines.
        pub says: Says,
    }

    /// A label that was kept.
    pub struct LabelSaved {
        /// Its id, to undo it.
        pub id: LabelId,
        /// Hits that are taken for something else now.
        pub changed: u32,
    }

    /// Takes a label away; its hits are judged by the rules again. Announces `opens`, `activity`.
    pub struct LabelRemove {
        /// Which.
        pub id: LabelId,
    }

    /// Hits were judged again.
    pub struct Judged {
        /// Hits whose verdict changed.
        pub changed: u32,
    }

    /// Asks for all labels. Provides `opens`.
    pub struct LabelList {}

    /// All labels.
    pub struct LabelListResponse {
        /// Newest first.
        pub labels: Vec<LabelRow>,
    }

    /// A label.
    pub struct LabelRow {
        /// Its id.
        pub id: LabelId,
        /// What it is about.
        pub kind: LabelKind,
        /// The hit's id, the domain, or the network.
        pub value: String,
        /// What the user says.
        pub says: Says,
        /// When.
        pub at: Instant,
    }

    /// A label, beside what it changed.
    pub struct LabelMark {
        /// Its id.
        pub id: LabelId,
        /// What it is about.
        pub kind: LabelKind,
        /// What the user says.
        pub says: Says,
    }

    /// Judges a campaign's hits again, by what is known now. Announces `opens`, `activity`.
    pub struct CampaignJudge {
        /// Which.
        pub id: CampaignId,
    }
}
