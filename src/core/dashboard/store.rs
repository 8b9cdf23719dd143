//! SQL of the figures: reading only, over the tables of all slices.

use crate::core::{database::Database, error::Result, money::Money, time::Timestamp};

/// How many there are of a kind.
#[derive(sqlx::FromRow)]
pub(super) struct Count {
    pub(super) name: String,
    pub(super) count: i64,
}

/// What is counted; states that nothing is in are absent. One statement, so that all are of one moment.
pub(super) async fn counts(database: &Database) -> Result<Vec<Count>> {
    database
        .q("SELECT 'customers' AS name, CAST(COUNT(*) AS BIGINT) AS count FROM customers \
            UNION ALL SELECT 'instances', CAST(COUNT(*) AS BIGINT) FROM instances WHERE status <> 'terminated' \
            UNION ALL SELECT 'products', CAST(COUNT(*) AS BIGINT) FROM products \
            UNION ALL SELECT 'orders', CAST(COUNT(*) AS BIGINT) FROM orders \
            UNION ALL SELECT 'orders_' || status, CAST(COUNT(*) AS BIGINT) FROM orders GROUP BY status \
            UNION ALL SELECT 'invoices_' || status, CAST(COUNT(*) AS BIGINT) FROM invoices WHERE status IN ('issued', 'overdue') GROUP BY status \
            UNION ALL SELECT 'tickets_open', CAST(COUNT(*) AS BIGINT) FROM tickets WHERE status IN ('pending', 'processing') \
            UNION ALL SELECT 'payments_pending', CAST(COUNT(*) AS BIGINT) FROM payments WHERE status = 'pending' \
            UNION ALL SELECT 'events_failed', CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status = 'failed'")
        .all()
        .await
}

/// What came in on a day.
#[derive(sqlx::FromRow)]
pub(super) struct Income {
    pub(super) day: String,
    pub(super) amount: Money,
    pub(super) orders: i64,
}

/// The revenue of each day since a moment, where there is any. A timestamp as text begins with its day on both
/// databases: sessions of PostgreSQL are in UTC and write ISO dates, SQLite keeps the text.
pub(super) async fn revenue(database: &Database, since: Timestamp) -> Result<Vec<Income>> {
    database
        .q("SELECT SUBSTR(CAST(paid_at AS TEXT), 1, 10) AS day, SUM(amount - refunded_amount) AS amount, \
            CAST(COUNT(CASE WHEN status = 'success' THEN order_id END) AS BIGINT) AS orders FROM payments \
            WHERE status IN ('success', 'refunded') AND purpose IN ('order', 'invoice')")
        .push_bind(" AND paid_at >= ", since)
        .push(" GROUP BY SUBSTR(CAST(paid_at AS TEXT), 1, 10)")
        .all()
        .await
}

/// What is left to pay of issued and overdue invoices.
pub(super) async fn receivable(database: &Database) -> Result<Money> {
    let sum = database.q("SELECT SUM(total_amount - paid_amount) FROM invoices WHERE status IN ('issued', 'overdue')");
    Ok(sum.scalar::<Option<Money>>().await?.unwrap_or(Money::ZERO))
}
