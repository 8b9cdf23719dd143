//! Who may call what, over the wire: every RPC of the contract as every kind of caller.
//!
//! What is expected follows from the contract's word for the permission. What a word does not say stands in the tables
//! below, each line with its reason.

use serde_json::Value;
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dump::Tables,
        dynamic,
        rows::{ROWS, contract, request},
        server::{InProcess, channel},
        stage::Stage,
        world::World,
    },
};

/// For everybody who is logged in, but about one customer's things: another customer is refused.
const OF_ONE_CUSTOMER: &[&str] = &[
    "OrderService/CreateOrder",
    "OrderService/PayOrder",
    "PaymentService/CreatePayment",
    "TicketService/CreateTicket",
    "TicketService/CreateReply",
    "BalanceService/CreateRecharge",
];

/// What an API key may not do although its customer may.
const NOT_FOR_KEYS: &[(&str, Code, &str)] = &[
    ("ApiKeyService/CreateApiKey", Code::PermissionDenied, "a stolen key must not make itself another one"),
    ("ApiKeyService/ListApiKeys", Code::PermissionDenied, "it manages no keys"),
    ("ApiKeyService/RevokeApiKey", Code::PermissionDenied, "it manages no keys"),
    ("IdentityService/ChangePassword", Code::Unauthenticated, "it is no user and has no password: log in as one"),
    ("IdentityService/GetMe", Code::Unauthenticated, "it is no user: log in as one"),
];

/// Where whoever is let in gets another answer than Ok to the row's request.
const ANSWERED_OTHERWISE: &[(&str, Code, &str)] = &[
    ("IdentityService/Register", Code::InvalidArgument, "the code was never sent"),
    ("IdentityService/ResetPassword", Code::InvalidArgument, "the code was never sent"),
    ("PaymentService/HandleCallback", Code::InvalidArgument, "the signature is wrong"),
];

/// Every name in the tables is one of the contract's.
fn check_tables() {
    let named = OF_ONE_CUSTOMER
        .iter()
        .chain(NOT_FOR_KEYS.iter().map(|(name, ..)| name))
        .chain(ANSWERED_OTHERWISE.iter().map(|(name, ..)| name));
    for name in named {
        assert!(ROWS.contains(name), "{name} is no RPC");
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Who {
    Nobody,
    Owner,
    Stranger,
    Operator,
    Admin,
    Key,
}

/// The code that a caller gets for the row's request.
fn expected(rpc: &str, permission: &str, who: Who, message: &Value) -> Code {
    let is_administrator = matches!(who, Who::Operator | Who::Admin);
    let let_in = ANSWERED_OTHERWISE.iter().find(|(name, ..)| *name == rpc).map_or(Code::Ok, |(_, code, _)| *code);
    if who == Who::Nobody && permission != "public" {
        return Code::Unauthenticated;
    }
    let not_for_keys = NOT_FOR_KEYS.iter().find(|(name, ..)| *name == rpc);
    if let (Who::Key, Some((_, code, _))) = (who, not_for_keys) {
        return *code;
    }
    let may = match permission {
        "public" => true,
        "authenticated" => who != Who::Stranger || !OF_ONE_CUSTOMER.contains(&rpc),
        "admin" => is_administrator,
        "admin-only" => who == Who::Admin,
        // A list that names no customer shows a stranger its own rows.
        "admin: all; customer: own" => {
            who != Who::Stranger || (rpc.contains("/List") && message.get("customer_id").is_none())
        }
        "admin, or customer with can_create_api_keys" | "admin, or the customer that owns the key" => {
            // Without a customer it is about the caller's own keys.
            who != Who::Stranger || (rpc.contains("/List") && message.get("customer_id").is_none())
        }
        other => panic!("{rpc} has the permission `{other}`, which this test does not know"),
    };
    if may { let_in } else { Code::PermissionDenied }
}

/// Calls with a row's request and notes it when the answer is another one than expected.
async fn judge(
    stage: &Stage<'_>,
    (rpc, permission): (&str, &str),
    (who, token): (Who, &str),
    message: &Value,
    wrong: &mut Vec<String>,
) -> String {
    let answer = dynamic::call(&stage.channel, rpc, message, token).await;
    let (code, text) = match &answer {
        Ok(answer) => (Code::Ok, answer.to_string()),
        Err(status) => (status.code(), status.message().to_owned()),
    };
    let expected = expected(rpc, permission, who, message);
    if code != expected {
        wrong.push(format!("{rpc} ({permission}) as {who:?}: {code:?} instead of {expected:?}: {text:.200}"));
    }
    text
}

/// Nobody and a stranger try everything with the owner's things, and nothing of the owner's changes or is told.
async fn strangers(stage: &Stage<'_>, rpcs: &[(&'static str, String)], wrong: &mut Vec<String>) {
    let tables = Tables::of(stage.world).await;
    let tokens = [(Who::Nobody, ""), (Who::Stranger, stage.everybody.callers[2].token.as_str())];
    // All of them before the first call, so that making them is not taken for a change.
    let mut messages = [Vec::new(), Vec::new()];
    for messages in &mut messages {
        for (rpc, _) in rpcs {
            messages.push(request(stage, rpc).await);
        }
    }
    stage.quiet().await;
    let ids = tables.ids_of(stage.world, stage.owner).await;
    let before = tables.rows_of(stage.world, stage.owner).await;
    assert!(before.len() > 50, "the owner has something to lose: {}", before.len());
    for ((who, token), messages) in tokens.into_iter().zip(&messages) {
        for ((rpc, permission), message) in rpcs.iter().zip(messages) {
            // The rows of a list are its own, with the owner's filter and without one.
            let mut own = message.clone();
            let has_filter = own.as_object_mut().unwrap().remove("customer_id").is_some();
            let filters: &[&Value] = if has_filter && rpc.contains("/List") { &[message, &own] } else { &[message] };
            for message in filters {
                let text = judge(stage, (rpc, permission), (who, token), message, wrong).await;
                for id in ids.iter().filter(|id| text.contains(*id) && !message.to_string().contains(*id)) {
                    wrong.push(format!("{rpc} told {who:?} of {id}: {text:.200}"));
                }
            }
        }
    }
    stage.quiet().await;
    let after = tables.rows_of(stage.world, stage.owner).await;
    for (verb, row) in
        before.difference(&after).map(|row| ("had", row)).chain(after.difference(&before).map(|row| ("has", row)))
    {
        wrong.push(format!("a stranger changed the owner's rows: it {verb} {row}"));
    }
}

on_both! {
    async fn every_rpc_lets_in_whom_it_should(world: World) {
        check_tables();
        let rpcs = contract();
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        // Only now: its own look at the plugin directory must not meet a file that is being written.
        world.start_worker();
        let mut wrong = Vec::new();
        strangers(&stage, &rpcs, &mut wrong).await;
        let key = stage.secret().await;
        let callers = &stage.everybody.callers;
        let tokens = [
            (Who::Owner, &callers[1].token),
            (Who::Key, &key),
            (Who::Operator, &callers[3].token),
            (Who::Admin, &callers[4].token),
        ];
        for (rpc, permission) in &rpcs {
            for (who, token) in tokens {
                let message = request(&stage, rpc).await;
                judge(&stage, (rpc, permission), (who, token), &message, &mut wrong).await;
            }
        }
        assert!(wrong.is_empty(), "{} wrong answers:\n{}", wrong.len(), wrong.join("\n"));
        world.check_ledgers().await;
        server.stop().await;
    }
}
