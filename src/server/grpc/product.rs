//! `ProductService`.

use super::{Api, proto::product::product_service_server::ProductService};

#[tonic::async_trait]
impl ProductService for Api {}
