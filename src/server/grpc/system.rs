//! `SystemService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request, text},
    proto::system::{
        EventInfo, GetClusterStatusRequest, GetClusterStatusResponse, GetEventRequest, GetEventResponse,
        ListEventsRequest, ListEventsResponse, OpenBreaker, RetryEventRequest, RetryEventResponse, RoleInfo,
        ServerInfo, system_service_server::SystemService,
    },
};
use crate::{
    core::{
        cluster::{self, Breaker, RoleStatus, ServerStatus},
        event::EventType,
        events::{self, Event, EventDetail, EventFilter, EventStatus},
        id::Id,
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl SystemService for Api {
    async fn get_cluster_status(
        &self,
        request: Request<GetClusterStatusRequest>,
    ) -> Result<Response<GetClusterStatusResponse>, Status> {
        let found = cluster::status(&self.app, &actor(&request)).await?;
        Ok(Response::new(GetClusterStatusResponse {
            servers: found.servers.into_iter().map(server).collect(),
            roles: found.roles.into_iter().map(role).collect(),
        }))
    }

    async fn list_events(&self, request: Request<ListEventsRequest>) -> Result<Response<ListEventsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = EventFilter {
            status: given(request.status.as_ref()).map(EventStatus::parse).transpose()?,
            event_type: given(request.event_type.as_ref()).map(EventType::parse).transpose()?,
            subject_id: given_id("subject_id", request.subject_id.as_ref())?,
        };
        let found = events::list(&self.app, &actor, &filter, page_request(request.pagination)).await?;
        let (events, meta) = page(found, event);
        Ok(Response::new(ListEventsResponse { events, meta }))
    }

    async fn get_event(&self, request: Request<GetEventRequest>) -> Result<Response<GetEventResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let found = events::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetEventResponse { event: Some(detail(found)) }))
    }

    async fn retry_event(&self, request: Request<RetryEventRequest>) -> Result<Response<RetryEventResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let found = events::retry(&self.app, &actor(&request), id).await?;
        Ok(Response::new(RetryEventResponse { event: Some(detail(found)) }))
    }
}

/// A count on the wire.
fn count(value: i64) -> u32 {
    u32::try_from(value.max(0)).unwrap_or(u32::MAX)
}

fn server(server: ServerStatus) -> ServerInfo {
    ServerInfo {
        id: server.id.to_string(),
        host: server.host,
        version: server.version,
        address: server.address,
        started_at: server.started_at.to_string(),
        heartbeat_at: server.heartbeat_at.to_string(),
        heartbeat_age_secs: count(server.heartbeat_age_secs),
        is_live: server.is_live,
        pool_idle: count(server.pool.idle),
        pool_active: count(server.pool.active),
        pool_max: count(server.pool.max),
        open_breakers: server.breakers.into_iter().map(breaker).collect(),
    }
}

fn breaker(breaker: Breaker) -> OpenBreaker {
    OpenBreaker { host: breaker.host, state: breaker.state, since: breaker.since }
}

fn role(role: RoleStatus) -> RoleInfo {
    RoleInfo {
        role: role.role.to_string(),
        holder: text(role.holder),
        epoch: u64::try_from(role.epoch).unwrap_or_default(),
        acquired_at: text(role.acquired_at),
        renewed_secs_ago: count(role.renewed_secs_ago.unwrap_or_default()),
        ttl_secs: count(role.ttl_secs),
    }
}

fn event(event: Event) -> EventInfo {
    EventInfo {
        id: event.id.to_string(),
        status: event.status.to_string(),
        subject_id: event.subject_id.to_string(),
        order_id: text(event.order_id),
        attempts: count(event.attempts),
        failures: count(event.failures),
        next_try_at: text(event.next_try_at()),
        claimed_by: text(event.claimed_by),
        claimed_until: text(event.claimed_until),
        created_at: event.created_at.to_string(),
        updated_at: event.updated_at.to_string(),
        payload_json: String::new(),
        event_type: event.event_type,
        last_error: event.last_error,
    }
}

fn detail(found: EventDetail) -> EventInfo {
    EventInfo { payload_json: found.payload.to_string(), ..event(found.event) }
}
