//! The database layer keeps its promises when things are cut short.

use rustbill::core::{database::is_unique_violation, id::Id, money::Money};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        wait,
        world::{World, at_once, money},
    },
};

on_both! {
    async fn a_begin_that_is_cancelled_loses_no_later_write(world: World) {
        const ABORTED: usize = 400;
        let customer = world.customer().await;
        for _ in 0..ABORTED {
            let database = world.db().clone();
            let task = tokio::spawn(async move { database.begin().await.map(drop) });
            tokio::task::yield_now().await;
            task.abort();
            let _ = task.await;
        }
        // Writes after that, seen by connections that did not make them.
        for index in 0..50_i64 {
            let mut tx = world.db().begin().await.unwrap();
            tx.q("INSERT INTO invoice_counters (year, last_number) VALUES ($1, 0)").bind(index).execute_one().await.unwrap();
            tx.commit().await.unwrap();
        }
        let other = world.database.connect().await;
        assert_eq!(other.q("SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_counters").scalar::<i64>().await.unwrap(), 50);
        world.top_up(customer.id, "1.00").await;
    }

    async fn dropped_and_aborted_transactions_leave_nothing(world: World) {
        for index in 0..50_i64 {
            let database = world.db().clone();
            let (written, is_written) = tokio::sync::oneshot::channel();
            let task = tokio::spawn(async move {
                let mut tx = database.begin().await.unwrap();
                tx.q("INSERT INTO invoice_counters (year, last_number) VALUES ($1, 0)").bind(index).execute_one().await.unwrap();
                written.send(()).unwrap();
                // Half of them wait here until they are aborted, the others are dropped.
                if index % 2 == 0 {
                    std::future::pending::<()>().await;
                }
            });
            is_written.await.unwrap();
            task.abort();
            let _ = task.await;
        }
        wait::until("everything is rolled back", async || {
            world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_counters").await == 0
        })
        .await;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO invoice_counters (year, last_number) VALUES (1, 0)").execute_one().await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM invoice_counters").await, 1);
    }

    async fn a_row_that_is_read_and_written_by_many_loses_no_change(world: World) {
        const WRITERS: usize = 16;
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO invoice_counters (year, last_number) VALUES (1, 0)").execute_one().await.unwrap();
        tx.commit().await.unwrap();
        at_once(WRITERS, |_| {
            let database = world.db().clone();
            async move {
                let mut tx = database.begin().await.unwrap();
                let seen = tx.q_for_update("SELECT last_number FROM invoice_counters WHERE year = 1").lock().scalar::<i64>().await.unwrap();
                tokio::task::yield_now().await;
                tx.q("UPDATE invoice_counters SET last_number = $1 WHERE year = 1").bind(seen + 1).execute_one().await.unwrap();
                tx.commit().await.unwrap();
            }
        })
        .await;
        assert_eq!(world.count("SELECT last_number FROM invoice_counters").await, i64::try_from(WRITERS).unwrap());
    }

    async fn transactions_in_opposite_order_come_through(world: World) {
        let mut tx = world.db().begin().await.unwrap();
        tx.q("INSERT INTO invoice_counters (year, last_number) VALUES (1, 0), (2, 0)").execute().await.unwrap();
        tx.commit().await.unwrap();
        at_once(8, |index| {
            let database = world.db().clone();
            let years = if index % 2 == 0 { [1_i64, 2] } else { [2, 1] };
            async move {
                database
                    .retry(|| async {
                        let mut tx = database.begin().await?;
                        for year in years {
                            tx.q("UPDATE invoice_counters SET last_number = last_number + 1 WHERE year = $1").bind(year).execute_one().await?;
                            tokio::task::yield_now().await;
                        }
                        tx.commit().await
                    })
                    .await
                    .unwrap();
            }
        })
        .await;
        assert_eq!(world.count("SELECT CAST(SUM(last_number) AS BIGINT) FROM invoice_counters").await, 16);
    }

    async fn values_come_back_as_they_went(world: World) {
        let customer = world.customer().await;
        world.top_up(customer.id, "0.07").await;
        let at = world.app.clock.now();
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE customers SET balance = balance * 3, updated_at = $2 WHERE id = $1").bind(customer.id).bind(at).execute_one().await.unwrap();
        tx.commit().await.unwrap();
        let row: (Money, rustbill::core::time::Timestamp, Id) =
            world.db().q("SELECT balance, updated_at, id FROM customers").one().await.unwrap();
        assert_eq!(row, (money("0.21"), at, customer.id));
        assert_eq!(world.db().q("SELECT SUM(balance) FROM customers").scalar::<Money>().await.unwrap(), money("0.21"));
        assert_eq!(world.db().q("SELECT SUM(balance) FROM customers WHERE 1 = 0").scalar::<Option<Money>>().await.unwrap(), None);
    }

    async fn a_promise_that_is_broken_is_recognised(world: World) {
        let mut tx = world.db().begin().await.unwrap();
        let insert = "INSERT INTO invoice_counters (year, last_number) VALUES (1, 0)";
        tx.q(insert).execute_one().await.unwrap();
        let error = tx.q(insert).execute_one().await.unwrap_err();
        assert!(is_unique_violation(&error), "{error}");
        assert!(!error.public_message().contains("invoice_counters"), "{}", error.public_message());
    }

    async fn too_few_values_are_an_error_and_no_null(world: World) {
        let error = world.db().q("SELECT CAST($1 AS BIGINT)").scalar::<Option<i64>>().await.unwrap_err();
        assert_eq!(error.code(), "database.placeholders");
    }
}
