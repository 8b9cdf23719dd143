//! A shop in which every RPC has something to work on: two customers, a provider, a gateway and a notifier that can do
//! everything and never fail, and fresh orders, invoices, payments, tickets, servers … on demand. All through the wire,
//! as the administrator.

use rustbill::core::{id::Id, orders::OrderStatus, plugins::Interface};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::{
    dynamic,
    everybody::Everybody,
    wait,
    world::{PASSWORD, World},
};

/// What a customer can spend here.
const RICH: &str = "1000000.00";

/// The shop.
pub(crate) struct Stage<'a> {
    pub(crate) world: &'a World,
    pub(crate) channel: Channel,
    pub(crate) everybody: Everybody,
    /// Whose things the requests are about.
    pub(crate) owner: Id,
    pub(crate) provider: Interface,
    pub(crate) gateway: Interface,
    pub(crate) notifier: Interface,
    pub(crate) product: String,
}

/// A text that nobody used before, fit for names.
pub(crate) fn unique() -> String {
    format!("n{}", Id::generate().to_string().replace('-', ""))
}

impl<'a> Stage<'a> {
    /// Servers are made by the worker, which the test starts afterwards.
    pub(crate) async fn on(world: &'a World, channel: Channel) -> Self {
        world.write_plugin("provider-rustbill.rn", include_str!("../scripts/provider-upstream.rn"));
        world.write_plugin("gateway-friendly.rn", include_str!("../scripts/gateway-friendly.rn"));
        world.write_plugin("notifier-quiet.rn", include_str!("../scripts/notifier-quiet.rn"));
        let provider = world.interface("provider-rustbill.rn", json!({})).await;
        let gateway = world.interface("gateway-friendly.rn", json!({})).await;
        let notifier = world.interface("notifier-quiet.rn", json!({})).await;
        let everybody = Everybody::log_in(world, &channel).await;
        let owner = everybody.customers[0].id;
        let mut stage = Self { world, channel, everybody, owner, provider, gateway, notifier, product: String::new() };
        stage.product = stage.product().await;
        for customer in stage.everybody.customers.clone() {
            let may = json!({ "id": customer.id, "can_create_api_keys": true });
            stage.admin("CustomerService/UpdateCustomer", may).await;
            world.top_up(customer.id, RICH).await;
        }
        stage
    }

    /// What an RPC answers to the administrator, who is never refused here.
    pub(crate) async fn admin(&self, rpc: &str, message: Value) -> Value {
        let token = &self.everybody.admin().token;
        let answer = dynamic::call(&self.channel, rpc, &message, token).await;
        answer.unwrap_or_else(|status| panic!("{rpc} {message}: {status}"))
    }

    /// The text at a place in what an RPC answers to the administrator.
    async fn made(&self, rpc: &str, message: Value, place: &str) -> String {
        let answer = self.admin(rpc, message).await;
        answer.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{rpc}: {answer}")).to_owned()
    }

    pub(crate) fn product_message(&self) -> Value {
        json!({ "name": unique(), "price_per_month": "29.00", "cost_price": "20.00", "interface_id": self.provider.id })
    }

    pub(crate) async fn product(&self) -> String {
        self.made("ProductService/CreateProduct", self.product_message(), "/product/id").await
    }

    pub(crate) async fn group(&self) -> String {
        self.made("ProductGroupService/CreateProductGroup", json!({ "name": unique() }), "/group/id").await
    }

    pub(crate) async fn category(&self) -> String {
        let message = json!({ "name": unique() });
        self.made("ProductCategoryService/CreateProductCategory", message, "/category/id").await
    }

    pub(crate) fn order_message(&self) -> Value {
        json!({ "customer_id": self.owner, "product_id": self.product, "billing_cycle": "monthly" })
    }

    /// A pending order.
    pub(crate) async fn order(&self) -> String {
        self.made("OrderService/CreateOrder", self.order_message(), "/order/id").await
    }

    /// An order whose server runs, and its payment from the balance.
    pub(crate) async fn active(&self) -> (String, String) {
        self.active_of(self.order_message()).await
    }

    async fn active_of(&self, order: Value) -> (String, String) {
        let order = self.made("OrderService/CreateOrder", order, "/order/id").await;
        let message = json!({ "order_id": order });
        let payment = self.made("OrderService/PayOrder", message, "/payment/payment_id").await;
        self.world.until_order_is(Id::parse("order", &order).unwrap(), OrderStatus::Active).await;
        (order, payment)
    }

    /// A server that runs.
    pub(crate) async fn instance(&self) -> String {
        self.instance_of(self.order_message()).await
    }

    /// A server that runs, of this order.
    pub(crate) async fn instance_of(&self, order: Value) -> String {
        let order = Id::parse("order", &self.active_of(order).await.0).unwrap();
        let sql = "SELECT id FROM instances WHERE order_id = $1";
        self.world.db().q(sql).bind(order).scalar::<Id>().await.unwrap().to_string()
    }

    pub(crate) fn invoice_message(&self) -> Value {
        json!({
            "customer_id": self.owner,
            "billing_period_start": "2026-01-01",
            "billing_period_end": "2026-01-31",
            "due_date": "2026-02-14",
            "amount": "10.00",
            "tax_amount": "1.00",
            "total_amount": "11.00",
            "items": [{ "description": "Traffic", "quantity": 2, "unit_price": "5.00", "amount": "10.00" }],
        })
    }

    pub(crate) async fn draft(&self) -> String {
        self.made("BillingService/CreateInvoice", self.invoice_message(), "/invoice/id").await
    }

    /// An issued invoice, which its customer can see.
    pub(crate) async fn invoice(&self) -> String {
        let id = self.draft().await;
        self.admin("BillingService/UpdateInvoice", json!({ "id": id, "status": "issued" })).await;
        id
    }

    pub(crate) async fn payment_message(&self) -> Value {
        json!({ "order_id": self.order().await, "gateway_interface_id": self.gateway.id })
    }

    /// A payment that waits for its gateway.
    pub(crate) async fn payment(&self) -> String {
        self.made("PaymentService/CreatePayment", self.payment_message().await, "/payment/id").await
    }

    pub(crate) fn ticket_message(&self) -> Value {
        json!({ "customer_id": self.owner, "title": "Help", "description": "It is slow.", "priority": "high" })
    }

    pub(crate) async fn ticket(&self) -> String {
        self.made("TicketService/CreateTicket", self.ticket_message(), "/ticket/id").await
    }

    pub(crate) fn key_message(&self) -> Value {
        json!({ "name": unique(), "customer_id": self.owner })
    }

    pub(crate) async fn key(&self) -> String {
        self.made("ApiKeyService/CreateApiKey", self.key_message(), "/id").await
    }

    /// A key's secret, to call with.
    pub(crate) async fn secret(&self) -> String {
        self.made("ApiKeyService/CreateApiKey", self.key_message(), "/api_key").await
    }

    pub(crate) fn user_message(&self) -> Value {
        let name = unique();
        json!({
            "username": name,
            "email": format!("{name}@example.com"),
            "password": PASSWORD,
            "user_type": "customer",
            "customer_id": self.owner,
        })
    }

    /// Another user of the owner's.
    pub(crate) async fn user(&self) -> String {
        self.made("IdentityService/CreateUser", self.user_message(), "/user/id").await
    }

    /// Somebody whose signing in changes nothing of the owner's.
    pub(crate) async fn bystander(&self) -> Value {
        let mut message = self.user_message();
        message["customer_id"] = json!(self.customer().await);
        self.admin("IdentityService/CreateUser", message.clone()).await;
        json!({ "username": message["username"], "password": PASSWORD, "user_type": "customer" })
    }

    pub(crate) async fn refresh_token(&self) -> String {
        self.made("IdentityService/Login", self.bystander().await, "/refresh_token").await
    }

    pub(crate) fn customer_message() -> Value {
        let name = unique();
        json!({ "name": name, "email": format!("{name}@example.com"), "credit_limit": "0.00" })
    }

    pub(crate) async fn customer(&self) -> String {
        self.made("CustomerService/CreateCustomer", Self::customer_message(), "/customer/id").await
    }

    pub(crate) fn interface_message(&self) -> Value {
        json!({ "plugin_def_id": self.provider.plugin_def_id, "display_name": unique(), "config_json": "{}" })
    }

    /// An interface that nothing is sold through.
    pub(crate) async fn interface(&self) -> String {
        let message = self.interface_message();
        self.made("IntegrationService/CreatePluginInterface", message, "/interface/id").await
    }

    /// The hash of the script that an interface runs.
    pub(crate) async fn script_hash(&self, interface: &str) -> String {
        let id = Id::parse("interface", interface).unwrap();
        self.world.db().q("SELECT script_hash FROM plugin_interfaces WHERE id = $1").bind(id).scalar().await.unwrap()
    }

    /// Waits until the worker has nothing to do.
    pub(crate) async fn quiet(&self) {
        wait::until("the worker is idle", async || {
            let open = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status NOT IN ('done', 'failed')";
            self.world.count(open).await == 0
        })
        .await;
    }
}
