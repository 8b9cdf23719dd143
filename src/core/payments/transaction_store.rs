//! SQL of the transactions that gateways reported.

use crate::core::{
    database::{Source, Tx},
    error::Result,
    id::Id,
    time::Timestamp,
};

/// A transaction to be written.
#[derive(Debug)]
pub(crate) struct NewTransaction<'a> {
    /// The gateway.
    pub(crate) gateway: Id,
    /// What the gateway calls the transaction.
    pub(crate) tx_id: &'a str,
    /// The payment that it paid.
    pub(crate) payment: Id,
    /// The payment that the gateway named.
    pub(crate) reported_as: Id,
    /// Who paid.
    pub(crate) customer: Id,
}

/// Takes a transaction for a payment; `false` when it paid another one.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn take(tx: &mut Tx, at: Timestamp, new: &NewTransaction<'_>) -> Result<bool> {
    let taken = tx
        .q("INSERT INTO gateway_transactions (gateway_interface_id, tx_id, payment_id, reported_as, customer_id, created_at) \
            VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (gateway_interface_id, tx_id) DO NOTHING")
        .bind(new.gateway)
        .bind(new.tx_id.to_owned())
        .bind(new.payment)
        .bind(new.reported_as)
        .bind(new.customer)
        .bind(at)
        .execute()
        .await?;
    Ok(taken == 1)
}

/// Whether money was booked for what the gateway calls this payment.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn is_reported(source: impl Source<'_>, payment: Id) -> Result<bool> {
    let found = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM gateway_transactions WHERE reported_as = $1")
        .bind(payment)
        .scalar::<i64>()
        .await?;
    Ok(found > 0)
}

/// Whether money was booked for this transaction of a gateway.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn is_known(source: impl Source<'_>, gateway: Id, tx_id: &str) -> Result<bool> {
    let found = source
        .q("SELECT CAST(COUNT(*) AS BIGINT) FROM gateway_transactions WHERE gateway_interface_id = $1 AND tx_id = $2")
        .bind(gateway)
        .bind(tx_id.to_owned())
        .scalar::<i64>()
        .await?;
    Ok(found > 0)
}

/// The payment as its gateway knows it: another one when the money came after that had failed.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn known_as(source: impl Source<'_>, payment: Id) -> Result<Id> {
    let found = source
        .q("SELECT reported_as FROM gateway_transactions WHERE payment_id = $1 LIMIT 1")
        .bind(payment)
        .scalar_opt::<Id>()
        .await?;
    Ok(found.unwrap_or(payment))
}
