//! Tickets and their states.

use crate::core::{
    error::{Error, Result},
    id::Id,
    time::Timestamp,
};

crate::text_enum! {
    /// How far a ticket got.
    TicketStatus, "status" {
        /// Nobody took care of it yet.
        Pending = "pending",
        /// Somebody takes care of it.
        Processing = "processing",
        /// Answered; a customer who is not content reopens it.
        Resolved = "resolved",
        /// Over; final.
        Closed = "closed",
    }
}

crate::text_enum! {
    /// How much a ticket hurries.
    Priority, "priority" {
        /// It can wait.
        Low = "low",
        /// As usual.
        Medium = "medium",
        /// Business suffers.
        High = "high",
        /// Business stands still.
        Urgent = "urgent",
    }
}

impl TicketStatus {
    /// Where it may go from here: forward by any number of steps, and back only to be reopened. Every pair that is
    /// not here is refused.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Processing, Self::Resolved, Self::Closed],
            Self::Processing => &[Self::Resolved, Self::Closed],
            Self::Resolved => &[Self::Processing, Self::Closed],
            Self::Closed => &[],
        }
    }

    /// The state after a reply: an answer begins the work, a customer's reply reopens what was thought to be done.
    /// A note of the administrators says nothing to the customer and changes nothing.
    ///
    /// # Errors
    /// `ticket.closed`.
    pub fn after_reply(self, author: Author) -> Result<Self> {
        match (self, author) {
            (Self::Closed, _) => {
                Err(Error::invalid("ticket.closed", "the ticket is closed and takes no replies")
                    .hint("open a new ticket"))
            }
            (Self::Pending, Author::Administrator) | (Self::Resolved, Author::Customer) => Ok(Self::Processing),
            (Self::Pending, Author::Customer | Author::Note)
            | (Self::Processing, Author::Customer | Author::Administrator | Author::Note)
            | (Self::Resolved, Author::Administrator | Author::Note) => Ok(self),
        }
    }
}

crate::moves!(TicketStatus, "ticket", "ticket.wrong_state");

/// Whose a reply is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// The customer's.
    Customer,
    /// An administrator's, for the customer.
    Administrator,
    /// An administrator's, for administrators only.
    Note,
}

/// A ticket.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Ticket {
    /// The identifier.
    pub id: Id,
    /// Whose.
    pub customer_id: Id,
    /// The subject.
    pub title: String,
    /// What is wrong.
    pub description: String,
    /// How far it got.
    pub status: TicketStatus,
    /// How much it hurries.
    pub priority: Priority,
    /// The administrator who takes care of it.
    pub assignee_user_id: Option<Id>,
    /// The administrator who opened it; none when its customer did.
    pub creator_user_id: Option<Id>,
    /// When it was opened.
    pub created_at: Timestamp,
    /// When it was changed or answered last.
    pub updated_at: Timestamp,
    /// Its replies, as far as the reader may see them; empty in lists.
    #[sqlx(skip)]
    pub replies: Vec<Reply>,
}

/// A reply.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Reply {
    /// The identifier.
    pub id: Id,
    /// The ticket.
    pub ticket_id: Id,
    /// The ticket's customer.
    pub customer_id: Id,
    /// The user who wrote it; none for a key and for the command line.
    pub user_id: Option<Id>,
    /// Whether the customer wrote it.
    pub author_is_customer: bool,
    /// The text.
    pub content: String,
    /// Whether it is a note that customers do not see.
    pub is_internal: bool,
    /// When it was written.
    pub created_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_those_of_the_contract() {
        use TicketStatus::{Closed, Pending, Processing, Resolved};
        let allowed = [
            (Pending, Processing),
            (Pending, Resolved),
            (Pending, Closed),
            (Processing, Resolved),
            (Processing, Closed),
            (Resolved, Closed),
            (Resolved, Processing),
        ];
        for &from in TicketStatus::ALL {
            for &to in TicketStatus::ALL {
                assert_eq!(from.check_move(to).is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
            }
        }
    }

    #[test]
    fn a_reply_only_moves_where_an_administrator_could() {
        for author in [Author::Customer, Author::Administrator, Author::Note] {
            for &from in TicketStatus::ALL {
                let Ok(to) = from.after_reply(author) else {
                    assert_eq!(from, TicketStatus::Closed);
                    continue;
                };
                assert!(to == from || from.next().contains(&to), "{from} to {to} by {author:?}");
            }
        }
        assert_eq!(TicketStatus::Resolved.after_reply(Author::Customer).unwrap(), TicketStatus::Processing);
        assert_eq!(TicketStatus::Pending.after_reply(Author::Administrator).unwrap(), TicketStatus::Processing);
        assert_eq!(TicketStatus::Pending.after_reply(Author::Note).unwrap(), TicketStatus::Pending);
    }
}
