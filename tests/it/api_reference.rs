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
    assert_eq!(api.services.len(), 16);
}

#[test]
fn every_link_within_the_reference_leads_somewhere() {
    let text = render(&Api::read());
    let headings: Vec<String> =
        text.lines().filter(|line| line.starts_with("##")).map(|line| anchor(line.trim_start_matches('#').trim())).collect();
    let unique: BTreeSet<&str> = headings.iter().map(String::as_str).collect();
    assert_eq!(unique.len(), headings.len(), "two headings have one anchor");
    let targets = text.split("](#").skip(1).map(|rest| rest.split(')').next().unwrap_or_default());
    let lost: BTreeSet<&str> = targets.filter(|target| !unique.contains(target)).collect();
    assert!(lost.is_empty(), "links to nothing: {lost:?}");
}
