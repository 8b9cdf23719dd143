//! The services: one file each, all on [`Api`]. A method decodes, calls an operation of the core, and encodes.
//!
//! To add an RPC: write it into `proto/`, then override the method in the service's file:
//!
//! ```ignore
//! #[tonic::async_trait]
//! impl OrderService for Api {
//!     async fn get_order(&self, request: Request<IdRequest>) -> Result<Response<Order>, Status> {
//!         let actor = actor(&request);
//!         let order = operations::get(&self.app, &actor, convert::id(request.get_ref())?).await?;
//!         Ok(Response::new(encode(order)))
//!     }
//! }
//! ```
//!
//! All RPCs of the protocol are overridden. A new one that is not yet, and a method that the protocol does not have,
//! answer Unimplemented; [`name_unbuilt`] says which it was.

mod api_key;
mod audit;
mod balance;
mod billing;
mod codec;
pub mod convert;
mod customer;
mod dashboard;
mod identity;
mod instance;
mod integration;
mod integration_encode;
mod notification;
mod order;
mod payment;
mod product;
mod product_category;
mod product_group;
pub mod protocol;
mod system;
mod ticket;

use std::sync::Arc;

use axum::{Router, extract::Request, http::HeaderValue, middleware::Next, response::Response};
use tonic::{Code, Status, service::Routes};

use self::protocol::rustbill as proto;
/// Every message and service, for reflection.
pub use crate::core::plugins::DESCRIPTORS;
use crate::core::{
    app::App,
    error::{Error, Result},
};

/// Where tonic puts a status's text.
const GRPC_MESSAGE: &str = "grpc-message";
/// What tonic answers for a method that nobody overrides, as the header has it.
const UNBUILT: &[u8] = b"Not%20yet%20implemented";

/// All services: each file of this folder implements one.
#[derive(Clone)]
pub struct Api {
    /// What the operations need.
    pub app: App,
}

/// The routes of all services and of reflection.
pub(super) fn routes(app: &App) -> Result<Router> {
    let api = Arc::new(Api { app: app.clone() });
    let mut routes = Routes::builder();
    macro_rules! add {
        ($($server:ty),* $(,)?) => {
            $(routes.add_service(<$server>::from_arc(Arc::clone(&api)));)*
        };
    }
    add!(
        proto::downstream::api_key_service_server::ApiKeyServiceServer<_>,
        proto::audit::audit_service_server::AuditServiceServer<_>,
        proto::balance::balance_service_server::BalanceServiceServer<_>,
        proto::billing::billing_service_server::BillingServiceServer<_>,
        proto::customer::customer_service_server::CustomerServiceServer<_>,
        proto::dashboard::dashboard_service_server::DashboardServiceServer<_>,
        proto::identity::identity_service_server::IdentityServiceServer<_>,
        proto::instance::instance_service_server::InstanceServiceServer<_>,
        proto::integration::integration_service_server::IntegrationServiceServer<_>,
        proto::notification::notification_service_server::NotificationServiceServer<_>,
        proto::order::order_service_server::OrderServiceServer<_>,
        proto::payment::payment_service_server::PaymentServiceServer<_>,
        proto::product::product_service_server::ProductServiceServer<_>,
        proto::product::product_category_service_server::ProductCategoryServiceServer<_>,
        proto::product::product_group_service_server::ProductGroupServiceServer<_>,
        proto::system::system_service_server::SystemServiceServer<_>,
        proto::ticket::ticket_service_server::TicketServiceServer<_>,
    );
    let builder = || tonic_reflection::server::Builder::configure().register_encoded_file_descriptor_set(DESCRIPTORS);
    let failed = |cause| Error::internal("server.failed", "the reflection service can't be built").caused_by(cause);
    // Clients in the field ask the one or the other version.
    routes.add_service(builder().build_v1().map_err(failed)?);
    routes.add_service(builder().build_v1alpha().map_err(failed)?);
    // Without tonic's own fallback: `web_fallback.rs` answers for all routes.
    Ok(routes.routes().prepare().into_axum_router().reset_fallback())
}

/// Says which method is missing where tonic says nothing, or only that one is.
pub(super) async fn name_unbuilt(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    if headers.get(Status::GRPC_STATUS).is_none_or(|code| Code::from_bytes(code.as_bytes()) != Code::Unimplemented) {
        return response;
    }
    let rpc = path.rsplit('/').next().unwrap_or_default();
    let is_known = match headers.get(GRPC_MESSAGE).map(HeaderValue::as_bytes) {
        Some(UNBUILT) => true,
        // Of a method that is not in the protocol tonic says nothing; any other message is somebody's own.
        None => false,
        Some(_) => return response,
    };
    let message = if is_known {
        format!("{rpc} is not available in this version")
    } else {
        let service = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        format!("{service} has no method `{rpc}`")
    };
    if let Some(value) = Status::unimplemented(message).into_http::<()>().headers().get(GRPC_MESSAGE) {
        headers.insert(GRPC_MESSAGE, value.clone());
    }
    response
}
