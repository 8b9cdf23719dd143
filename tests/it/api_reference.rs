//! `docs/api.md` is what the comments of `proto/` say. `make docs` writes it; these tests tell when that is due.

mod model;
mod render;
mod sample;

use std::{collections::BTreeSet, path::Path};

pub(crate) use model::Api;
use render::{anchor, render};

/// Set by `make docs`: write instead of compare.
const UPDATE: &str = "UPDATE_DOCS";

fn file() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/api.md")
}

#[test]
fn the_reference_says_what_the_protocol_says() {
    let expected = render(&Api::read());
    if std::env::var_os(UPDATE).is_some() {
        std::fs::write(file(), &expected).unwrap();
    }
    let found = std::fs::read_to_string(file()).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).zip(1..).find(|((found, expected), _)| found != expected);
    if let Some(((found, expected), line)) = differs {
        panic!("docs/api.md is old, run `make docs`; line {line} is\n{found}\nand should be\n{expected}");
    }
    assert!(found == expected, "docs/api.md has another length than it should, run `make docs`");
}

/// A reader who meets an undescribed field has to guess.
#[test]
fn everything_is_described() {
    let api = Api::read();
    let mut gaps = Vec::new();
    for service in &api.services {
        let rpcs = service.rpcs.iter().filter(|rpc| rpc.description.is_empty() || rpc.permission.is_empty());
        gaps.extend(rpcs.map(|rpc| rpc.name.clone()));
        gaps.extend(service.comment.is_empty().then(|| service.name.clone()));
    }
    for (name, message) in &api.messages {
        gaps.extend(message.comment.is_empty().then(|| name.clone()));
        let fields = message.fields.iter().filter(|field| field.comment.is_empty());
        gaps.extend(fields.map(|field| format!("{name}.{}", field.name)));
    }
    assert!(gaps.is_empty(), "without a comment: {gaps:?}");
    assert_eq!(api.services.len(), 17);
}

/// The introduction is written by hand: what it calls stable must be in the code.
#[test]
fn the_error_codes_of_the_introduction_exist() {
    let (_, table) = include_str!("../../docs/api.head.md").split_once("## Frequent words").unwrap();
    let words: BTreeSet<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .flat_map(|line| line.split(" | ").next().unwrap_or_default().split(", "))
        .map(|word| word.trim_matches('`'))
        .collect();
    assert!(words.len() > 15, "{words:?}");
    let mut code = String::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core")];
    while let Some(folder) = folders.pop() {
        for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if path.is_dir() {
                folders.push(path);
            } else {
                code.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    let unknown: Vec<_> = words.iter().filter(|word| !code.contains(&format!("\"{word}\""))).collect();
    assert!(unknown.is_empty(), "no such codes: {unknown:?}");
}

#[test]
fn every_link_within_the_reference_leads_somewhere() {
    let text = render(&Api::read());
    let headings: Vec<String> = text
        .lines()
        .filter(|line| line.starts_with("##"))
        .map(|line| anchor(line.trim_start_matches('#').trim()))
        .collect();
    let unique: BTreeSet<&str> = headings.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), headings.len(), "two headings have one anchor");
    let targets = text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
    let lost: BTreeSet<&str> = targets.filter(|target| !unique.contains(target)).collect();
    assert!(lost.is_empty(), "links to nothing: {lost:?}");
}
