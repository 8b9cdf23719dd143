//! `ApiKeyService`.

use super::{Api, proto::downstream::api_key_service_server::ApiKeyService};

#[tonic::async_trait]
impl ApiKeyService for Api {}
