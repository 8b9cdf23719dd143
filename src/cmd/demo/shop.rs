//! The operator opens the shop: from an empty database to something that can be bought.

use std::{collections::HashMap, net::SocketAddr, path::PathBuf, process::Stdio, time::Duration};

use serde_json::json;
use tokio::{io::AsyncWriteExt as _, process::Command};

use super::{
    callers::{Caller, call, held},
    receiver::Receiver,
    stage::{Stage, until},
};
use crate::{
    core::{
        error::{Error, Result},
        secret::{Secret, random_text},
    },
    server::grpc::protocol::rustbill::{
        balance::AdjustBalanceRequest,
        customer::CreateCustomerRequest,
        integration::{CreatePluginInterfaceRequest, ListPluginsRequest, PluginDef, TogglePluginInterfaceRequest},
        product::CreateProductRequest,
    },
};

/// How long the server may take to look at its plugins for the first time.
const SCAN_MAX: Duration = Duration::from_secs(20);
/// How long the command line may take to make a user, with the hashing of a password.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// Letters and digits of the customer's password.
const PASSWORD_LENGTH: usize = 16;
/// What the shop sells, and to whom.
const PRODUCT: &str = "Cloud S";
const MONTHLY: &str = "29.00";
const YEARLY: &str = "290.00";
const TOP_UP: &str = "100.00";
const CUSTOMER: &str = "Ada Lovelace";
const USERNAME: &str = "ada";
const EMAIL: &str = "ada@example.com";
/// The plugins it needs, by their names.
const PROVIDER: &str = "stock";
const GATEWAY: &str = "banktransfer";
const NOTIFIER: &str = "webhook";

/// Where the operator works.
pub(super) struct Place {
    pub(super) address: SocketAddr,
    pub(super) config: PathBuf,
    pub(super) currency: String,
    pub(super) username: String,
    pub(super) password: Secret,
}

/// The shop, open for business.
pub(super) struct Shop {
    pub(super) operator: Caller,
    pub(super) customer_id: String,
    pub(super) username: &'static str,
    pub(super) password: Secret,
    pub(super) product_id: String,
    pub(super) product: &'static str,
    pub(super) gateway_id: String,
    pub(super) currency: String,
}

pub(super) async fn open(stage: &mut Stage<'_>, place: &Place, receiver: &Receiver) -> Result<Shop> {
    stage.act("The operator opens the shop")?;
    let operator = stage
        .step("operator logs in", async {
            let stranger = Caller::connect(place.address).await?;
            let operator = stranger.log_in_admin(&place.username, place.password.reveal()).await?;
            Ok((operator, format!("operator logs in as {} and gets a session cookie", place.username)))
        })
        .await?;
    let plugins = stage.step("server finds its plugins", find_plugins(&operator)).await?;
    let provider_id = stage
        .step("operator puts servers into stock", async {
            let id = enable(&operator, &plugins, PROVIDER, "Frankfurt", stock()).await?;
            Ok((id, "operator puts 3 servers in Frankfurt into stock".to_owned()))
        })
        .await?;
    let gateway_id = stage
        .step("operator accepts bank transfers", async {
            let account = json!({
                "bank_name": "Bank of Examples",
                "account_name": "Cloud Shop Ltd",
                "account_number": "DE00 1234 5678 9012 3456 00",
            });
            let id = enable(&operator, &plugins, GATEWAY, "Bank transfer", account).await?;
            Ok((id, "operator accepts bank transfers".to_owned()))
        })
        .await?;
    stage
        .step("operator has events sent to a webhook", async {
            let target = json!({ "url": receiver.url(), "secret": receiver.secret.reveal() });
            enable(&operator, &plugins, NOTIFIER, "Shop events", target).await?;
            Ok(((), format!("operator has events sent to {}", receiver.url())))
        })
        .await?;
    let product_id = stage.step("operator offers a product", offer(&operator, provider_id, &place.currency)).await?;
    let customer_id = stage.step("operator adds a customer", add_customer(&operator)).await?;
    let password = stage.step("operator makes the customer's login", make_login(place, &customer_id)).await?;
    stage.step("operator tops up the customer's balance", top_up(&operator, &customer_id, &place.currency)).await?;
    Ok(Shop {
        operator,
        customer_id,
        username: USERNAME,
        password,
        product_id,
        product: PRODUCT,
        gateway_id,
        currency: place.currency.clone(),
    })
}

async fn find_plugins(operator: &Caller) -> Result<(Vec<PluginDef>, String)> {
    let plugins = until("the first look at the plugins", SCAN_MAX, async || {
        let plugins = call(operator.integration().list_plugins(ListPluginsRequest::default())).await?.plugins;
        let are_there =
            [PROVIDER, GATEWAY, NOTIFIER].iter().all(|name| plugins.iter().any(|plugin| plugin.plugin_id == *name));
        Ok(are_there.then_some(plugins))
    })
    .await?;
    let sentence = format!("server finds {} plugins", plugins.len());
    Ok((plugins, sentence))
}

/// Makes an interface of a plugin, and enables it.
async fn enable(
    operator: &Caller,
    plugins: &[PluginDef],
    plugin: &str,
    name: &str,
    config: serde_json::Value,
) -> Result<String> {
    let definition = held(plugins.iter().find(|known| known.plugin_id == plugin), plugin)?;
    let new = CreatePluginInterfaceRequest {
        plugin_def_id: definition.id.clone(),
        display_name: name.to_owned(),
        config_json: config.to_string(),
    };
    let made = call(operator.integration().create_plugin_interface(new)).await?;
    let toggle = TogglePluginInterfaceRequest { interface_id: held(made.interface, "interface")?.id, enable: true };
    let enabled = call(operator.integration().toggle_plugin_interface(toggle)).await?;
    Ok(held(enabled.interface, "interface")?.id)
}

/// Servers with the addresses that are set aside for documentation (RFC 5737).
fn stock() -> serde_json::Value {
    let server = |id: &str, address: &str| {
        json!({
            "id": id,
            "address": address,
            "region": "frankfurt",
            "cpu_cores": 2,
            "memory_gb": 4,
            "disk_gb": 80,
            "bandwidth_mbps": 1000,
            "os": "debian-13",
            "username": "root",
            "password": random_text(PASSWORD_LENGTH),
        })
    };
    json!({ "servers": [
        server("fra-1", "192.0.2.10"),
        server("fra-2", "198.51.100.20"),
        server("fra-3", "203.0.113.30"),
    ] })
}

async fn offer(operator: &Caller, provider_id: String, currency: &str) -> Result<(String, String)> {
    let texts = |pairs: &[(&str, &str)]| -> HashMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    let new = CreateProductRequest {
        name: PRODUCT.to_owned(),
        description: "A small server for a small shop".to_owned(),
        price_per_month: MONTHLY.to_owned(),
        interface_id: provider_id,
        specs: texts(&[("region", "frankfurt"), ("cpu_cores", "2"), ("memory_gb", "4"), ("disk_gb", "80")]),
        group_id: None,
        billing_cycles: texts(&[("monthly", MONTHLY), ("yearly", YEARLY)]),
        cost_price: "12.50".to_owned(),
    };
    let product = held(call(operator.products().create_product(new)).await?.product, "product")?;
    let price = |cycle: &str| held(product.billing_cycles.get(cycle), cycle);
    let (monthly, yearly) = (price("monthly")?, price("yearly")?);
    let sentence = format!("operator offers {} for {monthly} {currency} a month, {yearly} a year", product.name);
    Ok((product.id, sentence))
}

async fn add_customer(operator: &Caller) -> Result<(String, String)> {
    let new = CreateCustomerRequest {
        name: CUSTOMER.to_owned(),
        email: EMAIL.to_owned(),
        credit_limit: "0.00".to_owned(),
        ..CreateCustomerRequest::default()
    };
    let customer = held(call(operator.customers().create_customer(new)).await?.customer, "customer")?;
    Ok((customer.id, format!("operator adds the customer {}", customer.name)))
}

/// Makes the customer's user as an operator would in a shell: with this program, on the same configuration.
async fn make_login(place: &Place, customer_id: &str) -> Result<(Secret, String)> {
    let failed = |problem: String| Error::internal("demo.command", problem);
    let password = random_text(PASSWORD_LENGTH);
    let program =
        std::env::current_exe().map_err(|cause| failed("can't find this program".to_owned()).caused_by(cause))?;
    let mut command = Command::new(program);
    command
        .args(["user", "create", "--username", USERNAME, "--email", EMAIL, "--customer", customer_id])
        .args(["--password-stdin", "--output", "json", "--config"])
        .arg(&place.config)
        // The configuration names everything; a variable of the reader's shell might lead to real data.
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let running = async {
        let mut child = command.spawn()?;
        if let Some(mut stdin) = child.stdin.take() {
            // A command that refuses its arguments reads nothing; what it says then tells more than a broken pipe.
            let _ = stdin.write_all(format!("{password}\n").as_bytes()).await;
        }
        child.wait_with_output().await
    };
    let output = tokio::time::timeout(COMMAND_MAX, running)
        .await
        .map_err(|_| failed(format!("`rustbill user create` took longer than {} s", COMMAND_MAX.as_secs())))?
        .map_err(|cause| failed("`rustbill user create` can't be run".to_owned()).caused_by(cause))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        return Err(failed(format!("`rustbill user create` ended with {}: {said}", output.status)));
    }
    let sentence = format!("operator runs `rustbill user create` in a shell: login {USERNAME}");
    Ok((Secret::new(password), sentence))
}

async fn top_up(operator: &Caller, customer_id: &str, currency: &str) -> Result<((), String)> {
    let adjustment = AdjustBalanceRequest {
        customer_id: customer_id.to_owned(),
        amount: TOP_UP.to_owned(),
        description: "Paid in cash at the counter".to_owned(),
    };
    let row = held(call(operator.balance().adjust_balance(adjustment)).await?.transaction, "ledger row")?;
    Ok((
        (),
        format!(
            "operator tops up the balance: {} + {} = {} {currency}",
            row.balance_before, row.amount, row.balance_after
        ),
    ))
}
