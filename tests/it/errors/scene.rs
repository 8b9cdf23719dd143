//! The stage, and beside it what is broken, closed, unknown or used up.

use std::{ops::Deref, path::PathBuf};

use rustbill::core::{id::Id, plugins::PluginHost};
use serde_json::{Value, json};
use tonic::transport::Channel;

use super::row::Who;
use crate::support::{
    dynamic,
    receiver::{Received, Receiver},
    server::{InProcess, channel},
    stage::{Stage, unique},
    wait,
    world::World,
};

const BROKEN_PROVIDER: &str = include_str!("../scripts/provider-broken.rn");
const BROKEN_GATEWAY: &str = include_str!("../scripts/gateway-broken.rn");

pub(super) struct Scene<'a> {
    pub(super) stage: Stage<'a>,
    /// An enabled upstream provider that refuses everything.
    pub(super) broken: String,
    /// A server that was made before its provider, which is that one, broke.
    pub(super) orphan: String,
    /// Another one, which is stopped.
    pub(super) stopped_orphan: String,
    /// An enabled gateway that refuses everything.
    pub(super) broken_gateway: String,
    /// A customer's token.
    third: String,
    mails: Receiver,
    cut_off: (InProcess, Channel),
}

impl<'a> Deref for Scene<'a> {
    type Target = Stage<'a>;

    fn deref(&self) -> &Self::Target {
        &self.stage
    }
}

impl<'a> Scene<'a> {
    pub(super) async fn on(world: &'a World, stage: Stage<'a>) -> Self {
        let mails = Receiver::start().await;
        let script =
            include_str!("../../../plugins/notifier-webhook.rn").replace("    []\n", "    [\"verification_code\"]\n");
        world.write_plugin("notifier-mail.rn", &script);
        world.interface("notifier-mail.rn", json!({ "url": mails.url })).await;
        world.write_plugin("gateway-broken.rn", BROKEN_GATEWAY);
        let broken_gateway = world.interface("gateway-broken.rn", json!({})).await.id.to_string();
        // The same shop, but scripts run in a program that does not exist.
        let mut app = world.app.clone();
        let program = PathBuf::from("/no/such/program");
        app.plugins = PluginHost::new(program, &app.settings.plugins, app.database.clone(), app.clock.clone()).unwrap();
        let cut_off = InProcess::start_app(app).await;
        let cut_off_channel = channel(&cut_off.address).await;
        world.start_worker();
        let broken = stage.interface().await;
        toggle(&stage, &broken).await;
        let mut product = stage.product_message();
        product["interface_id"] = json!(broken);
        let product = made(&stage, "ProductService/CreateProduct", product, "/product/id").await;
        let order = json!({ "customer_id": stage.owner, "product_id": product, "billing_cycle": "monthly" });
        let orphan = stage.instance_of(order.clone()).await;
        let stopped_orphan = stage.instance_of(order).await;
        let third = made(&stage, "IdentityService/Login", stage.bystander().await, "/access_token").await;
        let scene = Self {
            stage,
            third,
            broken,
            orphan,
            stopped_orphan,
            broken_gateway,
            mails,
            cut_off: (cut_off, cut_off_channel),
        };
        scene.break_down(&scene.broken, BROKEN_PROVIDER).await;
        scene.instance_becomes(&scene.stopped_orphan, "stopped").await;
        scene
    }

    pub(super) async fn close(self) {
        self.cut_off.0.stop().await;
    }

    /// Where somebody calls, and with which token.
    pub(super) fn at(&self, who: Who) -> (&Channel, &str) {
        let caller = match who {
            Who::Third => return (&self.stage.channel, &self.third),
            Who::Nobody | Who::NobodyCutOff => 0,
            Who::Owner => 1,
            Who::Stranger => 2,
            Who::Operator => 3,
            Who::Admin | Who::AdminCutOff => 4,
        };
        let channel = match who {
            Who::NobodyCutOff | Who::AdminCutOff => &self.cut_off.1,
            _ => &self.stage.channel,
        };
        (channel, &self.everybody.callers[caller].token)
    }

    /// Changes one row where no call can. The worker may be writing at the same moment.
    async fn change(&self, sql: &'static str, value: &str, id: Option<&str>) {
        let db = self.world.db();
        let changed = db.retry(async || {
            let mut tx = db.begin().await?;
            let query = tx.q(sql).bind(value.to_owned());
            let changed = match id {
                Some(id) => query.bind(Id::parse("id", id)?).execute().await?,
                None => query.execute().await?,
            };
            tx.commit().await?;
            Ok(changed)
        });
        assert_eq!(changed.await.unwrap(), 1, "{sql}");
    }

    /// Puts another script in the place of an interface's.
    async fn break_down(&self, interface: &str, script: &'static str) {
        self.change("UPDATE plugin_interfaces SET script_source = $1 WHERE id = $2", script, Some(interface)).await;
    }

    async fn instance_becomes(&self, instance: &str, status: &str) {
        self.change("UPDATE instances SET status = $1 WHERE id = $2", status, Some(instance)).await;
    }

    /// A disabled interface that does not start.
    pub(super) async fn closed(&self) -> String {
        let id = self.interface().await;
        self.break_down(&id, BROKEN_PROVIDER).await;
        id
    }

    /// An enabled provider of which nothing is sold.
    pub(super) async fn barren(&self) -> String {
        let id = self.interface().await;
        toggle(&self.stage, &id).await;
        id
    }

    /// A pending payment, and one that succeeded, whose gateways broke afterwards.
    pub(super) async fn stranded_payment(&self, succeeds: bool) -> String {
        let message =
            json!({ "plugin_def_id": self.gateway.plugin_def_id, "display_name": unique(), "config_json": "{}" });
        let gateway = self.make("IntegrationService/CreatePluginInterface", message, "/interface/id").await;
        toggle(&self.stage, &gateway).await;
        let message = json!({ "order_id": self.order().await, "gateway_interface_id": gateway });
        let id = self.make("PaymentService/CreatePayment", message, "/payment/id").await;
        if succeeds {
            self.admin("PaymentService/ConfirmPayment", json!({ "payment_id": id, "gateway_tx_id": unique() })).await;
        }
        self.break_down(&gateway, BROKEN_GATEWAY).await;
        id
    }

    /// What an RPC makes for the administrator.
    pub(super) async fn make(&self, rpc: &str, message: Value, place: &str) -> String {
        made(&self.stage, rpc, message, place).await
    }

    /// An order of a customer who has nothing.
    pub(super) async fn poor_order(&self) -> String {
        let mut message = self.order_message();
        message["customer_id"] = json!(self.customer().await);
        self.make("OrderService/CreateOrder", message, "/order/id").await
    }

    /// An order that was paid.
    pub(super) async fn paid_order(&self) -> String {
        let id = self.order().await;
        self.admin("OrderService/PayOrder", json!({ "order_id": id })).await;
        id
    }

    /// An invoice with nothing to pay, which is paid.
    pub(super) async fn paid_invoice(&self) -> String {
        let mut message = self.invoice_message();
        message["items"] = json!([{ "description": "Gift", "quantity": 1, "unit_price": "0.00", "amount": "0.00" }]);
        for field in ["amount", "tax_amount", "total_amount"] {
            message[field] = json!("0.00");
        }
        let id = self.make("BillingService/CreateInvoice", message, "/invoice/id").await;
        self.admin("BillingService/UpdateInvoice", json!({ "id": id, "status": "issued" })).await;
        id
    }

    /// A payment that arrived.
    pub(super) async fn confirmed(&self) -> String {
        let id = self.payment().await;
        self.admin("PaymentService/ConfirmPayment", json!({ "payment_id": id, "gateway_tx_id": unique() })).await;
        id
    }

    /// A server that is gone.
    pub(super) async fn terminated(&self) -> String {
        let id = self.instance().await;
        self.instance_becomes(&id, "terminated").await;
        id
    }

    /// A server whose order came to its end.
    pub(super) async fn completed(&self) -> String {
        let id = self.instance().await;
        let sql = "UPDATE orders SET status = $1 WHERE id = (SELECT order_id FROM instances WHERE id = $2)";
        self.change(sql, "completed", Some(&id)).await;
        id
    }

    /// A server that is stopped.
    pub(super) async fn stopped(&self) -> String {
        let id = self.instance().await;
        self.instance_becomes(&id, "stopped").await;
        id
    }

    /// A product that costs the shop nothing.
    pub(super) async fn gift(&self) -> String {
        let mut message = self.product_message();
        message["cost_price"] = json!("0.00");
        self.make("ProductService/CreateProduct", message, "/product/id").await
    }

    /// A product that somebody ordered.
    pub(super) async fn ordered(&self) -> String {
        let product = self.product().await;
        let message = json!({ "customer_id": self.owner, "product_id": product, "billing_cycle": "monthly" });
        self.admin("OrderService/CreateOrder", message).await;
        product
    }

    /// A customer's e-mail address.
    pub(super) async fn taken_email(&self) -> String {
        let message = Stage::customer_message();
        let email = message["email"].as_str().unwrap().to_owned();
        self.admin("CustomerService/CreateCustomer", message).await;
        email
    }

    /// The code that an address got.
    pub(super) async fn code(&self, email: &str, purpose: &str) -> String {
        self.admin("IdentityService/SendVerificationCode", json!({ "email": email, "purpose": purpose })).await;
        wait::value("a code arrives", async || {
            let mails = self.mails.events("verification_code");
            let mail = mails.iter().map(Received::json).find(|mail| mail["recipient"] == email)?;
            mail["data"]["code"].as_str().map(str::to_owned)
        })
        .await
    }

    /// Lets the codes of an address expire.
    pub(super) async fn let_expire(&self, email: &str) {
        self.change("UPDATE verification_codes SET expires_at = created_at WHERE email = $1", email, None).await;
    }

    /// A refresh token that expired.
    pub(super) async fn expired_token(&self) -> String {
        let answer = self.admin("IdentityService/Login", self.bystander().await).await;
        let user = answer["user"]["username"].as_str().unwrap();
        let sql = "UPDATE refresh_tokens SET expires_at = created_at \
                   WHERE user_id = (SELECT id FROM customer_users WHERE username = $1)";
        self.change(sql, user, None).await;
        answer["refresh_token"].as_str().unwrap().to_owned()
    }
}

async fn made(stage: &Stage<'_>, rpc: &str, message: Value, place: &str) -> String {
    let answer = stage.admin(rpc, message).await;
    answer.pointer(place).and_then(Value::as_str).unwrap_or_else(|| panic!("{rpc}: {answer}")).to_owned()
}

async fn toggle(stage: &Stage<'_>, interface: &str) {
    let message = json!({ "interface_id": interface, "enable": true });
    stage.admin("IntegrationService/TogglePluginInterface", message).await;
}

/// Calls a row's RPC.
pub(super) async fn call(scene: &Scene<'_>, rpc: &str, message: &Value, who: Who) -> Result<Value, tonic::Status> {
    let (channel, token) = scene.at(who);
    dynamic::call(channel, rpc, message, token).await
}
