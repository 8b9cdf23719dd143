//! Beginning a payment through a gateway.
//!
//! The payment is written before the gateway is asked, so that a callback that comes at once finds it. The gateway is
//! asked outside of any transaction.

use std::net::IpAddr;

use reqwest::Url;
use serde_json::{Value, json};

use super::poll;
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit, customers,
    database::Tx,
    error::{self, Error, Result},
    id::Id,
    invoices::{self, InvoiceStatus},
    money::Money,
    orders::{self, OrderStatus},
    payments::{self, Method, Payment, PaymentStatus, Purpose, store::Outcome},
    plugins::{self, Interface, Kind},
    text,
    time::Timestamp,
};

/// Characters of a URL.
const URL_MAX: usize = 2000;

/// Schemes of addresses that a browser runs, or shows as if they were part of the page that leads there.
const RUN_BY_BROWSERS: [&str; 6] = ["about", "blob", "data", "file", "javascript", "vbscript"];

/// What is paid for.
#[derive(Clone, Copy, Debug)]
pub enum Target {
    /// An order.
    Order(Id),
    /// What is left to pay of an invoice.
    Invoice(Id),
    /// This much for a customer's balance.
    Recharge {
        /// Whose; a customer tops up its own.
        customer_id: Option<Id>,
        /// How much.
        amount: Money,
    },
}

/// Begins a payment and asks the gateway how it is paid. For administrators and the customer itself.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's; `order.wrong_state` and `invoice.wrong_state` for what can't be
/// paid; Internal when the gateway fails and Unavailable when it can't be asked now, and then the payment is failed and
/// another one can be begun.
pub async fn start(app: &App, actor: &Actor, target: Target, gateway: Id, return_url: &str) -> Result<Payment> {
    actor.require(Permission::Authenticated)?;
    let return_url = text::optional("return_url", return_url, URL_MAX)?;
    let interface = usable(app, gateway).await?;
    let (payment, description) = app.database.retry(|| write(app, actor, target, gateway)).await?;
    let business = json!({
        "payment_id": payment.id,
        "order_id": payment.order_id.map(|id| id.to_string()).unwrap_or_default(),
        "invoice_id": payment.invoice_id.map(|id| id.to_string()).unwrap_or_default(),
        "description": description,
        "money": payment.amount,
        "amount": payment.amount,
        "currency": payment.currency,
        "return_url": return_url,
        "notify_url": notify_url(app, &interface),
        // Gateways that look for fraud want to know it; who calls from this machine has none.
        "client_ip": actor.source().parse::<IpAddr>().map(|address| address.to_string()).unwrap_or_default(),
    });
    match app.plugins.call_json(&interface, "create_payment", business).await.and_then(followable) {
        Ok(answer) => app.database.retry(|| keep_answer(app, actor, &payment, &answer)).await,
        Err(error) => {
            let note = error.to_string();
            app.database.retry(|| mark_failed(app, actor, &payment, &note)).await?;
            Err(gateway_failed(&interface, error))
        }
    }
}

/// The answer, unless it sends the customer to an address that would act in the shop's name: what it says may come from
/// the platform as it is. Addresses of payment apps have schemes of their own.
fn followable(answer: Value) -> Result<Value> {
    match Url::parse(plugins::answer_text(&answer, "payment_url")) {
        Ok(url) if RUN_BY_BROWSERS.contains(&url.scheme()) => {
            let words = format!("it answered with a `{}:` address, which customers are not sent to", url.scheme());
            Err(Error::internal("payment.gateway", words))
        }
        _ => Ok(answer),
    }
}

/// Where the gateway sends its notices: what the interface's settings say, else this server's own address; empty when
/// neither is known.
fn notify_url(app: &App, interface: &Interface) -> String {
    if let Some(own) = interface.config.0.get("notify_url").and_then(Value::as_str).filter(|own| !own.is_empty()) {
        return own.to_owned();
    }
    match app.settings.server.external_url.trim_end_matches('/') {
        "" => String::new(),
        server => format!("{server}/callback/{}", interface.id),
    }
}

/// The gateway of this identifier, if payments can be made through it.
pub(super) async fn usable(app: &App, gateway: Id) -> Result<Interface> {
    plugins::usable(&app.database, gateway, &[Kind::Gateway], "gateway_interface_id").await
}

fn gateway_failed(interface: &Interface, cause: Error) -> Error {
    let (code, message) =
        ("payment.gateway", format!("the gateway `{}` could not begin the payment", interface.display_name));
    let error = match cause.kind() {
        error::Kind::Unavailable => Error::unavailable(code, message),
        _ => Error::internal(code, message),
    };
    error.hint("try again or pay another way").caused_by(cause)
}

/// Writes the pending payment, after looking at what it is for.
async fn write(app: &App, actor: &Actor, target: Target, gateway: Id) -> Result<(Payment, String)> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let (customer_id, purpose, order_id, invoice_id, amount, description) = match target {
        Target::Order(id) => {
            let found = orders::store::find(&mut tx, id).await?.ok_or_else(|| Error::not_found("order", id))?;
            actor.require_customer(found.customer_id)?;
            customers::lock(&mut tx, found.customer_id).await?;
            let order = orders::store::lock(&mut tx, id).await?;
            order.status.check_move(OrderStatus::Paid)?;
            orders::store::set_gateway(&mut tx, at, id, Some(gateway), "").await?;
            (order.customer_id, Purpose::Order, Some(id), None, order.total_amount, order.product_name)
        }
        Target::Invoice(id) => {
            let invoice =
                invoices::store::find_head(&mut tx, id).await?.ok_or_else(|| Error::not_found("invoice", id))?;
            actor.require_customer(invoice.customer_id)?;
            if !invoices::is_visible(actor, &invoice)? {
                return Err(Error::not_found("invoice", id));
            }
            invoice.status.check_move(InvoiceStatus::Paid)?;
            let left = invoice.total_amount.minus(invoice.paid_amount)?;
            (invoice.customer_id, Purpose::Invoice, None, Some(id), left, invoice.invoice_number.unwrap_or_default())
        }
        Target::Recharge { customer_id, amount } => {
            let customer_id = actor.one_customer(customer_id)?;
            (customer_id, Purpose::Recharge, None, None, amount, "Balance".to_owned())
        }
    };
    if amount <= Money::ZERO {
        return Err(
            Error::invalid("payment.amount", format!("there is nothing to pay: {amount}")).hint("pay from the balance")
        );
    }
    let customer =
        customers::store::find(&mut tx, customer_id).await?.ok_or_else(|| Error::not_found("customer", customer_id))?;
    if !customer.is_active {
        return Err(Error::invalid("customer.inactive", format!("the customer `{}` is disabled", customer.name)));
    }
    let payment = Payment {
        id: Id::generate(),
        customer_id,
        purpose,
        order_id,
        invoice_id,
        amount,
        refunded_amount: Money::ZERO,
        currency: app.settings.billing.currency.clone(),
        method: Method::Gateway,
        gateway_interface_id: Some(gateway),
        gateway_payment_id: String::new(),
        gateway_tx_id: String::new(),
        payment_url: String::new(),
        qr_code: String::new(),
        instructions: String::new(),
        status: PaymentStatus::Pending,
        note: String::new(),
        paid_at: None,
        created_at: at,
        updated_at: at,
    };
    payments::store::insert(&mut tx, &payment).await?;
    record(&mut tx, at, actor, "payment.create", &payment).await?;
    tx.commit().await?;
    Ok((payment, description))
}

async fn record(tx: &mut Tx, at: Timestamp, actor: &Actor, action: &'static str, payment: &Payment) -> Result<()> {
    let detail = json!({ "after": payment });
    audit::record(
        tx,
        at,
        actor,
        audit::Entry { action, target_type: "payment", target_id: payment.id, detail: &detail },
    )
    .await
}

/// Writes what the gateway answered. A callback may have come first; then the payment keeps its state. An order that
/// was paid or ended meanwhile takes no payment any more, and nobody is told to send money for it.
async fn keep_answer(app: &App, actor: &Actor, payment: &Payment, answer: &Value) -> Result<Payment> {
    let field = |name| plugins::answer_text(answer, name).to_owned();
    let at = app.clock.now();
    let payment = Payment {
        gateway_payment_id: field("gateway_payment_id"),
        payment_url: field("payment_url"),
        qr_code: field("qr_code"),
        instructions: field("instructions"),
        updated_at: at,
        ..payment.clone()
    };
    let mut tx = app.database.begin().await?;
    let order = match payment.order_id {
        Some(order) => Some(orders::store::lock(&mut tx, order).await?),
        None => None,
    };
    let current = payments::store::lock(&mut tx, payment.id).await?;
    if current.status != PaymentStatus::Pending {
        let named = Payment {
            gateway_payment_id: payment.gateway_payment_id,
            payment_url: payment.payment_url,
            qr_code: payment.qr_code,
            instructions: payment.instructions,
            updated_at: at,
            ..current
        };
        payments::store::set_gateway_answer(&mut tx, at, &named, None).await?;
        if let (PaymentStatus::Success, Some(order)) = (named.status, named.order_id) {
            let name = &named.gateway_payment_id;
            orders::store::set_gateway(&mut tx, at, order, named.gateway_interface_id, name).await?;
        }
        tx.commit().await?;
        return Ok(named);
    }
    if let Some(order) = &order {
        if let Err(too_late) = order.status.check_move(OrderStatus::Paid) {
            drop(tx);
            mark_failed(app, actor, &payment, &too_late.to_string()).await?;
            return Err(too_late);
        }
        let name = &payment.gateway_payment_id;
        orders::store::set_gateway(&mut tx, at, order.id, payment.gateway_interface_id, name).await?;
    }
    let first_query = (answer.get("is_queryable") != Some(&Value::Bool(false))).then(|| poll::first(at));
    payments::store::set_gateway_answer(&mut tx, at, &payment, first_query).await?;
    tx.commit().await?;
    Ok(payment)
}

async fn mark_failed(app: &App, actor: &Actor, payment: &Payment, note: &str) -> Result<()> {
    let at = app.clock.now();
    let mut tx = app.database.begin().await?;
    let current = payments::store::lock(&mut tx, payment.id).await?;
    if current.status == PaymentStatus::Pending {
        let outcome = Outcome { status: PaymentStatus::Failed, gateway_tx_id: "", note, paid_at: None };
        payments::store::advance(&mut tx, at, &current, &outcome).await?;
        let failed = Payment { status: PaymentStatus::Failed, note: note.to_owned(), updated_at: at, ..current };
        record(&mut tx, at, actor, "payment.fail", &failed).await?;
    }
    tx.commit().await
}
