//! `BillingService`.

use super::{Api, proto::billing::billing_service_server::BillingService};

#[tonic::async_trait]
impl BillingService for Api {}
