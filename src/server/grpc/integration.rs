//! `IntegrationService`.

use super::{Api, proto::integration::integration_service_server::IntegrationService};

#[tonic::async_trait]
impl IntegrationService for Api {}
