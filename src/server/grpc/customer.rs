//! `CustomerService`.

use super::{Api, proto::customer::customer_service_server::CustomerService};

#[tonic::async_trait]
impl CustomerService for Api {}
