//! What the words in capitals of an example stand for: each call finds things of its own, so that no example depends
//! on what another one did.

use std::collections::BTreeMap;

use rustbill::core::{
    accounts,
    actor::Actor,
    catalogue::{categories, groups},
    customers::Customer,
    id::Id,
    identity::{self, NewApiKey, Purpose},
    instances::{self, InstanceFilter},
    invoices::{self, NewInvoice, NewItem},
    orders::OrderStatus,
    page::PageRequest,
    plugins::{self, Interface},
    products::Product,
    settlement,
    tickets::{self, NewTicket},
};
use serde_json::json;
use tonic::transport::Channel;

use crate::support::{
    receiver::Receiver,
    server::{admin_token, customer_token},
    wait,
    world::{PASSWORD, World, money},
};

/// Calls that a customer's user makes here: as the administrator they would end what later calls need.
const AS_CUSTOMER: [&str; 2] =
    ["rustbill.identity.IdentityService/ChangePassword", "rustbill.identity.IdentityService/Logout"];

/// A shop in which every example can be run.
pub(crate) struct Shop<'a> {
    world: &'a World,
    channel: Channel,
    provider: Interface,
    upstream: Interface,
    gateway: Interface,
    product: Product,
    mail: Receiver,
}

/// One call's things, by their words.
pub(crate) struct Things<'a> {
    shop: &'a Shop<'a>,
    call: &'a str,
    known: BTreeMap<String, String>,
}

impl<'a> Shop<'a> {
    pub(crate) async fn open(world: &'a World, channel: Channel) -> Self {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        world.write_plugin("provider-rustbill.rn", include_str!("../scripts/provider-upstream.rn"));
        let upstream = world.interface("provider-rustbill.rn", json!({})).await;
        let config = json!({ "bank_name": "Bank", "account_name": "Shop", "account_number": "DE00 1234" });
        let gateway = world.interface("gateway-banktransfer.rn", config).await;
        let mail = Receiver::start().await;
        let script =
            include_str!("../../../plugins/notifier-webhook.rn").replace("    []\n", "    [\"verification_code\"]\n");
        world.write_plugin("notifier-mail.rn", &script);
        world.interface("notifier-mail.rn", json!({ "url": mail.url })).await;
        world.start_worker();
        Self { world, channel, provider, upstream, gateway, product, mail }
    }

    pub(crate) fn things(&'a self, call: &'a str) -> Things<'a> {
        Things { shop: self, call, known: BTreeMap::new() }
    }

    async fn customer_with_money(&self) -> Customer {
        let customer = self.world.customer().await;
        self.world.top_up(customer.id, "100.00").await;
        customer
    }

    async fn invoice(&self) -> Id {
        let day = |text: &str| text.parse().unwrap();
        let new = NewInvoice {
            customer_id: self.world.customer().await.id,
            billing_period_start: day("2026-11-01"),
            billing_period_end: day("2026-11-30"),
            amount: money("29.00"),
            tax_amount: money("0.00"),
            total_amount: money("29.00"),
            due_date: day("2026-12-14"),
            notes: String::new(),
            items: vec![NewItem {
                description: "Cloud S".to_owned(),
                quantity: 1,
                unit_price: money("29.00"),
                amount: money("29.00"),
            }],
        };
        invoices::create(&self.world.app, &self.world.admin, &new).await.unwrap().id
    }

    async fn instance(&self) -> Id {
        let (app, admin) = (&self.world.app, &self.world.admin);
        let customer = self.customer_with_money().await;
        let order = self.world.order(&customer, &self.product).await;
        settlement::pay_order(app, admin, order.id, None).await.unwrap();
        self.world.until_order_is(order.id, OrderStatus::Active).await;
        let filter = InstanceFilter { customer_id: Some(customer.id), ..InstanceFilter::default() };
        instances::list(app, admin, filter, PageRequest::default()).await.unwrap().items[0].id
    }

    async fn payment(&self, confirmed: bool) -> Id {
        let (app, admin) = (&self.world.app, &self.world.admin);
        if confirmed {
            // A top-up: nothing of an order's that is being provisioned meanwhile can be refunded.
            let payment = self.world.top_up_at(&self.gateway).await;
            settlement::confirm(app, admin, payment.id, "", "").await.unwrap();
            return payment.id;
        }
        let order = self.world.order(&self.world.customer().await, &self.product).await;
        settlement::pay_order(app, admin, order.id, Some(self.gateway.id)).await.unwrap().id
    }

    /// A code that was sent to the address of the examples.
    async fn code(&self, purpose: Purpose) -> String {
        let mut tx = self.world.db().begin().await.unwrap();
        tx.q("DELETE FROM verification_codes").execute().await.unwrap();
        tx.commit().await.unwrap();
        let before = self.mail.events("verification_code").len();
        let nobody = Actor::anonymous("192.0.2.7");
        accounts::send_code(&self.world.app, &nobody, "ann@example.com", purpose).await.unwrap();
        let mail = wait::value("a code arrives", async || self.mail.events("verification_code").get(before).cloned());
        mail.await.json()["data"]["code"].as_str().unwrap().to_owned()
    }
}

impl Things<'_> {
    /// The text with things in place of their words.
    pub(crate) async fn fill(&mut self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|character: char| character.is_ascii_uppercase()) {
            let end = rest[start..].find(|character| !is_word(character)).map_or(rest.len(), |length| start + length);
            out.push_str(&rest[..start]);
            out.push_str(&self.thing(&rest[start..end]).await);
            rest = &rest[end..];
        }
        out + rest
    }

    /// A caller's token.
    pub(crate) async fn token(&self) -> String {
        if AS_CUSTOMER.contains(&self.call) {
            let user = self.shop.world.customer_user(&self.shop.world.customer().await).await;
            return customer_token(&self.shop.channel, &user.username).await;
        }
        admin_token(&self.shop.channel).await
    }

    async fn thing(&mut self, word: &str) -> String {
        if let Some(known) = self.known.get(word) {
            return known.clone();
        }
        let thing = self.make(word).await;
        self.known.insert(word.to_owned(), thing.clone());
        thing
    }

    async fn make(&self, name: &str) -> String {
        let (shop, world) = (self.shop, self.shop.world);
        let (app, admin) = (&world.app, &world.admin);
        let id = match name {
            "PASSWORD" => return PASSWORD.to_owned(),
            "USERNAME" => return world.customer_user(&world.customer().await).await.username,
            "CODE" if self.call.ends_with("/Register") => return shop.code(Purpose::Registration).await,
            "CODE" => return shop.code(Purpose::PasswordReset).await,
            "REFRESH_TOKEN" => {
                let user = world.customer_user(&world.customer().await).await;
                let kind = identity::UserKind::Customer;
                let login = identity::login(app, "192.0.2.7", kind, &user.username, PASSWORD).await.unwrap();
                let identity::Grant::Tokens(tokens) = login.grant else { panic!("no tokens") };
                return tokens.refresh.reveal().to_owned();
            }
            "CUSTOMER_ID" => world.customer().await.id,
            "USER_ID" => world.customer_user(&world.customer().await).await.id,
            "PRODUCT_ID" => world.product(&shop.provider).await.id,
            "ORDER_ID" => world.order(&shop.customer_with_money().await, &shop.product).await.id,
            "INSTANCE_ID" => shop.instance().await,
            "INVOICE_ID" => shop.invoice().await,
            "PAYMENT_ID" => shop.payment(self.call.ends_with("/RefundPayment")).await,
            "PROVIDER_INTERFACE_ID" if self.call.contains(".IntegrationService/") => shop.upstream.id,
            "PROVIDER_INTERFACE_ID" => shop.provider.id,
            "GATEWAY_ID" => shop.gateway.id,
            "INTERFACE_ID"
                if ["/GetPluginAdminPage", "/CallPluginAction"].iter().any(|call| self.call.ends_with(call)) =>
            {
                shop.upstream.id
            }
            "INTERFACE_ID" => world.instant_provider().await.id,
            "PLUGIN_ID" => shop.gateway.plugin_def_id.unwrap(),
            "CATEGORY_ID" => {
                let new = categories::NewCategory { name: Id::generate().to_string(), ..Default::default() };
                categories::create(app, admin, &new).await.unwrap().id
            }
            "GROUP_ID" => {
                let new = groups::NewGroup { name: Id::generate().to_string(), ..Default::default() };
                groups::create(app, admin, &new).await.unwrap().id
            }
            "KEY_RECORD_ID" => {
                let customer_id = Some(world.customer().await.id);
                let new = NewApiKey { name: "Their shop".to_owned(), customer_id, lifetime: None };
                identity::create_api_key(app, admin, &new).await.unwrap().key.id
            }
            "TICKET_ID" => {
                let new = NewTicket {
                    customer_id: Some(world.customer().await.id),
                    title: "No SSH".to_owned(),
                    ..NewTicket::default()
                };
                tickets::create(app, admin, &new).await.unwrap().id
            }
            "EVENT_ID" => world.event_that_is("failed").await,
            "HASH" => {
                let interface = Id::parse("interface", &self.known["INTERFACE_ID"]).unwrap();
                return plugins::source(app, admin, interface).await.unwrap().hash;
            }
            // What a provider calls a server, and words that merely are in capitals.
            other => {
                assert!(!other.ends_with("_ID") || other == "PROVIDER_INSTANCE_ID", "nothing for {other}");
                return other.to_owned();
            }
        };
        id.to_string()
    }
}

fn is_word(character: char) -> bool {
    character.is_ascii_uppercase() || character == '_'
}
