//! Another RustBill that sells to ours: the program itself with its own database, set up over its API.

use std::{
    net::TcpListener,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use rustbill::core::{
    id::Id,
    orders::Order,
    plugins::Interface,
    products::{self, Product},
    settlement,
};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinHandle,
};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

use super::{
    database::TestDatabase,
    dynamic,
    server::{Program, admin_token},
    wait,
    world::{World, settings_file},
};

/// The other RustBill. We are its customer.
pub(crate) struct Upstream {
    pub(crate) address: String,
    /// Our customer there.
    pub(crate) customer: String,
    /// Our API key there, and its record.
    pub(crate) key: String,
    pub(crate) key_id: String,
    /// Who makes its servers.
    pub(crate) interface: String,
    /// What it sells for 10.00 a month.
    pub(crate) product: String,
    config: PathBuf,
    program: Mutex<Option<Program>>,
    channel: Channel,
    admin: String,
    _database: TestDatabase,
}

/// Two servers in stock.
fn stock() -> Value {
    let server = |id: &str, address: &str| json!({ "id": id, "address": address, "region": "eu", "cpu_cores": 2, "os": "debian-13" });
    json!({ "servers": [server("a", "192.0.2.10"), server("b", "192.0.2.11")] })
}

impl Upstream {
    /// One that sells from stock, on the same kind of database as ours.
    pub(crate) async fn start(world: &World) -> Self {
        Self::with(world, "stock", stock()).await
    }

    /// One whose servers come from the plugin `provider`, which may be the test's `instant`.
    pub(crate) async fn with(world: &World, provider: &str, settings: Value) -> Self {
        let is_sqlite = world.database.url.starts_with("sqlite");
        let database = if is_sqlite { TestDatabase::sqlite() } else { TestDatabase::postgres().await };
        let plugins = database.directory.path().join("plugins");
        std::fs::create_dir_all(&plugins).unwrap();
        std::fs::write(plugins.join("provider-instant.rn"), include_str!("../scripts/provider-instant.rn")).unwrap();
        // It is stopped and started again, and must be where it was.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = settings_file(&database, database.directory.path());
        let text = std::fs::read_to_string(&config).unwrap().replace("port = 0", &format!("port = {port}"));
        std::fs::write(&config, text).unwrap();
        let program = Program::start(&config);
        let address = program.address.clone();
        let channel = Endpoint::from_shared(address.clone()).unwrap().connect().await.unwrap();
        let admin = admin_token(&channel).await;
        let mut upstream = Self {
            address,
            customer: String::new(),
            key: String::new(),
            key_id: String::new(),
            interface: String::new(),
            product: String::new(),
            config,
            program: Mutex::new(Some(program)),
            channel,
            admin,
            _database: database,
        };
        let plugin = wait::value("the plugins are found", async || {
            let found = upstream.admin("IntegrationService/ListPlugins", json!({})).await;
            let plugin = found["plugins"].as_array().unwrap().iter().find(|plugin| plugin["plugin_id"] == provider)?;
            Some(plugin["id"].as_str().unwrap().to_owned())
        })
        .await;
        let message = json!({ "plugin_def_id": plugin, "display_name": "Rack", "config_json": settings.to_string() });
        upstream.interface = upstream.made("IntegrationService/CreatePluginInterface", message, "/interface/id").await;
        let message = json!({ "interface_id": upstream.interface, "enable": true });
        upstream.admin("IntegrationService/TogglePluginInterface", message).await;
        upstream.product = upstream.new_product("10.00").await;
        let customer = json!({ "name": "Reseller", "email": "reseller@example.com" });
        upstream.customer = upstream.made("CustomerService/CreateCustomer", customer, "/customer/id").await;
        (upstream.key, upstream.key_id) = upstream.new_key().await;
        upstream
    }

    /// Another product of its provider.
    pub(crate) async fn new_product(&self, price: &str) -> String {
        let message = json!({
            "name": "Small", "description": "A small one", "price_per_month": price, "interface_id": self.interface,
            "specs": { "region": "eu" }, "billing_cycles": { "monthly": price },
        });
        self.made("ProductService/CreateProduct", message, "/product/id").await
    }

    /// Another API key of our customer there, and its record.
    pub(crate) async fn new_key(&self) -> (String, String) {
        let message = json!({ "name": "shop", "customer_id": self.customer });
        let made = self.admin("ApiKeyService/CreateApiKey", message).await;
        (made["api_key"].as_str().unwrap().to_owned(), made["id"].as_str().unwrap().to_owned())
    }

    /// Calls it as its administrator.
    pub(crate) async fn admin(&self, rpc: &str, message: Value) -> Value {
        dynamic::call(&self.channel, rpc, &message, &self.admin)
            .await
            .unwrap_or_else(|status| panic!("{rpc}: {status}"))
    }

    async fn made(&self, rpc: &str, message: Value, path: &str) -> String {
        self.admin(rpc, message).await.pointer(path).unwrap().as_str().unwrap().to_owned()
    }

    /// Calls it with our key.
    pub(crate) async fn reseller(&self, rpc: &str, message: Value) -> Result<Value, Status> {
        dynamic::call(&self.channel, rpc, &message, &self.key).await
    }

    /// Gives us money there, or takes it.
    pub(crate) async fn top_up(&self, amount: &str) {
        let message = json!({ "customer_id": self.customer, "amount": amount, "description": "test" });
        self.admin("BalanceService/AdjustBalance", message).await;
    }

    /// What we have there.
    pub(crate) async fn balance(&self) -> String {
        self.made("BalanceService/GetBalance", json!({ "customer_id": self.customer }), "/balance").await
    }

    /// Our orders there.
    pub(crate) async fn orders(&self) -> Vec<Value> {
        let message = json!({ "customer_id": self.customer });
        self.admin("OrderService/ListOrders", message).await["orders"].as_array().unwrap().clone()
    }

    /// How often an order of ours was paid there.
    pub(crate) async fn payments(&self) -> usize {
        let message = json!({ "customer_id": self.customer, "transaction_type": "payment" });
        let found = self.admin("BalanceService/ListBalanceTransactions", message).await;
        found["transactions"].as_array().unwrap().len()
    }

    /// Waits until our only order there gets into this state.
    pub(crate) async fn until_order_is(&self, status: &str) -> Value {
        wait::value(&format!("the order there is {status}"), async || {
            self.orders().await.into_iter().find(|order| order["status"] == status)
        })
        .await
    }

    /// Gives its provider other settings.
    pub(crate) async fn configure(&self, settings: &Value) {
        let message = json!({ "interface_id": self.interface, "config_json": settings.to_string() });
        self.admin("IntegrationService/UpdatePluginInterface", message).await;
    }

    /// `kill -9`.
    pub(crate) fn kill(&self) {
        self.program.lock().unwrap().take().unwrap().kill();
    }

    /// Starts it again where it was.
    pub(crate) fn restart(&self) {
        *self.program.lock().unwrap() = Some(Program::start(&self.config));
    }

    /// Our settings for it, when it is reached at `address`.
    pub(crate) fn settings_at(&self, address: &str) -> Value {
        json!({ "api_url": address, "api_key": self.key })
    }

    /// Our interface that buys from it.
    pub(crate) async fn connect(&self, world: &World) -> Interface {
        world.interface("provider-rustbill.rn", self.settings_at(&self.address)).await
    }
}

impl World {
    /// What an upstream sells, taken over and put on sale; the newest first.
    pub(crate) async fn resold(&self, interface: &Interface) -> Vec<Product> {
        let synced = products::sync(&self.app, &self.admin, interface.id, None).await.unwrap();
        let ids: Vec<Id> = synced.iter().map(|product| product.id).collect();
        products::set_active(&self.app, &self.admin, &ids, true).await.unwrap();
        synced
    }

    /// A paid order for a product, of a customer of its own who has 100.00.
    pub(crate) async fn paid_order(&self, product: &Product) -> Order {
        let customer = self.customer().await;
        self.top_up(customer.id, "100.00").await;
        let order = self.order(&customer, product).await;
        settlement::pay_order(&self.app, &self.admin, order.id, None).await.unwrap();
        order
    }
}

/// Stands between us and an upstream, and loses the answer to the next call of one RPC.
pub(crate) struct Lossy {
    pub(crate) address: String,
    wanted: Arc<Mutex<Option<&'static str>>>,
    task: JoinHandle<()>,
}

impl Lossy {
    pub(crate) async fn before(upstream: &Upstream) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let wanted: Arc<Mutex<Option<&'static str>>> = Arc::default();
        let target = upstream.address.trim_start_matches("http://").to_owned();
        let seen = Arc::clone(&wanted);
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await;
                if let Ok(server) = server {
                    tokio::spawn(pass(client, server, Arc::clone(&seen)));
                }
            }
        });
        Self { address, wanted, task }
    }

    /// The answer to the next call of this RPC is lost.
    pub(crate) fn lose(&self, rpc: &'static str) {
        *self.wanted.lock().unwrap() = Some(rpc);
    }

    /// Whether that happened.
    pub(crate) fn has_lost(&self) -> bool {
        self.wanted.lock().unwrap().is_none()
    }
}

impl Drop for Lossy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes bytes both ways until one end closes, or an answer is to be lost: then the connection breaks at its first byte.
async fn pass(mut client: TcpStream, mut server: TcpStream, wanted: Arc<Mutex<Option<&'static str>>>) {
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let is_doomed = AtomicBool::new(false);
    let there = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
            let asked = buffer[..read].to_vec();
            let is_wanted =
                wanted.lock().unwrap().is_some_and(|rpc| String::from_utf8_lossy(&asked).contains(&format!("/{rpc} ")));
            if is_wanted {
                is_doomed.store(true, Ordering::Relaxed);
            }
            if to_server.write_all(&asked).await.is_err() {
                break;
            }
        }
    };
    let back = async {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from_server.read(&mut buffer).await {
            if is_doomed.load(Ordering::Relaxed) {
                *wanted.lock().unwrap() = None;
                break;
            }
            if to_client.write_all(&buffer[..read]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! { () = there => (), () = back => () }
}
