//! The protocol with its comments, read from the compiled descriptors.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    field_descriptor_proto::{Label, Type},
};

/// The field numbers of descriptors that lead to a comment.
const MESSAGES: i32 = 4;
const SERVICES: i32 = 6;
const MEMBERS: i32 = 2;

pub(crate) struct Api {
    pub(crate) services: Vec<Service>,
    /// By full name.
    pub(crate) messages: BTreeMap<String, Message>,
    /// Messages with a chapter of their own: those that fields refer to, or that several RPCs take or return.
    pub(crate) shared: BTreeSet<String>,
}

pub(crate) struct Service {
    pub(crate) package: String,
    pub(crate) name: String,
    pub(crate) comment: String,
    pub(crate) rpcs: Vec<Rpc>,
}

pub(crate) struct Rpc {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) permission: String,
    /// Status code and when it comes.
    pub(crate) errors: Vec<(String, String)>,
    pub(crate) request: String,
    pub(crate) response: String,
}

pub(crate) struct Message {
    pub(crate) name: String,
    pub(crate) comment: String,
    pub(crate) fields: Vec<Field>,
}

pub(crate) struct Field {
    pub(crate) name: String,
    pub(crate) shape: Shape,
    pub(crate) kind: Kind,
    pub(crate) comment: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Single,
    Optional,
    List,
    Map,
}

pub(crate) enum Kind {
    /// A scalar's name; of a map, its value's.
    Scalar(String),
    /// A message's full name.
    Message(String),
}

impl Api {
    pub(crate) fn read() -> Self {
        let set = FileDescriptorSet::decode(rustbill::server::grpc::DESCRIPTORS).unwrap();
        let mut services = Vec::new();
        let mut messages = BTreeMap::new();
        for file in &set.file {
            let package = file.package().to_owned();
            for (index, service) in (0i32..).zip(&file.service) {
                let rpcs = (0i32..).zip(&service.method).map(|(member, method)| {
                    let comment = leading(file, &[SERVICES, index, MEMBERS, member]);
                    rpc(method.name(), &comment, method.input_type(), method.output_type())
                });
                services.push(Service {
                    package: package.clone(),
                    name: service.name().to_owned(),
                    comment: flow(&leading(file, &[SERVICES, index])),
                    rpcs: rpcs.collect(),
                });
            }
            for (index, message) in (0i32..).zip(&file.message_type) {
                let fields = (0i32..).zip(&message.field).map(|(member, field)| {
                    let (shape, kind) = describe(field, message);
                    let path = [MESSAGES, index, MEMBERS, member];
                    // A long comment stands before its field.
                    let comment = flow(&format!("{} {}", leading(file, &path), trailing(file, &path)));
                    Field { name: field.name().to_owned(), shape, kind, comment }
                });
                let message = Message {
                    name: message.name().to_owned(),
                    comment: flow(&leading(file, &[MESSAGES, index])),
                    fields: fields.collect(),
                };
                messages.insert(format!("{package}.{}", message.name), message);
            }
        }
        services.sort_by(|left, right| left.name.cmp(&right.name));
        let shared = shared(&services, &messages);
        Self { services, messages, shared }
    }
}

fn shared(services: &[Service], messages: &BTreeMap<String, Message>) -> BTreeSet<String> {
    let mut uses = BTreeMap::<&str, usize>::new();
    for rpc in services.iter().flat_map(|service| &service.rpcs) {
        *uses.entry(&rpc.request).or_default() += 1;
        *uses.entry(&rpc.response).or_default() += 1;
    }
    for field in messages.values().flat_map(|message| &message.fields) {
        if let Kind::Message(name) = &field.kind {
            *uses.entry(name).or_default() += 2;
        }
    }
    uses.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.to_owned()).collect()
}

fn rpc(name: &str, comment: &str, request: &str, response: &str) -> Rpc {
    let (description, rest) = comment.split_once("Permission:").unwrap_or_else(|| panic!("{name} has no permission"));
    let (permission, errors) = rest.split_once("Errors:").unwrap_or_else(|| panic!("{name} has no errors"));
    Rpc {
        name: name.to_owned(),
        description: flow(description),
        permission: flow(permission),
        errors: split_errors(&flow(errors)),
        request: request.trim_start_matches('.').to_owned(),
        response: response.trim_start_matches('.').to_owned(),
    }
}

/// `NotFound (no such order), Internal (the gateway failed)` as pairs; empty for `none of its own`.
fn split_errors(text: &str) -> Vec<(String, String)> {
    if text == "none of its own" {
        return Vec::new();
    }
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_usize, 0_usize);
    for (at, character) in text.char_indices() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    let pair = |part: &str| match part.trim().split_once(" (") {
        Some((code, reason)) => (code.to_owned(), reason.trim_end_matches(')').to_owned()),
        None => (part.trim().to_owned(), String::new()),
    };
    parts.into_iter().map(pair).collect()
}

fn describe(field: &FieldDescriptorProto, message: &DescriptorProto) -> (Shape, Kind) {
    let local = field.type_name().rsplit('.').next().unwrap_or_default();
    if let Some(entry) = message.nested_type.iter().find(|nested| nested.name() == local) {
        return (Shape::Map, kind(&entry.field[1]));
    }
    let shape = match field.label() {
        Label::Repeated => Shape::List,
        _ if field.proto3_optional() => Shape::Optional,
        _ => Shape::Single,
    };
    (shape, kind(field))
}

fn kind(field: &FieldDescriptorProto) -> Kind {
    match field.r#type() {
        Type::Message => Kind::Message(field.type_name().trim_start_matches('.').to_owned()),
        scalar => Kind::Scalar(scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase()),
    }
}

fn leading(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let mut found = locations.filter(|location| location.path == path);
    found.next().map_or_else(String::new, |location| location.leading_comments().to_owned())
}

fn trailing(file: &FileDescriptorProto, path: &[i32]) -> String {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let mut found = locations.filter(|location| location.path == path);
    found.next().map_or_else(String::new, |location| location.trailing_comments().to_owned())
}

/// Lines of a comment as one.
fn flow(comment: &str) -> String {
    comment.split_whitespace().collect::<Vec<_>>().join(" ")
}
