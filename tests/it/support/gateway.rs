//! A gateway whose script checks signatures, and the notices that it would send.

use md5::{Digest as _, Md5};
use rustbill::core::{
    id::Id,
    payments::{self, Payment},
    plugins::{self, Interface},
    settlement::{self, Target},
};
use serde_json::{Value, json};

use super::world::{World, money};

/// The key of the signatures.
const SECRET: &str = "shared with the gateway";

/// What a notice says.
#[derive(Clone, Debug)]
pub(crate) struct Said {
    pub(crate) payment: String,
    pub(crate) status: &'static str,
    pub(crate) total: String,
    pub(crate) tx: String,
}

impl Said {
    /// That a payment succeeded.
    pub(crate) fn success(payment: &Payment) -> Self {
        let total = payment.amount.to_string();
        Self { payment: payment.id.to_string(), status: "success", total, tx: format!("t-{}", payment.id) }
    }

    /// The signature that the gateway would make with this key.
    pub(crate) fn sign_with(&self, secret: &str) -> String {
        let text = format!("{}|{}|{}|{}|{secret}", self.payment, self.status, self.total, self.tx);
        hex::encode(Md5::digest(text))
    }

    pub(crate) fn json(&self) -> Value {
        json!({
            "payment_id": self.payment, "status": self.status, "total": self.total, "tx": self.tx,
            "sign": self.sign_with(SECRET),
        })
    }

    /// As a form or a query string.
    pub(crate) fn form(&self) -> String {
        let sign = self.sign_with(SECRET);
        format!("payment_id={}&status={}&total={}&tx={}&sign={sign}", self.payment, self.status, self.total, self.tx)
    }
}

impl World {
    /// The gateway, with these settings beside its key.
    pub(crate) async fn signed_gateway(&self, mut config: Value) -> Interface {
        self.write_plugin("gateway-signed.rn", include_str!("../scripts/gateway-signed.rn"));
        config["secret"] = json!(SECRET);
        self.interface("gateway-signed.rn", config).await
    }

    /// Gives the gateway other settings.
    pub(crate) async fn set_gateway(&self, gateway: &Interface, mut config: Value) {
        config["secret"] = json!(SECRET);
        let change = plugins::InterfaceUpdate { config_json: Some(config.to_string()), ..Default::default() };
        plugins::update(&self.app, &self.admin, gateway.id, &change).await.unwrap();
    }

    /// A pending top-up of 50.00 through a gateway, for a customer of its own.
    pub(crate) async fn top_up_at(&self, gateway: &Interface) -> Payment {
        let target = Target::Recharge { customer_id: Some(self.customer().await.id), amount: money("50.00") };
        settlement::start(&self.app, &self.admin, target, gateway.id, "").await.unwrap()
    }

    pub(crate) async fn payment_state(&self, payment: Id) -> Payment {
        payments::get(&self.app, &self.admin, payment).await.unwrap()
    }
}
