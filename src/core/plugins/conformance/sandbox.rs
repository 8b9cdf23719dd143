//! The world that a script under test sees: a state in memory, and a network that is there only if that was asked for.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use ipnet::IpNet;
use serde_json::json;

use super::super::{
    api::HostApi,
    engine::{Host, HostFunction, HostFuture, Scope},
};
use crate::core::{
    database::{Database, Location, Options},
    error::Result,
    http::HttpClient,
    time::Clock,
};

/// What a refused request says.
const REFUSED: &str = "this test reaches no network";

/// The world.
pub(super) struct World {
    state: Mutex<HashMap<String, String>>,
    refused: AtomicUsize,
    asked: AtomicUsize,
    network: Option<HostApi>,
}

impl World {
    /// A world in which these networks are reached, beside the public ones; with None no network at all.
    pub(super) async fn new(network: Option<Vec<IpNet>>) -> Result<Arc<Self>> {
        let network = match network {
            None => None,
            Some(networks) => {
                // The state of a script is kept here, so what stands behind the network's functions stays empty.
                let database = Database::connect(Location::Sqlite(":memory:".into()), &Options::default()).await?;
                Some(HostApi::new(database, Clock::system(), HttpClient::new(networks, Clock::system())?))
            }
        };
        Ok(Arc::new(Self {
            state: Mutex::default(),
            refused: AtomicUsize::new(0),
            asked: AtomicUsize::new(0),
            network,
        }))
    }

    /// How many requests were refused so far.
    pub(super) fn refused(&self) -> usize {
        self.refused.load(Ordering::Relaxed)
    }

    /// How often the host was asked so far, lines of the log not counted.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::Relaxed)
    }

    /// How many keys the script keeps.
    pub(super) fn keys(&self) -> usize {
        self.state().len()
    }

    /// Forgets everything that the script kept.
    pub(super) fn forget(&self) {
        self.state().clear();
    }

    fn state(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn answer(&self, scope: &Scope, function: HostFunction, arguments: Vec<String>) -> Result<String, String> {
        if function == HostFunction::Log {
            return Ok(String::new());
        }
        self.asked.fetch_add(1, Ordering::Relaxed);
        let argument = |index: usize| arguments.get(index).cloned().unwrap_or_default();
        match function {
            HostFunction::StateGet => Ok(self.state().get(&argument(0)).cloned().unwrap_or_default()),
            HostFunction::StateSet => {
                self.state().insert(argument(0), argument(1));
                Ok(String::new())
            }
            HostFunction::StateClaim => Ok(self.state().entry(argument(0)).or_insert_with(|| argument(1)).clone()),
            HostFunction::StateDelete => {
                self.state().remove(&argument(0));
                Ok(String::new())
            }
            other => match &self.network {
                Some(network) => network.call(scope, other, arguments).await,
                None => self.refuse(other),
            },
        }
    }

    /// As each function tells of a host that can't be reached.
    fn refuse(&self, function: HostFunction) -> Result<String, String> {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if function == HostFunction::HttpRequestWithCert {
            return Ok(json!({ "status": 0, "headers": {}, "body": "", "error": REFUSED }).to_string());
        }
        Err(REFUSED.to_owned())
    }
}

impl Host for World {
    fn call<'a>(&'a self, scope: &'a Scope, function: HostFunction, arguments: Vec<String>) -> HostFuture<'a> {
        Box::pin(self.answer(scope, function, arguments))
    }
}
