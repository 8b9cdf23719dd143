//! A payment platform as merchants see it, written from the published protocol of 易支付 (version 1): the cashier, orders
//! by `mapi.php`, notices by GET until they are heard, and `api.php` for queries and refunds. Real ones can't run here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard},
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{RawQuery, State},
    http::StatusCode,
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use md5::{Digest as _, Md5};
use serde_json::{Value, json};

/// The merchant's number.
pub(crate) const PID: &str = "1001";
/// The merchant's key.
pub(crate) const KEY: &str = "Zx8-the-key-of-the-merchant";
/// How often a notice is sent before the platform gives up.
const NOTICES_MAX: usize = 5;

/// Fields by name, as they are signed.
pub(crate) type Fields = BTreeMap<String, String>;

/// What goes wrong with a request, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The work is done, and the connection breaks off before the answer is whole.
    BreakOff,
    /// The work is done, and the answer is an error page.
    ErrorPage,
    /// The work is done, and the answer is no JSON.
    Garbled,
    /// The work is done, and the answer says that it was not.
    SayNo,
    /// Nothing is done, and the answer is an error page.
    DoNothing,
}

/// An order as the platform has it.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    pub(crate) trade_no: String,
    pub(crate) fields: Fields,
    cents: i64,
    /// 0 unpaid, 1 paid, 2 given back.
    status: u8,
    refunded: i64,
}

#[derive(Default)]
struct Inner {
    orders: BTreeMap<String, Order>,
    /// How often `act=order` asked for each number.
    queries: BTreeMap<String, usize>,
    /// Cents of every refund that left, in order.
    refunds: Vec<i64>,
    fault: Option<Fault>,
    /// Whether `act=order` tells the sum of refunds; older platforms do not.
    hides_refunds: bool,
    /// Whether `act=order` and `act=query` fail.
    is_down: bool,
    /// Whether a payment is made and reported before `mapi.php` answers.
    pays_at_once: bool,
    /// What notices were answered with.
    answers: Vec<(u16, String)>,
}

#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Inner>>);

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }
}

/// The platform; it ends with the test.
pub(crate) struct Platform {
    pub(crate) url: String,
    shared: Shared,
}

/// The signature of fields.
pub(crate) fn sign(fields: &Fields, key: &str) -> String {
    let signed = fields
        .iter()
        .filter(|(name, value)| !["sign", "sign_type"].contains(&name.as_str()) && !value.is_empty())
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&");
    hex::encode(Md5::digest(format!("{signed}{key}")))
}

/// The fields with a signature, as a query string.
pub(crate) fn signed(fields: &Fields, key: &str) -> String {
    let mut wire = form_urlencoded::Serializer::new(String::new());
    wire.extend_pairs(fields).append_pair("sign", &sign(fields, key)).append_pair("sign_type", "MD5");
    wire.finish()
}

fn parse(text: &str) -> Fields {
    form_urlencoded::parse(text.as_bytes()).into_owned().collect()
}

fn cents(text: &str) -> Option<i64> {
    let (whole, rest) = text.split_once('.').unwrap_or((text, "00"));
    (rest.len() == 2).then(|| format!("{whole}{rest}").parse().ok())?
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

impl Platform {
    pub(crate) async fn start() -> Self {
        let shared = Shared::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let router = Router::new()
            .route("/submit.php", get(submit))
            .route("/mapi.php", post(order))
            .route("/api.php", get(ask).post(refund))
            .with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, shared }
    }

    /// The settings of an interface that uses it.
    pub(crate) fn config(&self, mut more: Value) -> Value {
        for (name, value) in [
            ("api_url", json!(self.url)),
            ("pid", json!(PID)),
            ("key", json!(KEY)),
            ("default_return_url", json!("https://shop.example/paid")),
            ("refund_wait", json!(1)),
        ] {
            more[name] = value;
        }
        more
    }

    pub(crate) fn order(&self, payment: &str) -> Option<Order> {
        self.shared.lock().orders.get(payment).cloned()
    }

    /// The customer opens the address and pays; nobody is told.
    pub(crate) async fn pay_at(&self, url: &str) {
        let response = reqwest::get(url).await.unwrap();
        assert_eq!(response.status(), 200);
        let page = response.text().await.unwrap();
        assert!(page.starts_with("cashier "), "{page}");
        self.pay(page.trim_start_matches("cashier "));
    }

    /// The customer pays an order; nobody is told.
    pub(crate) fn pay(&self, payment: &str) {
        self.shared.lock().orders.get_mut(payment).unwrap().status = 1;
    }

    /// What a notice about an order says.
    pub(crate) fn notice(&self, payment: &str) -> Fields {
        notice(&self.order(payment).unwrap())
    }

    /// Sends the notice until it hears `success`, and says how often it did.
    pub(crate) async fn notify(&self, payment: &str) -> usize {
        let order = self.order(payment).unwrap();
        notify(&self.shared, &order).await
    }

    /// What notices were answered with.
    pub(crate) fn answers(&self) -> Vec<(u16, String)> {
        self.shared.lock().answers.clone()
    }

    pub(crate) fn queries(&self, payment: &str) -> usize {
        self.shared.lock().queries.get(payment).copied().unwrap_or_default()
    }

    /// Every refund that left.
    pub(crate) fn refunds(&self) -> Vec<String> {
        self.shared.lock().refunds.iter().copied().map(money).collect()
    }

    /// What goes wrong with the next order or refund.
    pub(crate) fn fail_next(&self, fault: Fault) {
        self.shared.lock().fault = Some(fault);
    }

    pub(crate) fn set_down(&self, is_down: bool) {
        self.shared.lock().is_down = is_down;
    }

    pub(crate) fn hide_refunds(&self) {
        self.shared.lock().hides_refunds = true;
    }

    pub(crate) fn pay_at_once(&self) {
        self.shared.lock().pays_at_once = true;
    }
}

fn notice(order: &Order) -> Fields {
    let mut fields: Fields = [("trade_no", order.trade_no.as_str()), ("trade_status", "TRADE_SUCCESS")]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
    for name in ["pid", "out_trade_no", "type", "name", "money", "param"] {
        if let Some(value) = order.fields.get(name) {
            fields.insert(name.to_owned(), value.clone());
        }
    }
    fields
}

async fn notify(shared: &Shared, order: &Order) -> usize {
    let url = format!("{}?{}", order.fields["notify_url"], signed(&notice(order), KEY));
    for sent in 1..=NOTICES_MAX {
        let response = reqwest::get(&url).await.unwrap();
        let answer = (response.status().as_u16(), response.text().await.unwrap());
        let is_heard = answer.1.trim() == "success";
        shared.lock().answers.push(answer);
        if is_heard {
            return sent;
        }
    }
    NOTICES_MAX
}

/// Takes an order as `submit.php` and `mapi.php` do.
fn take(shared: &Shared, fields: Fields) -> Result<Order, String> {
    if fields.get("pid").map(String::as_str) != Some(PID) {
        return Err("商户不存在".to_owned());
    }
    if fields.get("sign").map(String::as_str) != Some(&sign(&fields, KEY)) {
        return Err("MD5签名校验失败".to_owned());
    }
    for name in ["out_trade_no", "notify_url", "return_url", "name", "money"] {
        if fields.get(name).is_none_or(String::is_empty) {
            return Err(format!("{name}不能为空"));
        }
    }
    let number = fields["out_trade_no"].clone();
    if !number.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-|".contains(&byte)) {
        return Err("订单号格式不正确".to_owned());
    }
    let cents = cents(&fields["money"]).filter(|cents| *cents > 0).ok_or("金额不合法")?;
    let mut inner = shared.lock();
    let trade_no = format!("20261121{:010}", inner.orders.len() + 1);
    let order = Order { trade_no, fields, cents, status: 0, refunded: 0 };
    Ok(inner.orders.entry(number).or_insert(order).clone())
}

async fn submit(State(shared): State<Shared>, RawQuery(query): RawQuery) -> String {
    match take(&shared, parse(&query.unwrap_or_default())) {
        Ok(order) => format!("cashier {}", order.fields["out_trade_no"]),
        Err(why) => why,
    }
}

async fn order(State(shared): State<Shared>, body: String) -> Response {
    let fields = parse(&body);
    if ["type", "clientip"].iter().any(|name| fields.get(*name).is_none_or(String::is_empty)) {
        return no("支付方式(type)不能为空");
    }
    let order = match take(&shared, fields) {
        Ok(order) => order,
        Err(why) => return no(&why),
    };
    let (fault, pays_at_once) = {
        let mut inner = shared.lock();
        (inner.fault.take(), inner.pays_at_once)
    };
    if pays_at_once {
        shared.lock().orders.get_mut(&order.fields["out_trade_no"]).unwrap().status = 1;
        notify(&shared, &order).await;
    }
    let mut answer = json!({ "code": 1, "msg": "", "trade_no": order.trade_no });
    if order.fields["type"] == "wxpay" {
        answer["qrcode"] = json!(format!("weixin://wxpay/bizpayurl?pr={}", order.trade_no));
    } else {
        answer["payurl"] = json!(format!("https://pay.example.com/pay/{}/", order.trade_no));
    }
    reply(fault, &answer)
}

async fn ask(State(shared): State<Shared>, RawQuery(query): RawQuery) -> Response {
    let fields = parse(&query.unwrap_or_default());
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    let mut inner = shared.lock();
    *inner.queries.entry(field("out_trade_no").to_owned()).or_default() += 1;
    if inner.is_down {
        return (StatusCode::BAD_GATEWAY, "<html>502 Bad Gateway</html>").into_response();
    }
    if field("pid") != PID || field("key") != KEY {
        return no("商户密钥错误");
    }
    if field("act") == "query" {
        return axum::Json(json!({ "code": 1, "pid": PID, "key": KEY, "active": 1, "money": "0.00", "type": 1 }))
            .into_response();
    }
    let Some(order) = inner.orders.get(field("out_trade_no")) else { return no("订单号不存在") };
    let mut answer = json!({
        "code": 1, "msg": "succ", "trade_no": order.trade_no, "out_trade_no": order.fields["out_trade_no"],
        "type": order.fields.get("type"), "pid": 1001, "addtime": "2026-11-21 08:00:00", "endtime": null,
        "name": order.fields["name"], "money": money(order.cents), "status": order.status.to_string(), "param": null,
    });
    if !inner.hides_refunds {
        answer["refundmoney"] = json!(money(order.refunded));
    }
    axum::Json(answer).into_response()
}

async fn refund(State(shared): State<Shared>, RawQuery(query): RawQuery, body: String) -> Response {
    let fields = parse(&body);
    let field = |name: &str| fields.get(name).map(String::as_str).unwrap_or_default();
    if query.as_deref() != Some("act=refund") || field("pid") != PID || field("key") != KEY {
        return no("商户密钥错误");
    }
    let mut inner = shared.lock();
    let fault = inner.fault.take();
    if fault == Some(Fault::DoNothing) {
        return (StatusCode::INTERNAL_SERVER_ERROR, "<html>500</html>").into_response();
    }
    let Some(order) = inner.orders.get_mut(field("out_trade_no")) else { return no("订单号不存在") };
    let Some(part) = cents(field("money")).filter(|part| *part > 0) else { return no("金额不合法") };
    if order.status != 1 || order.refunded + part > order.cents {
        return no("该订单未支付或已全额退款");
    }
    order.refunded += part;
    if order.refunded == order.cents {
        order.status = 2;
    }
    inner.refunds.push(part);
    reply(fault, &json!({ "code": 1, "msg": "退款成功" }))
}

fn no(why: &str) -> Response {
    axum::Json(json!({ "code": -1, "msg": why })).into_response()
}

fn reply(fault: Option<Fault>, answer: &Value) -> Response {
    match fault {
        None => axum::Json(answer).into_response(),
        Some(Fault::BreakOff) => {
            let broken = futures::stream::iter([Err::<Bytes, _>(std::io::Error::other("broken off"))]);
            Body::from_stream(broken).into_response()
        }
        Some(Fault::ErrorPage | Fault::DoNothing) => (StatusCode::BAD_GATEWAY, "<html>502</html>").into_response(),
        Some(Fault::Garbled) => "<b>Warning</b>: Undefined index in /www/api.php".into_response(),
        Some(Fault::SayNo) => no("系统繁忙"),
    }
}
