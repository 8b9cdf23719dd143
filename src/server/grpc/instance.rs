//! `InstanceService`.

use super::{Api, proto::instance::instance_service_server::InstanceService};

#[tonic::async_trait]
impl InstanceService for Api {}
