//! SQL of tickets.

use super::{
    model::{Reply, Ticket},
    operations::TicketFilter,
};
use crate::core::{
    database::{Database, Query, Source, Tx},
    error::{Error, Result},
    id::Id,
    page::{Page, PageRequest},
};

const SELECT: &str = "SELECT id, customer_id, title, description, status, priority, assignee_user_id, creator_user_id, \
                      created_at, updated_at FROM tickets";
const REPLIES: &str = "SELECT id, ticket_id, customer_id, user_id, author_is_customer, content, is_internal, created_at \
                       FROM ticket_replies";

/// The ticket without its replies.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find(source: impl Source<'_>, id: Id) -> Result<Option<Ticket>> {
    source.q(SELECT).push_bind(" WHERE id = ", id).opt().await
}

/// The ticket without its replies, locked until the transaction ends.
///
/// # Errors
/// NotFound.
pub(super) async fn lock(tx: &mut Tx, id: Id) -> Result<Ticket> {
    let ticket = tx
        .q_for_update(
            "SELECT id, customer_id, title, description, status, priority, assignee_user_id, creator_user_id, \
             created_at, updated_at FROM tickets WHERE id = $1",
        )
        .bind(id)
        .lock()
        .opt()
        .await?;
    ticket.ok_or_else(|| Error::not_found("ticket", id))
}

/// The replies of a ticket in their order, with or without the notes of the administrators.
pub(super) async fn replies(source: impl Source<'_>, ticket: &Ticket, with_notes: bool) -> Result<Vec<Reply>> {
    let query = source
        .q(REPLIES)
        .push_bind(" WHERE ticket_id = ", ticket.id)
        .push_bind(" AND customer_id = ", ticket.customer_id);
    let query = if with_notes { query } else { query.push(" AND is_internal = FALSE") };
    query.push(" ORDER BY created_at, id").all().await
}

/// One reply.
///
/// # Errors
/// When the database can't be used.
pub(crate) async fn find_reply(source: impl Source<'_>, ticket: &Ticket, id: Id) -> Result<Option<Reply>> {
    source.q(REPLIES).push_bind(" WHERE id = ", id).push_bind(" AND customer_id = ", ticket.customer_id).opt().await
}

/// How many replies and notes a ticket has.
pub(super) async fn count_replies(tx: &mut Tx, ticket: &Ticket) -> Result<i64> {
    tx.q("SELECT CAST(COUNT(*) AS BIGINT) FROM ticket_replies WHERE ticket_id = $1 AND customer_id = $2")
        .bind(ticket.id)
        .bind(ticket.customer_id)
        .scalar()
        .await
}

fn narrowed<'e>(query: Query<'e>, filter: &TicketFilter) -> Query<'e> {
    query
        .push(" WHERE 1 = 1")
        .filter(" AND customer_id = ", filter.customer_id)
        .filter(" AND status = ", filter.status)
        .filter(" AND priority = ", filter.priority)
        .filter(" AND assignee_user_id = ", filter.assignee_user_id)
}

/// A page of tickets without their replies.
pub(super) async fn list(database: &Database, filter: &TicketFilter, page: PageRequest) -> Result<Page<Ticket>> {
    let count = narrowed(database.q("SELECT CAST(COUNT(*) AS BIGINT) FROM tickets"), filter);
    let rows = narrowed(database.q(SELECT), filter).push(" ORDER BY created_at DESC, id DESC");
    page.fetch(count, rows).await
}

/// Writes a new ticket.
pub(super) async fn insert(tx: &mut Tx, ticket: &Ticket) -> Result<()> {
    tx.q("INSERT INTO tickets (id, customer_id, title, description, status, priority, assignee_user_id, creator_user_id, \
          created_at, updated_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)")
        .bind(ticket.id)
        .bind(ticket.customer_id)
        .bind(ticket.title.clone())
        .bind(ticket.description.clone())
        .bind(ticket.status)
        .bind(ticket.priority)
        .bind(ticket.assignee_user_id)
        .bind(ticket.creator_user_id)
        .bind(ticket.created_at)
        .bind(ticket.updated_at)
        .execute_one()
        .await
}

/// Writes what may change of a ticket that this transaction holds.
pub(super) async fn save(tx: &mut Tx, ticket: &Ticket) -> Result<()> {
    tx.q("UPDATE tickets SET description = $3, status = $4, priority = $5, assignee_user_id = $6, updated_at = $7 \
          WHERE id = $1 AND customer_id = $2")
        .bind(ticket.id)
        .bind(ticket.customer_id)
        .bind(ticket.description.clone())
        .bind(ticket.status)
        .bind(ticket.priority)
        .bind(ticket.assignee_user_id)
        .bind(ticket.updated_at)
        .execute_one()
        .await
}

/// Writes a new reply.
pub(super) async fn insert_reply(tx: &mut Tx, reply: &Reply) -> Result<()> {
    tx.q("INSERT INTO ticket_replies (id, customer_id, ticket_id, user_id, author_is_customer, content, is_internal, created_at) \
          VALUES ($1, $2, $3, $4, $5, $6, $7, $8)")
        .bind(reply.id)
        .bind(reply.customer_id)
        .bind(reply.ticket_id)
        .bind(reply.user_id)
        .bind(reply.author_is_customer)
        .bind(reply.content.clone())
        .bind(reply.is_internal)
        .bind(reply.created_at)
        .execute_one()
        .await
}

/// Deletes a ticket; its replies go with it.
pub(super) async fn delete(tx: &mut Tx, ticket: &Ticket) -> Result<()> {
    tx.q("DELETE FROM tickets WHERE id = $1 AND customer_id = $2")
        .bind(ticket.id)
        .bind(ticket.customer_id)
        .execute_one()
        .await
}
