//! One shop with its own database, clock and chance, which can crash and come back.

use std::path::{Path, PathBuf};

use chrono::TimeDelta;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rustbill::core::{
    actor::Actor,
    app::App,
    id::Id,
    invoices, orders,
    products::{BillingCycle, Specs},
    secret::Secret,
    settings::Settings,
    settlement,
    time::Clock,
    worker,
};
use serde_json::json;
use tempfile::TempDir;

use super::outside::{Books, Outside};
use crate::support::{
    database::TestDatabase,
    world::{PROGRAM, World, actor_of, clock_at, settings},
};

/// The key of the gateway's notices.
pub(super) const SECRET: &str = "shared with the gateway";
/// When each universe begins.
const BEGINNING: &str = "2026-01-31T12:00:00Z";
/// Customers of a shop.
const CUSTOMERS: usize = 4;

/// What every universe begins with: a shop that has everything but orders.
pub(super) struct Beginning {
    world: World,
    outside: Outside,
    gateway: Id,
    product: Id,
    customers: Vec<(Id, Actor)>,
}

impl Beginning {
    pub(super) async fn make() -> Self {
        let world = World::with_clock(TestDatabase::sqlite(), clock_at(BEGINNING)).await;
        let outside = Outside::start().await;
        world.write_plugin("provider-simulated.rn", include_str!("../scripts/provider-simulated.rn"));
        world.write_plugin("gateway-simulated.rn", include_str!("../scripts/gateway-simulated.rn"));
        let provider = world.interface("provider-simulated.rn", json!({ "outside": outside.url })).await;
        let settings = json!({ "outside": outside.url, "secret": SECRET });
        let gateway = world.interface("gateway-simulated.rn", settings).await.id;
        let product = world.product(&provider).await.id;
        let mut customers = Vec::new();
        for _ in 0..CUSTOMERS {
            let customer = world.customer().await;
            customers.push((customer.id, actor_of(&world.customer_user(&customer).await)));
        }
        world.app.database.close().await;
        Self { world, outside, gateway, product, customers }
    }

    /// The file of the database, which nobody has open.
    fn file(&self) -> PathBuf {
        self.world.database.directory.path().join("test.db")
    }
}

/// A shop in a world of its own.
pub(super) struct Universe<'a> {
    pub(super) app: App,
    pub(super) admin: &'a Actor,
    pub(super) outside: &'a Outside,
    pub(super) gateway: Id,
    product: Id,
    pub(super) customers: &'a [(Id, Actor)],
    pub(super) worker: Id,
    /// What decides all that is left to chance; the same seed decides the same.
    pub(super) chance: StdRng,
    clock: Clock,
    settings: Settings,
    _directory: TempDir,
}

impl<'a> Universe<'a> {
    pub(super) async fn begin(beginning: &'a Beginning, seed: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let file = directory.path().join("rustbill.db");
        std::fs::copy(beginning.file(), &file).unwrap();
        let mut settings = settings(&beginning.world.database);
        settings.db.url = url(&file);
        let clock = clock_at(BEGINNING);
        *beginning.outside.books() = Books::empty(seed);
        let app = open(&settings, &clock).await;
        Self {
            app,
            admin: &beginning.world.admin,
            outside: &beginning.outside,
            gateway: beginning.gateway,
            product: beginning.product,
            customers: &beginning.customers,
            worker: Id::generate(),
            chance: StdRng::seed_from_u64(seed),
            clock,
            settings,
            _directory: directory,
        }
    }

    /// All that was in memory is lost, and the program starts again.
    pub(super) async fn restart(&mut self) {
        let gone = std::mem::replace(&mut self.app, open(&self.settings, &self.clock).await);
        // The one that is gone would not do this, but its connections would be.
        gone.database.close().await;
        gone.plugins.shutdown().await;
        self.worker = Id::generate();
        worker::recover(&self.app).await.unwrap();
    }

    pub(super) fn pass(&self, time: TimeDelta) {
        self.clock.advance(time);
    }

    pub(super) async fn end(self) {
        self.app.database.close().await;
        self.app.plugins.shutdown().await;
    }

    pub(super) fn new_order(&self, customer: Id, cycle: BillingCycle) -> orders::NewOrder {
        orders::NewOrder {
            customer_id: Some(customer),
            product_id: self.product,
            provider_interface_id: None,
            wish: Specs::new(),
            billing_cycle: cycle,
            currency: String::new(),
            notes: String::new(),
        }
    }

    /// Lets everything come to its end: nothing outside fails any more, notices are sent again, time passes.
    pub(super) async fn settle(&mut self) -> Result<(), String> {
        self.outside.books().set_trouble(0);
        self.restart().await;
        for _ in 0..ROUNDS_MAX {
            self.send_all_notices().await?;
            while worker::step(&self.app, self.worker).await.map_err(|error| error.to_string())? {}
            settlement::ask_due(&self.app, self.admin).await.map_err(|error| error.to_string())?;
            invoices::mark_overdue(&self.app, self.admin).await.map_err(|error| error.to_string())?;
            settlement::cancel_unpaid(&self.app, self.admin).await.map_err(|error| error.to_string())?;
            let open = "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE status <> 'done'";
            if self.app.database.q(open).scalar::<i64>().await.map_err(|error| error.to_string())? == 0 {
                return Ok(());
            }
            self.pass(TimeDelta::seconds(45));
        }
        let sql = "SELECT event_type || ' ' || status || ' after ' || failures || ' failures: ' || last_error FROM event_queue WHERE status <> 'done'";
        let left: Vec<String> = self.app.database.q(sql).scalars().await.map_err(|error| error.to_string())?;
        Err(format!("events are never done: {left:?}"))
    }

    /// A gateway repeats its notices until somebody hears them.
    async fn send_all_notices(&self) -> Result<(), String> {
        let accounts = self.outside.books().accounts.clone();
        for (payment, _) in accounts.iter().filter(|(_, account)| account.is_paid) {
            if let Err(error) = super::steps::notice(self, payment, "success").await
                && error.code() != "payment.handled"
            {
                return Err(format!("a true notice of {payment} was refused: {error}"));
            }
        }
        Ok(())
    }

    pub(super) fn number(&mut self, below: usize) -> usize {
        self.chance.random_range(0..below)
    }
}

/// Rounds of three quarters of a minute in which everything must be over.
const ROUNDS_MAX: usize = 200;

fn url(file: &Path) -> Secret {
    Secret::new(format!("sqlite://{}", file.display()))
}

async fn open(settings: &Settings, clock: &Clock) -> App {
    App::open_with_program(settings.clone(), clock.clone(), PROGRAM.into()).await.unwrap()
}
