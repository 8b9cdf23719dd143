//! Bad input: a clear error each time, and nothing written.

use std::collections::{BTreeMap, HashMap};

use rustbill::{
    core::{customers::Customer, id::Id, orders::OrderStatus, products::Product, settlement},
    server::grpc::protocol::rustbill as proto,
};
use serde_json::json;
use tonic::{Code, Status};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        server::{InProcess, admin_token, channel, customer_token, with_token},
        world::World,
    },
};
use proto::{
    balance::{AdjustBalanceRequest, balance_service_client::BalanceServiceClient},
    billing::{
        CreateInvoiceRequest, GenerateInvoicesRequest, InvoiceItemInput, billing_service_client::BillingServiceClient,
    },
    customer::{CreateCustomerRequest, customer_service_client::CustomerServiceClient},
    integration::{CreatePluginInterfaceRequest, integration_service_client::IntegrationServiceClient},
    order::{
        CreateOrderRequest, GetOrderRequest, PayOrderRequest, ServerSpec, order_service_client::OrderServiceClient,
    },
    payment::{ConfirmPaymentRequest, CreatePaymentRequest, payment_service_client::PaymentServiceClient},
    product::{CreateProductRequest, product_service_client::ProductServiceClient},
};

/// How many rows each table has that a request could write to.
async fn rows(world: &World) -> BTreeMap<&'static str, i64> {
    macro_rules! count {
        ($($table:literal),*) => {
            BTreeMap::from([$(($table, world.count(concat!("SELECT CAST(COUNT(*) AS BIGINT) FROM ", $table)).await)),*])
        };
    }
    count!(
        "customers",
        "customer_users",
        "products",
        "orders",
        "payments",
        "invoices",
        "invoice_items",
        "balance_transactions",
        "instances",
        "event_queue",
        "operation_logs",
        "plugin_interfaces",
        "unique_names",
        "invoice_counters"
    )
}

/// What came back, by the name of the case.
struct Cases<'a> {
    world: &'a World,
    before: BTreeMap<&'static str, i64>,
}

impl Cases<'_> {
    async fn refused<T: std::fmt::Debug>(&self, what: &str, code: Code, names: &str, result: Result<T, Status>) {
        let status = result.expect_err(what);
        assert_eq!(status.code(), code, "{what}: {status}");
        assert!(status.message().contains(names), "{what}: `{}` does not name {names}", status.message());
        assert!(status.message().len() < 500, "{what}: a message of {} bytes", status.message().len());
        assert_eq!(rows(self.world).await, self.before, "{what} wrote something");
    }
}

fn order_of(customer: &Customer, product: &Product) -> CreateOrderRequest {
    CreateOrderRequest {
        customer_id: customer.id.to_string(),
        product_id: product.id.to_string(),
        billing_cycle: "monthly".to_owned(),
        ..CreateOrderRequest::default()
    }
}

fn spec(extra: &[(&str, &str)]) -> ServerSpec {
    let extra_specs: HashMap<String, String> =
        extra.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    ServerSpec { extra_specs, ..ServerSpec::default() }
}

fn invoice_of(customer: &Customer) -> CreateInvoiceRequest {
    CreateInvoiceRequest {
        customer_id: customer.id.to_string(),
        billing_period_start: "2026-01-01".to_owned(),
        billing_period_end: "2026-01-31".to_owned(),
        amount: "10.00".to_owned(),
        tax_amount: "0".to_owned(),
        total_amount: "10".to_owned(),
        due_date: "2026-02-14".to_owned(),
        notes: String::new(),
        items: vec![InvoiceItemInput {
            description: "x".to_owned(),
            quantity: 1,
            unit_price: "10.0".to_owned(),
            amount: "10.00".to_owned(),
        }],
    }
}

on_both! {
    async fn orders_and_payments(world: World) {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        let (ann, ben) = (world.customer().await, world.customer().await);
        let ann_user = world.customer_user(&ann).await;
        let bens = world.order(&ben, &product).await;
        world.top_up(ben.id, "29.00").await;
        let paid = world.order(&ben, &product).await;
        settlement::pay_order(&world.app, &world.admin, paid.id, None).await.unwrap();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let admin = admin_token(&channel).await;
        let token = customer_token(&channel, &ann_user.username).await;
        let mut orders = OrderServiceClient::new(channel.clone());
        let mut payments = PaymentServiceClient::new(channel.clone());
        let cases = Cases { world: &world, before: rows(&world).await };
        let good = order_of(&ann, &product);

        for (what, bad, code, names) in [
            ("an unknown cycle", CreateOrderRequest { billing_cycle: "weekly".to_owned(), ..good.clone() }, Code::InvalidArgument, "weekly"),
            ("a cycle that is not offered", CreateOrderRequest { billing_cycle: "quarterly".to_owned(), ..good.clone() }, Code::InvalidArgument, "quarterly"),
            ("a malformed product", CreateOrderRequest { product_id: "42".to_owned(), ..good.clone() }, Code::InvalidArgument, "product_id"),
            ("no product", CreateOrderRequest { product_id: String::new(), ..good.clone() }, Code::InvalidArgument, "product_id"),
            ("an unknown product", CreateOrderRequest { product_id: Id::generate().to_string(), ..good.clone() }, Code::NotFound, "product"),
            ("another customer", CreateOrderRequest { customer_id: ben.id.to_string(), ..good.clone() }, Code::PermissionDenied, "another customer"),
            ("a malformed customer", CreateOrderRequest { customer_id: "x'; --".to_owned(), ..good.clone() }, Code::InvalidArgument, "customer_id"),
            ("another currency", CreateOrderRequest { currency: "USD".to_owned(), ..good.clone() }, Code::InvalidArgument, "currency"),
            ("another provider", CreateOrderRequest { provider_interface_id: Id::generate().to_string(), ..good.clone() }, Code::InvalidArgument, "provider_interface_id"),
            ("an unknown gateway", CreateOrderRequest { gateway_interface_id: Id::generate().to_string(), ..good.clone() }, Code::NotFound, "interface"),
            ("a provider as gateway", CreateOrderRequest { gateway_interface_id: provider.id.to_string(), ..good.clone() }, Code::InvalidArgument, "gateway_interface_id"),
            ("an unknown region", CreateOrderRequest { server_spec: Some(spec(&[("region", "mars")])), ..good.clone() }, Code::InvalidArgument, "region"),
            ("a disk beyond its bounds", CreateOrderRequest { server_spec: Some(spec(&[("disk_gb", "101")])), ..good.clone() }, Code::InvalidArgument, "disk_gb"),
            ("a setting of the provider", CreateOrderRequest { server_spec: Some(spec(&[("refuse", "x")])), ..good.clone() }, Code::InvalidArgument, "refuse"),
            ("the order's own field", CreateOrderRequest { server_spec: Some(spec(&[("order_id", "x")])), ..good.clone() }, Code::InvalidArgument, "order_id"),
            ("NUL in the notes", CreateOrderRequest { notes: "a\0b".to_owned(), ..good.clone() }, Code::InvalidArgument, "notes"),
            ("notes of a megabyte", CreateOrderRequest { notes: "x".repeat(1_000_000), ..good.clone() }, Code::InvalidArgument, "notes"),
        ] {
            cases.refused(what, code, names, orders.create_order(with_token(bad, &token)).await).await;
        }
        cases.refused("nobody", Code::Unauthenticated, "log in", orders.create_order(good.clone()).await).await;
        cases.refused("a forged token", Code::Unauthenticated, "log in", orders.create_order(with_token(good, "a.b.c")).await).await;

        let pay = |order: String, gateway: &str| PayOrderRequest { order_id: order, gateway_interface_id: gateway.to_owned() };
        cases.refused("a malformed order", Code::InvalidArgument, "order_id", orders.pay_order(with_token(pay("1".to_owned(), ""), &token)).await).await;
        cases.refused("an unknown order", Code::NotFound, "order", orders.pay_order(with_token(pay(Id::generate().to_string(), ""), &token)).await).await;
        cases.refused("another customer's order", Code::PermissionDenied, "another", orders.pay_order(with_token(pay(bens.id.to_string(), ""), &token)).await).await;
        cases.refused("an order that is paid", Code::InvalidArgument, "paid", orders.pay_order(with_token(pay(paid.id.to_string(), ""), &admin)).await).await;
        cases.refused("a malformed gateway", Code::InvalidArgument, "gateway_interface_id", orders.pay_order(with_token(pay(bens.id.to_string(), "x"), &admin)).await).await;
        cases.refused("no money", Code::InvalidArgument, "balance", orders.pay_order(with_token(pay(bens.id.to_string(), ""), &admin)).await).await;
        cases.refused("looking at another's order", Code::PermissionDenied, "another", orders.get_order(with_token(GetOrderRequest { id: bens.id.to_string() }, &token)).await).await;

        let create = CreatePaymentRequest { order_id: bens.id.to_string(), invoice_id: bens.id.to_string(), gateway_interface_id: provider.id.to_string(), return_url: String::new() };
        cases.refused("an order and an invoice", Code::InvalidArgument, "invoice_id", payments.create_payment(with_token(create, &admin)).await).await;
        let confirm = |id: String| ConfirmPaymentRequest { payment_id: id, gateway_tx_id: String::new(), note: String::new() };
        cases.refused("a customer who confirms", Code::PermissionDenied, "administrator", payments.confirm_payment(with_token(confirm(Id::generate().to_string()), &token)).await).await;
        cases.refused("an unknown payment", Code::NotFound, "payment", payments.confirm_payment(with_token(confirm(Id::generate().to_string()), &admin)).await).await;
        assert_eq!(world.order_state(bens.id).await.status, OrderStatus::Pending);
        server.stop().await;
    }

    async fn amounts_names_and_dates(world: World) {
        let provider = world.instant_provider().await;
        let customer = world.customer().await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let admin = admin_token(&channel).await;
        let cases = Cases { world: &world, before: rows(&world).await };

        let mut balances = BalanceServiceClient::new(channel.clone());
        for amount in ["", "1.005", "1e3", "abc", "10000000000.00", "NaN", "+1", " 1", "0", "1,00", "٣"] {
            let request = AdjustBalanceRequest { customer_id: customer.id.to_string(), amount: amount.to_owned(), description: String::new() };
            cases.refused(&format!("the amount {amount:?}"), Code::InvalidArgument, "amount", balances.adjust_balance(with_token(request, &admin)).await).await;
        }

        let mut customers = CustomerServiceClient::new(channel.clone());
        let good = CreateCustomerRequest { name: "Eve".to_owned(), email: "eve@example.com".to_owned(), ..CreateCustomerRequest::default() };
        for (what, bad, code, names) in [
            ("no name", CreateCustomerRequest { name: " ".to_owned(), ..good.clone() }, Code::InvalidArgument, "name"),
            ("no address", CreateCustomerRequest { email: "eve".to_owned(), ..good.clone() }, Code::InvalidArgument, "email"),
            ("a negative credit", CreateCustomerRequest { credit_limit: "-1".to_owned(), ..good.clone() }, Code::InvalidArgument, "credit_limit"),
            ("a taken address", CreateCustomerRequest { email: customer.email.to_uppercase(), ..good.clone() }, Code::AlreadyExists, "e-mail"),
        ] {
            cases.refused(what, code, names, customers.create_customer(with_token(bad, &admin)).await).await;
        }

        let mut products = ProductServiceClient::new(channel.clone());
        let good = CreateProductRequest {
            name: "VPS".to_owned(),
            price_per_month: "29".to_owned(),
            interface_id: provider.id.to_string(),
            ..CreateProductRequest::default()
        };
        let cycle = |name: &str, price: &str| HashMap::from([(name.to_owned(), price.to_owned())]);
        for (what, bad, code, names) in [
            ("a negative price", CreateProductRequest { price_per_month: "-29".to_owned(), ..good.clone() }, Code::InvalidArgument, "price_per_month"),
            ("a price with three decimals", CreateProductRequest { price_per_month: "29.001".to_owned(), ..good.clone() }, Code::InvalidArgument, "price_per_month"),
            ("an unknown cycle", CreateProductRequest { billing_cycles: cycle("daily", "1"), ..good.clone() }, Code::InvalidArgument, "daily"),
            ("a cycle's bad price", CreateProductRequest { billing_cycles: cycle("yearly", "x"), ..good.clone() }, Code::InvalidArgument, "yearly"),
            ("an unknown interface", CreateProductRequest { interface_id: Id::generate().to_string(), ..good.clone() }, Code::NotFound, "interface"),
            ("an unknown group", CreateProductRequest { group_id: Some(Id::generate().to_string()), ..good.clone() }, Code::NotFound, "group"),
        ] {
            cases.refused(what, code, names, products.create_product(with_token(bad, &admin)).await).await;
        }

        let mut billing = BillingServiceClient::new(channel.clone());
        let good = invoice_of(&customer);
        for (what, bad, names) in [
            ("a total that does not add up", CreateInvoiceRequest { total_amount: "10.01".to_owned(), ..good.clone() }, "total_amount"),
            ("a bad day", CreateInvoiceRequest { due_date: "2026-02-30".to_owned(), ..good.clone() }, "due_date"),
            ("a moment as a day", CreateInvoiceRequest { billing_period_start: "2026-01-01T00:00:00Z".to_owned(), ..good.clone() }, "billing_period_start"),
            ("no items", CreateInvoiceRequest { items: Vec::new(), ..good.clone() }, "items"),
        ] {
            cases.refused(what, Code::InvalidArgument, names, billing.create_invoice(with_token(bad, &admin)).await).await;
        }
        let period = GenerateInvoicesRequest { billing_period_start: "2026-02-01".to_owned(), billing_period_end: "2026-01-01".to_owned() };
        cases.refused("a period that ends before it begins", Code::InvalidArgument, "period", billing.generate_invoices(with_token(period, &admin)).await).await;
        server.stop().await;
    }

    async fn settings_of_plugins(world: World) {
        world.scan().await;
        let definitions = rustbill::core::plugins::definitions(&world.app, &world.admin, None).await.unwrap();
        let stock = definitions.iter().find(|definition| definition.file_name == "provider-stock.rn").unwrap();
        let bank = definitions.iter().find(|definition| definition.file_name == "gateway-banktransfer.rn").unwrap();
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let admin = admin_token(&channel).await;
        let cases = Cases { world: &world, before: rows(&world).await };
        let mut integration = IntegrationServiceClient::new(channel.clone());
        for (what, definition, name, config, code, names) in [
            ("no JSON", stock.id, "x", "{", Code::InvalidArgument, "line 1"),
            ("no object", stock.id, "x", "[1]", Code::InvalidArgument, "object"),
            ("a missing setting", bank.id, "x", "{}", Code::InvalidArgument, "bank_name"),
            ("a setting of the wrong type", bank.id, "x", r#"{"bank_name":1,"account_name":"a","account_number":"1"}"#, Code::InvalidArgument, "bank_name"),
            ("no name", bank.id, "", r#"{"bank_name":"b","account_name":"a","account_number":"1"}"#, Code::InvalidArgument, "display_name"),
            ("an unknown definition", Id::generate(), "x", "{}", Code::NotFound, "plugin"),
        ] {
            let request = CreatePluginInterfaceRequest { plugin_def_id: definition.to_string(), display_name: name.to_owned(), config_json: config.to_owned() };
            cases.refused(what, code, names, integration.create_plugin_interface(with_token(request, &admin)).await).await;
        }
        let good = json!({ "bank_name": "b", "account_name": "a", "account_number": "1" }).to_string();
        let request = CreatePluginInterfaceRequest { plugin_def_id: bank.id.to_string(), display_name: "Bank".to_owned(), config_json: good };
        integration.create_plugin_interface(with_token(request.clone(), &admin)).await.unwrap();
        let cases = Cases { world: &world, before: rows(&world).await };
        cases.refused("a taken name", Code::AlreadyExists, "Bank", integration.create_plugin_interface(with_token(request, &admin)).await).await;
        server.stop().await;
    }
}
