//! A person who was erased is in no file of the workspace, nor in a backup made since.

use crate::harness::readers;
use crate::window_end::{database, holding, look, sent, token};
use serde_json::json;

#[test]
fn an_erased_person_leaves_no_trace_in_any_file_or_new_backup() {
    let sent = sent(
        "email,first_name,last_name,town\nana-erasable@readers.test,Anastazja,Erasable,Quixville\nbo@readers.test,Bo,,Ulm\n",
    );
    let ctl = &sent.ctl;
    let (pixel, _) = sent.paths("ana-erasable@readers.test");
    let agent = format!("{} Uncommon/7.77", readers::THUNDERBIRD);
    look(&sent.serving, &pixel, &agent, "198.51.100.77");
    let (other, _) = sent.paths("bo@readers.test");
    look(&sent.serving, &other, readers::THUNDERBIRD, "203.0.113.7");

    let text = pixel
        .trim_end_matches(".gif")
        .rsplit('/')
        .next()
        .expect("a path")
        .to_owned();
    let mut traces: Vec<(String, Vec<u8>)> = [
        "ana-erasable",
        "Anastazja",
        "Erasable",
        "Quixville",
        "Uncommon/7.77",
        "198.51.100.",
        &text,
    ]
    .map(|text| (text.to_owned(), text.as_bytes().to_vec()))
    .into();
    traces.push(("the pixel's token".into(), token(&pixel)));
    let conn = database(ctl);
    for column in ["client_hash", "address_hash"] {
        let sql = format!(
            "SELECT hit.{column} FROM hit JOIN message ON message.id = hit.message_id
             WHERE email = 'ana-erasable@readers.test'"
        );
        let hash: Vec<u8> = conn
            .query_row(&sql, [], |row| row.get(0))
            .expect("the look is stored");
        if !hash.is_empty() {
            traces.push((column.into(), hash));
        }
    }
    drop(conn);
    let kept: Vec<&str> = traces
        .iter()
        .filter(|(_, trace)| holding(ctl.workspace(), trace).is_empty())
        .map(|(name, _)| name.as_str())
        .collect();
    assert_eq!(kept, [""; 0], "each of them can be found before");

    let list = ctl.call("contact_list", json!({ "search": "ana-erasable" }));
    let id = &list["contacts"][0]["id"];
    ctl.call("contact_erase", json!({ "ids": [id] }));

    let gone = |when: &str| {
        for (name, trace) in &traces {
            let held = holding(ctl.workspace(), trace);
            assert!(held.is_empty(), "{name} is held {when}: {held:?}");
        }
    };
    gone("while the engine runs: in the file, its log, the spool or the outbox");
    let backups = ctl.workspace().join("backups");
    std::fs::create_dir_all(&backups).expect("a folder can be made");
    database(ctl)
        .execute_batch(&format!(
            "VACUUM INTO '{}'",
            backups.join("casement-new.db").display()
        ))
        .expect("a backup can be made");
    gone("after a new backup");
    sent.serving.stop();
    gone("after the end");
    ctl.verify();
    let report = ctl.ok(["report", &sent.id.to_string()]);
    assert_eq!(
        (
            report["tracked"].as_u64(),
            report["not_tracked"]["erased"].as_u64()
        ),
        (Some(1), Some(1))
    );
}
