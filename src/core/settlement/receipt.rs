//! Payments that are made at once: from the balance, or recorded by hand.

use crate::core::{
    id::Id,
    invoices::Invoice,
    money::Money,
    orders::Order,
    payments::{Method, Payment, PaymentStatus, Purpose},
    time::Timestamp,
};

/// The payment that pays an order in full.
pub(super) fn of_order(at: Timestamp, order: &Order, method: Method, note: String) -> Payment {
    Payment {
        purpose: Purpose::Order,
        order_id: Some(order.id),
        ..received(at, order.customer_id, order.total_amount, &order.currency, method, note)
    }
}

/// The payment that pays what is left of an invoice.
pub(super) fn of_invoice(at: Timestamp, invoice: &Invoice, left: Money, method: Method, note: String) -> Payment {
    Payment {
        purpose: Purpose::Invoice,
        invoice_id: Some(invoice.id),
        ..received(at, invoice.customer_id, left, &invoice.currency, method, note)
    }
}

fn received(at: Timestamp, customer_id: Id, amount: Money, currency: &str, method: Method, note: String) -> Payment {
    Payment {
        id: Id::generate(),
        customer_id,
        purpose: Purpose::Recharge,
        order_id: None,
        invoice_id: None,
        amount,
        refunded_amount: Money::ZERO,
        currency: currency.to_owned(),
        method,
        gateway_interface_id: None,
        gateway_payment_id: String::new(),
        gateway_tx_id: String::new(),
        payment_url: String::new(),
        qr_code: String::new(),
        instructions: String::new(),
        status: PaymentStatus::Success,
        note,
        paid_at: Some(at),
        created_at: at,
        updated_at: at,
    }
}
