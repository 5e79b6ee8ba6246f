//! The rules of `docs/architecture.md`, checked by reading the sources.
//!
//! Every path that a file names is looked at, in `use` lines, in expressions and inside macros alike, so that
//! `rusqlite::Connection` written in full is seen too. Unit tests (`#[cfg(test)]`) are free.

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A crate, and the modules of the core that may name it.
const DOORS: &[(&str, &[&str])] = &[
    ("rusqlite", &["store"]),
    ("rusqlite_migration", &["store"]),
    ("lettre", &["mail", "render::mime"]),
    ("mail_builder", &["render::mime"]),
    ("tiny_http", &["listener::server"]),
    ("hyper", &["listener::gate"]),
    // The second is the port of one login, which reads one request of a browser; the third reads one answer.
    (
        "httparse",
        &["listener::gate", "net::oauth", "reach::probe::asker"],
    ),
    ("oauth2", &["net::oauth"]),
    // The second tells when the certificate of a public address ends.
    ("x509_parser", &["mail::smtp", "reach::probe::asker"]),
    (
        "tokio",
        &["listener::gate", "mail::smtp", "net", "reach::probe::asker"],
    ),
    ("mrml", &["render::mjml"]),
    ("minijinja", &["render"]),
    ("pulldown_cmark", &["render"]),
    ("keyring", &["secrets"]),
    ("interprocess", &["engine::socket"]),
    ("ureq", &["net"]),
    ("hickory_resolver", &["net::dns"]),
    ("mail_auth", &["net::dkim", "app::checks::tests"]),
    (
        "mail_parser",
        &[
            "deliverability::mail",
            "incoming",
            "mail::outbox",
            "render",
            "app::data_request::tests",
            "app::attachments::tests",
        ],
    ),
    ("getrandom", &["ids"]),
    ("zip", &["app::backup::archive", "app::backup::file_tests"]),
    ("win32job", &["reach::tunnel::leash"]),
    ("tauri", &[]),
];

/// Modules that open no files, sockets or threads and read no environment.
const PURE: &[&str] = &[
    "domain",
    "deliverability",
    "incoming",
    "render",
    "tracking::token",
    "tracking::policy",
    "tracking::classify",
    "tracking::agent",
    "tracking::client",
    "tracking::families",
    "tracking::machines",
    "tracking::masks",
    "tracking::libraries",
    "tracking::networks",
    "tracking::judge",
    "delivery::pace",
    "delivery::retry",
    "delivery::quota",
    "delivery::standing",
    "delivery::provider",
    "simulate",
    "audience::segment",
    "audience::address",
    "reach::tunnel::way",
    "reach::tunnel::lines",
    "reach::tunnel::words",
    "reach::tunnel::state",
    "report::rate",
    "report::series",
    "reach::probe::schedule",
    "reach::probe::sight",
    "reach::probe::verdict",
    "reach::route",
];

/// What no pure module may name.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::env",
    "std::process",
    "std::os",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "crate::store",
    "crate::app",
    "crate::engine",
    "crate::mail",
    "crate::net",
    "crate::listener",
    "crate::secrets",
];

/// Modules that never know one another nor the use cases.
const ADAPTERS: &[&str] = &["store", "mail", "listener", "reach"];

struct Source {
    module: String,
    path: PathBuf,
    paths: Vec<String>,
    lines: usize,
    header: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn files(dir: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display())) {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings
            .iter()
            .any(|ending| path.to_string_lossy().ends_with(ending))
        {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn sources(dir: &Path) -> Vec<Source> {
    files(dir, &[".rs"])
        .into_iter()
        .map(|path| read(dir, path))
        .collect()
}

fn read(dir: &Path, path: PathBuf) -> Source {
    let text = fs::read_to_string(&path).unwrap();
    let relative = path.strip_prefix(dir).unwrap().with_extension("");
    let mut parts: Vec<String> = relative
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect();
    if matches!(parts.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        parts.pop();
    }
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut paths = Vec::new();
    for item in file.items.iter().filter(|item| !is_test(item)) {
        walk(item.to_token_stream(), "", &mut paths);
    }
    let paths = paths.into_iter().map(|path| absolute(&path, &parts)).collect();
    let header = text
        .lines()
        .take_while(|line| line.starts_with("//!"))
        .collect::<Vec<_>>()
        .join("\n");
    Source {
        module: parts.join("::"),
        path,
        paths,
        lines: text.lines().count(),
        header,
    }
}

fn is_test(item: &syn::Item) -> bool {
    let attributes = match item {
        syn::Item::Mod(item) => &item.attrs,
        syn::Item::Fn(item) => &item.attrs,
        syn::Item::Use(item) => &item.attrs,
        syn::Item::Impl(item) => &item.attrs,
        _ => return false,
    };
    attributes.iter().any(|attribute| {
        attribute
            .to_token_stream()
            .to_string()
            .replace(' ', "")
            .contains("cfg(test)")
    })
}

/// Collects `a::b::c` from tokens; `a::{b, c::d}` becomes `a::b` and `a::c::d`.
fn walk(tokens: TokenStream, prefix: &str, found: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut current = prefix.to_owned();
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(ident) => {
                current = if current.is_empty() {
                    ident.to_string()
                } else {
                    format!("{current}::{ident}")
                };
                if colon(at + 1) && colon(at + 2) {
                    at += 2;
                } else {
                    found.push(std::mem::replace(&mut current, prefix.to_owned()));
                }
            }
            TokenTree::Group(group) => {
                let inside_use =
                    group.delimiter() == Delimiter::Brace && current != prefix || !prefix.is_empty();
                let inner = if inside_use {
                    current.clone()
                } else {
                    String::new()
                };
                walk(group.stream(), &inner, found);
                current = prefix.to_owned();
            }
            _ => {}
        }
        at += 1;
    }
}

fn absolute(path: &str, module: &[String]) -> String {
    let mut parts: Vec<&str> = path.split("::").collect();
    let mut base: Vec<&str> = module.iter().map(String::as_str).collect();
    match parts[0] {
        "self" => {
            parts.remove(0);
        }
        "super" => {
            while parts.first() == Some(&"super") {
                parts.remove(0);
                base.pop();
            }
        }
        _ => return path.to_owned(),
    }
    ["crate"]
        .into_iter()
        .chain(base)
        .chain(parts)
        .collect::<Vec<_>>()
        .join("::")
}

fn within(module: &str, allowed: &str) -> bool {
    module == allowed
        || module
            .strip_prefix(allowed)
            .is_some_and(|rest| rest.starts_with("::"))
}

fn core() -> Vec<Source> {
    sources(&root().join("src-tauri/core/src"))
}

fn report(breaches: Vec<String>, law: &str) {
    assert!(breaches.is_empty(), "{law}:\n  {}", breaches.join("\n  "));
}

#[test]
fn the_check_sees_paths_in_uses_in_expressions_and_in_macros() {
    let text = "use a::{b, c::d}; fn f() { let x: e::F = g::h(vec![i::j(k::l)]); } ";
    let file = syn::parse_file(text).unwrap();
    let mut found = Vec::new();
    file.items
        .iter()
        .for_each(|item| walk(item.to_token_stream(), "", &mut found));
    for path in ["a::b", "a::c::d", "e::F", "g::h", "i::j", "k::l"] {
        assert!(
            found.iter().any(|seen| seen == path),
            "{path} is missed: {found:?}"
        );
    }
    let module = ["app".to_owned(), "launch".to_owned()];
    assert_eq!(
        absolute("super::engine::Engine", &module),
        "crate::app::engine::Engine"
    );
}

#[test]
fn every_dependency_has_one_door() {
    let mut breaches = Vec::new();
    for source in core() {
        for (name, doors) in DOORS {
            let named = source
                .paths
                .iter()
                .find(|path| path.split("::").next() == Some(name) && path.contains("::"));
            if let Some(path) = named
                && !doors.iter().any(|door| within(&source.module, door))
            {
                breaches.push(format!(
                    "{} names {path}; only {doors:?} may",
                    source.path.display()
                ));
            }
        }
    }
    report(breaches, "a dependency is named in one place only");
}

#[test]
fn pure_modules_touch_nothing_outside_their_arguments() {
    let mut breaches = Vec::new();
    for source in core()
        .iter()
        .filter(|source| PURE.iter().any(|pure| within(&source.module, pure)))
    {
        for impure in IMPURE {
            if let Some(path) = source.paths.iter().find(|path| within(path, impure)) {
                breaches.push(format!("{} names {path}", source.path.display()));
            }
        }
    }
    report(
        breaches,
        "pure modules open no files, sockets or threads and know no adapter",
    );
}

#[test]
fn adapters_know_neither_one_another_nor_the_use_cases() {
    let mut breaches = Vec::new();
    for source in core() {
        let Some(own) = ADAPTERS.iter().find(|adapter| within(&source.module, adapter)) else {
            continue;
        };
        for other in ADAPTERS.iter().filter(|other| other != &own).chain(&["app"]) {
            let banned = format!("crate::{other}");
            if let Some(path) = source.paths.iter().find(|path| within(path, &banned)) {
                breaches.push(format!("{} names {path}", source.path.display()));
            }
        }
    }
    report(
        breaches,
        "consumers declare the ports that they need, and `app` wires them",
    );
}

#[test]
fn use_cases_never_call_the_dispatcher() {
    let banned = [
        "crate::api::dispatch",
        "crate::api::COMMANDS",
        "crate::api::EngineHost",
        "crate::api::commands",
    ];
    let mut breaches = Vec::new();
    for source in core().iter().filter(|source| !within(&source.module, "api")) {
        if let Some(path) = source
            .paths
            .iter()
            .find(|path| banned.iter().any(|banned| within(path, banned)))
        {
            breaches.push(format!("{} names {path}", source.path.display()));
        }
    }
    report(
        breaches,
        "`api` knows `app`, and of `api` the rest knows plain data only",
    );
}

#[test]
fn the_core_reads_no_environment() {
    let mut breaches = Vec::new();
    for source in core() {
        if let Some(path) = source
            .paths
            .iter()
            .find(|path| within(path, "std::env") || within(path, "directories"))
        {
            breaches.push(format!("{} names {path}", source.path.display()));
        }
    }
    report(breaches, "binaries pass values in");
}

#[test]
fn only_the_window_names_tauri() {
    let manifest = fs::read_to_string(root().join("src-tauri/core/Cargo.toml")).unwrap();
    assert!(
        !manifest.contains("tauri"),
        "the core's manifest must not name Tauri"
    );
    for source in sources(&root().join("src-tauri/ctl")) {
        assert!(
            !source.paths.iter().any(|path| within(path, "tauri")),
            "{} names Tauri",
            source.path.display()
        );
    }
    let shell: usize = sources(&root().join("src-tauri/desktop"))
        .iter()
        .map(|source| source.lines)
        .sum();
    assert!(shell < 1000, "the shell stays under 1,000 lines; it has {shell}");
}

#[test]
fn every_module_says_what_it_owns_and_fits_a_sitting() {
    let mut breaches = Vec::new();
    for dir in [
        "src-tauri/core/src",
        "src-tauri/ctl",
        "src-tauri/desktop",
        "xtask/src",
        "tests",
    ] {
        for source in sources(&root().join(dir)) {
            if source.header.is_empty() {
                breaches.push(format!("{} has no `//!` header", source.path.display()));
            }
            if source.lines > 600 && !source.header.contains("600 lines") {
                breaches.push(format!(
                    "{} has {} lines and no reason in its header",
                    source.path.display(),
                    source.lines
                ));
            }
        }
    }
    report(
        breaches,
        "a file has a header, and passes 600 lines only with a reason in it",
    );
}

#[test]
fn no_test_file_is_forgotten() {
    let index = fs::read_to_string(root().join("tests/main.rs")).unwrap();
    for path in files(&root().join("tests"), &[".rs"]) {
        let relative = path.strip_prefix(root().join("tests")).unwrap();
        let mut parts = relative.iter();
        let first = parts
            .next()
            .unwrap()
            .to_string_lossy()
            .trim_end_matches(".rs")
            .to_owned();
        if matches!(first.as_str(), "main" | "window") {
            continue;
        }
        assert!(
            index.contains(&format!("mod {first};")),
            "tests/{} is in no test binary",
            relative.display()
        );
    }
}

#[test]
fn the_window_has_one_door_to_its_host_and_components_know_no_view() {
    let ui = root().join("ui/src");
    let mut doors = Vec::new();
    let mut breaches = Vec::new();
    let imports: BTreeMap<PathBuf, Vec<String>> = files(&ui, &[".ts", ".svelte"])
        .into_iter()
        .map(|path| {
            let text = fs::read_to_string(&path).unwrap();
            let lines = text
                .lines()
                .filter(|line| line.contains("import") || line.contains("from '"))
                .map(str::to_owned);
            (path.clone(), lines.collect())
        })
        .collect();
    for (path, lines) in &imports {
        if lines.iter().any(|line| line.contains("@tauri-apps/")) {
            doors.push(path.strip_prefix(&ui).unwrap().display().to_string());
        }
        let shared = ["components", "charts", "lib"]
            .iter()
            .any(|dir| path.starts_with(ui.join(dir)));
        if shared && lines.iter().any(|line| line.contains("/views/")) {
            breaches.push(format!("{} imports a view", path.display()));
        }
    }
    assert_eq!(doors, ["lib/backend/tauri.ts"], "one file imports @tauri-apps/*");
    report(breaches, "views import components, never the reverse");
}
