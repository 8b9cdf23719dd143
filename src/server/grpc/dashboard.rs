//! `DashboardService`.

use super::{Api, proto::dashboard::dashboard_service_server::DashboardService};

#[tonic::async_trait]
impl DashboardService for Api {}
