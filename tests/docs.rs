//! What the documents promise is tested by what they name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn texts(dir: &Path, ending: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path: PathBuf = entry.unwrap().path();
        if path.is_dir() {
            texts(&path, ending, found);
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(fs::read_to_string(&path).unwrap());
        }
    }
}

/// Returns the words in backticks that read like the name of a test: at least four parts joined by `_`.
fn named(text: &str) -> BTreeSet<String> {
    text.split('`')
        .skip(1)
        .step_by(2)
        .filter(|word| {
            word.chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|word| word.split('_').filter(|part| !part.is_empty()).count() >= 4)
        .map(str::to_owned)
        .collect()
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut documents = Vec::new();
    texts(&root().join("docs"), ".md", &mut documents);
    let names: BTreeSet<String> = documents.iter().flat_map(|text| named(text)).collect();
    assert!(names.len() > 20, "docs/privacy.md names its tests");
    let mut sources = Vec::new();
    texts(&root().join("src-tauri"), ".rs", &mut sources);
    texts(&root().join("tests"), ".rs", &mut sources);
    let missing: Vec<&String> = names
        .iter()
        .filter(|name| !sources.iter().any(|text| text.contains(&format!("fn {name}("))))
        .collect();
    assert!(
        missing.is_empty(),
        "documents promise tests that do not exist: {missing:?}"
    );
}

#[test]
fn every_promise_of_durability_names_its_test() {
    let text = fs::read_to_string(root().join("docs/durability.md")).unwrap();
    let promises: Vec<&str> = text
        .split("\n## ")
        .filter(|part| {
            ["What is promised", "While the database"]
                .iter()
                .any(|title| part.starts_with(title))
        })
        .flat_map(str::lines)
        .filter(|line| line.starts_with("- "))
        .collect();
    assert!(promises.len() > 12, "the promises are found: {promises:?}");
    let bare: Vec<&&str> = promises.iter().filter(|line| named(line).is_empty()).collect();
    assert!(bare.is_empty(), "promises without a test: {bare:?}");
}
