//! Payments and their states.

use crate::core::{id::Id, money::Money, time::Timestamp};

crate::text_enum! {
    /// How far a payment got.
    PaymentStatus, "status" {
        /// Begun; the money has not come.
        Pending = "pending",
        /// The money is there.
        Success = "success",
        /// It will not come.
        Failed = "failed",
        /// All of it was given back.
        Refunded = "refunded",
    }
}

impl PaymentStatus {
    /// Where it may go from here. Every pair that is not here is refused.
    #[must_use]
    pub const fn next(self) -> &'static [Self] {
        match self {
            Self::Pending => &[Self::Success, Self::Failed],
            Self::Success => &[Self::Refunded],
            Self::Failed | Self::Refunded => &[],
        }
    }
}

crate::moves!(PaymentStatus, "payment", "payment.wrong_state");

crate::text_enum! {
    /// What a payment is for.
    Purpose, "purpose" {
        /// An order.
        Order = "order",
        /// An invoice.
        Invoice = "invoice",
        /// The customer's balance.
        Recharge = "recharge",
    }
}

crate::text_enum! {
    /// How a payment is made.
    Method, "method" {
        /// From the customer's balance.
        Balance = "balance",
        /// Through a gateway.
        Gateway = "gateway",
        /// Recorded by an administrator, who saw the money come by another way.
        Manual = "manual",
    }
}

crate::text_enum! {
    /// How far a refund got.
    RefundStatus, "refund status" {
        /// Reserved; whether the money left is not known yet.
        Pending = "pending",
        /// The money is with the payer.
        Success = "success",
        /// The money stayed here, and can be given back another time.
        Failed = "failed",
    }
}

/// A part of a payment that is given back.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Refund {
    /// The identifier; gateways know a repeated request by it.
    pub id: Id,
    /// Who paid.
    pub customer_id: Id,
    /// The payment.
    pub payment_id: Id,
    /// How much.
    pub amount: Money,
    /// How far it got.
    pub status: RefundStatus,
    /// Why it is so.
    pub note: String,
    /// When it was reserved.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A payment.
#[derive(Clone, Debug, serde::Serialize, sqlx::FromRow)]
pub struct Payment {
    /// The identifier; gateways carry it.
    pub id: Id,
    /// Who pays.
    pub customer_id: Id,
    /// What for.
    pub purpose: Purpose,
    /// The order, if it is for one.
    pub order_id: Option<Id>,
    /// The invoice, if it is for one.
    pub invoice_id: Option<Id>,
    /// How much.
    pub amount: Money,
    /// How much of it was given back.
    pub refunded_amount: Money,
    /// The currency.
    pub currency: String,
    /// How it is made.
    pub method: Method,
    /// Through which gateway; only with the method `gateway`.
    pub gateway_interface_id: Option<Id>,
    /// What the gateway calls it.
    pub gateway_payment_id: String,
    /// The gateway's number of the transaction.
    pub gateway_tx_id: String,
    /// Where the customer pays; may be empty.
    pub payment_url: String,
    /// What the customer scans; may be empty.
    pub qr_code: String,
    /// What the customer reads; may be empty.
    pub instructions: String,
    /// How far it got.
    pub status: PaymentStatus,
    /// Why it is so, or what an administrator wrote.
    pub note: String,
    /// When the money came.
    pub paid_at: Option<Timestamp>,
    /// When it was begun.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_states_are_those_of_the_contract() {
        use PaymentStatus::{Failed, Pending, Refunded, Success};
        let allowed = [(Pending, Success), (Pending, Failed), (Success, Refunded)];
        for &from in PaymentStatus::ALL {
            for &to in PaymentStatus::ALL {
                assert_eq!(from.check_move(to).is_ok(), allowed.contains(&(from, to)), "{from} to {to}");
            }
        }
    }
}
