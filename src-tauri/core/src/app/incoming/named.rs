//! Finds the mails of ours that are named by their Message-IDs alone.

use crate::api::Result;
use crate::ids::{CampaignId, MessageId};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// Campaigns whose Message-IDs are kept; of others they are read again.
const MAX_KEPT: usize = 5;

/// Mails by campaign and hash.
pub(super) type Named = HashMap<(i64, u128), MessageId>;

/// The Message-IDs of campaigns that were spoken of last.
#[derive(Default)]
pub(super) struct Kept(VecDeque<(i64, HashMap<u128, MessageId>)>);

impl Kept {
    /// Finds mails; `read` is asked for the Message-IDs of a campaign.
    pub(super) fn find(
        &mut self,
        wanted: &BTreeMap<i64, BTreeSet<u128>>,
        mut read: impl FnMut(CampaignId) -> Result<HashMap<u128, MessageId>>,
    ) -> Result<Named> {
        let mut named = Named::new();
        for (campaign, hashes) in wanted {
            let at = self.0.iter().position(|(kept, _)| kept == campaign);
            let ids = match at.and_then(|at| self.0.remove(at)) {
                Some((_, ids)) => ids,
                None => read(CampaignId(*campaign))?,
            };
            named.extend(
                hashes
                    .iter()
                    .filter_map(|hash| Some(((*campaign, *hash), *ids.get(hash)?))),
            );
            // A campaign that is not there costs nothing to read, and whoever writes a mail can name many.
            if !ids.is_empty() {
                self.0.push_back((*campaign, ids));
            }
            if self.0.len() > MAX_KEPT {
                self.0.pop_front();
            }
        }
        Ok(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_campaigns_are_kept_and_the_others_are_read_again() {
        let mut kept = Kept::default();
        let mut ask = |campaigns: &[i64]| {
            let wanted = campaigns
                .iter()
                .map(|campaign| (*campaign, BTreeSet::from([1, 2])))
                .collect();
            let mut reads = Vec::new();
            let named = kept
                .find(&wanted, |campaign| {
                    reads.push(campaign.0);
                    Ok(match campaign.0 {
                        // Not there.
                        99.. => HashMap::new(),
                        n => HashMap::from([(1, MessageId(n)), (3, MessageId(-1))]),
                    })
                })
                .unwrap();
            let expected: Named = campaigns
                .iter()
                .filter(|campaign| **campaign < 99)
                .map(|campaign| ((*campaign, 1), MessageId(*campaign)))
                .collect();
            assert_eq!(named, expected);
            reads
        };
        assert_eq!(ask(&[1, 2]), [1, 2]);
        assert_eq!(
            ask(&[1, 2, 99, 100, 101, 102, 103, 104]).len(),
            6,
            "1 and 2 are kept"
        );
        assert_eq!(ask(&[1, 2]), [0; 0]);
        assert_eq!(ask(&[3, 4, 5, 6, 7]), [3, 4, 5, 6, 7]);
        assert_eq!(ask(&[7, 3]), [0; 0]);
        assert_eq!(ask(&[1]), [1], "it had to go");
        assert_eq!(
            ask(&[4]),
            [4],
            "the one that was not spoken of for longest has gone"
        );
        assert_eq!(kept.0.len(), MAX_KEPT);
    }
}
