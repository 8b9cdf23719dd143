//! `PaymentService`.

use super::{Api, proto::payment::payment_service_server::PaymentService};

#[tonic::async_trait]
impl PaymentService for Api {}
