//! A shop to test in: an opened database, an administrator, providers, a customer, and short ways to say what happens.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use chrono::{DateTime, Utc};
use rustbill::core::{
    actor::{Actor, Role},
    app::App,
    balance,
    customers::{self, Customer, NewCustomer},
    database::Database,
    id::Id,
    identity::{self, NewUser, User, UserFilter, UserKind},
    money::{Money, Sign},
    orders::{self, NewOrder, Order, OrderStatus},
    page::PageRequest,
    plugins::{self, Interface, NewInterface},
    products::{self, BillingCycle, NewProduct, Product, Specs},
    reconciliation,
    secret::Secret,
    settings::Settings,
    time::Clock,
    worker,
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{database::TestDatabase, wait};

/// The program, whose child processes run the scripts.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_rustbill");
/// The password of every user in the tests.
pub(crate) const PASSWORD: &str = "correct horse";

/// A shop.
pub(crate) struct World {
    pub(crate) app: App,
    pub(crate) admin: Actor,
    pub(crate) database: TestDatabase,
    shutdown: CancellationToken,
    worker: std::sync::Mutex<Option<JoinHandle<()>>>,
}

impl World {
    /// An empty shop, without a running worker.
    pub(crate) async fn on(database: TestDatabase) -> Self {
        Self::with_clock(database, Clock::system()).await
    }

    pub(crate) async fn with_clock(database: TestDatabase, clock: Clock) -> Self {
        let settings = settings(&database);
        let app = App::open_with_program(settings, clock, PROGRAM.into()).await.unwrap();
        app.database.migrate().await.unwrap();
        let made = identity::bootstrap(&app, false).await.unwrap().unwrap();
        let found = identity::list_users(
            &app,
            &Actor::local(),
            UserKind::Admin,
            &UserFilter::default(),
            PageRequest::default(),
        )
        .await;
        let user = found.unwrap().items.into_iter().find(|user| user.username == made.username).unwrap();
        let admin = Actor::new(Role::Admin(user.id), user.username, "127.0.0.1");
        Self { app, admin, database, shutdown: CancellationToken::new(), worker: std::sync::Mutex::default() }
    }

    pub(crate) fn db(&self) -> &Database {
        &self.app.database
    }

    /// Starts the worker.
    pub(crate) fn start_worker(&self) {
        *self.worker.lock().unwrap() = Some(worker::start(self.app.clone(), self.shutdown.clone()));
    }

    /// Stops the worker, where nothing shall happen any more by itself.
    pub(crate) async fn stop_worker(&self) {
        self.shutdown.cancel();
        let worker = self.worker.lock().unwrap().take();
        worker.unwrap().await.unwrap();
    }

    /// The definitions that come with the program and those in the shop's plugin directory.
    pub(crate) async fn scan(&self) -> plugins::ScanReport {
        plugins::scan(&self.app, &self.admin).await.unwrap()
    }

    /// Writes a script into the shop's plugin directory.
    pub(crate) fn write_plugin(&self, file: &str, source: &str) {
        let directory = &self.app.settings.plugins.plugins_dir;
        std::fs::create_dir_all(directory).unwrap();
        std::fs::write(directory.join(file), source).unwrap();
    }

    /// An enabled interface of the plugin in `file`.
    pub(crate) async fn interface(&self, file: &str, config: serde_json::Value) -> Interface {
        self.scan().await;
        let definitions = plugins::definitions(&self.app, &self.admin, None).await.unwrap();
        let definition = definitions.into_iter().find(|definition| definition.file_name == file).unwrap();
        let new = NewInterface {
            definition_id: definition.id,
            display_name: format!("{file} {}", Id::generate()),
            config_json: config.to_string(),
        };
        let interface = plugins::create(&self.app, &self.admin, &new).await.unwrap();
        plugins::toggle(&self.app, &self.admin, interface.id, true).await.unwrap()
    }

    /// A provider that makes every server at once, and says how often it was asked, in its state.
    pub(crate) async fn instant_provider(&self) -> Interface {
        self.write_plugin("provider-instant.rn", include_str!("../scripts/provider-instant.rn"));
        self.interface("provider-instant.rn", serde_json::json!({})).await
    }

    /// A customer without money.
    pub(crate) async fn customer(&self) -> Customer {
        let new = NewCustomer {
            name: "Ann".to_owned(),
            email: format!("{}@example.com", Id::generate()),
            ..NewCustomer::default()
        };
        customers::create(&self.app, &self.admin, &new).await.unwrap()
    }

    /// A user of a customer.
    pub(crate) async fn customer_user(&self, customer: &Customer) -> User {
        let name = Id::generate().to_string();
        let new = NewUser {
            username: name.clone(),
            email: format!("{name}@example.com"),
            display_name: String::new(),
            password: Secret::new(PASSWORD),
            kind: UserKind::Customer,
            role: None,
            customer_id: Some(customer.id),
        };
        identity::create_user(&self.app, &self.admin, new).await.unwrap()
    }

    pub(crate) async fn top_up(&self, customer: Id, amount: &str) {
        balance::adjust(&self.app, &self.admin, customer, money(amount), "test").await.unwrap();
    }

    pub(crate) async fn balance(&self, customer: Id) -> String {
        balance::get(&self.app, &self.admin, Some(customer)).await.unwrap().balance.to_string()
    }

    /// A product of a provider at 29.00 a month.
    pub(crate) async fn product(&self, provider: &Interface) -> Product {
        products::create(&self.app, &self.admin, &new_product(provider)).await.unwrap()
    }

    pub(crate) async fn order(&self, customer: &Customer, product: &Product) -> Order {
        orders::place(&self.app, &self.admin, &new_order(customer, product)).await.unwrap()
    }

    pub(crate) async fn order_state(&self, order: Id) -> Order {
        orders::get(&self.app, &self.admin, order).await.unwrap()
    }

    /// Waits until an order gets there.
    pub(crate) async fn until_order_is(&self, order: Id, status: OrderStatus) -> Order {
        wait::value(&format!("order {order} is {status}"), async || {
            let order = self.order_state(order).await;
            (order.status == status).then_some(order)
        })
        .await
    }

    /// An event of an order that does not exist, of which nobody is told, in this state.
    pub(crate) async fn event_that_is(&self, status: &'static str) -> Id {
        let id = Id::generate();
        let at = self.app.clock.now();
        let db = self.db();
        let written = db.retry(async || {
            let mut tx = db.begin().await?;
            tx.q("INSERT INTO event_queue (id, event_type, payload, status, order_id, subject_id, attempts, failures, available_at, \
                  last_error, created_at, updated_at) VALUES ($1, 'order_created', '{}', $2, $1, $1, 8, 8, $3, 'x', $3, $3)")
                .bind(id)
                .bind(status)
                .bind(at)
                .execute_one()
                .await?;
            tx.commit().await
        });
        written.await.unwrap();
        id
    }

    /// How many rows a constant count finds.
    pub(crate) async fn count(&self, sql: &'static str) -> i64 {
        self.db().q(sql).scalar::<i64>().await.unwrap()
    }

    /// Waits until no event is left to do.
    pub(crate) async fn until_quiet(&self) {
        wait::until("no event is open", async || !rustbill::core::outbox::has_open(self.db()).await.unwrap()).await;
    }

    /// Every ledger adds up, for every customer, and all money is accounted for.
    pub(crate) async fn check_ledgers(&self) {
        let wrong = self
            .count(
                "SELECT CAST(COUNT(*) AS BIGINT) FROM customers WHERE balance <> \
                 COALESCE((SELECT SUM(amount) FROM balance_transactions WHERE customer_id = customers.id), 0)",
            )
            .await;
        assert_eq!(wrong, 0, "a balance differs from its ledger");
        let report = reconciliation::check(&self.app, &self.admin).await.unwrap();
        assert!(report.clean, "{report:#?}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.shutdown.cancel();
        if let Some(worker) = self.worker.lock().unwrap().take() {
            worker.abort();
        }
    }
}

/// The configuration of a test.
pub(crate) fn settings(database: &TestDatabase) -> Settings {
    let mut settings = Settings::default();
    settings.db.url = Secret::new(database.url.as_str());
    settings.jwt.secret = Secret::new("a secret of the tests, long enough");
    settings.bootstrap.admin_password = Secret::new(PASSWORD);
    settings.server.port = 0;
    settings.plugins.plugins_dir = database.directory.path().join("plugins");
    settings.plugins.allow_private = vec!["127.0.0.1/32".parse().unwrap()];
    // All tests come from one address.
    settings.rate_limit.enabled = false;
    settings
}

/// The same as a file for the program.
pub(crate) fn settings_file(database: &TestDatabase, directory: &Path) -> std::path::PathBuf {
    let file = directory.join("config.toml");
    let text = format!(
        "[server]\nport = 0\n[db]\nurl = \"{}\"\n[jwt]\nsecret = \"a secret of the tests, long enough\"\n\
         [bootstrap]\nadmin_password = \"{PASSWORD}\"\n[plugins]\nplugins_dir = \"{}\"\nallow_private = [\"127.0.0.1/32\"]\n\
         [rate_limit]\nenabled = false\n",
        database.url,
        database.directory.path().join("plugins").display()
    );
    std::fs::write(&file, text).unwrap();
    file
}

pub(crate) fn new_product(provider: &Interface) -> NewProduct {
    NewProduct {
        name: "VPS".to_owned(),
        description: String::new(),
        price: money("29.00"),
        cost_price: money("20.00"),
        billing_cycles: BTreeMap::from([
            (BillingCycle::Monthly, money("29.00")),
            (BillingCycle::Yearly, money("290.00")),
        ]),
        specs: Specs::new(),
        interface_id: provider.id,
        group_id: None,
    }
}

pub(crate) fn new_order(customer: &Customer, product: &Product) -> NewOrder {
    NewOrder {
        customer_id: Some(customer.id),
        product_id: product.id,
        provider_interface_id: None,
        wish: Specs::new(),
        billing_cycle: BillingCycle::Monthly,
        currency: String::new(),
        notes: String::new(),
    }
}

/// A customer's user as who it is.
pub(crate) fn actor_of(user: &User) -> Actor {
    let role = Role::Customer { user_id: user.id, customer_id: user.customer_id.unwrap() };
    Actor::new(role, user.username.clone(), "127.0.0.1")
}

pub(crate) fn money(text: &str) -> Money {
    Money::parse("amount", text, Sign::Any).unwrap()
}

/// A clock that stands at this moment.
pub(crate) fn clock_at(moment: &str) -> Clock {
    Clock::manual(moment.parse::<DateTime<Utc>>().unwrap())
}

/// Many at once on an order of their own.
pub(crate) async fn at_once<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    count: usize,
    task: impl Fn(usize) -> F,
) -> Vec<T> {
    let start = Arc::new(tokio::sync::Barrier::new(count));
    let tasks: Vec<_> = (0..count)
        .map(|index| {
            let (start, task) = (Arc::clone(&start), task(index));
            tokio::spawn(async move {
                start.wait().await;
                task.await
            })
        })
        .collect();
    let mut results = Vec::with_capacity(count);
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}
