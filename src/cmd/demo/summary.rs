//! What there is in the end: tables for people, one object for programs.

use serde::Serialize;

use super::{
    sale::Books,
    scratch::Scratch,
    shop::{Place, Shop},
};
use crate::{
    cmd::{Context, Format},
    core::error::Result,
    server::grpc::protocol::rustbill::billing::InvoiceInfo,
};

/// For programs; amounts are texts, as everywhere.
#[derive(Serialize)]
struct Summary<'a> {
    address: String,
    config: String,
    admin_username: &'a str,
    admin_password: &'a str,
    customer_id: &'a str,
    customer_username: &'a str,
    customer_password: &'a str,
    balance: &'a str,
    currency: &'a str,
    orders: Vec<&'a str>,
    invoices: Vec<&'a str>,
    addresses: Vec<&'a str>,
}

pub(super) fn print(context: &Context, place: &Place, shop: &Shop, books: &Books) -> Result<()> {
    if context.printer.format() == Format::Table {
        return tables(context, shop, books);
    }
    let summary = Summary {
        address: place.address.to_string(),
        config: place.config.display().to_string(),
        admin_username: &place.username,
        admin_password: place.password.reveal(),
        customer_id: &shop.customer_id,
        customer_username: shop.username,
        customer_password: shop.password.reveal(),
        balance: &books.balance,
        currency: &shop.currency,
        orders: books.orders.iter().map(|order| order.id.as_str()).collect(),
        invoices: books.invoices.iter().map(|invoice| invoice.invoice_number.as_str()).collect(),
        addresses: books.instances.iter().map(|instance| instance.ip_address.as_str()).collect(),
    };
    let fields = vec![
        ("address", summary.address.clone()),
        ("config", summary.config.clone()),
        ("admin_username", summary.admin_username.to_owned()),
        ("admin_password", summary.admin_password.to_owned()),
        ("customer_id", summary.customer_id.to_owned()),
        ("customer_username", summary.customer_username.to_owned()),
        ("customer_password", summary.customer_password.to_owned()),
        ("balance", summary.balance.to_owned()),
        ("currency", summary.currency.to_owned()),
        ("orders", summary.orders.join(" ")),
        ("invoices", summary.invoices.join(" ")),
        ("addresses", summary.addresses.join(" ")),
    ];
    context.printer.item(fields, &summary)
}

fn tables(context: &Context, shop: &Shop, books: &Books) -> Result<()> {
    let currency = &shop.currency;
    let orders = books.orders.iter().map(|order| {
        vec![
            order.id.clone(),
            order.product_name.clone(),
            order.billing_cycle.clone(),
            order.amount.clone(),
            order.status.clone(),
        ]
    });
    table(context, "Orders", &["id", "product", "cycle", currency, "status"], orders.collect(), &[3])?;
    let instances = books.instances.iter().map(|instance| {
        let spec = |key: &str| instance.server_spec.get(key).map(String::as_str).unwrap_or_default();
        vec![
            instance.provider_instance_id.clone(),
            instance.ip_address.clone(),
            spec("region").to_owned(),
            spec("cpu_cores").to_owned(),
            spec("memory_gb").to_owned(),
            spec("disk_gb").to_owned(),
            instance.status.clone(),
        ]
    });
    let columns = ["instance", "address", "region", "cores", "memory GB", "disk GB", "status"];
    table(context, "Instances", &columns, instances.collect(), &[3, 4, 5])?;
    let ledger = books.ledger.iter().map(|row| {
        vec![
            row.transaction_type.clone(),
            row.balance_before.clone(),
            row.amount.clone(),
            row.balance_after.clone(),
            shortened(&row.description),
        ]
    });
    table(context, "Ledger", &["type", "before", currency, "after", "for"], ledger.collect(), &[1, 2, 3])?;
    books.invoices.iter().try_for_each(|invoice| print_invoice(context, currency, invoice))
}

fn print_invoice(context: &Context, currency: &str, invoice: &InvoiceInfo) -> Result<()> {
    let title = format!(
        "Invoice {} for {} to {}: {}",
        invoice.invoice_number, invoice.billing_period_start, invoice.billing_period_end, invoice.status
    );
    let mut rows: Vec<Vec<String>> = invoice
        .items
        .iter()
        .map(|item| vec![item.quantity.to_string(), shortened(&item.description), item.amount.clone()])
        .collect();
    rows.push(vec![String::new(), "Tax".to_owned(), invoice.tax_amount.clone()]);
    rows.push(vec![String::new(), "Total".to_owned(), invoice.total_amount.clone()]);
    table(context, &title, &["quantity", "description", currency], rows, &[0, 2])
}

/// A titled table whose `numbers` are flush right.
fn table(
    context: &Context,
    title: &str,
    columns: &[&str],
    mut rows: Vec<Vec<String>>,
    numbers: &[usize],
) -> Result<()> {
    context.printer.heading(title)?;
    let mut columns: Vec<String> = columns.iter().map(|&name| name.to_owned()).collect();
    for &number in numbers {
        let cells = || columns.iter().skip(number).take(1).chain(rows.iter().filter_map(|row| row.get(number)));
        let width = cells().map(|cell| cell.chars().count()).max().unwrap_or(0);
        let column =
            columns.iter_mut().skip(number).take(1).chain(rows.iter_mut().filter_map(|row| row.get_mut(number)));
        for cell in column {
            *cell = format!("{cell:>width$}");
        }
    }
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    context.printer.list(&columns, rows, &())
}

/// Descriptions hold identifiers, whose last characters are enough beside the table of orders.
fn shortened(description: &str) -> String {
    const UUID_LENGTH: usize = 36;
    const SHOWN: usize = 8;
    let word = |word: &str| {
        let bare = word.trim_end_matches([':', ',', '.']);
        let is_uuid = bare.len() == UUID_LENGTH && bare.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if is_uuid { format!("..{}", &word[UUID_LENGTH - SHOWN..]) } else { word.to_owned() }
    };
    description.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// How to go on from here while the demo serves.
pub(super) fn print_invitation(context: &Context, place: &Place, shop: &Shop, scratch: &Scratch) -> Result<()> {
    if context.printer.format() != Format::Table {
        return Ok(());
    }
    context.printer.heading("Try it")?;
    let name_width = place.username.len().max(shop.username.len());
    let login = |name: &str, password: &str| format!("{name:name_width$}  {password}");
    let lines = [
        ("address", format!("{} (gRPC, gRPC-Web)", place.address)),
        ("administrator", login(&place.username, place.password.reveal())),
        ("customer", login(shop.username, shop.password.reveal())),
        ("directory", scratch.path().display().to_string()),
    ];
    for (name, value) in lines {
        context.printer.line(&format!("{name:<14} {value}"))?;
    }
    context.printer.line(&format!("\n  {}", scratch.command_line(&context.lookup, "order list")))?;
    context.printer.line(&format!("  {}", scratch.command_line(&context.lookup, "invoice list")))?;
    context.printer.line(&format!("  grpcurl -plaintext {} list", place.address))
}
