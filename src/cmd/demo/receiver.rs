//! The webhook receiver: what a shop owner would run to hear of events, with the check that every receiver should make.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::post,
};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use tokio::{net::TcpListener, sync::watch, task::JoinHandle};

use crate::core::{
    error::{Error, Result},
    secret::{Secret, random_text},
    time::Clock,
};

/// How long an event may take to arrive.
const ARRIVAL_MAX: Duration = Duration::from_secs(20);
/// Seconds by which a webhook's timestamp may differ: an older one was recorded and played back.
const SKEW_MAX: i64 = 300;
/// Characters of the secret that signs the webhooks.
const SECRET_LENGTH: usize = 40;
/// The headers of a webhook.
const TIMESTAMP: &str = "x-rustbill-timestamp";
const SIGNATURE: &str = "x-rustbill-signature";

/// An event that arrived with a good signature.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Event {
    #[serde(rename = "event_type")]
    pub(super) name: String,
    pub(super) title: String,
    data: BTreeMap<String, serde_json::Value>,
}

impl Event {
    fn is_of_order(&self, order_id: &str) -> bool {
        self.data.get("order_id").and_then(serde_json::Value::as_str) == Some(order_id)
    }
}

#[derive(Default)]
struct Arrived {
    events: Vec<Event>,
    /// Why the last one that was refused was refused.
    refused: Option<String>,
}

struct Checks {
    secret: Secret,
    clock: Clock,
    arrived: watch::Sender<Arrived>,
}

/// Listens until it is dropped.
pub(super) struct Receiver {
    pub(super) secret: Secret,
    address: SocketAddr,
    arrived: watch::Receiver<Arrived>,
    /// Events that [`Receiver::next`] has given already.
    seen: usize,
    serving: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a free port of this machine.
    pub(super) async fn start(clock: Clock) -> Result<Self> {
        let failed = |cause| Error::unavailable("demo.receiver", "can't listen for webhooks").caused_by(cause);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let secret = random_text(SECRET_LENGTH);
        let (sender, arrived) = watch::channel(Arrived::default());
        let checks = Checks { secret: Secret::new(secret.clone()), clock, arrived: sender };
        let router = Router::new().route("/events", post(receive)).with_state(Arc::new(checks));
        let serving = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                tracing::warn!(%error, "the webhook receiver ended");
            }
        });
        Ok(Self { secret: Secret::new(secret), address, arrived, seen: 0, serving })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/events", self.address)
    }

    /// Waits for an event of an order; a webhook with a bad signature is a failure.
    pub(super) async fn wait_for(&mut self, name: &str, order_id: &str) -> Result<Event> {
        let is_it = |event: &&Event| event.name == name && event.is_of_order(order_id);
        let is_over = |arrived: &Arrived| arrived.refused.is_some() || arrived.events.iter().any(|event| is_it(&event));
        let waited = tokio::time::timeout(ARRIVAL_MAX, self.arrived.wait_for(is_over)).await;
        let missing = || {
            let seconds = ARRIVAL_MAX.as_secs();
            Error::unavailable("demo.webhook", format!("no webhook `{name}` arrived within {seconds} s"))
        };
        let arrived = waited.map_err(|_| missing())?.map_err(|_| missing())?;
        if let Some(problem) = &arrived.refused {
            return Err(Error::internal("demo.webhook", format!("a webhook was refused: {problem}")));
        }
        arrived.events.iter().find(is_it).cloned().ok_or_else(missing)
    }

    /// How many events arrived so far.
    pub(super) fn count(&self) -> usize {
        self.arrived.borrow().events.len()
    }

    /// Leaves out what arrived before.
    pub(super) fn skip_to_now(&mut self) {
        self.seen = self.count();
    }

    /// The next event; waits as long as it takes.
    pub(super) async fn next(&mut self) -> Option<Event> {
        let seen = self.seen;
        let arrived = self.arrived.wait_for(|arrived| arrived.events.len() > seen).await.ok()?;
        self.seen += 1;
        arrived.events.get(seen).cloned()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

async fn receive(State(checks): State<Arc<Checks>>, headers: HeaderMap, body: Bytes) -> (StatusCode, String) {
    match checks.read(&headers, &body) {
        Ok(event) => {
            checks.arrived.send_modify(|arrived| arrived.events.push(event));
            (StatusCode::NO_CONTENT, String::new())
        }
        Err(problem) => {
            checks.arrived.send_modify(|arrived| arrived.refused = Some(problem.clone()));
            (StatusCode::UNAUTHORIZED, problem)
        }
    }
}

impl Checks {
    fn read(&self, headers: &HeaderMap, body: &[u8]) -> Result<Event, String> {
        let header = |name: &str| {
            headers.get(name).and_then(|value| value.to_str().ok()).ok_or_else(|| format!("there is no {name}"))
        };
        let timestamp = header(TIMESTAMP)?;
        let seconds: i64 = timestamp.parse().map_err(|_| format!("{TIMESTAMP} is `{timestamp}`"))?;
        if (self.clock.now().unix_seconds() - seconds).abs() > SKEW_MAX {
            return Err(format!("{TIMESTAMP} is too far from now"));
        }
        let signature = header(SIGNATURE)?;
        let tag = signature.strip_prefix("sha256=").and_then(|text| hex::decode(text).ok());
        let tag = tag.ok_or_else(|| format!("{SIGNATURE} is malformed"))?;
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.reveal().as_bytes()).map_err(|e| e.to_string())?;
        mac.update(timestamp.as_bytes());
        mac.update(b".");
        mac.update(body);
        // In constant time.
        mac.verify_slice(&tag).map_err(|_| "the signature is wrong".to_owned())?;
        serde_json::from_slice(body).map_err(|cause| format!("the body can't be read: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::*;

    const BODY: &str = r#"{"event_type":"order_provisioned","title":"Server ready","data":{"order_id":"o1"}}"#;

    fn sign(secret: &str, timestamp: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(format!("{timestamp}.{BODY}").as_bytes());
        format!("sha256={}", hex::encode(mac.finalize().into_bytes()))
    }

    async fn post(receiver: &Receiver, timestamp: &str, signature: String) -> u16 {
        let request = reqwest::Client::new().post(receiver.url()).header(TIMESTAMP, timestamp);
        request.header(SIGNATURE, signature).body(BODY).send().await.unwrap().status().as_u16()
    }

    #[tokio::test]
    async fn only_signed_and_fresh_webhooks_are_taken() {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let clock = Clock::manual(DateTime::from_timestamp(1_000_000, 0).unwrap());
        let mut receiver = Receiver::start(clock).await.unwrap();
        let secret = receiver.secret.reveal().to_owned();
        assert_eq!(post(&receiver, "1000000", sign(&secret, "1000000")).await, 204);
        assert_eq!(receiver.wait_for("order_provisioned", "o1").await.unwrap().title, "Server ready");
        assert_eq!(receiver.next().await.unwrap().name, "order_provisioned");

        assert_eq!(post(&receiver, "1000", sign(&secret, "1000")).await, 401);
        assert_eq!(post(&receiver, "1000000", sign("another", "1000000")).await, 401);
        let error = receiver.wait_for("order_provisioned", "o1").await.unwrap_err();
        assert!(error.to_string().contains("the signature is wrong"), "{error}");
        assert_eq!(receiver.count(), 1);
    }
}
