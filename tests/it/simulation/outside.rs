//! What is outside of the program: a provider's machines and a gateway's books, behind HTTP on loopback. They are honest,
//! and what they answer may be late, lost or a refusal. What happened here is what the program's own records must say.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{Json, Router, extract::Path, extract::State, routing::post};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustbill::core::money::Money;
use serde_json::{Value, json};

use crate::support::world::money;

/// Everything outside, and its way of answering.
pub(super) struct Books {
    /// The machines that run, by their orders.
    machines: BTreeMap<String, Machine>,
    /// The orders that had a machine once.
    ended: BTreeSet<String>,
    /// The accounts of the gateway, by our payments.
    pub(super) accounts: BTreeMap<String, Account>,
    /// One in this many requests goes wrong; none with 0.
    trouble: u32,
    chance: StdRng,
}

struct Machine {
    /// Questions until it runs.
    wait: u32,
}

/// What the gateway knows of a payment.
#[derive(Clone)]
pub(super) struct Account {
    pub(super) amount: Money,
    pub(super) is_paid: bool,
    /// What was given back, by the keys of the refunds.
    pub(super) refunds: BTreeMap<String, Money>,
}

/// What comes of a request.
#[derive(PartialEq)]
enum Verdict {
    Good,
    /// A clear no, and nothing happened.
    Refused,
    /// Nothing happened, and nobody hears so.
    LostBefore,
    /// It happened, and nobody hears so.
    LostAfter,
    /// It happened or will; an answer that says neither.
    Pending,
}

/// The server of it.
#[derive(Clone)]
pub(super) struct Outside {
    pub(super) url: String,
    books: Arc<Mutex<Books>>,
}

impl Outside {
    pub(super) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let books = Arc::new(Mutex::new(Books::empty(0)));
        let router = Router::new().route("/{place}/{what}", post(answer)).with_state(Arc::clone(&books));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, books }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap()
    }
}

impl Books {
    pub(super) fn empty(seed: u64) -> Self {
        let chance = StdRng::seed_from_u64(seed);
        Self { machines: BTreeMap::new(), ended: BTreeSet::new(), accounts: BTreeMap::new(), trouble: 0, chance }
    }

    /// From now on one in `trouble` requests goes wrong; none with 0.
    pub(super) fn set_trouble(&mut self, trouble: u32) {
        self.trouble = trouble;
    }

    /// The orders whose machines run or will.
    pub(super) fn machines(&self) -> BTreeSet<String> {
        self.machines.keys().cloned().collect()
    }

    fn verdict(&mut self) -> Verdict {
        if self.trouble == 0 || self.chance.random_range(0..self.trouble) != 0 {
            return Verdict::Good;
        }
        match self.chance.random_range(0..4) {
            0 => Verdict::Refused,
            1 => Verdict::LostBefore,
            2 => Verdict::LostAfter,
            _ => Verdict::Pending,
        }
    }

    fn provider(&mut self, what: &str, order: String, instance: &str) -> Value {
        // Later calls may name the machine alone.
        let order = if order.is_empty() { instance.trim_start_matches("m-").to_owned() } else { order };
        let verdict = self.verdict();
        match verdict {
            Verdict::Refused => return json!({ "verdict": "refused" }),
            Verdict::LostBefore => return json!({ "verdict": "lost" }),
            Verdict::Good | Verdict::LostAfter | Verdict::Pending => {}
        }
        let answer = match what {
            "create" => {
                let wait = if verdict == Verdict::Pending { 3 } else { 0 };
                let machine = self.machines.entry(order.clone()).or_insert(Machine { wait });
                let status = if machine.wait > 0 { "creating" } else { "running" };
                let made = json!({ "instance_id": format!("m-{order}"), "status": status, "ip_address": "192.0.2.1" });
                Some(made.to_string())
            }
            "status" => self.machines.get_mut(&order).map(|machine| {
                machine.wait = machine.wait.saturating_sub(1);
                if machine.wait > 0 { "creating" } else { "running" }.to_owned()
            }),
            "terminate" => {
                if self.machines.remove(&order).is_some() {
                    self.ended.insert(order.clone());
                }
                self.ended.contains(&order).then(String::new)
            }
            other => panic!("nobody asks a provider for {other}"),
        };
        match answer {
            _ if verdict == Verdict::LostAfter => json!({ "verdict": "lost" }),
            Some(answer) => json!({ "verdict": "good", "answer": answer }),
            None => json!({ "verdict": "refused" }),
        }
    }

    fn gateway(&mut self, what: &str, payment: String, refund: String, amount: &str) -> Value {
        let verdict = self.verdict();
        // A refund that was made is not refused when it is asked for again: nobody could find out the truth.
        let is_made = self.accounts.get(&payment).is_some_and(|account| account.refunds.contains_key(&refund));
        match verdict {
            Verdict::Refused if !is_made => return json!({ "verdict": "refused" }),
            Verdict::LostBefore => return json!({ "verdict": "lost" }),
            Verdict::Good | Verdict::Refused | Verdict::LostAfter | Verdict::Pending => {}
        }
        let account = self.accounts.get_mut(&payment);
        let answer = match (what, account) {
            ("create", None) => {
                let account = Account { amount: money(amount), is_paid: false, refunds: BTreeMap::new() };
                self.accounts.insert(payment, account);
                json!({ "verdict": "good" })
            }
            ("create", Some(_)) => json!({ "verdict": "good" }),
            ("query", Some(account)) => {
                let status = if account.is_paid { "success" } else { "pending" };
                json!({ "verdict": "good", "status": status, "amount": account.amount })
            }
            ("refund", Some(account)) => {
                let left = account.refunds.values().fold(account.amount, |left, given| left.minus(*given).unwrap());
                let amount = money(amount);
                if account.refunds.contains_key(&refund) {
                    json!({ "verdict": "good" })
                } else if account.is_paid && amount <= left {
                    account.refunds.insert(refund, amount);
                    json!({ "verdict": "good" })
                } else {
                    json!({ "verdict": "refused" })
                }
            }
            (_, None) => json!({ "verdict": "refused" }),
            (other, Some(_)) => panic!("nobody asks a gateway for {other}"),
        };
        match verdict {
            Verdict::LostAfter => json!({ "verdict": "lost" }),
            Verdict::Pending if answer["verdict"] == "good" => json!({ "verdict": "pending", "status": "pending" }),
            _ => answer,
        }
    }
}

async fn answer(
    State(books): State<Arc<Mutex<Books>>>,
    Path((place, what)): Path<(String, String)>,
    Json(asked): Json<Value>,
) -> Json<Value> {
    let field = |name: &str| asked[name].as_str().unwrap_or_default().to_owned();
    let mut books = books.lock().unwrap();
    Json(match place.as_str() {
        "provider" => books.provider(&what, field("order_id"), &field("instance_id")),
        _ => books.gateway(&what, field("payment_id"), field("refund_id"), &field("amount")),
    })
}
