//! `AuditService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request, text},
    proto::audit::{
        ListOperationLogsRequest, ListOperationLogsResponse, OperationLog, audit_service_server::AuditService,
    },
};
use crate::{
    core::audit::{self, LogFilter},
    server::auth::actor,
};

#[tonic::async_trait]
impl AuditService for Api {
    async fn list_operation_logs(
        &self,
        request: Request<ListOperationLogsRequest>,
    ) -> Result<Response<ListOperationLogsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = LogFilter {
            actor_id: given_id("actor_id", request.actor_id.as_ref())?,
            action: given(request.action.as_ref()).map(str::to_owned),
            target_type: given(request.target_type.as_ref()).map(str::to_owned),
            target_id: given_id("target_id", request.target_id.as_ref())?,
        };
        let found = audit::list(&self.app, &actor, &filter, page_request(request.pagination)).await?;
        let (logs, meta) = page(found, operation_log);
        Ok(Response::new(ListOperationLogsResponse { logs, meta }))
    }
}

fn operation_log(log: audit::OperationLog) -> OperationLog {
    OperationLog {
        id: log.id.to_string(),
        actor_type: log.actor_type,
        actor_id: log.actor_id,
        actor_name: log.actor_name,
        action: log.action,
        target_type: log.target_type,
        target_id: log.target_id,
        detail_json: log.detail.to_string(),
        source: log.source,
        created_at: log.created_at.to_string(),
        hash: text(log.hash),
    }
}
