//! Every error that the protocol's comments promise, as an answer over the wire: the code, the stable word in
//! `error-code`, and a message that names what is wrong. The comments themselves say what must be here: what is left of
//! one after the situations that have a row are taken out of it is a situation without one.

mod identity;
mod instances;
mod integration;
mod people;
mod products;
mod row;
mod sales;
mod scene;
mod system;

use std::collections::BTreeMap;

use futures::{StreamExt as _, stream};
use serde_json::Value;
use tonic::Code;

use self::{
    row::{Row, UNKNOWN, Who},
    scene::Scene,
};
use crate::{
    api_reference::Api,
    on_both,
    support::{
        database::TestDatabase,
        dump::Tables,
        rows::request,
        server::{InProcess, channel},
        stage::Stage,
        world::World,
    },
};

/// Requests that are made at once.
const CONCURRENCY: usize = 8;

/// Situations that are alike for all RPCs: who asks for the row of `support/rows.rs`, and the word of the refusal. A
/// longer one stands before those that it contains.
const ALIKE: &[(Code, &str, Who, &str)] = &[
    (Code::Unauthenticated, "not signed in", Who::Nobody, "auth.required"),
    (Code::PermissionDenied, "not an administrator or operator", Who::Owner, "permission.denied"),
    (Code::PermissionDenied, "the role is not admin", Who::Operator, "permission.denied"),
    (Code::PermissionDenied, "the key is not the caller's own", Who::Stranger, "permission.foreign"),
    (Code::PermissionDenied, "not the caller's own", Who::Stranger, "permission.foreign"),
    (Code::PermissionDenied, "another customer is asked for", Who::Stranger, "permission.foreign"),
];

/// Refusals that are written down, and why.
const LEAVES_ROWS: &[(&str, Code, &str)] = &[
    ("OrderService/PayOrder", Code::Internal, "the payment that failed"),
    ("OrderService/PayOrder", Code::Unavailable, "the payment that failed"),
    ("PaymentService/CreatePayment", Code::Internal, "the payment that failed"),
    ("PaymentService/CreatePayment", Code::Unavailable, "the payment that failed"),
    ("BalanceService/CreateRecharge", Code::Internal, "the payment that failed"),
    ("BalanceService/CreateRecharge", Code::Unavailable, "the payment that failed"),
    ("PaymentService/RefundPayment", Code::Internal, "the refund that failed"),
    ("IntegrationService/CallPluginAction", Code::Internal, "that somebody tried"),
    ("IntegrationService/CallPluginAction", Code::Unavailable, "that somebody tried"),
    ("IntegrationService/CreateUpstreamInstance", Code::Internal, "that a server was asked for"),
    ("IdentityService/RefreshToken", Code::InvalidArgument, "that a token was used twice"),
];

/// What the comments may say between situations.
const JOINTS: [&str; 3] = ["or", "and", "is"];

/// Situations that need a scene of their own, and the test that makes them.
const WITHOUT_ROW: &[(&str, &str, &str)] = &[
    (
        "IntegrationService/ImportUpstreamInstance",
        "the provider says that the server is no more: instance.gone",
        "supply.rs",
    ),
    ("PaymentService/QueryPaymentStatus", "the gateway reports another amount or currency", "callbacks.rs"),
    ("PaymentService/QueryPaymentStatus", "a transaction that paid something else; nothing is booked", "callbacks.rs"),
    ("PaymentService/HandleCallback", "one that does not fit the payment", "callbacks.rs"),
    ("PaymentService/HandleCallback", "the plugin failed", "callbacks.rs"),
    ("PaymentService/RefundPayment", "the order's instance is being made", "refunds.rs"),
    ("PaymentService/RefundPayment", "the balance no longer covers a top-up", "refunds.rs"),
];

fn rows() -> impl Iterator<Item = &'static Row> {
    [identity::ROWS, people::ROWS, sales::ROWS, products::ROWS, integration::ROWS, instances::ROWS, system::ROWS]
        .into_iter()
        .flatten()
}

/// An RPC with its promises.
struct Promise {
    rpc: String,
    description: String,
    errors: BTreeMap<String, String>,
}

impl Promise {
    fn all() -> Vec<Self> {
        let promises = Api::read().services.into_iter().flat_map(|service| {
            service.rpcs.into_iter().map(move |rpc| Self {
                rpc: format!("{}/{}", service.name, rpc.name),
                description: rpc.description,
                errors: rpc.errors.into_iter().collect(),
            })
        });
        promises.collect()
    }

    /// When this code comes. One that is not in the list may be in the text before it.
    fn situations(&self, code: Code) -> &str {
        let name = format!("{code:?}");
        let told = if self.description.contains(&name) { self.description.as_str() } else { "" };
        self.errors.get(&name).map_or(told, String::as_str)
    }

    /// The situations of this RPC that are alike for all.
    fn alike(&self) -> Vec<&'static (Code, &'static str, Who, &'static str)> {
        let mut found: Vec<&(Code, &str, Who, &str)> = Vec::new();
        for alike in ALIKE {
            let is_new = !found.iter().any(|other| other.1.contains(alike.1));
            if is_new && self.situations(alike.0).contains(alike.1) {
                found.push(alike);
            }
        }
        found
    }

    /// What the list of errors says and no row is about.
    fn without_row(&self) -> Vec<String> {
        let mut found = Vec::new();
        for (code, situations) in &self.errors {
            let mut covered: Vec<&str> = rows()
                .filter(|row| row.rpc == self.rpc && format!("{:?}", row.code) == *code)
                .map(|row| row.when)
                .chain(ALIKE.iter().filter(|alike| format!("{:?}", alike.0) == *code).map(|alike| alike.1))
                .chain(WITHOUT_ROW.iter().filter(|(rpc, ..)| *rpc == self.rpc).map(|(_, when, _)| *when))
                .filter(|when| situations.contains(when))
                .collect();
            covered.sort_by_key(|when| std::cmp::Reverse(when.len()));
            let left = covered.iter().fold(situations.clone(), |left, when| left.replace(when, " "));
            let words = left.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
            let words: Vec<&str> = words.filter(|word| !JOINTS.contains(word)).collect();
            if covered.is_empty() || !words.is_empty() {
                found.push(format!("{}: {code} ({situations}) has no row for: {left}", self.rpc));
            }
        }
        found
    }
}

#[test]
fn every_promised_error_has_a_row() {
    let promises = Promise::all();
    assert!(promises.len() >= 108, "{}", promises.len());
    let mut wrong: Vec<String> = promises.iter().flat_map(Promise::without_row).collect();
    for row in rows() {
        let promise = promises.iter().find(|promise| promise.rpc == row.rpc);
        if promise.is_none_or(|promise| !promise.situations(row.code).contains(row.when)) {
            wrong.push(format!("{} does not promise {:?} ({})", row.rpc, row.code, row.when));
        }
    }
    for (rpc, code, _) in LEAVES_ROWS {
        assert!(rows().any(|row| row.rpc == *rpc && row.code == *code), "{rpc} {code:?}");
    }
    assert!(wrong.is_empty(), "{} differences:\n{}", wrong.len(), wrong.join("\n"));
}

/// A row with its request, ready to be sent.
struct Shot {
    rpc: String,
    code: Code,
    when: &'static str,
    who: Who,
    error: &'static str,
    says: String,
    message: Value,
}

impl Shot {
    /// What is wrong with the answer.
    async fn fault(&self, scene: &Scene<'_>) -> Option<String> {
        let Self { rpc, code, when, who, error, says, message } = self;
        let status = match scene::call(scene, rpc, message, *who).await {
            Ok(answer) => return Some(format!("{rpc}, {when}, as {who:?}: accepted {message:.300}: {answer:.300}")),
            Err(status) => status,
        };
        let word = status.metadata().get("error-code").map_or("", |word| word.to_str().unwrap());
        let is_word = if error.is_empty() { !word.is_empty() } else { word == *error };
        let is_right = status.code() == *code && is_word && status.message().contains(says.as_str());
        let expected = format!("{code:?} {error} {says:?}");
        (!is_right).then(|| {
            format!(
                "{rpc}, {when}, as {who:?}: {:?} {word} {:?} instead of {expected}",
                status.code(),
                status.message()
            )
        })
    }
}

/// All requests, before the first of them is sent.
async fn shots(scene: &Scene<'_>) -> Vec<Shot> {
    let written = stream::iter(rows()).map(async |row| Shot {
        rpc: row.rpc.to_owned(),
        code: row.code,
        when: row.when,
        who: row.who,
        error: row.error,
        says: row.says.replace("UNKNOWN", UNKNOWN),
        message: (row.request)(scene).await,
    });
    let mut shots: Vec<Shot> = written.buffered(CONCURRENCY).collect().await;
    let promises = Promise::all().into_iter();
    let alike = stream::iter(promises.filter(|promise| !promise.alike().is_empty())).map(async |promise| {
        let message = request(scene, &promise.rpc).await;
        let shots = promise.alike().into_iter().map(|&(code, when, who, error)| Shot {
            rpc: promise.rpc.clone(),
            code,
            when,
            who,
            error,
            says: String::new(),
            message: message.clone(),
        });
        shots.collect::<Vec<_>>()
    });
    shots.extend(alike.buffered(CONCURRENCY).collect::<Vec<_>>().await.into_iter().flatten());
    shots
}

on_both! {
    async fn every_promised_error_is_given(world: World) {
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        let scene = Scene::on(&world, stage).await;
        let shots = shots(&scene).await;
        scene.quiet().await;
        // From here on only the calls write.
        world.stop_worker().await;
        let tables = Tables::of(&world).await;
        let mut before = tables.counts(&world).await;
        let mut wrong = Vec::new();
        for shot in &shots {
            wrong.extend(shot.fault(&scene).await);
            let after = tables.counts(&world).await;
            let leaves = LEAVES_ROWS.iter().any(|(rpc, code, _)| *rpc == shot.rpc && *code == shot.code);
            if before != after && !leaves {
                wrong.push(format!("{}, {}: rows were left: {before:?} became {after:?}", shot.rpc, shot.when));
            }
            before = after;
        }
        assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
        world.check_ledgers().await;
        scene.close().await;
        server.stop().await;
    }
}
