//! `OrderService`.

use super::{Api, proto::order::order_service_server::OrderService};

#[tonic::async_trait]
impl OrderService for Api {}
