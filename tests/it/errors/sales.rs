//! Orders, invoices, payments and balances.

use serde_json::json;

use super::row::{UNKNOWN, rows};
use crate::support::stage::unique;

rows! {
    "OrderService/CreateOrder" {
        InvalidArgument "specification": Owner, "spec.value", "`server_spec.region` is `mars`" => |s| {
            let mut message = s.order_message();
            message["server_spec"] = json!({ "region": "mars" });
            message
        };
        InvalidArgument "billing cycle": Owner, "product.cycle", "`billing_cycle` is `yearly`" => |s| {
            let mut product = s.product_message();
            product["billing_cycles"] = json!({ "monthly": "1.00" });
            let product = s.make("ProductService/CreateProduct", product, "/product/id").await;
            json!({ "product_id": product, "billing_cycle": "yearly" })
        };
        InvalidArgument "interface does not fit the product": Owner, "order.provider", "`provider_interface_id` is" => |s| {
            let mut message = s.order_message();
            message["provider_interface_id"] = json!(s.broken);
            message
        };
        NotFound "no such product": Owner, "not_found", "product `UNKNOWN`" => |_| json!({
            "product_id": UNKNOWN, "billing_cycle": "monthly",
        });
        NotFound "interface": Owner, "not_found", "interface `UNKNOWN`" => |s| {
            let mut message = s.order_message();
            message["gateway_interface_id"] = json!(UNKNOWN);
            message
        };
        NotFound "customer": Admin, "not_found", "customer `UNKNOWN`" => |s| {
            let mut message = s.order_message();
            message["customer_id"] = json!(UNKNOWN);
            message
        };
        PermissionDenied "another customer_id is PermissionDenied": Stranger, "permission.foreign", "another customer" => |s| s.order_message();
    }
    "OrderService/ListOrders" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
    }
    "OrderService/GetOrder" {
        NotFound "no such order": Owner, "not_found", "order `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "OrderService/UpdateOrder" {
        InvalidArgument "the move is not allowed; names both states": Admin, "order.wrong_state", "pending and can't become active" => |s| json!({
            "id": s.order().await, "status": "active",
        });
        NotFound "no such order": Admin, "not_found", "order `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "notes": "A" });
    }
    "OrderService/DeleteOrder" {
        InvalidArgument "something stands behind the order; names it": Admin, "order.in_use", "payment" => |s| json!({
            "id": s.paid_order().await,
        });
        NotFound "no such order": Admin, "not_found", "order `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "OrderService/PayOrder" {
        InvalidArgument "the order is not pending": Owner, "order.wrong_state", "can't become paid" => |s| json!({
            "order_id": s.paid_order().await,
        });
        InvalidArgument "the balance is too low": Admin, "balance.insufficient", "does not cover 29.00" => |s| json!({
            "order_id": s.poor_order().await,
        });
        NotFound "no such order": Owner, "not_found", "order `UNKNOWN`" => |_| json!({ "order_id": UNKNOWN });
        Internal "the gateway failed": Owner, "payment.gateway", "the gateway `" => |s| json!({
            "order_id": s.order().await, "gateway_interface_id": s.broken_gateway,
        });
        Unavailable "the gateway can't be asked now": AdminCutOff, "payment.gateway", "the gateway `" => |s| json!({
            "order_id": s.order().await, "gateway_interface_id": s.gateway.id,
        });
    }
    "BillingService/CreateInvoice" {
        InvalidArgument "sums do not agree": Admin, "invoice.sum", "`total_amount` is 12.00, amount and tax are 11.00" => |s| {
            let mut message = s.invoice_message();
            message["total_amount"] = json!("12.00");
            message
        };
        InvalidArgument "a value is not acceptable": Admin, "date.malformed", "`due_date` is `tomorrow`" => |s| {
            let mut message = s.invoice_message();
            message["due_date"] = json!("tomorrow");
            message
        };
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |s| {
            let mut message = s.invoice_message();
            message["customer_id"] = json!(UNKNOWN);
            message
        };
    }
    "BillingService/ListInvoices" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
    }
    "BillingService/GetInvoice" {
        NotFound "no such invoice": Owner, "not_found", "invoice `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "BillingService/UpdateInvoice" {
        InvalidArgument "the move is not allowed; names both states": Admin, "invoice.wrong_state", "issued and can't become issued" => |s| json!({
            "id": s.invoice().await, "status": "issued",
        });
        NotFound "no such invoice": Admin, "not_found", "invoice `UNKNOWN`" => |_| json!({ "id": UNKNOWN, "status": "issued" });
    }
    "BillingService/DeleteInvoice" {
        InvalidArgument "the invoice has a number": Admin, "invoice.issued", "" => |s| json!({
            "id": s.invoice().await,
        });
        NotFound "no such invoice": Admin, "not_found", "invoice `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "BillingService/GenerateInvoices" {
        InvalidArgument "malformed date": Admin, "date.malformed", "`billing_period_end` is `2026-02-30`" => |_| json!({
            "billing_period_start": "2026-02-01", "billing_period_end": "2026-02-30",
        });
        InvalidArgument "the end lies before the start": Admin, "invoice.period", "2026-02-02 to 2026-02-01" => |_| json!({
            "billing_period_start": "2026-02-02", "billing_period_end": "2026-02-01",
        });
    }
    "PaymentService/CreatePayment" {
        NotFound "no such order, invoice or gateway": Owner, "not_found", "order `UNKNOWN`" => |s| json!({
            "order_id": UNKNOWN, "gateway_interface_id": s.gateway.id,
        });
        NotFound "no such order, invoice or gateway": Owner, "not_found", "invoice `UNKNOWN`" => |s| json!({
            "invoice_id": UNKNOWN, "gateway_interface_id": s.gateway.id,
        });
        NotFound "no such order, invoice or gateway": Owner, "", "`UNKNOWN`" => |s| json!({
            "invoice_id": s.invoice().await, "gateway_interface_id": UNKNOWN,
        });
        InvalidArgument "the balance is too low": Admin, "balance.insufficient", "does not cover" => |s| json!({
            "order_id": s.poor_order().await,
        });
        InvalidArgument "order or invoice already paid": Owner, "order.wrong_state", "can't become paid" => |s| json!({
            "order_id": s.paid_order().await, "gateway_interface_id": s.gateway.id,
        });
        InvalidArgument "order or invoice already paid": Owner, "invoice.wrong_state", "paid and can't become paid" => |s| json!({
            "invoice_id": s.paid_invoice().await, "gateway_interface_id": s.gateway.id,
        });
        Internal "the gateway failed": Owner, "payment.gateway", "the gateway `" => |s| json!({
            "invoice_id": s.invoice().await, "gateway_interface_id": s.broken_gateway,
        });
        Unavailable "the gateway can't be asked now": AdminCutOff, "payment.gateway", "the gateway `" => |s| json!({
            "invoice_id": s.invoice().await, "gateway_interface_id": s.gateway.id,
        });
    }
    "PaymentService/ListPayments" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`order_id` is `42`" => |_| json!({ "order_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`status` is `lost`" => |_| json!({ "status": "lost" });
    }
    "PaymentService/GetPayment" {
        NotFound "no such payment": Owner, "not_found", "payment `UNKNOWN`" => |_| json!({ "id": UNKNOWN });
    }
    "PaymentService/QueryPaymentStatus" {
        NotFound "no such payment": Admin, "not_found", "payment `UNKNOWN`" => |_| json!({ "payment_id": UNKNOWN });
        Internal "the gateway could not be asked": Admin, "", "" => |s| json!({ "payment_id": s.stranded_payment(false).await });
    }
    "PaymentService/HandleCallback" {
        InvalidArgument "bad signature": Nobody, "payment.signature", "notice" => |s| {
            let notice = json!({ "payment_id": s.payment().await, "sign": "wrong" });
            json!({ "gateway_interface_id": s.gateway.id, "payload": notice.to_string() })
        };
        InvalidArgument "is about another gateway's": Nobody, "", "" => |s| {
            // Of another gateway.
            let notice = json!({ "payment_id": s.stranded_payment(false).await, "sign": "right" });
            json!({ "gateway_interface_id": s.gateway.id, "payload": notice.to_string() })
        };
        InvalidArgument "200 fields": Nobody, "payment.payload", "" => |s| {
            let fields: serde_json::Map<_, _> = (0..201).map(|number| (format!("f{number}"), json!("a"))).collect();
            json!({ "gateway_interface_id": s.gateway.id, "payload": json!(fields).to_string() })
        };
        InvalidArgument "a notice of more than 64 KiB": Nobody, "payment.payload", "" => |s| json!({
            "gateway_interface_id": s.gateway.id, "payload": json!({ "a": "a".repeat(65 * 1024) }).to_string(),
        });
        NotFound "no such payment": Nobody, "not_found", "payment `UNKNOWN`" => |s| {
            let notice = json!({ "payment_id": UNKNOWN, "sign": "right" });
            json!({ "gateway_interface_id": s.gateway.id, "payload": notice.to_string() })
        };
        NotFound "no enabled gateway": Nobody, "not_found", "UNKNOWN" => |_| json!({
            "gateway_interface_id": UNKNOWN, "payload": "{}",
        });
        AlreadyExists "the notice was handled before": Nobody, "payment.handled", "" => |s| {
            let notice = json!({ "payment_id": s.payment().await, "sign": "right" });
            let message = json!({ "gateway_interface_id": s.gateway.id, "payload": notice.to_string() });
            s.admin("PaymentService/HandleCallback", message.clone()).await;
            message
        };
    }
    "PaymentService/RefundPayment" {
        InvalidArgument "more than is left to refund": Admin, "payment.over_refund", "29.0" => |s| json!({
            "payment_id": s.active().await.1, "amount": "29.01",
        });
        InvalidArgument "the payment is not successful": Admin, "", "" => |s| json!({
            "payment_id": s.payment().await, "amount": "1.00",
        });
        NotFound "no such payment": Admin, "not_found", "payment `UNKNOWN`" => |_| json!({
            "payment_id": UNKNOWN, "amount": "1.00",
        });
        Internal "the gateway refused, or gave no clear answer": Admin, "payment.gateway", "gateway" => |s| json!({
            "payment_id": s.stranded_payment(true).await, "amount": "1.00",
        });
    }
    "PaymentService/ConfirmPayment" {
        InvalidArgument "the payment is not pending": Admin, "payment.wrong_state", "success and can't become success" => |s| json!({
            "payment_id": s.confirmed().await, "gateway_tx_id": unique(),
        });
        NotFound "no such payment": Admin, "not_found", "payment `UNKNOWN`" => |_| json!({ "payment_id": UNKNOWN });
    }
    "BalanceService/GetBalance" {
        InvalidArgument "customer_id is malformed": Owner, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "an administrator names none": Admin, "id.missing", "`customer_id`" => |_| json!({});
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({ "customer_id": UNKNOWN });
    }
    "BalanceService/ListBalanceTransactions" {
        InvalidArgument "a filter is malformed": Admin, "id.malformed", "`customer_id` is `42`" => |_| json!({ "customer_id": "42" });
        InvalidArgument "no known word": Owner, "enum.unknown", "`transaction_type` is `lost`" => |_| json!({ "transaction_type": "lost" });
    }
    "BalanceService/AdjustBalance" {
        InvalidArgument "amount is malformed": Admin, "money.malformed", "`amount` is `1,00`" => |s| json!({
            "customer_id": s.owner, "amount": "1,00",
        });
        InvalidArgument "zero": Admin, "balance.zero", "`amount` is `0.00`" => |s| json!({ "customer_id": s.owner, "amount": "0" });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |_| json!({
            "customer_id": UNKNOWN, "amount": "1.00",
        });
    }
    "BalanceService/CreateRecharge" {
        InvalidArgument "amount is not above zero": Owner, "", "`0.00`" => |s| json!({
            "amount": "0.00", "gateway_interface_id": s.gateway.id,
        });
        InvalidArgument "the interface is no enabled gateway": Owner, "plugin.wrong_type", "`gateway_interface_id`" => |s| json!({
            "amount": "5.00", "gateway_interface_id": s.provider.id,
        });
        NotFound "no such customer": Admin, "not_found", "customer `UNKNOWN`" => |s| json!({
            "customer_id": UNKNOWN, "amount": "5.00", "gateway_interface_id": s.gateway.id,
        });
        NotFound "interface": Owner, "not_found", "interface `UNKNOWN`" => |_| json!({
            "amount": "5.00", "gateway_interface_id": UNKNOWN,
        });
        Internal "the gateway failed": Owner, "payment.gateway", "the gateway `" => |s| json!({
            "amount": "5.00", "gateway_interface_id": s.broken_gateway,
        });
        Unavailable "the gateway can't be asked now": AdminCutOff, "payment.gateway", "the gateway `" => |s| json!({
            "customer_id": s.owner, "amount": "5.00", "gateway_interface_id": s.gateway.id,
        });
    }
}
