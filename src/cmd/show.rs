//! How models become rows and lines. The names of columns and fields are those of the JSON form.

use std::{collections::BTreeMap, fmt::Display};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;

use super::{Context, Format};
use crate::core::{
    balance::TransactionType,
    control::Style,
    error::Result,
    events::EventStatus,
    id::Id,
    identity::AdminRole,
    instances::InstanceStatus,
    invoices::InvoiceStatus,
    money::Money,
    orders::OrderStatus,
    page::Page,
    payments::{PaymentStatus, Purpose},
    products::BillingCycle,
    text,
    tickets::{Priority, TicketStatus},
    time::Timestamp,
};

/// A value in a table or in CSV; nothing is the empty text.
pub(super) trait Show {
    fn show(&self) -> String;
}

macro_rules! show_as_displayed {
    ($($name:ty),+ $(,)?) => {
        $(impl Show for $name {
            fn show(&self) -> String {
                self.to_string()
            }
        })+
    };
}

show_as_displayed!(
    String,
    bool,
    i32,
    i64,
    u32,
    usize,
    Id,
    Money,
    Timestamp,
    NaiveDate,
    Value,
    AdminRole,
    BillingCycle,
    EventStatus,
    InstanceStatus,
    InvoiceStatus,
    OrderStatus,
    PaymentStatus,
    Priority,
    Purpose,
    Style,
    TicketStatus,
    TransactionType,
);

impl<T: Show> Show for Option<T> {
    fn show(&self) -> String {
        self.as_ref().map(Show::show).unwrap_or_default()
    }
}

/// One line each.
impl Show for Vec<String> {
    fn show(&self) -> String {
        self.join("\n")
    }
}

/// One line per entry, as the options take them.
impl<V: Display> Show for Json<BTreeMap<String, V>> {
    fn show(&self) -> String {
        self.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join("\n")
    }
}

/// The named fields of a value with their texts, for [`item`].
macro_rules! fields {
    ($value:expr; $($field:ident),+ $(,)?) => {
        vec![$((stringify!($field), $crate::cmd::show::Show::show(&$value.$field))),+]
    };
}

/// Prints a page with the named fields of its items as columns.
macro_rules! page {
    ($context:expr, $page:expr; $($field:ident),+ $(,)?) => {
        $crate::cmd::show::print_page($context, &$page, &[$(stringify!($field)),+], |item| {
            vec![$($crate::cmd::show::Show::show(&item.$field)),+]
        })
    };
}

pub(super) use {fields, page};

/// A list in JSON.
#[derive(Serialize)]
struct List<'a, T> {
    items: &'a [T],
    total: u64,
    page: u32,
    page_size: u32,
}

/// What [`page!`] calls.
pub(super) fn print_page<T: Serialize>(
    context: &Context,
    page: &Page<T>,
    columns: &[&str],
    row: impl Fn(&T) -> Vec<String>,
) -> Result<()> {
    let Page { items, total, page: number, page_size } = page;
    let json = List { items, total: *total, page: *number, page_size: *page_size };
    context.printer.list(columns, items.iter().map(row).collect(), &json)?;
    let pages = page.total_pages();
    if context.printer.format() == Format::Table && pages > 1 {
        context.printer.note(&format!("page {number} of {pages}, {total} in all; --page shows another one"));
    }
    Ok(())
}

/// Characters of a long text in a column of a table.
const CELL_MAX: usize = 60;

/// The beginning of a text that may be long, on one line, for a column of a table; the whole where programs read.
pub(super) fn cut(context: &Context, text: String) -> String {
    if context.printer.format() != Format::Table {
        return text;
    }
    text::shown(&text.split_whitespace().collect::<Vec<_>>().join(" "), CELL_MAX)
}

/// Everything at once, as the one page that it is.
pub(super) fn whole<T>(items: Vec<T>) -> Page<T> {
    let count = items.len();
    Page { items, total: count as u64, page: 1, page_size: u32::try_from(count).unwrap_or(u32::MAX).max(1) }
}

/// Prints one thing. People are spared the fields without a value; programs find every column.
pub(super) fn item(context: &Context, mut fields: Vec<(&str, String)>, json: &impl Serialize) -> Result<()> {
    if context.printer.format() == Format::Table {
        fields.retain(|(_, text)| !text.is_empty());
    }
    context.printer.item(fields, json)
}

/// What a command that deleted something prints.
#[derive(Serialize)]
struct Deleted {
    id: Id,
    deleted: bool,
}

/// Prints that something is gone.
pub(super) fn deleted(context: &Context, id: Id) -> Result<()> {
    let deleted = Deleted { id, deleted: true };
    item(context, fields!(deleted; id, deleted), &deleted)
}
