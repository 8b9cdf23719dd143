//! The pages of a list, one after the other, are the list.

use std::collections::BTreeSet;

use proptest::prelude::prop_oneof;
use serde_json::{Value, json};

use super::check;
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        dynamic,
        rows::request,
        server::{InProcess, channel},
        stage::Stage,
        world::World,
    },
};

/// A list with pages: its RPC, the field with the rows, what makes one more row, and the table that holds them.
struct List {
    rpc: &'static str,
    rows: &'static str,
    maker: Option<&'static str>,
    count: &'static str,
    filter: fn() -> Value,
}

macro_rules! lists {
    ($($rpc:literal . $rows:ident <- $maker:expr, $table:literal $filter:tt;)+) => {
        const LISTS: &[List] = &[$(List {
            rpc: $rpc,
            rows: stringify!($rows),
            maker: $maker,
            count: concat!("SELECT CAST(COUNT(*) AS BIGINT) FROM ", $table),
            filter: || json!($filter),
        }),+];
    };
}

lists! {
    "OrderService/ListOrders".orders <- Some("OrderService/CreateOrder"), "orders" {};
    "BillingService/ListInvoices".invoices <- Some("BillingService/CreateInvoice"), "invoices" {};
    "PaymentService/ListPayments".payments <- Some("PaymentService/CreatePayment"), "payments" {};
    "AuditService/ListOperationLogs".logs <- None, "operation_logs" {};
    "TicketService/ListTickets".tickets <- Some("TicketService/CreateTicket"), "tickets" {};
    "ProductService/ListProducts".products <- Some("ProductService/CreateProduct"), "products" {};
    "ProductGroupService/ListProductGroups".groups <- Some("ProductGroupService/CreateProductGroup"), "product_groups" {};
    "ProductCategoryService/ListProductCategories".categories <- Some("ProductCategoryService/CreateProductCategory"), "product_categories" {};
    "CustomerService/ListCustomers".customers <- Some("CustomerService/CreateCustomer"), "customers" {};
    "IdentityService/ListUsers".users <- Some("IdentityService/CreateUser"), "customer_users" { "user_type": "customer" };
    "BalanceService/ListBalanceTransactions".transactions <- Some("BalanceService/AdjustBalance"), "balance_transactions" {};
    // Making a server takes the worker; those that there are from the beginning are enough.
    "InstanceService/ListInstances".instances <- None, "instances" {};
    // The worker leaves events at any moment; of those that were put aside nothing changes meanwhile.
    "SystemService/ListEvents".events <- None, "event_queue WHERE status = 'failed'" { "status": "failed" };
}

/// Every list that has pages stands above.
fn check_lists() {
    let paged: BTreeSet<String> = dynamic::methods()
        .into_iter()
        .filter(|method| method.input().get_field_by_name("pagination").is_some())
        .map(|method| format!("{}/{}", method.parent_service().name(), method.name()))
        .collect();
    let known: BTreeSet<String> = LISTS.iter().map(|list| list.rpc.to_owned()).collect();
    assert_eq!(paged, known);
}

fn number(answer: &Value, field: &str) -> u64 {
    answer["meta"][field].as_u64().unwrap()
}

/// The identifiers and times of creation on all pages of this size.
async fn all_pages(stage: &Stage<'_>, list: &List, page_size: u32) -> Result<Vec<(String, String)>, String> {
    let mut found = Vec::new();
    for page in 1_u32.. {
        let mut message = (list.filter)();
        message["pagination"] = json!({ "page": page, "page_size": page_size });
        let answer = stage.admin(list.rpc, message).await;
        let rows = answer[list.rows].as_array().unwrap();
        let text = |row: &Value, field: &str| row[field].as_str().unwrap().to_owned();
        found.extend(rows.iter().map(|row| (text(row, "id"), text(row, "created_at"))));
        let (total, pages) = (number(&answer, "total"), number(&answer, "total_pages"));
        let counted = stage.world.count(list.count).await;
        if i64::try_from(total) != Ok(counted) || pages != total.div_ceil(u64::from(page_size)) {
            return Err(format!("{counted} rows, but the answer says {}", answer["meta"]));
        }
        if u64::from(page) >= pages {
            break;
        }
        if rows.len() != page_size as usize {
            return Err(format!("page {page} of {pages} has {} rows instead of {page_size}", rows.len()));
        }
    }
    Ok(found)
}

async fn pages_are_the_list(stage: &Stage<'_>, list: &List, more: u8, page_size: u32) -> Result<(), String> {
    if let Some(maker) = list.maker {
        for _ in 0..more {
            let message = request(stage, maker).await;
            stage.admin(maker, message).await;
        }
    }
    let found = all_pages(stage, list, page_size).await?;
    let whole = all_pages(stage, list, 100).await?;
    let distinct: BTreeSet<&String> = found.iter().map(|(id, _)| id).collect();
    if distinct.len() != found.len() || i64::try_from(found.len()) != Ok(stage.world.count(list.count).await) {
        return Err(format!("{} rows on all pages, {} of them distinct", found.len(), distinct.len()));
    }
    if found != whole {
        return Err(format!("pages of {page_size} are in another order than pages of 100: {found:?} {whole:?}"));
    }
    // The catalogue is in the order of its positions; everything else is newest first.
    let is_by_time = !list.rpc.starts_with("ProductGroup") && !list.rpc.starts_with("ProductCategory");
    if let Some(pair) = found.windows(2).find(|pair| is_by_time && pair[0].1 < pair[1].1) {
        return Err(format!("an older row comes first: {pair:?}"));
    }
    Ok(())
}

on_both! {
    async fn pages_one_after_the_other_are_the_list(world: World) {
        check_lists();
        let server = InProcess::start(&world).await;
        let stage = Stage::on(&world, channel(&server.address).await).await;
        world.start_worker();
        for _ in 0..3 {
            stage.instance().await;
        }
        let page_size = prop_oneof![4 => 1_u32..8, 1 => 8_u32..=100];
        let strategy = (0..LISTS.len(), 0_u8..5, page_size);
        let count = if world.db().is_postgres() { 40 } else { 100 };
        let result = check(count, &strategy, async |(list, more, page_size)| {
            let list = &LISTS[list];
            pages_are_the_list(&stage, list, more, page_size).await.map_err(|problem| format!("{}: {problem}", list.rpc))
        });
        if let Err(failure) = result {
            panic!("{failure}");
        }
        server.stop().await;
    }
}
