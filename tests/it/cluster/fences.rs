//! Whoever lost a role commits nothing in its name, whenever it notices.

use rustbill::core::{
    actor::Actor,
    cluster::{Fence, LOST, Member, Role, prove},
    event::EventType,
    id::Id,
    invoices::{self, NewInvoice, NewItem},
    outbox::{self, NewEvent},
    settlement,
};
use serde_json::json;

use super::{change, holder, join, until_holder};
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        wait,
        world::{World, clock_at, money},
    },
};

/// Another server takes all roles while this one is paused.
async fn take_over(world: &World) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE leader_role SET holder = $1, epoch = epoch + 1").bind(Id::generate()).execute().await.unwrap();
    tx.commit().await.unwrap();
}

async fn fence(world: &World, role: Role) -> (Member, Fence) {
    let (id, member) = join(world, world.app.clock.clone());
    until_holder(world, role, id).await;
    let roles = member.roles();
    let fence = wait::value("the member knows", async || roles.fence(role)).await;
    (member, fence)
}

async fn claim(world: &World, fence: Fence) -> outbox::Claim {
    let mut tx = world.db().begin().await.unwrap();
    let event = NewEvent::of_order(EventType::OrderCreated, Id::generate(), json!({}));
    outbox::enqueue(&mut tx, world.app.clock.now(), event).await.unwrap();
    let mut claim = outbox::claim(&mut tx, world.app.clock.now(), fence.holder, 1).await.unwrap().remove(0);
    tx.commit().await.unwrap();
    claim.fence = Some(fence);
    claim
}

async fn overdue_invoice(world: &World) -> Id {
    let day = |text: &str| text.parse().unwrap();
    let new = NewInvoice {
        customer_id: world.customer().await.id,
        billing_period_start: day("2026-01-01"),
        billing_period_end: day("2026-01-31"),
        amount: money("10.00"),
        tax_amount: money("0.00"),
        total_amount: money("10.00"),
        due_date: day("2026-02-14"),
        notes: String::new(),
        items: vec![NewItem {
            description: "Traffic".to_owned(),
            quantity: 1,
            unit_price: money("10.00"),
            amount: money("10.00"),
        }],
    };
    let id = invoices::create(&world.app, &world.admin, &new).await.unwrap().id;
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE invoices SET status = 'issued', invoice_number = 'X-1' WHERE id = $1")
        .bind(id)
        .execute_one()
        .await
        .unwrap();
    tx.commit().await.unwrap();
    id
}

on_both! {
    async fn an_event_is_not_ended_by_who_lost_the_role(world: World) {
        let (_member, fence) = fence(&world, Role::EventWorker).await;
        let claim = claim(&world, fence).await;
        take_over(&world).await;
        // The claim itself still is this server's: nobody else took the event yet.
        let at = world.app.clock.now();
        let mut tx = world.db().begin().await.unwrap();
        assert_eq!(outbox::finish(&mut tx, at, &claim).await.unwrap_err().code(), LOST);
        assert_eq!(outbox::hold(&mut tx, &claim).await.unwrap_err().code(), LOST);
        assert_eq!(outbox::renew(&mut tx, at, &claim).await.unwrap_err().code(), LOST);
        assert_eq!(outbox::retry_later(&mut tx, at, &claim, 1, "x").await.unwrap_err().code(), LOST);
        assert_eq!(outbox::give_up(&mut tx, at, &claim, 8, "x").await.unwrap_err().code(), LOST);
        tx.rollback().await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status = 'processing'").await, 1);
        // Who handles an event of its own needs no role.
        let own = outbox::Claim { fence: None, ..claim };
        let mut tx = world.db().begin().await.unwrap();
        outbox::finish(&mut tx, at, &own).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn nobody_bills_who_lost_the_role(world: World) {
        let invoice = overdue_invoice(&world).await;
        let (_member, fence) = fence(&world, Role::Billing).await;
        let actor = Actor::system("billing").with_fence(fence);
        take_over(&world).await;
        let error = invoices::mark_overdue(&world.app, &actor).await.unwrap_err();
        assert_eq!(error.code(), LOST);
        let status = invoices::get(&world.app, &world.admin, invoice).await.unwrap().status;
        assert_eq!(status, invoices::InvoiceStatus::Issued);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'invoice_overdue'").await, 0);
    }

    async fn a_member_notices_that_it_was_replaced(world: World) {
        change(&world, "UPDATE leader_role SET ttl_secs = 3").await;
        let (member, fence) = fence(&world, Role::EventWorker).await;
        take_over(&world).await;
        let mut tx = world.db().begin().await.unwrap();
        assert_eq!(prove(&mut tx, Some(&fence)).await.unwrap_err().code(), LOST);
        tx.rollback().await.unwrap();
        if world.db().is_postgres() {
            wait::until("it steps down", async || member.roles().fence(Role::EventWorker) != Some(fence)).await;
        }
    }
}

/// Orders that nobody paid are cancelled in the name of a role.
#[tokio::test(flavor = "multi_thread")]
async fn nobody_cancels_orders_who_lost_the_role() {
    let clock = clock_at("2026-03-01T00:00:00Z");
    let world = World::with_clock(TestDatabase::postgres().await, clock.clone()).await;
    let product = world.product(&world.instant_provider().await).await;
    let order = world.order(&world.customer().await, &product).await;
    clock.advance(chrono::TimeDelta::hours(25));
    let (_member, fence) = fence(&world, Role::EventWorker).await;
    take_over(&world).await;
    let actor = Actor::system("worker").with_fence(fence);
    assert_eq!(settlement::cancel_unpaid(&world.app, &actor).await.unwrap_err().code(), LOST);
    assert_eq!(world.order_state(order.id).await.status, rustbill::core::orders::OrderStatus::Pending);
}

/// A lease that ran out is over even when nobody has taken the role: who was paused can't know.
#[tokio::test(flavor = "multi_thread")]
async fn a_lease_that_ran_out_proves_nothing() {
    let world = World::on(TestDatabase::postgres().await).await;
    let (_member, fence) = fence(&world, Role::EventWorker).await;
    let mut tx = world.db().begin().await.unwrap();
    prove(&mut tx, Some(&fence)).await.unwrap();
    tx.rollback().await.unwrap();
    change(&world, "UPDATE leader_role SET heartbeat_at = clock_timestamp() - INTERVAL '31 seconds'").await;
    let mut tx = world.db().begin().await.unwrap();
    assert_eq!(prove(&mut tx, Some(&fence)).await.unwrap_err().code(), LOST);
    tx.rollback().await.unwrap();
    // It takes the role anew, as the next holder.
    wait::until("it has the role again", async || holder(&world, Role::EventWorker).await == (Some(fence.holder), 2))
        .await;
}

/// What was proved stays so until the commit, and nobody has to wait to renew it.
#[tokio::test(flavor = "multi_thread")]
async fn a_proof_holds_off_who_would_take_over_and_not_who_renews() {
    let world = World::on(TestDatabase::postgres().await).await;
    let (_member, fence) = fence(&world, Role::EventWorker).await;
    let mut proving = world.db().begin().await.unwrap();
    prove(&mut proving, Some(&fence)).await.unwrap();
    let take = async || {
        let mut tx = world.db().begin().await?;
        tx.q("SET LOCAL lock_timeout = '300ms'").execute().await?;
        tx.q_alone("SELECT epoch FROM leader_role WHERE role = 'event_worker'").lock().scalar::<i64>().await
    };
    assert!(take().await.unwrap_err().is_conflict(), "it waits");
    let mut renewing = world.db().begin().await.unwrap();
    renewing.q("SET LOCAL lock_timeout = '300ms'").execute().await.unwrap();
    renewing
        .q("UPDATE leader_role SET heartbeat_at = clock_timestamp() WHERE role = 'event_worker'")
        .execute_one()
        .await
        .unwrap();
    renewing.commit().await.unwrap();
    proving.commit().await.unwrap();
    assert_eq!(take().await.unwrap(), fence.epoch);
}
