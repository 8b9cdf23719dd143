//! `BalanceService`.

use super::{Api, proto::balance::balance_service_server::BalanceService};

#[tonic::async_trait]
impl BalanceService for Api {}
