//! What a gateway says of a payment, and booking it: once, however often and from however many sides it is said.

use rust_decimal::Decimal;
use serde_json::{Value, json};

use super::settle;
use crate::core::{
    actor::Actor,
    app::App,
    audit, customers,
    database::Tx,
    error::{Error, Result},
    id::Id,
    payments::{
        self, Payment, PaymentStatus, Purpose,
        store::Outcome,
        transaction_store::{self, NewTransaction},
    },
    plugins,
    text::{self, NAME_MAX, SHOWN_MAX},
    time::Timestamp,
};

/// How often booking starts again because somebody else moved the payment in between.
const ROUNDS: usize = 4;
/// Characters of an answer that the log shows.
const ANSWER_SHOWN: usize = 200;

/// How a payment stands at its gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    Pending,
    Success,
    Failed,
    /// Given back, there or here.
    Refunded,
    /// The script itself noted that it was told this before.
    Duplicate,
}

/// What a script answered to `query_payment`, `handle_callback` or `refund`.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) payment_id: String,
    pub(super) standing: Standing,
    pub(super) tx_id: String,
    /// The text that the gateway wants to hear.
    pub(super) reply: String,
    /// Whether it makes sense to ask again: a bank, for one, can't be asked.
    pub(super) is_queryable: bool,
    amount: Option<String>,
    currency: String,
}

impl Report {
    /// Reads an answer; `None` when it says no known status.
    pub(super) fn read(answer: &Value) -> Option<Self> {
        let field = |name: &str| match answer.get(name) {
            Some(Value::String(text)) => text.trim().to_owned(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let standing = match field("status").to_ascii_lowercase().as_str() {
            "pending" => Standing::Pending,
            "success" => Standing::Success,
            "failed" => Standing::Failed,
            "refunded" => Standing::Refunded,
            "duplicate" => Standing::Duplicate,
            other => {
                let shown = text::shown(other, SHOWN_MAX);
                tracing::error!(status = shown, "a gateway's script answered without a known status");
                return None;
            }
        };
        let reply = ["response", "reply"].map(|name| plugins::answer_text(answer, name));
        Some(Self {
            payment_id: field("payment_id"),
            standing,
            tx_id: field("gateway_tx_id"),
            reply: reply.into_iter().find(|reply| !reply.is_empty()).unwrap_or_default().to_owned(),
            amount: ["amount", "money"].map(field).into_iter().find(|amount| !amount.is_empty()),
            currency: field("currency"),
            is_queryable: answer.get("is_queryable") != Some(&Value::Bool(false)),
        })
    }

    /// What does not fit our record, if anything.
    fn misfit(&self, payment: &Payment) -> Option<String> {
        if let Some(amount) = &self.amount
            && amount.parse::<Decimal>().ok() != Some(payment.amount.decimal())
        {
            let shown = text::shown(amount, SHOWN_MAX);
            return Some(format!("the gateway reports an amount of `{shown}`, expected {}", payment.amount));
        }
        if !self.currency.is_empty() && !self.currency.eq_ignore_ascii_case(&payment.currency) {
            let shown = text::shown(&self.currency, SHOWN_MAX);
            return Some(format!("the gateway reports the currency `{shown}`, expected {}", payment.currency));
        }
        (self.tx_id.chars().count() > NAME_MAX)
            .then(|| format!("the gateway's transaction number has more than {NAME_MAX} characters"))
    }
}

/// What booking a report did.
#[derive(Debug)]
pub(super) enum Booked {
    /// The payment changed.
    Changed(Payment),
    /// There was nothing to change.
    Unchanged(Payment),
    /// It was known already.
    Known(Payment),
}

/// An error for a report that is not about the payment that we know.
pub(super) fn mismatch(what: impl Into<String>) -> Error {
    Error::invalid("payment.mismatch", what)
}

/// Brings a payment up to date with what its gateway says. A success that comes after we took the payment for failed is
/// new money: it goes to the customer's balance under a record of its own, once.
///
/// # Errors
/// `payment.mismatch` for another amount or currency, and for a transaction that paid something else; nothing is booked
/// then, and the operation log says so.
pub(super) async fn book(app: &App, actor: &Actor, payment: &Payment, gateway: Id, report: &Report) -> Result<Booked> {
    let misfit = match report.misfit(payment) {
        None => {
            let mut rounds = 1;
            loop {
                match app.database.retry(|| attempt(app, actor, payment, gateway, report)).await {
                    // Somebody moved it between our look and our lock.
                    Err(error) if error.code() == "payment.wrong_state" && rounds < ROUNDS => rounds += 1,
                    Ok(Err(misfit)) => break misfit,
                    Ok(Ok(booked)) => {
                        app.wake.notify_one();
                        return Ok(booked);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Some(misfit) => misfit,
    };
    tracing::error!(payment = %payment.id, misfit, "a gateway's report does not fit its payment; nothing was booked");
    app.database.retry(|| note_mismatch(app, actor, payment, report, &misfit)).await?;
    Err(mismatch(misfit))
}

async fn note_mismatch(app: &App, actor: &Actor, payment: &Payment, report: &Report, misfit: &str) -> Result<()> {
    let detail = json!({
        "problem": misfit,
        "gateway_tx_id": text::shown(&report.tx_id, NAME_MAX),
        "amount": report.amount.as_deref().map(|amount| text::shown(amount, ANSWER_SHOWN)),
        "currency": text::shown(&report.currency, ANSWER_SHOWN),
    });
    let mut tx = app.database.begin().await?;
    record(&mut tx, app.clock.now(), actor, "payment.mismatch", payment.id, &detail).await?;
    tx.commit().await
}

async fn record(
    tx: &mut Tx,
    at: Timestamp,
    actor: &Actor,
    action: &'static str,
    payment: Id,
    detail: &Value,
) -> Result<()> {
    audit::record(tx, at, actor, audit::Entry { action, target_type: "payment", target_id: payment, detail }).await
}

/// One transaction; the inner error says what does not fit.
async fn attempt(
    app: &App,
    actor: &Actor,
    payment: &Payment,
    gateway: Id,
    report: &Report,
) -> Result<Result<Booked, String>> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    customers::lock(&mut tx, payment.customer_id).await?;
    let missing = || Error::not_found("payment", payment.id);
    let current = payments::store::find(&mut tx, payment.id).await?.ok_or_else(missing)?;
    let booked = match (report.standing, current.status) {
        (Standing::Success, PaymentStatus::Pending) => {
            if !take(&mut tx, at, gateway, report, current.id, &current).await? {
                return Ok(Err(used(report)));
            }
            let settled = settle::settle(&mut tx, at, current.id, &report.tx_id, "").await?;
            record(&mut tx, at, actor, "payment.settle", current.id, &audit::change(current.status, &settled)).await?;
            settled
        }
        (Standing::Success, PaymentStatus::Failed) => {
            payments::store::lock(&mut tx, current.id).await?;
            if transaction_store::is_reported(&mut tx, current.id).await? {
                let is_new =
                    !report.tx_id.is_empty() && !transaction_store::is_known(&mut tx, gateway, &report.tx_id).await?;
                if is_new {
                    note_other(tx, at, actor, &current, report).await?;
                }
                return Ok(Ok(Booked::Known(current)));
            }
            let late = late(&current, at, &report.tx_id);
            if !take(&mut tx, at, gateway, report, late.id, &current).await? {
                return Ok(Err(used(report)));
            }
            book_late(&mut tx, at, actor, &current, &late).await?;
            late
        }
        (Standing::Failed, PaymentStatus::Pending) => {
            let held = payments::store::lock(&mut tx, current.id).await?;
            let outcome = Outcome {
                status: PaymentStatus::Failed,
                gateway_tx_id: &report.tx_id,
                note: "the gateway reports that it failed",
                paid_at: None,
            };
            payments::store::advance(&mut tx, at, &held, &outcome).await?;
            let failed = payments::store::find(&mut tx, current.id).await?.ok_or_else(missing)?;
            record(&mut tx, at, actor, "payment.fail", current.id, &audit::change(held.status, &failed)).await?;
            failed
        }
        (Standing::Success | Standing::Failed, PaymentStatus::Success | PaymentStatus::Refunded) => {
            if report.standing == Standing::Failed || report.tx_id != current.gateway_tx_id {
                tracing::warn!(payment = %current.id, transaction = report.tx_id, standing = ?report.standing,
                    "a gateway says something else of a payment that is settled; nothing was changed");
            }
            if report.standing == Standing::Success && !report.tx_id.is_empty() && report.tx_id != current.gateway_tx_id
            {
                note_other(tx, at, actor, &current, report).await?;
            }
            return Ok(Ok(Booked::Known(current)));
        }
        (Standing::Failed, PaymentStatus::Failed) | (Standing::Duplicate, _) => return Ok(Ok(Booked::Known(current))),
        (Standing::Pending, _) => return Ok(Ok(Booked::Unchanged(current))),
        (Standing::Refunded, _) => {
            tracing::warn!(payment = %current.id, "a gateway reports a refund; nothing was booked for it here");
            return Ok(Ok(Booked::Unchanged(current)));
        }
    };
    tx.commit().await?;
    Ok(Ok(Booked::Changed(booked)))
}

/// Perhaps somebody paid twice: only a person can tell, who must be able to find it.
async fn note_other(mut tx: Tx, at: Timestamp, actor: &Actor, payment: &Payment, report: &Report) -> Result<()> {
    tracing::warn!(payment = %payment.id, transaction = report.tx_id, "another transaction came for a payment that is there");
    let detail = json!({ "gateway_tx_id": report.tx_id, "known_gateway_tx_id": payment.gateway_tx_id });
    record(&mut tx, at, actor, "payment.other_transaction", payment.id, &detail).await?;
    tx.commit().await
}

fn used(report: &Report) -> String {
    format!("the gateway's transaction `{}` paid something else already", text::shown(&report.tx_id, SHOWN_MAX))
}

/// Takes the gateway's transaction for the payment `booked`.
async fn take(
    tx: &mut Tx,
    at: Timestamp,
    gateway: Id,
    report: &Report,
    booked: Id,
    reported: &Payment,
) -> Result<bool> {
    // A gateway that gives no numbers can pay each payment once all the same.
    let unnumbered = format!("payment:{}", reported.id);
    let new = NewTransaction {
        gateway,
        tx_id: if report.tx_id.is_empty() { &unnumbered } else { &report.tx_id },
        payment: booked,
        reported_as: reported.id,
        customer: reported.customer_id,
    };
    transaction_store::take(tx, at, &new).await
}

/// The record of money that came for a payment that had failed.
fn late(failed: &Payment, at: Timestamp, tx_id: &str) -> Payment {
    Payment {
        id: Id::generate(),
        purpose: Purpose::Recharge,
        order_id: None,
        invoice_id: None,
        gateway_tx_id: tx_id.to_owned(),
        payment_url: String::new(),
        qr_code: String::new(),
        instructions: String::new(),
        status: PaymentStatus::Success,
        note: format!("came after payment {} had failed", failed.id),
        paid_at: Some(at),
        created_at: at,
        updated_at: at,
        ..failed.clone()
    }
}

async fn book_late(tx: &mut Tx, at: Timestamp, actor: &Actor, failed: &Payment, late: &Payment) -> Result<()> {
    tracing::warn!(payment = %failed.id, booked = %late.id, "money came for a payment that had failed; it goes to the balance");
    payments::store::insert(tx, late).await?;
    settle::credit(tx, at, late, failed.id).await?;
    let detail = json!({ "failed_payment_id": failed.id, "after": late });
    record(tx, at, actor, "payment.late", late.id, &detail).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_scripts_write_them() {
        let report = Report::read(&json!({
            "payment_id": " p ", "status": "SUCCESS", "gateway_tx_id": null, "money": 29.5, "response": "", "reply": "ok",
        }))
        .unwrap();
        assert_eq!((report.payment_id.as_str(), report.standing), ("p", Standing::Success));
        assert!(report.is_queryable);
        let report = Report::read(&json!({ "status": "pending", "is_queryable": false })).unwrap();
        assert!(!report.is_queryable);
        let report = Report::read(&json!({ "status": "success", "money": 29.5, "reply": "ok" })).unwrap();
        assert_eq!((report.amount.as_deref(), report.reply.as_str(), report.tx_id.as_str()), (Some("29.5"), "ok", ""));
        for answer in [json!(null), json!("paid"), json!({}), json!({ "status": 1 }), json!({ "status": "paid" })] {
            assert!(Report::read(&answer).is_none(), "{answer}");
        }
    }
}
