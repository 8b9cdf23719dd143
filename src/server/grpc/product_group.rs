//! `ProductGroupService`.

use super::{Api, proto::product::product_group_service_server::ProductGroupService};

#[tonic::async_trait]
impl ProductGroupService for Api {}
