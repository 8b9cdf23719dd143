//! Use cases of balances.

use serde_json::json;

use super::{
    model::{Balance, Transaction, TransactionType},
    store,
};
use crate::core::{
    actor::{Actor, Permission},
    app::App,
    audit, customers,
    database::Tx,
    error::{Error, Result},
    id::Id,
    ledger::{self, Account, Kind, Posting, Subject},
    money::Money,
    page::{Page, PageRequest},
    text::{self, NAME_MAX},
    time::Timestamp,
};

/// A movement to be written.
#[derive(Clone, Debug)]
pub struct Movement {
    /// Whose balance.
    pub customer_id: Id,
    /// Why.
    pub transaction_type: TransactionType,
    /// How much; negative takes from the balance.
    pub amount: Money,
    /// What it is in the ledger.
    pub kind: Kind,
    /// The account on the other side: where the money comes from, or goes when the amount is negative.
    pub against: Account,
    /// What it tells of in the ledger; these rows must be there. [`apply`] adds its own row.
    pub about: Subject,
    /// What it belongs to.
    pub reference_id: String,
    /// What a person reads.
    pub description: String,
}

/// Moves a customer's balance inside a transaction, with the row that the customer sees and the transaction in the
/// ledger. The customer's row is locked, so that movements of one customer come one after the other.
///
/// # Errors
/// NotFound; `balance.insufficient` when a payment would leave less than the credit allows.
pub async fn apply(tx: &mut Tx, at: Timestamp, movement: Movement) -> Result<Transaction> {
    let customer = customers::lock(tx, movement.customer_id).await?;
    let after = customer.balance.plus(movement.amount)?;
    let lowest = customer.credit_limit.negated();
    // Corrections, recharges and refunds may leave a debt that payments may not make.
    if movement.transaction_type == TransactionType::Payment && after < lowest {
        return Err(Error::invalid(
            "balance.insufficient",
            format!("the balance of {} does not cover {}", customer.balance, movement.amount.negated()),
        )
        .hint("top up the balance or pay through a gateway"));
    }
    let row = Transaction {
        id: Id::generate(),
        customer_id: movement.customer_id,
        transaction_type: movement.transaction_type,
        amount: movement.amount,
        balance_before: customer.balance,
        balance_after: after,
        reference_id: movement.reference_id,
        description: movement.description,
        created_at: at,
    };
    store::set_balance(tx, at, row.customer_id, row.balance_before, row.balance_after).await?;
    store::insert(tx, &row).await?;
    let about = Subject { balance_transaction_id: Some(row.id), ..movement.about };
    let posting = Posting::transfer(row.customer_id, movement.kind, movement.against, Account::Wallet, row.amount);
    ledger::post(tx, at, &posting.about(about)).await?;
    Ok(row)
}

/// Corrects a balance by hand, up or down. For administrators.
///
/// # Errors
/// NotFound; `balance.zero` for an amount of nothing; PermissionDenied for others.
pub async fn adjust(
    app: &App,
    actor: &Actor,
    customer_id: Id,
    amount: Money,
    description: &str,
) -> Result<Transaction> {
    actor.require(Permission::Admin)?;
    if amount.is_zero() {
        return Err(Error::invalid(
            "balance.zero",
            "`amount` is `0.00`, expected an amount to add or, with `-`, to take",
        ));
    }
    let description = text::optional("description", description, NAME_MAX)?;
    app.database
        .retry(|| async {
            let at = app.clock.now();
            let mut tx = app.database.begin().await?;
            let movement = Movement {
                customer_id,
                transaction_type: TransactionType::Adjustment,
                amount,
                kind: Kind::Adjustment,
                against: Account::Adjustments,
                about: Subject::default(),
                reference_id: String::new(),
                description: description.clone(),
            };
            let row = apply(&mut tx, at, movement).await?;
            let entry = audit::Entry {
                action: "balance.adjust",
                target_type: "customer",
                target_id: customer_id,
                detail: &json!({ "after": row }),
            };
            audit::record(&mut tx, at, actor, entry).await?;
            tx.commit().await?;
            Ok(row)
        })
        .await
}

/// What a customer has. Without an identifier a customer asks for its own.
///
/// # Errors
/// NotFound; PermissionDenied for another customer's.
pub async fn get(app: &App, actor: &Actor, customer_id: Option<Id>) -> Result<Balance> {
    let customer_id = actor.one_customer(customer_id)?;
    let customer = customers::store::find(&app.database, customer_id)
        .await?
        .ok_or_else(|| Error::not_found("customer", customer_id))?;
    Ok(Balance { customer_id, balance: customer.balance, credit_limit: customer.credit_limit })
}

/// What a list of movements is narrowed to.
#[derive(Clone, Copy, Debug, Default)]
pub struct TransactionFilter {
    /// One customer's.
    pub customer_id: Option<Id>,
    /// One reason.
    pub transaction_type: Option<TransactionType>,
}

/// A page of movements; customers see their own.
///
/// # Errors
/// PermissionDenied for another customer's.
pub async fn list(app: &App, actor: &Actor, filter: TransactionFilter, page: PageRequest) -> Result<Page<Transaction>> {
    let filter = TransactionFilter { customer_id: actor.scope()?.narrow(filter.customer_id)?, ..filter };
    store::list(&app.database, &filter, page).await
}
