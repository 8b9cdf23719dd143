//! `ApiKeyService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::text,
    proto::downstream::{
        ApiKeyInfo, CreateApiKeyRequest, CreateApiKeyResponse, ListApiKeysRequest, ListApiKeysResponse,
        RevokeApiKeyRequest, RevokeApiKeyResponse, api_key_service_server::ApiKeyService,
    },
};
use crate::{
    core::{
        id::Id,
        identity::{self, ApiKey, NewApiKey},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl ApiKeyService for Api {
    async fn create_api_key(
        &self,
        request: Request<CreateApiKeyRequest>,
    ) -> Result<Response<CreateApiKeyResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewApiKey {
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            name: request.name,
            lifetime: None,
        };
        let created = identity::create_api_key(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateApiKeyResponse {
            api_key: created.secret.reveal().to_owned(),
            key_prefix: created.key.key_prefix,
            id: created.key.id.to_string(),
        }))
    }

    async fn list_api_keys(
        &self,
        request: Request<ListApiKeysRequest>,
    ) -> Result<Response<ListApiKeysResponse>, Status> {
        let customer_id = Id::parse_optional("customer_id", &request.get_ref().customer_id)?;
        let keys = identity::list_api_keys(&self.app, &actor(&request), customer_id).await?;
        Ok(Response::new(ListApiKeysResponse { keys: keys.into_iter().map(api_key_info).collect() }))
    }

    async fn revoke_api_key(
        &self,
        request: Request<RevokeApiKeyRequest>,
    ) -> Result<Response<RevokeApiKeyResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        identity::revoke_api_key(&self.app, &actor(&request), id).await?;
        Ok(Response::new(RevokeApiKeyResponse {}))
    }
}

fn api_key_info(key: ApiKey) -> ApiKeyInfo {
    ApiKeyInfo {
        id: key.id.to_string(),
        key_prefix: key.key_prefix,
        name: key.name,
        enabled: key.enabled,
        created_at: key.created_at.to_string(),
        last_used_at: text(key.last_used_at),
        expires_at: text(key.expires_at),
    }
}
