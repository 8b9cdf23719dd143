//! Rows beside what the ledger has for them, and what must hold between the two.

use super::model::{CheckReport, Code, Difference};
use crate::core::{
    error::Result,
    id::Id,
    invoices::InvoiceStatus,
    money::Money,
    orders::OrderStatus,
    payments::{Method, PaymentStatus, Purpose},
};

/// A row that can be judged by itself.
pub(super) trait Examined {
    /// By what it is known.
    fn id(&self) -> Id;

    /// Notes what differs, and that it was looked at.
    ///
    /// # Errors
    /// `money.out_of_range` for sums that no amount can be.
    fn examine(&self, report: &mut CheckReport) -> Result<()>;
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct TransactionRow {
    id: Id,
    customer_id: Id,
    order_id: Option<Id>,
    invoice_id: Option<Id>,
    payment_id: Option<Id>,
    entries: i64,
    sum: Money,
}

impl Examined for TransactionRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        report.checked.transactions += 1;
        let about = |difference: Difference| Difference {
            customer_id: Some(self.customer_id),
            order_id: self.order_id,
            invoice_id: self.invoice_id,
            payment_id: self.payment_id,
            row_id: Some(self.id),
            ..difference
        };
        if self.entries < 2 {
            report.note(about(Difference::new(Code::LedgerIncomplete, "at least 2", &self.entries)));
        }
        if !self.sum.is_zero() {
            report.note(about(Difference::new(Code::LedgerUnbalanced, &Money::ZERO, &self.sum)));
        }
        Ok(())
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct CustomerRow {
    id: Id,
    balance: Money,
    wallet: Money,
    movements: Money,
}

impl Examined for CustomerRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        report.checked.customers += 1;
        for (code, found) in [(Code::WalletBalance, self.balance), (Code::WalletMovements, self.movements)] {
            if found != self.wallet {
                report.note(Difference::new(code, &self.wallet, &found).of_customer(self.id));
            }
        }
        Ok(())
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct MovementRow {
    id: Id,
    customer_id: Id,
    amount: Money,
    balance_before: Money,
    balance_after: Money,
    entries: i64,
    wallet: Money,
}

impl Examined for MovementRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        report.checked.movements += 1;
        let after = self.balance_before.plus(self.amount)?;
        if after != self.balance_after {
            let difference = Difference::new(Code::MovementSum, &after, &self.balance_after);
            report.note(difference.of_customer(self.customer_id).of_row(self.id));
        }
        if self.entries != 1 || self.wallet != self.amount {
            let found = if self.entries == 1 { self.wallet.to_string() } else { format!("{} entries", self.entries) };
            let difference = Difference::new(Code::MovementEntry, &self.amount, &found);
            report.note(difference.of_customer(self.customer_id).of_row(self.id));
        }
        Ok(())
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct PaymentRow {
    id: Id,
    customer_id: Id,
    order_id: Option<Id>,
    invoice_id: Option<Id>,
    purpose: Purpose,
    method: Method,
    status: PaymentStatus,
    amount: Money,
    refunded_amount: Money,
    /// On its way back, without a known end.
    open_refunds: Money,
    /// What follows is the ledger's. Where the money came from, negative.
    came: Money,
    /// What it paid.
    used: Money,
    /// What was given back, and how much of that to the wallet.
    returned: Money,
    returned_to_wallet: Money,
    /// Between the wallet and the gateway.
    reserved: Money,
    /// At the payment's own gateway, negative.
    at_gateway: Money,
}

impl Examined for PaymentRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        report.checked.payments += 1;
        let amount = match self.status {
            PaymentStatus::Success | PaymentStatus::Refunded => self.amount,
            PaymentStatus::Pending | PaymentStatus::Failed => Money::ZERO,
        };
        let is_through_gateway = self.method == Method::Gateway;
        let is_reserved = is_through_gateway && self.purpose == Purpose::Recharge;
        let reserved = if is_reserved { self.open_refunds } else { Money::ZERO };
        let left = self.refunded_amount.minus(self.returned_to_wallet)?;
        let at_gateway = if is_through_gateway { amount.minus(left)? } else { Money::ZERO };
        for (code, expected, found) in [
            (Code::PaymentMoney, amount, self.came.negated()),
            (Code::PaymentUse, amount, self.used),
            (Code::PaymentRefunded, self.refunded_amount, self.returned),
            (Code::PaymentReserved, reserved, self.reserved),
            (Code::GatewayClearing, at_gateway, self.at_gateway.negated()),
        ] {
            if expected != found {
                report.note(self.about(Difference::new(code, &expected, &found)));
            }
        }
        let given = self.refunded_amount.max(self.returned).plus(self.open_refunds)?;
        if given > amount {
            report.note(self.about(Difference::new(Code::PaymentOverRefunded, &format!("at most {amount}"), &given)));
        }
        Ok(())
    }
}

impl PaymentRow {
    fn about(&self, difference: Difference) -> Difference {
        Difference {
            customer_id: Some(self.customer_id),
            order_id: self.order_id,
            invoice_id: self.invoice_id,
            payment_id: Some(self.id),
            ..difference
        }
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct OrderRow {
    id: Id,
    customer_id: Id,
    status: OrderStatus,
    total_amount: Money,
    /// Successful payments.
    payments: i64,
    /// What of them was not given back, and what of that is on its way.
    kept: Money,
    open_refunds: Money,
    /// What the ledger has for it.
    revenue: Money,
}

impl Examined for OrderRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        use OrderStatus::{Active, Cancelled, Completed, Paid, Pending, Provisioning, Refunded, Suspended, Terminated};
        report.checked.orders += 1;
        let about = |difference: Difference| Difference {
            customer_id: Some(self.customer_id),
            order_id: Some(self.id),
            ..difference
        };
        let (is_paid, has_kept) = match self.status {
            Pending => (false, true),
            Paid | Provisioning | Active | Suspended | Completed | Terminated => (true, true),
            Refunded => (true, false),
            // It may have been paid before it was cancelled, or not.
            Cancelled => (self.payments > 0, false),
        };
        let paid = if is_paid { self.total_amount } else { Money::ZERO };
        if self.revenue != paid {
            report.note(about(Difference::new(Code::OrderMoney, &paid, &self.revenue)));
        }
        if self.payments > 1 {
            report.note(about(Difference::new(Code::OrderPaidTwice, "1", &self.payments)));
        }
        let kept = self.kept.minus(self.open_refunds)?;
        if !has_kept && !kept.is_zero() {
            report.note(about(Difference::new(Code::OrderMoneyKept, &Money::ZERO, &kept)));
        }
        Ok(())
    }
}

#[derive(Debug, sqlx::FromRow)]
pub(super) struct InvoiceRow {
    pub(super) id: Id,
    pub(super) customer_id: Id,
    pub(super) invoice_number: Option<String>,
    pub(super) status: InvoiceStatus,
    total_amount: Money,
    paid_amount: Money,
    /// First instalments, which were paid with their orders.
    with_orders: Money,
    /// Successful payments.
    payments: Money,
    /// What the ledger has as owed, negative.
    receivable: Money,
}

impl Examined for InvoiceRow {
    fn id(&self) -> Id {
        self.id
    }

    fn examine(&self, report: &mut CheckReport) -> Result<()> {
        report.checked.invoices += 1;
        let left = match self.status {
            InvoiceStatus::Issued | InvoiceStatus::Overdue => self.total_amount.minus(self.paid_amount)?,
            InvoiceStatus::Draft | InvoiceStatus::Paid | InvoiceStatus::Cancelled => Money::ZERO,
        };
        let paid = self.with_orders.plus(self.payments)?;
        for (code, expected, found) in
            [(Code::InvoiceReceivable, left, self.receivable.negated()), (Code::InvoicePaid, paid, self.paid_amount)]
        {
            if expected != found {
                report.note(self.about(Difference::new(code, &expected, &found)));
            }
        }
        if self.status == InvoiceStatus::Paid && self.paid_amount != self.total_amount {
            let difference = Difference::new(Code::InvoicePaid, &self.total_amount, &self.paid_amount);
            report.note(self.about(difference));
        }
        Ok(())
    }
}

impl InvoiceRow {
    pub(super) fn about(&self, difference: Difference) -> Difference {
        Difference { customer_id: Some(self.customer_id), invoice_id: Some(self.id), ..difference }
    }
}
