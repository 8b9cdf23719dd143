//! `IdentityService`.

use super::{Api, proto::identity::identity_service_server::IdentityService};

#[tonic::async_trait]
impl IdentityService for Api {}
