//! What stands between a campaign and its launch: each of its accounts has to log in.

use super::sending_tests::Stage;
use super::{account, campaign};
use crate::api::{AccountSave, CampaignGet, CampaignSave, Preflight};
use crate::domain::consent::ConsentState;
use crate::ids::{AccountId, CampaignId};
use crate::mail::smtp::peer::{Peer, Script};
use serde_json::json;

fn server(stage: &Stage, id: Option<AccountId>, name: &str, peer: &Peer) -> AccountId {
    let saving = json!({ "id": id, "name": name, "kind": "smtp", "host": "127.0.0.1", "port": peer.address.port(),
                         "tls": "none", "from_name": "Club", "from_address": "club@example.org", "connections": 1 });
    let saving: AccountSave = serde_json::from_value(saving).unwrap();
    account::save(&stage.bench.engine, saving).unwrap().id
}

fn draft_from(stage: &Stage, own: AccountId, also: AccountId) -> CampaignId {
    let id = stage.draft();
    let draft = campaign::get(&stage.bench.engine, CampaignGet { id }).unwrap();
    let saving = CampaignSave {
        id: Some(id),
        name: draft.row.name,
        subject: draft.row.subject,
        preheader: draft.preheader,
        account: Some(own),
        also: Some(vec![also]),
        audience: draft.audience,
        window: None,
        tracking: None,
        postal_address: draft.postal_address,
        document: None,
        cap: None,
        grace_days: None,
    };
    campaign::save(&stage.bench.engine, saving).unwrap();
    id
}

#[test]
fn each_account_that_may_send_has_to_log_in_before_a_launch() {
    let refused = |preflight: &Preflight| -> Vec<String> {
        let found = preflight.findings.iter();
        found
            .filter(|found| found.id == "account_cannot_log_in")
            .map(|found| {
                found
                    .message
                    .split(" cannot send yet. ")
                    .next()
                    .unwrap()
                    .to_owned()
            })
            .collect()
    };
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let good = Peer::start(Script::default());
    let deaf = Peer::start(Script {
        hang_ups: usize::MAX,
        ..Script::default()
    });
    let own = server(&stage, None, "Harbour", &good);
    let also = server(&stage, None, "Lane", &deaf);
    let id = draft_from(&stage, own, also);
    let preflight = stage.prepare(id);
    assert_eq!(refused(&preflight), ["Lane"]);
    assert!(!preflight.ready);
    assert!(stage.try_launch(id, 0).is_err());

    server(&stage, Some(own), "Harbour", &deaf);
    assert_eq!(refused(&stage.prepare(id)), ["Harbour", "Lane"]);

    server(&stage, Some(own), "Harbour", &good);
    server(&stage, Some(also), "Lane", &good);
    let preflight = stage.prepare(id);
    assert!(preflight.ready, "{:?}", preflight.findings);
}
