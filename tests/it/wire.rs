//! Holds the compiled protocol against `tests/api.json`, the wire contract as data.
//!
//! What the contract lists must exist exactly as listed: clients depend on every name, number, label and type.
//! Services, RPCs and messages may be added; a listed message never grows a field. Each test collects all differences
//! before it fails, so that one run shows them all.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::source_code_info::Location;
use prost_types::{DescriptorProto, FieldDescriptorProto, FileDescriptorSet, MessageOptions};
use serde::Deserialize;

/// The names of the gRPC status codes, as comments spell them.
const CODES: [&str; 16] = [
    "Cancelled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

#[derive(Deserialize)]
struct Contract {
    services: Vec<Service>,
    messages: BTreeMap<String, Vec<Field>>,
}

#[derive(Deserialize)]
struct Service {
    name: String,
    rpcs: Vec<Rpc>,
}

#[derive(Deserialize)]
struct Rpc {
    name: String,
    permission: String,
    request: String,
    response: String,
    errors: Vec<String>,
}

#[derive(Debug, Deserialize, PartialEq)]
struct Field {
    number: i32,
    name: String,
    label: String,
    r#type: String,
}

/// An RPC as compiled. Keyed by `package.Service/Method`.
struct Compiled {
    request: String,
    response: String,
    streaming: bool,
    comment: String,
}

#[derive(Default)]
struct Protocol {
    services: BTreeSet<String>,
    rpcs: BTreeMap<String, Compiled>,
    messages: BTreeMap<String, Vec<Field>>,
}

fn contract() -> Contract {
    let contract: Contract = serde_json::from_str(include_str!("../api.json")).unwrap();
    let rpcs: usize = contract.services.iter().map(|service| service.rpcs.len()).sum();
    // A contract that lost half of itself would agree with everything.
    assert_eq!((contract.services.len(), rpcs, contract.messages.len()), (16, 108, 250));
    contract
}

fn protocol() -> Protocol {
    let set = FileDescriptorSet::decode(rustbill::server::grpc::DESCRIPTORS).unwrap();
    let mut protocol = Protocol::default();
    for file in &set.file {
        let package = file.package();
        for message in &file.message_type {
            let fields = message.field.iter().map(|field| describe(field, message)).collect();
            protocol.messages.insert(format!("{package}.{}", message.name()), fields);
        }
        let comment = |path: &[i32]| {
            let locations = file.source_code_info.iter().flat_map(|info| &info.location);
            let mut comments = locations.filter(|location| location.path == path).map(Location::leading_comments);
            comments.next().unwrap_or_default().to_owned()
        };
        for (service_index, service) in (0i32..).zip(&file.service) {
            let name = format!("{package}.{}", service.name());
            for (index, method) in (0i32..).zip(&service.method) {
                let compiled = Compiled {
                    request: method.input_type().trim_start_matches('.').to_owned(),
                    response: method.output_type().trim_start_matches('.').to_owned(),
                    streaming: method.client_streaming() || method.server_streaming(),
                    // The field numbers of `FileDescriptorProto.service` and `ServiceDescriptorProto.method`.
                    comment: comment(&[6, service_index, 2, index]),
                };
                protocol.rpcs.insert(format!("{name}/{}", method.name()), compiled);
            }
            protocol.services.insert(name);
        }
    }
    protocol
}

/// A field in the words of the contract. A map is a repeated message on the wire; the contract calls it singular.
fn describe(field: &FieldDescriptorProto, message: &DescriptorProto) -> Field {
    let local = field.type_name().rsplit('.').next().unwrap_or_default();
    let entry = message
        .nested_type
        .iter()
        .find(|nested| nested.name() == local && nested.options.as_ref().is_some_and(MessageOptions::map_entry));
    let label = match (field.label(), field.proto3_optional(), field.oneof_index) {
        _ if entry.is_some() => "singular",
        (Label::Repeated, _, _) => "repeated",
        (Label::Required, _, _) => "required",
        (Label::Optional, true, _) => "optional",
        (Label::Optional, false, Some(_)) => "oneof",
        (Label::Optional, false, None) => "singular",
    };
    let r#type = match entry {
        Some(entry) => format!("map<{},{}>", type_name(&entry.field[0]), type_name(&entry.field[1])),
        None => type_name(field),
    };
    Field { number: field.number(), name: field.name().to_owned(), label: label.to_owned(), r#type }
}

fn type_name(field: &FieldDescriptorProto) -> String {
    match field.r#type() {
        Type::Message | Type::Enum | Type::Group => field.type_name().trim_start_matches('.').to_owned(),
        scalar => scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase(),
    }
}

fn compare_rpcs(contract: &Contract, protocol: &Protocol) -> Vec<String> {
    let mut differences = Vec::new();
    for service in &contract.services {
        if !protocol.services.contains(&service.name) {
            differences.push(format!("service {} is missing", service.name));
        }
        for rpc in &service.rpcs {
            let name = format!("{}/{}", service.name, rpc.name);
            let Some(ours) = protocol.rpcs.get(&name) else {
                differences.push(format!("rpc {name} is missing"));
                continue;
            };
            if ours.request != rpc.request {
                differences.push(format!("rpc {name} takes {}, not {}", ours.request, rpc.request));
            }
            if ours.response != rpc.response {
                differences.push(format!("rpc {name} returns {}, not {}", ours.response, rpc.response));
            }
            if ours.streaming {
                differences.push(format!("rpc {name} is streaming"));
            }
        }
    }
    differences
}

fn compare_messages(contract: &Contract, protocol: &Protocol) -> Vec<String> {
    let mut differences = Vec::new();
    for (name, listed) in &contract.messages {
        let Some(ours) = protocol.messages.get(name) else {
            differences.push(format!("message {name} is missing"));
            continue;
        };
        for field in listed {
            match ours.iter().find(|our| our.number == field.number) {
                None => differences.push(format!("{name}.{} (number {}) is missing", field.name, field.number)),
                Some(our) if our != field => differences.push(format!("{name}: {our:?} should be {field:?}")),
                Some(_) => {}
            }
        }
        for our in ours {
            if !listed.iter().any(|field| field.number == our.number) {
                differences.push(format!("{name}.{} (number {}) is not in the contract", our.name, our.number));
            }
        }
    }
    differences
}

/// The status codes that the `Errors:` paragraph names: what stands outside its parentheses.
/// `None` without such a paragraph; empty for `Errors: none of its own`.
fn documented_errors(comment: &str) -> Option<Vec<String>> {
    let start = comment.lines().position(|line| line.trim().starts_with("Errors:"))?;
    // The paragraph is the last one and may be wrapped.
    let paragraph = comment.lines().skip(start).map(str::trim).collect::<Vec<_>>().join(" ");
    let mut depth = 0_usize;
    let mut names = String::new();
    for character in paragraph.trim_start_matches("Errors:").chars() {
        match character {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth == 0 => names.push(character),
            _ => {}
        }
    }
    let names = names.trim();
    if names == "none of its own" {
        return Some(Vec::new());
    }
    Some(names.split(',').map(|name| name.trim().to_owned()).collect())
}

fn compare_comment(name: &str, rpc: Option<&Rpc>, comment: &str) -> Vec<String> {
    let mut differences = Vec::new();
    let permission = comment.lines().find_map(|line| line.trim().strip_prefix("Permission: "));
    match (permission, rpc) {
        (None, _) => differences.push(format!("{name} has no `Permission:` line")),
        (Some(ours), Some(rpc)) if ours != rpc.permission => {
            differences.push(format!("{name} says permission `{ours}`, not `{}`", rpc.permission));
        }
        _ => {}
    }
    let Some(named) = documented_errors(comment) else {
        differences.push(format!("{name} has no `Errors:` line"));
        return differences;
    };
    for code in named.iter().filter(|code| !CODES.contains(&code.as_str())) {
        differences.push(format!("{name} names the error `{code}`, which is no status code"));
    }
    for code in rpc.iter().flat_map(|rpc| &rpc.errors) {
        // An unknown user is answered like a wrong password, so that names cannot be probed.
        let withdrawn = name.ends_with(".IdentityService/Login") && code == "NotFound";
        if !withdrawn && !named.contains(code) {
            differences.push(format!("{name} does not name the error {code}"));
        }
    }
    differences
}

#[test]
fn the_protocol_is_the_contract() {
    let (contract, protocol) = (contract(), protocol());
    let mut differences = compare_rpcs(&contract, &protocol);
    differences.extend(compare_messages(&contract, &protocol));
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}

/// Holds for added RPCs too, as far as the contract does not say what their lines must contain.
#[test]
fn every_rpc_documents_its_permission_and_errors() {
    let (contract, protocol) = (contract(), protocol());
    let listed: BTreeMap<String, &Rpc> = contract
        .services
        .iter()
        .flat_map(|service| service.rpcs.iter().map(|rpc| (format!("{}/{}", service.name, rpc.name), rpc)))
        .collect();
    let differences: Vec<String> = protocol
        .rpcs
        .iter()
        .flat_map(|(name, ours)| compare_comment(name, listed.get(name).copied(), &ours.comment))
        .collect();
    assert!(differences.is_empty(), "{} differences:\n{}", differences.len(), differences.join("\n"));
}
