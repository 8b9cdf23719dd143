//! The reference as Markdown.

use std::fmt::Write as _;

use super::{
    model::{Api, Field, Kind, Message, Rpc, Service, Shape},
    sample,
};

/// What is written by hand: the introduction.
const HEAD: &str = include_str!("../../../docs/api.head.md");
/// Where the table of contents goes in it.
const CONTENTS: &str = "<!-- contents -->\n";
/// Columns of a line of an example.
const COLUMNS: usize = 116;

pub(crate) fn render(api: &Api) -> String {
    let mut out = String::from("<!-- Made of proto/ and docs/api.head.md by `make docs`; change those. -->\n\n");
    let (before, after) = HEAD.split_once(CONTENTS).unwrap();
    out.push_str(before);
    contents(&mut out, api);
    out.push_str(after);
    for service in &api.services {
        chapter(&mut out, api, service);
    }
    out.push_str("\n## Messages\n\nWhat several calls take or return.\n");
    for name in &api.shared {
        let message = &api.messages[name];
        write!(out, "\n### {}\n\n{}\n", heading(name), message.comment).unwrap();
        table(&mut out, message);
    }
    out
}

/// The anchor that GitHub makes of a heading.
pub(crate) fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|character| character.is_alphanumeric() || matches!(character, ' ' | '-' | '_'));
    kept.collect::<String>().to_lowercase().replace(' ', "-")
}

/// A message's name in its heading: unique, since two packages have messages of one name.
fn heading(full_name: &str) -> String {
    full_name.trim_start_matches("rustbill.").to_owned()
}

fn contents(out: &mut String, api: &Api) {
    for line in HEAD.lines().filter_map(|line| line.strip_prefix("## ")) {
        writeln!(out, "- [{line}](#{})", anchor(line)).unwrap();
    }
    for service in &api.services {
        writeln!(out, "- [{}](#{})", service.name, anchor(&service.name)).unwrap();
        for rpc in &service.rpcs {
            let heading = format!("{}/{}", service.name, rpc.name);
            writeln!(out, "  - [{}](#{})", rpc.name, anchor(&heading)).unwrap();
        }
    }
    out.push_str("- [Messages](#messages)\n");
}

fn chapter(out: &mut String, api: &Api, service: &Service) {
    write!(out, "\n## {}\n\n`{}.{}`. {}\n", service.name, service.package, service.name, service.comment).unwrap();
    for rpc in &service.rpcs {
        write!(out, "\n### {}/{}\n\n{}\n\n", service.name, rpc.name, rpc.description).unwrap();
        write!(out, "[Permission](#permissions): {}\n\n", rpc.permission).unwrap();
        if !rpc.errors.is_empty() {
            out.push_str("| Error | When |\n|---|---|\n");
            for (code, reason) in &rpc.errors {
                writeln!(out, "| {code} | {} |", cell(reason)).unwrap();
            }
            out.push('\n');
        }
        part(out, api, "Request", &rpc.request);
        part(out, api, "Answer", &rpc.response);
        example(out, api, service, rpc);
    }
}

fn part(out: &mut String, api: &Api, what: &str, name: &str) {
    let message = &api.messages[name];
    if api.shared.contains(name) {
        write!(out, "{what}: [{}](#{})\n\n", message.name, anchor(&heading(name))).unwrap();
    } else if message.fields.is_empty() {
        write!(out, "{what}: `{}`, without fields\n\n", message.name).unwrap();
    } else {
        writeln!(out, "{what}: `{}`", message.name).unwrap();
        table(out, message);
        out.push('\n');
    }
}

fn table(out: &mut String, message: &Message) {
    if message.fields.is_empty() {
        return;
    }
    out.push_str("\n| Field | Type | Meaning |\n|---|---|---|\n");
    for field in &message.fields {
        writeln!(out, "| `{}` | {} | {} |", field.name, type_of(field), cell(&field.comment)).unwrap();
    }
}

fn type_of(field: &Field) -> String {
    let one = match &field.kind {
        Kind::Scalar(name) => name.clone(),
        Kind::Message(name) => {
            let heading = heading(name);
            format!("[{}](#{})", heading.rsplit('.').next().unwrap_or_default(), anchor(&heading))
        }
    };
    match field.shape {
        Shape::Single => one,
        Shape::Optional => format!("optional {one}"),
        Shape::List => format!("list of {one}"),
        Shape::Map => format!("map of string to {one}"),
    }
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

fn example(out: &mut String, api: &Api, service: &Service, rpc: &Rpc) {
    let mut words = vec!["grpcurl -plaintext".to_owned()];
    if rpc.permission != "public" {
        words.push("-H \"authorization: Bearer $TOKEN\"".to_owned());
    }
    let request = sample::request(api, &rpc.request);
    if request != "{}" {
        words.push(format!("-d '{request}'"));
    }
    words.push(format!("localhost:50051 {}.{}/{}", service.package, service.name, rpc.name));
    let mut line = String::new();
    out.push_str("```sh\n");
    for word in words {
        if line.is_empty() {
            line = word;
        } else if line.len() + word.len() < COLUMNS {
            line = format!("{line} {word}");
        } else {
            writeln!(out, "{line} \\").unwrap();
            line = format!("  {word}");
        }
    }
    write!(out, "{line}\n```\n").unwrap();
}
