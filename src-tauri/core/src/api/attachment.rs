//! Files that go with a campaign's mails.

use super::data;
use crate::domain::attachment::Placement;
use crate::ids::{AttachmentId, CampaignId};

data! {
    /// Adds a file to a campaign while it is a draft or prepared; a preparation is void then. Announces `campaigns`.
    ///
    /// The file is copied into the workspace: what happens to it afterwards changes no mail.
    pub struct AttachmentAdd {
        /// To which.
        pub campaign: CampaignId,
        /// The file's whole path.
        pub path: String,
        /// At the mail's end, or as a picture that blocks may show.
        pub placement: Placement,
    }

    /// A file of a campaign.
    pub struct Attachment {
        /// Its id.
        pub id: AttachmentId,
        /// Where it is in the mail.
        pub placement: Placement,
        /// Its name in the mail.
        pub name: String,
        /// Its media type.
        pub media_type: String,
        /// In bytes.
        pub size: u64,
        /// SHA-256 in lower-case hexadecimal: a block shows a picture as `picture:` and this.
        pub digest: String,
    }

    /// Asks for a campaign's files. Provides `campaigns`.
    pub struct AttachmentList {
        /// Whose.
        pub campaign: CampaignId,
    }

    /// A campaign's files.
    pub struct AttachmentListResponse {
        /// Attached ones in the order of their adding, then the pictures that the mail shows.
        pub attachments: Vec<Attachment>,
        /// How many bytes they have in each mail, a third more than on disk.
        pub encoded: u64,
        /// How many they may have.
        pub budget: u64,
        /// From how many on they are worth a thought.
        pub heavy: u64,
    }

    /// Takes a file from a campaign that is a draft or prepared. Announces `campaigns`.
    pub struct AttachmentRemove {
        /// Which.
        pub id: AttachmentId,
    }

    /// Asks for the bytes of a campaign's picture, so that a preview can show it.
    pub struct PictureGet {
        /// As in [`Attachment`].
        pub digest: String,
    }

    /// A picture.
    pub struct Picture {
        /// `image/png` and its kin.
        pub media_type: String,
        /// Its bytes in base64.
        pub base64: String,
    }
}
