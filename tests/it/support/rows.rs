//! One good request for every RPC, about things of the stage's owner, with fresh ones where the call consumes them.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    stage::{Stage, unique},
    world::PASSWORD,
};

macro_rules! rows {
    ($($rpc:literal => |$stage:pat_param| $message:expr;)+) => {
        /// The RPCs that have a row.
        pub(crate) const ROWS: &[&str] = &[$($rpc),+];

        /// The row's request.
        pub(crate) async fn request(stage: &Stage<'_>, rpc: &str) -> Value {
            match rpc {
                // Boxed, so that the rows share no stack frame.
                $($rpc => { let $stage = stage; Box::pin(async move { $message }).await })+
                _ => panic!("{rpc} has no row"),
            }
        }
    };
}

rows! {
    "IdentityService/Register" => |_| json!({
        "username": unique(), "email": format!("{}@example.com", unique()), "display_name": "New", "password": PASSWORD,
        "verification_code": "000000",
    });
    "IdentityService/SendVerificationCode" => |_| json!({ "email": format!("{}@example.com", unique()), "purpose": "registration" });
    "IdentityService/Login" => |s| s.bystander().await;
    "IdentityService/RefreshToken" => |s| json!({ "refresh_token": s.refresh_token().await });
    "IdentityService/ListUsers" => |s| json!({ "user_type": "customer", "customer_id": s.owner });
    "IdentityService/GetUser" => |s| json!({ "id": s.user().await });
    "IdentityService/UpdateUser" => |s| json!({ "id": s.user().await, "display_name": "Renamed" });
    "IdentityService/DeleteUser" => |s| json!({ "id": s.user().await });
    "IdentityService/ChangePassword" => |_| json!({ "old_password": PASSWORD, "new_password": PASSWORD });
    "IdentityService/AdminResetPassword" => |s| json!({ "user_id": s.user().await, "new_password": PASSWORD });
    "IdentityService/GetMe" => |_| json!({});
    "IdentityService/ResetPassword" => |s| json!({
        "email": s.everybody.customers[0].email, "verification_code": "000000", "new_password": "a new password",
    });
    "IdentityService/CreateUser" => |s| s.user_message();
    "ProductService/CreateProduct" => |s| s.product_message();
    "ProductService/ListProducts" => |_| json!({});
    "ProductService/GetProduct" => |s| json!({ "id": s.product });
    "ProductService/UpdateProduct" => |s| json!({ "id": s.product().await, "name": unique() });
    "ProductService/DeleteProduct" => |s| json!({ "id": s.product().await });
    "ProductService/SyncProducts" => |s| json!({ "interface_id": s.provider.id });
    "ProductService/BatchSetActive" => |s| json!({ "product_ids": [s.product().await], "is_active": true });
    "ProductService/BatchSetGroup" => |s| json!({ "product_ids": [s.product().await], "group_id": s.group().await });
    "ProductService/BatchDelete" => |s| json!({ "product_ids": [s.product().await] });
    "ProductService/ImportUpstreamProducts" => |s| json!({
        "interface_id": s.provider.id, "items": [{ "name": unique(), "specs": { "region": "eu" }, "cost_price": "3.00" }],
    });
    "ProductService/BatchUpdatePrice" => |s| json!({ "product_ids": [s.product().await], "markup_ratio": "1.5" });
    "CustomerService/CreateCustomer" => |_| Stage::customer_message();
    "CustomerService/ListCustomers" => |_| json!({});
    "CustomerService/GetCustomer" => |s| json!({ "id": s.owner });
    "CustomerService/UpdateCustomer" => |s| json!({ "id": s.owner, "notes": unique() });
    "CustomerService/DeleteCustomer" => |s| json!({ "id": s.customer().await });
    "OrderService/CreateOrder" => |s| s.order_message();
    "OrderService/ListOrders" => |s| json!({ "customer_id": s.owner });
    "OrderService/GetOrder" => |s| json!({ "id": s.order().await });
    "OrderService/UpdateOrder" => |s| json!({ "id": s.order().await, "notes": "Looked at." });
    "OrderService/DeleteOrder" => |s| json!({ "id": s.order().await });
    "OrderService/PayOrder" => |s| json!({ "order_id": s.order().await });
    "BillingService/CreateInvoice" => |s| s.invoice_message();
    "BillingService/ListInvoices" => |s| json!({ "customer_id": s.owner });
    "BillingService/GetInvoice" => |s| json!({ "id": s.invoice().await });
    "BillingService/UpdateInvoice" => |s| json!({ "id": s.draft().await, "status": "issued" });
    "BillingService/DeleteInvoice" => |s| json!({ "id": s.draft().await });
    "BillingService/GenerateInvoices" => |_| json!({ "billing_period_start": "2020-01-01", "billing_period_end": "2020-01-31" });
    "PaymentService/CreatePayment" => |s| s.payment_message().await;
    "PaymentService/ListPayments" => |s| json!({ "order_id": s.active().await.0 });
    "PaymentService/GetPayment" => |s| json!({ "id": s.payment().await });
    "PaymentService/QueryPaymentStatus" => |s| json!({ "payment_id": s.payment().await });
    "PaymentService/HandleCallback" => |s| {
        let notice = json!({ "payment_id": s.payment().await, "sign": "wrong" });
        json!({ "gateway_interface_id": s.gateway.id, "payload": notice.to_string() })
    };
    "PaymentService/RefundPayment" => |s| json!({ "payment_id": s.active().await.1, "amount": "1.00" });
    "PaymentService/ConfirmPayment" => |s| json!({ "payment_id": s.payment().await, "gateway_tx_id": "TX-1" });
    "IntegrationService/ListProviders" => |_| json!({});
    "IntegrationService/ListGateways" => |_| json!({});
    "IntegrationService/ListNotifiers" => |_| json!({});
    "IntegrationService/ListPlugins" => |_| json!({});
    "IntegrationService/GetPlugin" => |s| json!({ "id": s.provider.plugin_def_id });
    "IntegrationService/ListPluginInterfaces" => |_| json!({});
    "IntegrationService/GetPluginInterface" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/CreatePluginInterface" => |s| s.interface_message();
    "IntegrationService/UpdatePluginInterface" => |s| json!({ "interface_id": s.interface().await, "display_name": unique() });
    "IntegrationService/TogglePluginInterface" => |s| json!({ "interface_id": s.interface().await, "enable": true });
    "IntegrationService/DeletePluginInterface" => |s| json!({ "interface_id": s.interface().await });
    "IntegrationService/CheckPluginHealth" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/GetPluginAdminPage" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/CallPluginAction" => |s| json!({
        "interface_id": s.provider.id, "function": "admin_hello", "args_json": "{}",
    });
    "IntegrationService/RestartServer" => |_| json!({});
    "IntegrationService/SyncProducts" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/QueryPrice" => |s| json!({ "interface_id": s.provider.id, "disk_gb": 20, "region": "eu" });
    "IntegrationService/CreateUpstreamInstance" => |s| json!({
        "interface_id": s.provider.id, "server_spec": { "disk_gb": 20, "region": "eu" },
    });
    "IntegrationService/GetInstanceStatus" => |s| json!({ "interface_id": s.provider.id, "instance_id": "up-1" });
    "IntegrationService/SyncUpstreamInstances" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/ImportUpstreamInstance" => |s| json!({ "interface_id": s.provider.id, "instance_id": unique() });
    "IntegrationService/GetUpstreamBalance" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/GetPluginSource" => |s| json!({ "interface_id": s.provider.id });
    "IntegrationService/UpdatePluginSource" => |s| {
        let interface = s.interface().await;
        let hash = s.script_hash(&interface).await;
        json!({ "interface_id": interface, "source": include_str!("../scripts/provider-upstream.rn"), "expected_hash": hash })
    };
    "IntegrationService/CheckPluginSource" => |_| json!({
        "plugin_type": "gateway", "source": include_str!("../scripts/gateway-friendly.rn"),
    });
    "IntegrationService/ListPluginProblems" => |_| json!({});
    "NotificationService/ListNotifiers" => |_| json!({});
    "NotificationService/SendNotification" => |s| json!({
        "event_type": "test", "title": "A test", "body": "Hello", "metadata": { "key": "value" }, "channel_ids": [s.notifier.id],
    });
    "TicketService/CreateTicket" => |s| s.ticket_message();
    "TicketService/ListTickets" => |s| json!({ "customer_id": s.owner });
    "TicketService/GetTicket" => |s| json!({ "id": s.ticket().await });
    "TicketService/UpdateTicket" => |s| json!({ "id": s.ticket().await, "status": "processing" });
    "TicketService/CreateReply" => |s| json!({ "ticket_id": s.ticket().await, "content": "Thank you." });
    "TicketService/DeleteTicket" => |s| json!({ "id": s.ticket().await });
    "ApiKeyService/CreateApiKey" => |s| s.key_message();
    "ApiKeyService/ListApiKeys" => |s| json!({ "customer_id": s.owner });
    "ApiKeyService/RevokeApiKey" => |s| json!({ "id": s.key().await });
    "ProductGroupService/ListProductGroups" => |_| json!({});
    "ProductGroupService/GetProductGroup" => |s| json!({ "id": s.group().await });
    "ProductGroupService/CreateProductGroup" => |s| json!({ "name": unique(), "category_id": s.category().await });
    "ProductGroupService/UpdateProductGroup" => |s| json!({ "id": s.group().await, "description": "Small ones." });
    "ProductGroupService/DeleteProductGroup" => |s| json!({ "id": s.group().await });
    "ProductCategoryService/ListProductCategories" => |_| json!({});
    "ProductCategoryService/GetProductCategory" => |s| json!({ "id": s.category().await });
    "ProductCategoryService/CreateProductCategory" => |_| json!({ "name": unique() });
    "ProductCategoryService/UpdateProductCategory" => |s| json!({ "id": s.category().await, "sort_order": 7 });
    "ProductCategoryService/DeleteProductCategory" => |s| json!({ "id": s.category().await });
    "InstanceService/ListInstances" => |s| json!({ "customer_id": s.owner });
    "InstanceService/GetInstance" => |s| json!({ "id": s.instance().await });
    "InstanceService/StartInstance" => |s| json!({ "id": s.instance().await });
    "InstanceService/StopInstance" => |s| json!({ "id": s.instance().await });
    "InstanceService/RestartInstance" => |s| json!({ "id": s.instance().await });
    "InstanceService/TerminateInstance" => |s| json!({ "id": s.instance().await });
    "InstanceService/ExecuteInstanceAction" => |s| json!({ "id": s.instance().await, "action": "rescue", "params_json": "{}" });
    "BalanceService/GetBalance" => |s| json!({ "customer_id": s.owner });
    "BalanceService/ListBalanceTransactions" => |s| json!({ "customer_id": s.owner });
    "BalanceService/AdjustBalance" => |s| json!({ "customer_id": s.owner, "amount": "1.00", "description": "Goodwill" });
    "BalanceService/CreateRecharge" => |s| json!({ "customer_id": s.owner, "amount": "5.00", "gateway_interface_id": s.gateway.id });
    "AuditService/ListOperationLogs" => |_| json!({});
    "DashboardService/GetOverview" => |_| json!({ "days": 7 });
    "SystemService/GetClusterStatus" => |_| json!({});
    "SystemService/ListEvents" => |_| json!({ "status": "done" });
    "SystemService/GetEvent" => |s| json!({ "id": s.world.event_that_is("done").await });
    "SystemService/RetryEvent" => |s| json!({ "id": s.world.event_that_is("failed").await });
    // The last one: whoever calls it may be out afterwards.
    "IdentityService/Logout" => |_| json!({});
}

#[derive(Deserialize)]
struct Contract {
    services: Vec<Service>,
}

#[derive(Deserialize)]
struct Service {
    name: String,
    rpcs: Vec<Rpc>,
}

#[derive(Deserialize)]
struct Rpc {
    name: String,
    permission: String,
}

/// RPCs beside those of the contract, with the word for their permission.
const ADDED: &[(&str, &str)] = &[
    ("IntegrationService/ListPluginProblems", "admin"),
    ("SystemService/GetClusterStatus", "admin"),
    ("SystemService/ListEvents", "admin"),
    ("SystemService/GetEvent", "admin"),
    ("SystemService/RetryEvent", "admin"),
];

/// The RPCs of the contract, and those beside them, as `Service/Rpc`, with the word for their permission, in the order of the rows. Fails when
/// an RPC has no row or a row no RPC.
pub(crate) fn contract() -> Vec<(&'static str, String)> {
    let contract: Contract = serde_json::from_str(include_str!("../../api.json")).unwrap();
    let listed: Vec<(String, String)> = contract
        .services
        .into_iter()
        .flat_map(|service| {
            let short = service.name.rsplit('.').next().unwrap().to_owned();
            service.rpcs.into_iter().map(move |rpc| (format!("{short}/{}", rpc.name), rpc.permission))
        })
        .collect();
    let names: BTreeSet<&str> = listed.iter().map(|(name, _)| name.as_str()).collect();
    let rows: BTreeSet<&str> = ROWS.iter().copied().collect();
    assert_eq!(names.difference(&rows).collect::<Vec<_>>(), Vec::<&&str>::new(), "RPCs without a row");
    let added: BTreeSet<&str> = ADDED.iter().map(|(name, _)| *name).collect();
    assert_eq!(rows.difference(&names).copied().collect::<BTreeSet<_>>(), added, "rows without an RPC");
    assert_eq!((names.len(), ROWS.len(), listed.len()), (108, 108 + ADDED.len(), 108));
    let word = |row: &str| match listed.iter().find(|(name, _)| name == row) {
        Some((_, word)) => word.clone(),
        None => ADDED.iter().find(|(name, _)| *name == row).unwrap().1.to_owned(),
    };
    ROWS.iter().map(|row| (*row, word(row))).collect()
}
