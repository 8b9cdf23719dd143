//! The outbox: nothing lost, nothing twice, one subject at a time.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use rustbill::core::{
    event::EventType,
    id::Id,
    outbox::{self, NewEvent},
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        world::{World, at_once, clock_at},
    },
};

async fn enqueue(world: &World, subject: Id) -> Id {
    let mut tx = world.db().begin().await.unwrap();
    let event =
        NewEvent { event_type: EventType::OrderCreated, subject_id: subject, order_id: None, payload: json!({}) };
    let id = outbox::enqueue(&mut tx, world.app.clock.now(), event).await.unwrap();
    tx.commit().await.unwrap();
    id
}

async fn claim(world: &World, worker: Id, limit: i64) -> Vec<outbox::Claim> {
    let mut tx = world.db().begin().await.unwrap();
    let claims = outbox::claim(&mut tx, world.app.clock.now(), worker, limit).await.unwrap();
    tx.commit().await.unwrap();
    claims
}

on_both! {
    async fn four_workers_take_each_event_once(world: World) {
        const EVENTS: usize = 400;
        for _ in 0..EVENTS {
            enqueue(&world, Id::generate()).await;
        }
        let world = std::sync::Arc::new(world);
        let taken = at_once(4, |_| {
            let world = std::sync::Arc::clone(&world);
            async move {
                let worker = Id::generate();
                let mut mine = Vec::new();
                loop {
                    let claims = claim(&world, worker, 10).await;
                    if claims.is_empty() {
                        return mine;
                    }
                    for event in claims {
                        let mut tx = world.db().begin().await.unwrap();
                        outbox::finish(&mut tx, world.app.clock.now(), &event).await.unwrap();
                        tx.commit().await.unwrap();
                        mine.push(event.id);
                    }
                }
            }
        })
        .await;
        let mut all: Vec<Id> = taken.into_iter().flatten().collect();
        assert!(!all.is_empty());
        // A worker may have found everything that was left locked by others, and gone.
        loop {
            let claims = claim(&world, Id::generate(), 100).await;
            if claims.is_empty() {
                break;
            }
            all.extend(claims.iter().map(|claim| claim.id));
        }
        assert_eq!((all.len(), all.iter().collect::<BTreeSet<_>>().len()), (EVENTS, EVENTS));
    }

    async fn an_event_of_a_later_version_stops_nothing(world: World) {
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO event_queue (id, event_type, payload, status, subject_id, attempts, failures, available_at, last_error, created_at, updated_at) \
              VALUES ($1, 'tomorrow', '{}', 'pending', $1, 0, 0, $2, '', $2, $2)")
            .bind(Id::generate())
            .bind(world.app.clock.now())
            .execute_one()
            .await
            .unwrap();
        tx.commit().await.unwrap();
        let known = enqueue(&world, Id::generate()).await;
        assert_eq!(claim(&world, Id::generate(), 10).await.iter().map(|claim| claim.id).collect::<Vec<_>>(), [known]);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'tomorrow' AND status = 'pending'").await, 1);
    }

    async fn events_of_one_subject_come_one_after_the_other(world: World) {
        let subject = Id::generate();
        let first = enqueue(&world, subject).await;
        let second = enqueue(&world, subject).await;
        let worker = Id::generate();
        let claims = claim(&world, worker, 10).await;
        assert_eq!(claims.iter().map(|claim| claim.id).collect::<Vec<_>>(), [first]);
        assert!(claim(&world, worker, 10).await.is_empty());
        let mut tx = world.db().begin().await.unwrap();
        outbox::finish(&mut tx, world.app.clock.now(), &claims[0]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(claim(&world, worker, 10).await[0].id, second);
    }

    async fn an_event_that_is_rolled_back_was_never_there(world: World) {
        let mut tx = world.db().begin().await.unwrap();
        let event = NewEvent { event_type: EventType::OrderCreated, subject_id: Id::generate(), order_id: None, payload: json!({}) };
        outbox::enqueue(&mut tx, world.app.clock.now(), event).await.unwrap();
        drop(tx);
        assert!(claim(&world, Id::generate(), 10).await.is_empty());
    }
}

/// The lease and its end, with a clock that is moved by hand.
async fn whoever_comes_too_late_must_not_commit(database: TestDatabase) {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    enqueue(&world, Id::generate()).await;
    let slow = claim(&world, Id::generate(), 1).await.remove(0);
    clock.advance(outbox::LEASE - TimeDelta::seconds(1));
    assert!(claim(&world, Id::generate(), 1).await.is_empty(), "the lease still holds");
    clock.advance(TimeDelta::seconds(2));
    let quick = claim(&world, Id::generate(), 1).await.remove(0);
    assert_eq!((quick.id, quick.attempt), (slow.id, 2));

    let mut tx = world.db().begin().await.unwrap();
    let error = outbox::finish(&mut tx, clock.now(), &slow).await.unwrap_err();
    assert_eq!(error.code(), "event.claim_lost");
    drop(tx);
    let mut tx = world.db().begin().await.unwrap();
    outbox::finish(&mut tx, clock.now(), &quick).await.unwrap();
    tx.commit().await.unwrap();
}

#[tokio::test]
async fn late_sqlite() {
    whoever_comes_too_late_must_not_commit(TestDatabase::sqlite()).await;
}

#[tokio::test]
async fn late_postgres() {
    whoever_comes_too_late_must_not_commit(TestDatabase::postgres().await).await;
}
