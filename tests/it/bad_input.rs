//! Whatever comes in, the answer is one that the contract knows, the server goes on, and what is refused leaves nothing
//! behind: every field of every RPC's request, and bytes that are no request at all.

mod cases;

use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use prost_reflect::{DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};
use tonic::{Code, Status};

use self::cases::Case;
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dump::Tables,
        dynamic,
        rows::{contract, request},
        server::{InProcess, channel},
        stage::Stage,
        world::World,
    },
};

/// Requests at once.
const CONCURRENCY: usize = 16;
/// Bytes of a request that is too long for its field, whatever the field is: it is sent once only.
const LONG: usize = 100_000;
/// Characters of an error's text; a request must not come back in its own refusal.
const MESSAGE_MAX: usize = 1000;

/// What a request may be answered, whatever stands in it.
const ANSWERS: [Code; 5] =
    [Code::Ok, Code::InvalidArgument, Code::NotFound, Code::AlreadyExists, Code::PermissionDenied];

/// RPCs that are not called here: unknown fields are none of a server's business, so noise is a good request to them.
const LEFT_OUT: &[(&str, &str)] = &[
    ("IdentityService/Logout", "it has no field, and ends the session that this test calls with"),
    ("IntegrationService/RestartServer", "it has no field, and ends the server that this test calls"),
];

/// RPCs whose refused requests are not sent once more.
const NOT_AGAIN: &[(&str, &str)] = &[
    ("IdentityService/ChangePassword", "the passwords of the first round are right in the second"),
    ("IdentityService/Login", "it takes long, and whoever is refused had nothing to write"),
];

/// Fields of a request whose name stands for another thing in the answer.
const OTHER_THING: &[(&str, &str, &str)] =
    &[("IntegrationService/ImportUpstreamInstance", "instance_id", "asked by the provider's id, answered with ours")];

/// A case with whom it is sent as, and to which RPC.
struct Shot<'a> {
    rpc: &'static str,
    method: &'a MethodDescriptor,
    who: &'static str,
    token: &'a str,
    case: Case,
}

impl Shot<'_> {
    async fn fire(&self, stage: &Stage<'_>) -> Result<Bytes, Status> {
        let call = dynamic::call_bytes(&stage.channel, self.method, self.case.bytes.clone(), self.token);
        let answer = tokio::time::timeout(Duration::from_mins(1), call).await;
        answer.unwrap_or_else(|_| Err(Status::deadline_exceeded("no answer within a minute")))
    }

    /// What is wrong with an answer.
    fn fault(&self, answer: &Result<Bytes, Status>) -> Option<String> {
        let status = match answer {
            Ok(bytes) => return self.changed_text(bytes),
            Err(status) => status,
        };
        let (code, text) = (status.code(), status.message());
        let fault = if !ANSWERS.contains(&code) {
            format!("{code:?}: {text:.300}")
        } else if text.is_empty() || text.chars().count() > MESSAGE_MAX {
            format!("the text has {} characters: {text:.300}", text.chars().count())
        } else if text.chars().any(char::is_control) {
            format!("the text would act on a terminal: {text:.300?}")
        } else {
            return None;
        };
        Some(self.named(&fault))
    }

    /// A harmless text that was accepted and comes back as another one.
    fn changed_text(&self, answer: &Bytes) -> Option<String> {
        let (field, sent) = self.case.kept.as_ref()?;
        if OTHER_THING.iter().any(|(rpc, name, _)| *rpc == self.rpc && name == field) {
            return None;
        }
        let answer = dynamic::json(&DynamicMessage::decode(self.method.output(), answer.clone()).unwrap());
        let mut found = Vec::new();
        texts_at(&answer, field, &mut found);
        // A field of that name may stand elsewhere in the answer: it is enough that the text is at one of them.
        let is_lost = !found.is_empty() && !found.iter().any(|text| text.trim() == sent.trim());
        is_lost.then(|| self.named(&format!("it came back as {found:?}")))
    }

    fn named(&self, fault: &str) -> String {
        format!("{} as {}, {}: {fault}", self.rpc, self.who, self.case.label)
    }
}

/// The texts of a field, wherever it stands.
fn texts_at(value: &Value, field: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                if let (true, Some(text)) = (name == field, value.as_str()) {
                    found.push(text.to_owned());
                }
                texts_at(value, field, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| texts_at(item, field, found)),
        _ => {}
    }
}

/// Sends them several at once; gives back which were refused, what is wrong, and which were accepted.
async fn fire<'a>(stage: &Stage<'_>, shots: Vec<Shot<'a>>) -> (Vec<Shot<'a>>, Vec<String>, Vec<String>) {
    let answered: Vec<_> = stream::iter(shots)
        .map(|shot| async {
            let answer = shot.fire(stage).await;
            (shot, answer)
        })
        .buffer_unordered(CONCURRENCY)
        .collect()
        .await;
    let faults = answered.iter().filter_map(|(shot, answer)| shot.fault(answer)).collect();
    let (refused, accepted): (Vec<_>, Vec<_>) = answered.into_iter().partition(|(_, answer)| answer.is_err());
    let accepted = accepted.iter().map(|(shot, _)| shot.named("accepted")).collect();
    (refused.into_iter().map(|(shot, _)| shot).collect(), faults, accepted)
}

on_both! {
    async fn no_field_of_any_request_breaks_anything(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let rpcs: Vec<_> = contract().into_iter().filter(|(rpc, _)| !LEFT_OUT.iter().any(|(out, _)| out == rpc)).collect();
        let methods: Vec<_> = rpcs.iter().map(|(rpc, _)| dynamic::method(rpc)).collect();
        world.start_worker();
        let mut bases = Vec::new();
        for (rpc, _) in &rpcs {
            let mut base = request(&stage, rpc).await;
            if *rpc == "CustomerService/UpdateCustomer" {
                // Not the one that this test calls as: a customer who is disabled is let in nowhere.
                base["id"] = json!(stage.customer().await);
            }
            bases.push(base);
        }
        stage.quiet().await;
        world.stop_worker().await;

        let callers = &stage.everybody.callers;
        let mut shots = Vec::new();
        for (((rpc, permission), method), base) in rpcs.iter().zip(&methods).zip(&bases) {
            let base = dynamic::request(method, base).unwrap();
            let mut add = |who, token| {
                shots.extend(cases::of(&base).into_iter().map(|case| Shot { rpc, method, who, token, case }));
            };
            // Passwords take long to check, and an administrator registers or logs in like anybody.
            if permission != "public" || !rpc.starts_with("IdentityService/") {
                add("admin", callers[4].token.as_str());
            }
            match permission.as_str() {
                "admin" | "admin-only" => {}
                "public" => add("nobody", ""),
                _ => add("customer", callers[1].token.as_str()),
            }
        }
        let count = shots.len();
        let (refused, mut faults, accepted) = fire(&stage, shots).await;
        assert!(count > 4000 && refused.len() > 2000 && accepted.len() > 500, "{count} sent, {} refused", refused.len());

        // Once more what was refused, alone: it leaves nothing behind.
        let tables = Tables::of(&world).await;
        let before = tables.counts(&world).await;
        let again = refused.into_iter().filter(|shot| {
            shot.case.bytes.len() < LONG && !NOT_AGAIN.iter().any(|(rpc, _)| *rpc == shot.rpc)
        });
        let (_, more, accepted) = fire(&stage, again.collect()).await;
        faults.extend(more);
        assert!(faults.is_empty(), "{} of {count}:\n{}", faults.len(), faults[..faults.len().min(60)].join("\n"));
        assert!(accepted.is_empty(), "first refused, then accepted: {accepted:#?}");
        assert_eq!(tables.counts(&world).await, before, "a refusal left rows behind");

        world.check_ledgers().await;
        let health = reqwest::get(format!("{}/health", server.address)).await.unwrap();
        assert_eq!(health.status(), 200);
        dynamic::call(&stage.channel, "OrderService/ListOrders", &json!({}), &callers[1].token).await.unwrap();
        stage.admin("OrderService/CreateOrder", stage.order_message()).await;
        server.stop().await;
    }

    async fn what_is_no_grpc_request_is_refused_as_such(world: World) {
        let server = InProcess::start(&world).await;
        let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
        let post = async |content_type: &'static str, body: Vec<u8>| {
            let url = format!("{}/rustbill.product.ProductService/GetProduct", server.address);
            let request = client.post(url).header("content-type", content_type).header("te", "trailers").body(body);
            let response = request.send().await.unwrap();
            // An answer without a message has its status in the headers.
            let code = response.headers().get("grpc-status").map(|code| Code::from_bytes(code.as_bytes()));
            (response.status().as_u16(), code)
        };
        let frame = |flag: u8, length: u32, message: &[u8]| [&[flag][..], &length.to_be_bytes(), message].concat();
        let refused = (200, Some(Code::InvalidArgument));
        for (what, body) in [
            ("no body", Vec::new()),
            ("half a header", vec![0, 0, 0]),
            ("less than announced", frame(0, 100, b"\x0a\x02ab")),
            ("nothing of what is announced", frame(0, u32::MAX, b"")),
            ("more than announced", frame(0, 2, b"\x0a\x02ab")),
            ("two messages", [frame(0, 4, b"\x0a\x02ab"), frame(0, 4, b"\x0a\x02ab")].concat()),
            ("an unknown flag", frame(7, 4, b"\x0a\x02ab")),
            ("JSON", br#"{"id":"1"}"#.to_vec()),
            ("a message that ends within a field", frame(0, 3, b"\x0a\x05a")),
            ("a field of another type", frame(0, 2, b"\x08\x01")),
            ("text that is no UTF-8", frame(0, 4, b"\x0a\x02\xff\xfe")),
            ("the id of nothing", frame(0, 4, b"\x0a\x02ab")),
        ] {
            assert_eq!(post("application/grpc", body).await, refused, "{what}");
        }
        for content_type in ["application/grpc-web", "application/grpc-web+proto", "application/grpc-web-text"] {
            for body in [Vec::new(), b"AAA".to_vec(), b"!!!!!!!!".to_vec(), frame(0, 100, b"\x0a\x02ab")] {
                let (status, code) = post(content_type, body.clone()).await;
                assert!((status, code) == refused || (400..500).contains(&status), "{content_type} {body:?}: {status} {code:?}");
            }
        }
        for content_type in ["application/json", "text/plain", "multipart/form-data", "application/x-www-form-urlencoded"] {
            let (status, code) = post(content_type, br#"{"id":"1"}"#.to_vec()).await;
            assert!((status, code) == refused || (400..500).contains(&status), "{content_type}: {status} {code:?}");
        }
        let health = reqwest::get(format!("{}/health", server.address)).await.unwrap();
        assert_eq!(health.status(), 200);
        server.stop().await;
    }
}
