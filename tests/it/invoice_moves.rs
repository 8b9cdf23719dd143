//! What becomes of invoices: every pair of states over the wire, money that pays them, days that pass.

use chrono::{NaiveDate, TimeDelta};
use rustbill::core::{
    customers::Customer,
    error::Kind,
    id::Id,
    invoices::{self, Invoice, InvoiceStatus, NewInvoice, NewItem},
    orders::OrderStatus,
    page::PageRequest,
    payments::{self, Method, Payment, PaymentFilter, PaymentStatus},
    settlement::{self, InvoiceUpdate, OrderUpdate, Target},
};
use serde_json::json;
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        server::{InProcess, admin_token, channel, customer_token},
        world::{World, actor_of, at_once, money},
    },
};

/// The contract's table, written down here once more.
const ALLOWED: [(&str, &[&str]); 5] = [
    ("draft", &["issued", "cancelled"]),
    ("issued", &["paid", "overdue", "cancelled"]),
    ("overdue", &["paid", "cancelled"]),
    ("paid", &[]),
    ("cancelled", &[]),
];

fn to(status: InvoiceStatus) -> InvoiceUpdate {
    InvoiceUpdate { status: Some(status), notes: None }
}

async fn moved(world: &World, invoice: Id, status: InvoiceStatus) -> Invoice {
    settlement::update_invoice(&world.app, &world.admin, invoice, &to(status)).await.unwrap()
}

/// A draft over 113.00 to be paid by a day.
async fn draft(world: &World, customer: &Customer, due_date: NaiveDate) -> Id {
    let new = NewInvoice {
        customer_id: customer.id,
        billing_period_start: due_date,
        billing_period_end: due_date,
        amount: money("100.00"),
        tax_amount: money("13.00"),
        total_amount: money("113.00"),
        due_date,
        notes: "As agreed.".to_owned(),
        items: vec![NewItem {
            description: "Work".to_owned(),
            quantity: 4,
            unit_price: money("25.00"),
            amount: money("100.00"),
        }],
    };
    invoices::create(&world.app, &world.admin, &new).await.unwrap().id
}

fn yesterday(world: &World) -> NaiveDate {
    world.app.clock.now().date() - TimeDelta::days(1)
}

/// A fresh invoice in this state that was to be paid until yesterday.
async fn invoice_in(world: &World, customer: &Customer, status: &str) -> Id {
    use InvoiceStatus::{Cancelled, Issued, Overdue, Paid};
    let id = draft(world, customer, yesterday(world)).await;
    let path: &[InvoiceStatus] = match status {
        "issued" => &[Issued],
        "overdue" => &[Issued, Overdue],
        "paid" => &[Issued, Paid],
        "cancelled" => &[Cancelled],
        _ => &[],
    };
    for step in path {
        moved(world, id, *step).await;
    }
    id
}

async fn found(world: &World, invoice: Id) -> Invoice {
    invoices::get(&world.app, &world.admin, invoice).await.unwrap()
}

async fn payments_of(world: &World, invoice: Id) -> Vec<Payment> {
    let filter = PaymentFilter { invoice_id: Some(invoice), ..PaymentFilter::default() };
    payments::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap().items
}

async fn events_of(world: &World, invoice: Id) -> Vec<String> {
    let sql = "SELECT event_type FROM event_queue WHERE subject_id = $1 ORDER BY id";
    world.db().q(sql).bind(invoice).scalars().await.unwrap()
}

on_both! {
    async fn every_pair_of_states_is_moved_or_refused_as_the_table_says(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        let customer = world.customer().await;
        for (from, next) in ALLOWED {
            for (target, _) in ALLOWED {
                let id = invoice_in(&world, &customer, from).await;
                let message = json!({ "id": id, "status": target });
                let answer = dynamic::call(&channel, "BillingService/UpdateInvoice", &message, &token).await;
                let now = found(&world, id).await;
                if next.contains(&target) {
                    let answer = answer.unwrap();
                    assert_eq!((&answer["invoice"]["status"], now.status.to_string().as_str()), (&json!(target), target));
                    assert_eq!(answer["invoice"]["items"].as_array().unwrap().len(), 1);
                } else {
                    let status = answer.unwrap_err();
                    assert_eq!(status.code(), Code::InvalidArgument, "{from} to {target}: {status}");
                    assert!(status.message().contains(from) && status.message().contains(target), "{from} to {target}: {status}");
                    assert_eq!(now.status.to_string(), from, "{from} to {target}");
                }
                let is_paid = now.status == InvoiceStatus::Paid;
                assert_eq!((now.paid_amount == now.total_amount, now.paid_at.is_some()), (is_paid, is_paid), "{from} to {target}");
                assert_eq!(payments_of(&world, id).await.len(), usize::from(is_paid), "{from} to {target}");
                let is_numbered = now.invoice_number.is_some();
                assert_eq!(is_numbered, from != "cancelled" && !(from == "draft" && target != "issued"), "{from} to {target}");
            }
        }
        assert_eq!(world.balance(customer.id).await, "0.00");
        server.stop().await;
    }

    async fn money_that_came_another_way_pays_what_is_left(world: World) {
        let customer = world.customer().await;
        let id = invoice_in(&world, &customer, "overdue").await;
        moved(&world, id, InvoiceStatus::Paid).await;
        let payment = payments_of(&world, id).await.remove(0);
        assert_eq!((payment.method, payment.status, payment.amount), (Method::Manual, PaymentStatus::Success, money("113.00")));
        assert_eq!(payment.note, format!("recorded by {}", world.admin.name()));
        assert_eq!(world.balance(customer.id).await, "0.00");
        world.check_ledgers().await;
    }

    async fn notes_are_a_draft_s(world: World) {
        let customer = world.customer().await;
        let id = invoice_in(&world, &customer, "draft").await;
        let update = async |change: &InvoiceUpdate| settlement::update_invoice(&world.app, &world.admin, id, change).await;
        assert_eq!(update(&InvoiceUpdate::default()).await.unwrap_err().code(), "invoice.no_change");
        let notes = |text: &str, status| InvoiceUpdate { notes: Some(text.to_owned()), status };
        assert_eq!(update(&notes("Changed.", None)).await.unwrap().notes, "Changed.");
        let issued = update(&notes("", Some(InvoiceStatus::Issued))).await.unwrap();
        assert_eq!((issued.status, issued.notes.as_str()), (InvoiceStatus::Issued, ""));
        for change in [notes("Late.", None), notes("Late.", Some(InvoiceStatus::Paid))] {
            let error = update(&change).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "invoice.issued"));
        }
        let now = found(&world, id).await;
        assert_eq!((now.status, now.notes.as_str()), (InvoiceStatus::Issued, ""));
    }

    async fn an_invoice_is_overdue_when_its_last_day_is_over_and_not_before(world: World) {
        let customer = world.customer().await;
        let today = world.app.clock.now().date();
        let not_yet = draft(&world, &customer, today + TimeDelta::days(1)).await;
        moved(&world, not_yet, InvoiceStatus::Issued).await;
        let error = settlement::update_invoice(&world.app, &world.admin, not_yet, &to(InvoiceStatus::Overdue)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "invoice.not_due"));

        let mut late = Vec::new();
        for _ in 0..5 {
            late.push(invoice_in(&world, &customer, "issued").await);
        }
        let unissued = invoice_in(&world, &customer, "draft").await;
        // As several servers would.
        let counts = at_once(4, |_| {
            let (app, admin) = (world.app.clone(), world.admin.clone());
            async move { invoices::mark_overdue(&app, &admin).await.unwrap() }
        })
        .await;
        assert_eq!(counts.iter().sum::<u32>(), 5);
        for id in &late {
            assert_eq!(found(&world, *id).await.status, InvoiceStatus::Overdue);
            assert_eq!(events_of(&world, *id).await, ["invoice_issued", "invoice_overdue"]);
        }
        assert_eq!(found(&world, not_yet).await.status, InvoiceStatus::Issued);
        assert_eq!(found(&world, unissued).await.status, InvoiceStatus::Draft);
    }

    async fn the_worker_notices_what_is_overdue(world: World) {
        let customer = world.customer().await;
        let id = invoice_in(&world, &customer, "issued").await;
        world.start_worker();
        crate::support::wait::until("it is overdue", async || found(&world, id).await.status == InvoiceStatus::Overdue).await;
        world.until_quiet().await;
        let logged = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'invoice.overdue' AND actor_name = 'billing'";
        assert_eq!(world.count(logged).await, 1);
    }

    async fn instalments_of_a_cancelled_invoice_stay_billed(world: World) {
        let provider = world.instant_provider().await;
        let customer = world.customer().await;
        world.top_up(customer.id, "29.00").await;
        let order = world.order(&customer, &world.product(&provider).await).await;
        settlement::pay_order(&world.app, &world.admin, order.id, None).await.unwrap();
        world.start_worker();
        let order = world.until_order_is(order.id, OrderStatus::Active).await;
        let first = order.activated_at.unwrap().date();
        let generate = async || invoices::generate(&world.app, &world.admin, first, first + TimeDelta::days(40)).await.unwrap();
        assert_eq!(generate().await, 1);
        let made = invoices::list(&world.app, &world.admin, invoices::InvoiceFilter::default(), PageRequest::default())
            .await
            .unwrap()
            .items
            .remove(0);
        assert_eq!((made.items.len(), made.paid_amount, made.total_amount), (2, money("29.00"), money("58.00")));

        // Money that came for the invoice itself would be forgotten.
        let set_paid = async |amount: &str| {
            let mut tx = world.db().begin().await.unwrap();
            tx.q("UPDATE invoices SET paid_amount = $2 WHERE id = $1").bind(made.id).bind(money(amount)).execute_one().await.unwrap();
            tx.commit().await.unwrap();
        };
        set_paid("30.00").await;
        let error = settlement::update_invoice(&world.app, &world.admin, made.id, &to(InvoiceStatus::Cancelled)).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "invoice.paid_in_part"));
        set_paid("29.00").await;

        let cancelled = moved(&world, made.id, InvoiceStatus::Cancelled).await;
        assert_eq!(cancelled.invoice_number, made.invoice_number);
        assert_eq!(generate().await, 0);
        // What was paid with the order is still the order's.
        let filter = PaymentFilter { order_id: Some(order.id), ..PaymentFilter::default() };
        let paid = payments::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap().items.remove(0);
        assert_eq!((paid.status, paid.refunded_amount), (PaymentStatus::Success, money("0.00")));
        let end = OrderUpdate { status: Some(OrderStatus::Terminated), ..OrderUpdate::default() };
        settlement::update_order(&world.app, &world.admin, order.id, &end).await.unwrap();
        world.check_ledgers().await;
    }

    async fn a_payment_that_comes_for_a_cancelled_invoice_becomes_balance(world: World) {
        world.write_plugin("gateway-friendly.rn", include_str!("scripts/gateway-friendly.rn"));
        let gateway = world.interface("gateway-friendly.rn", json!({})).await;
        let customer = world.customer().await;
        let id = invoice_in(&world, &customer, "issued").await;
        let payment = settlement::start(&world.app, &world.admin, Target::Invoice(id), gateway.id, "").await.unwrap();
        moved(&world, id, InvoiceStatus::Cancelled).await;
        settlement::confirm(&world.app, &world.admin, payment.id, "", "").await.unwrap();
        assert_eq!(world.balance(customer.id).await, "113.00");
        world.check_ledgers().await;
    }

    async fn an_invoice_is_paid_from_the_balance_once(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let token = customer_token(&channel, &user.username).await;
        let owner = actor_of(&user);
        let id = invoice_in(&world, &customer, "overdue").await;
        let pay = async |invoice: Id| {
            dynamic::call(&channel, "PaymentService/CreatePayment", &json!({ "invoice_id": invoice }), &token).await
        };
        let poor = pay(id).await.unwrap_err();
        assert_eq!(poor.code(), Code::InvalidArgument);
        assert!(poor.message().contains("balance"), "{poor}");
        assert_eq!(pay(invoice_in(&world, &customer, "draft").await).await.unwrap_err().code(), Code::NotFound);
        let other = world.customer().await;
        let foreign = pay(invoice_in(&world, &other, "issued").await).await.unwrap_err();
        assert_eq!(foreign.code(), Code::PermissionDenied);

        world.top_up(customer.id, "250.00").await;
        let results = at_once(6, |_| {
            let (app, owner) = (world.app.clone(), owner.clone());
            async move { settlement::pay(&app, &owner, Target::Invoice(id), None, "").await }
        })
        .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|error| error.code() == "invoice.wrong_state"));
        assert_eq!(world.balance(customer.id).await, "137.00");
        let paid = found(&world, id).await;
        assert_eq!((paid.status, paid.paid_amount), (InvoiceStatus::Paid, money("113.00")));
        assert_eq!(payments_of(&world, id).await[0].method, Method::Balance);

        let answer = pay(invoice_in(&world, &customer, "issued").await).await.unwrap();
        assert_eq!((&answer["payment"]["status"], &answer["payment"]["gateway_interface_id"]), (&json!("success"), &json!("")));
        // An order is paid in the same way.
        let order = world.order(&customer, &world.product(&world.instant_provider().await).await).await;
        world.top_up(customer.id, "5.00").await;
        let message = json!({ "order_id": order.id });
        dynamic::call(&channel, "PaymentService/CreatePayment", &message, &token).await.unwrap();
        assert_eq!(world.balance(customer.id).await, "0.00");
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn only_what_never_had_a_number_is_deleted(world: World) {
        let customer = world.customer().await;
        let delete = async |id: Id| invoices::delete(&world.app, &world.admin, id).await;
        for status in ["issued", "overdue", "paid"] {
            let id = invoice_in(&world, &customer, status).await;
            let error = delete(id).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "invoice.issued"), "{status}");
            assert_eq!(error.advice().is_some(), status != "paid", "{status}");
            assert_eq!(found(&world, id).await.status.to_string(), status);
        }
        let numbered = invoice_in(&world, &customer, "issued").await;
        moved(&world, numbered, InvoiceStatus::Cancelled).await;
        assert_eq!(delete(numbered).await.unwrap_err().code(), "invoice.issued");
        for status in ["draft", "cancelled"] {
            let id = invoice_in(&world, &customer, status).await;
            delete(id).await.unwrap();
            assert_eq!(delete(id).await.unwrap_err().kind(), Kind::NotFound);
        }
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_items").await, 4, "the others' lines");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action = 'invoice.delete'").await, 2);
    }
}
