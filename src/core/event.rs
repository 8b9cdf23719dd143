//! The catalogue of events: what the outbox carries and what notifiers are told.

use crate::text_enum;

text_enum! {
    /// Something that happened and that others react to.
    EventType, "event_type" {
        /// An order was placed.
        OrderCreated = "order_created",
        /// An order was paid in full; the worker provisions it.
        OrderPaid = "order_paid",
        /// The server of an order runs.
        OrderProvisioned = "order_provisioned",
        /// An order came to its end before it ran; what was paid is back.
        OrderCancelled = "order_cancelled",
        /// An order that had, or may have, a server came to its end; the worker gives the server back. Nobody is told.
        OrderEnded = "order_ended",
        /// A refund was reserved and its gateway is to be asked, again if need be. Nobody is told.
        RefundRequested = "refund_requested",
        /// An order was suspended; the worker has its server stopped. Nobody is told.
        OrderSuspended = "order_suspended",
        /// A suspended order goes on; the worker has its server started. Nobody is told.
        OrderResumed = "order_resumed",
        /// A server was given back to its provider.
        InstanceTerminated = "instance_terminated",
        /// A ticket got another assignee.
        TicketAssigned = "ticket_assigned",
        /// Somebody answered a ticket.
        TicketReplied = "ticket_replied",
        /// An invoice got its number.
        InvoiceIssued = "invoice_issued",
        /// An invoice was not paid in time.
        InvoiceOverdue = "invoice_overdue",
        /// A code for registration or password reset.
        VerificationCode = "verification_code",
    }
}

impl EventType {
    /// Whether it is work for the worker only, of which nobody is told who did not ask for it by name.
    #[must_use]
    pub const fn is_internal(self) -> bool {
        matches!(self, Self::OrderEnded | Self::OrderSuspended | Self::OrderResumed | Self::RefundRequested)
    }

    /// The event that a plugin names in `supported_events`, also by the dotted names of the authors' documentation.
    #[must_use]
    pub fn from_plugin_name(name: &str) -> Option<Self> {
        match name {
            "instance.ready" => Some(Self::OrderProvisioned),
            "billing.overdue" => Some(Self::InvoiceOverdue),
            name => Self::parse(&name.replace('.', "_")).ok(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_names_are_known() {
        assert_eq!(EventType::from_plugin_name("order.paid"), Some(EventType::OrderPaid));
        assert_eq!(EventType::from_plugin_name("order_paid"), Some(EventType::OrderPaid));
        assert_eq!(EventType::from_plugin_name("instance.ready"), Some(EventType::OrderProvisioned));
        assert_eq!(EventType::from_plugin_name("weather.changed"), None);
    }
}
