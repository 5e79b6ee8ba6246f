//! Files on their way from a folder of the user's into every mail.

use super::super::sending_tests::Stage;
use super::*;
use crate::api::{CampaignDuplicate, CampaignRemove, FindingLevel, OutboxGet, OutboxList, Preflight};
use crate::app::{launch, outbox};
use crate::domain::consent::ConsentState;
use mail_parser::MessageParser;
use serde_json::json;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\nsome picture";

fn attach(stage: &Stage, campaign: CampaignId, path: &str, placement: Placement) -> Result<Attachment> {
    add(
        &stage.bench.engine,
        AttachmentAdd {
            campaign,
            path: path.to_owned(),
            placement,
        },
    )
}

fn kept(stage: &Stage) -> Vec<String> {
    let folder = stage.bench.engine.workspace.attachments();
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn listed(stage: &Stage, campaign: CampaignId) -> AttachmentListResponse {
    list(&stage.bench.engine, AttachmentList { campaign }).unwrap()
}

fn image(digest: &str) -> serde_json::Value {
    json!({ "document": { "version": 1, "blocks": [
        { "type": "image", "src": format!("picture:{digest}"), "alt": "A garden", "link": "" }
    ] } })
}

/// The mails of a campaign as they lie in the outbox.
fn mails(stage: &Stage, campaign: CampaignId) -> Vec<Vec<u8>> {
    let engine = &stage.bench.engine;
    let folder = engine.workspace.outbox().join(campaign.to_string());
    fs::read_dir(folder)
        .unwrap()
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

#[test]
fn every_mail_carries_the_files_as_they_were_added() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    stage.person("a@example.org", ConsentState::Granted);
    stage.person("b@example.org", ConsentState::Refused);
    let plan = stage.bench.file("Plan für März.pdf", b"%PDF the plan");
    let garden = stage.bench.file("garden.png", PNG);
    let id = stage.draft();
    let picture = attach(&stage, id, &garden, Placement::Inline).unwrap();
    let saving = json!({
        "id": id, "name": "Spring", "subject": "Hello {{ first_name }}", "account": stage.account,
        "audience": { "include": [stage.list], "exclude": [] }, "document": image(&picture.digest)["document"],
    });
    super::super::campaign::save(engine, serde_json::from_value(saving).unwrap()).unwrap();
    attach(&stage, id, &plan, Placement::Attached).unwrap();
    // What becomes of the user's own file changes nothing.
    fs::write(&plan, b"another plan").unwrap();
    stage.launch(id, 0);
    stage.send();
    let mails = mails(&stage, id);
    assert_eq!(mails.len(), 2);
    for bytes in &mails {
        let mail = MessageParser::default().parse(bytes).unwrap();
        let part = |name: &str| {
            mail.parts
                .iter()
                .find(|part| mail_parser::MimeHeaders::attachment_name(*part) == Some(name))
                .unwrap()
                .contents()
                .to_vec()
        };
        assert_eq!(part("Plan für März.pdf"), b"%PDF the plan");
        assert_eq!(part("garden.png"), PNG);
    }
    let tracked = mails
        .iter()
        .filter(|bytes| String::from_utf8_lossy(bytes).contains("/o/"))
        .count();
    assert_eq!(tracked, 1, "one pixel for who allowed it, none for who refused");

    let rows = outbox::list(
        engine,
        serde_json::from_value::<OutboxList>(
            json!({ "campaign": id, "search": "", "offset": 0, "limit": 9 }),
        )
        .unwrap(),
    )
    .unwrap();
    let mail = outbox::get(engine, OutboxGet { id: rows.mails[0].id }).unwrap();
    assert!(mail.html.contains("data:image/png;base64,"), "{}", mail.html);
    assert_eq!(mail.files.len(), 1, "{:?}", mail.files);
}

#[test]
fn what_is_previewed_is_what_leaves_with_its_files() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    stage.person("a@example.org", ConsentState::Refused);
    let id = stage.draft();
    attach(
        &stage,
        id,
        &stage.bench.file("plan.pdf", b"%PDF"),
        Placement::Attached,
    )
    .unwrap();
    let asked = serde_json::from_value(json!({ "id": id })).unwrap();
    let before = super::super::compose::preview(engine, asked).unwrap();
    stage.launch(id, 0);
    stage.send();
    let mail = &mails(&stage, id)[0];
    assert_eq!(
        before.size as usize,
        mail.len(),
        "the size that was told, files and all"
    );
    let html = MessageParser::default().parse(mail).unwrap();
    let links = |text: &str| {
        text.replace(
            |char: char| char.is_ascii_lowercase() || char.is_ascii_digit(),
            "",
        )
    };
    assert_eq!(
        links(&html.body_html(0).unwrap()).replace('\r', "").trim_end(),
        links(&before.html).trim_end(),
        "but for the tokens of nobody"
    );
}

#[test]
fn a_changed_file_makes_a_preparation_void() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    stage.prepare(id);
    assert_eq!(stage.row(id).state, CampaignState::Prepared);
    let added = attach(&stage, id, &stage.bench.file("a.txt", b"a"), Placement::Attached).unwrap();
    assert_eq!(stage.row(id).state, CampaignState::Draft);
    assert!(stage.try_launch(id, 0).is_err(), "it must be prepared again");
    stage.prepare(id);
    remove(&stage.bench.engine, AttachmentRemove { id: added.id }).unwrap();
    assert_eq!(stage.row(id).state, CampaignState::Draft);
    stage.launch(id, 0);
    let late = attach(&stage, id, &stage.bench.file("b.txt", b"b"), Placement::Attached).unwrap_err();
    assert!(late.message.contains("was launched"), "{late}");
    assert_eq!(
        kept(&stage),
        [""; 0],
        "what no campaign has is gone, refused or removed"
    );
}

#[test]
fn bytes_are_kept_once_and_until_the_last_campaign_is_gone() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let path = stage.bench.file("plan.pdf", b"%PDF");
    let first = stage.draft();
    attach(&stage, first, &path, Placement::Attached).unwrap();
    let copy = super::super::campaign::duplicate(engine, CampaignDuplicate { id: first })
        .unwrap()
        .id;
    assert_eq!(stage.row(copy).name, "Copy of Spring");
    assert_eq!(listed(&stage, copy).attachments[0].name, "plan.pdf");
    assert_eq!(kept(&stage).len(), 1);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let folder = engine.workspace.attachments();
        let file = folder.join(&kept(&stage)[0]);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(
            (mode(&folder), mode(&file)),
            (0o700, 0o600),
            "nobody else reads them"
        );
    }
    super::super::campaign::remove(engine, CampaignRemove { id: first }).unwrap();
    assert_eq!(kept(&stage).len(), 1, "the copy still has it");
    super::super::campaign::remove(engine, CampaignRemove { id: copy }).unwrap();
    assert_eq!(kept(&stage), [""; 0]);
}

#[test]
fn a_file_that_cannot_be_attached_is_refused_with_what_to_do() {
    let stage = Stage::set();
    let bench = &stage.bench;
    let id = stage.draft();
    let folder = bench.dir.path().join("folder");
    fs::create_dir(&folder).unwrap();
    let large = vec![7; 8 << 20];
    let table = [
        (
            bench.dir.path().join("gone.pdf").display().to_string(),
            "There is no file “gone.pdf”",
        ),
        (folder.display().to_string(), "is a folder"),
        (bench.file("empty.pdf", b""), "is empty"),
        (bench.file("setup.exe", b"MZ"), "refuse .exe files"),
        (bench.file("large.bin", &large), "would take 11.5 MB of each mail"),
    ];
    for (path, words) in table {
        let error = attach(&stage, id, &path, Placement::Attached).unwrap_err();
        assert!(error.message.contains(words), "{error}");
        assert_eq!(error.field.as_deref(), Some("path"), "{error}");
    }
    let table = [
        (
            bench.file("logo.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
            "export it as PNG",
        ),
        (
            bench.file("fake.png", b"no picture"),
            "only PNG, JPEG, GIF and WebP",
        ),
    ];
    for (path, words) in table {
        let error = attach(&stage, id, &path, Placement::Inline).unwrap_err();
        assert!(error.message.contains(words), "{error}");
    }
    #[cfg(unix)]
    {
        let pipe = bench.dir.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let error = attach(&stage, id, &pipe.display().to_string(), Placement::Attached).unwrap_err();
        assert!(
            error.message.contains("is no file that can be attached"),
            "{error}"
        );
    }
    assert_eq!(listed(&stage, id).attachments, []);
    assert_eq!(kept(&stage), [""; 0], "nothing refused is kept");
}

#[test]
fn the_same_name_twice_is_told_apart_and_the_same_file_twice_refused() {
    let stage = Stage::set();
    let id = stage.draft();
    let path = stage.bench.file("plan.pdf", b"one");
    attach(&stage, id, &path, Placement::Attached).unwrap();
    let again = attach(&stage, id, &path, Placement::Attached).unwrap_err();
    assert!(again.message.contains("is attached already"), "{again}");
    let other = stage.bench.file("plan.pdf", b"two");
    assert_eq!(
        attach(&stage, id, &other, Placement::Attached).unwrap().name,
        "plan (2).pdf"
    );
    let half = vec![7; 4 << 20];
    attach(
        &stage,
        id,
        &stage.bench.file("half.bin", &half),
        Placement::Attached,
    )
    .unwrap();
    let list = listed(&stage, id);
    assert!(list.encoded > 5 << 20 && list.encoded < list.budget, "{list:?}");
    let more = vec![8; 4 << 20];
    let error = attach(
        &stage,
        id,
        &stage.bench.file("more.bin", &more),
        Placement::Attached,
    )
    .unwrap_err();
    assert!(error.message.contains("beside 5.7 MB of other files"), "{error}");
}

fn ids(preflight: &Preflight, level: FindingLevel) -> Vec<&str> {
    preflight
        .findings
        .iter()
        .filter(|found| found.level == level)
        .map(|found| found.id.as_str())
        .collect()
}

#[test]
fn heavy_files_ask_for_a_thought_and_say_what_they_come_to() {
    let stage = Stage::set();
    for n in 0..3 {
        stage.person(&format!("p{n}@example.org"), ConsentState::Granted);
    }
    let id = stage.draft();
    let heavy = vec![7; 3_000_000];
    attach(
        &stage,
        id,
        &stage.bench.file("heavy.bin", &heavy),
        Placement::Attached,
    )
    .unwrap();
    let preflight = stage.prepare(id);
    assert!(preflight.ready, "{:?}", preflight.findings);
    assert_eq!(ids(&preflight, FindingLevel::Warning), ["heavy_files"]);
    let words = &preflight.findings[0].message;
    assert!(
        words.contains("4.1 MB of each mail") && words.contains("To 3 people that is 12.3 MB"),
        "{words}"
    );
}

#[test]
fn a_file_that_vanished_from_the_workspace_blocks_and_never_costs_a_recipient() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    attach(
        &stage,
        id,
        &stage.bench.file("plan.pdf", b"%PDF"),
        Placement::Attached,
    )
    .unwrap();
    stage.prepare(id);
    let path = engine.workspace.attachments().join(&kept(&stage)[0]);
    // A new start: nothing is in memory any more.
    let forget = || engine.files.encoded.lock().unwrap().clear();
    forget();
    fs::write(&path, b"changed by hand").unwrap();
    let standing = launch::preflight(engine, serde_json::from_value(json!({ "id": id })).unwrap()).unwrap();
    assert!(!standing.ready);
    assert_eq!(ids(&standing, FindingLevel::Error), ["attachment_missing"]);
    let error = stage.try_launch(id, 0).unwrap_err();
    assert!(error.message.contains("“plan.pdf”"), "{error}");

    fs::write(&path, b"%PDF").unwrap();
    stage.try_launch(id, 0).unwrap();
    forget();
    fs::remove_file(&path).unwrap();
    stage.send();
    let row = stage.row(id);
    assert_eq!(row.state, CampaignState::Paused, "{row:?}");
    assert_eq!(row.counts["queued"], 1, "nobody is skipped for it");
    assert!(row.problem.unwrap().contains("“plan.pdf”"));
}

#[test]
fn a_picture_that_no_block_shows_stays_at_home() {
    let stage = Stage::set();
    let id = stage.draft();
    let added = attach(
        &stage,
        id,
        &stage.bench.file("garden.png", PNG),
        Placement::Inline,
    )
    .unwrap();
    assert_eq!(listed(&stage, id).attachments, [], "no block shows it");
    let engine = &stage.bench.engine;
    let shown = picture(engine, PictureGet { digest: added.digest }).unwrap();
    assert_eq!(shown.media_type, "image/png");
    assert_eq!(BASE64.decode(shown.base64.as_bytes()).unwrap(), PNG);
    let digest = "00".repeat(32);
    assert!(
        picture(
            engine,
            PictureGet {
                digest: digest.clone()
            }
        )
        .is_err()
    );
    let lost = stage.draft_with(image(&digest));
    let asked = serde_json::from_value(json!({ "id": lost })).unwrap();
    let found = super::super::compose::preview(engine, asked).unwrap().findings;
    assert!(
        found
            .iter()
            .any(|found| found.block == Some(0) && found.message.contains("choose the picture again")),
        "{found:?}"
    );
}

#[test]
fn a_picture_without_a_description_asks_for_a_confirmation() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    let digest = attach(
        &stage,
        id,
        &stage.bench.file("garden.png", PNG),
        Placement::Inline,
    )
    .unwrap()
    .digest;
    let mut saving = image(&digest);
    saving["document"]["blocks"][0]["alt"] = json!(" ");
    let more = json!({ "id": id, "name": "Spring", "subject": "Hello", "account": stage.account,
        "audience": { "include": [stage.list], "exclude": [] }, "document": saving["document"] });
    super::super::campaign::save(&stage.bench.engine, serde_json::from_value(more).unwrap()).unwrap();
    let preflight = stage.prepare(id);
    assert_eq!(ids(&preflight, FindingLevel::Warning), ["picture_without_words"]);
    assert_eq!(preflight.findings[0].block, Some(0));
    assert!(preflight.ready, "it may be there for the eye alone");
}

#[test]
fn a_campaign_file_brings_its_files_or_nothing() {
    let stage = Stage::set();
    let engine = &stage.bench.engine;
    let path = stage.bench.file("plan.pdf", b"%PDF");
    let made = |paths: serde_json::Value| {
        let file = json!({ "name": "From a file", "markdown": "Hello", "attachments": paths });
        super::super::campaign::create(engine, serde_json::from_value(file).unwrap())
    };
    let id = made(json!([path])).unwrap().id;
    assert_eq!(listed(&stage, id).attachments[0].name, "plan.pdf");
    let error = made(json!([path, "/nowhere/gone.pdf"])).unwrap_err();
    assert_eq!(error.field.as_deref(), Some("attachments"), "{error}");
    let all = super::super::campaign::list(engine, serde_json::from_value(json!({})).unwrap()).unwrap();
    assert_eq!(all.campaigns.len(), 1, "half a campaign is none");
}

#[test]
fn pictures_that_no_block_shows_leave_room_for_files() {
    let stage = Stage::set();
    stage.person("a@example.org", ConsentState::Granted);
    let id = stage.draft();
    let mut digests = Vec::new();
    for n in 0..=rules::MAX_FILES {
        let bytes = [PNG, n.to_string().as_bytes()].concat();
        let path = stage.bench.file("picture.png", bytes);
        digests.push(attach(&stage, id, &path, Placement::Inline).unwrap().digest);
    }
    for n in 0..rules::MAX_FILES {
        let path = stage.bench.file(&format!("{n}.txt"), n.to_string());
        attach(&stage, id, &path, Placement::Attached).unwrap();
    }
    let more = stage.bench.file("more.txt", "more");
    let error = attach(&stage, id, &more, Placement::Attached).unwrap_err();
    assert!(error.message.contains("can have 50 files"), "{error}");
    assert!(stage.prepare(id).ready, "just as many as may be");

    // A block that shows one of the pictures makes them one too many.
    let saving = json!({
        "id": id, "name": "Spring", "subject": "Hello", "account": stage.account,
        "audience": { "include": [stage.list], "exclude": [] }, "document": image(&digests[0])["document"],
    });
    super::super::campaign::save(&stage.bench.engine, serde_json::from_value(saving).unwrap()).unwrap();
    let preflight = stage.prepare(id);
    assert_eq!(ids(&preflight, FindingLevel::Error), ["too_many_files"]);
    assert!(
        preflight.findings[0].message.contains("51 files"),
        "{:?}",
        preflight.findings[0]
    );
}
