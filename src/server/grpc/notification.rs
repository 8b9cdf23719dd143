//! `NotificationService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    proto::{
        common::EmptyRequest,
        notification::{
            ListNotifiersResponse, NotificationResult, NotifierInfo, SendNotificationRequest, SendNotificationResponse,
            notification_service_server::NotificationService,
        },
    },
};
use crate::{
    core::{
        error,
        id::Id,
        notifications::{self, Channel, NewMessage, Outcome},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl NotificationService for Api {
    async fn list_notifiers(&self, request: Request<EmptyRequest>) -> Result<Response<ListNotifiersResponse>, Status> {
        let channels = notifications::channels(&self.app, &actor(&request)).await?;
        let notifiers = channels.into_iter().map(notifier_info).collect();
        Ok(Response::new(ListNotifiersResponse { notifiers }))
    }

    async fn send_notification(
        &self,
        request: Request<SendNotificationRequest>,
    ) -> Result<Response<SendNotificationResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let channels = request.channel_ids.iter().map(|id| Id::parse("channel_ids", id));
        let new = NewMessage {
            channels: channels.collect::<error::Result<_>>()?,
            event_type: request.event_type,
            title: request.title,
            body: request.body,
            recipient: request.recipient,
            metadata: request.metadata.into_iter().collect(),
        };
        let outcomes = notifications::send(&self.app, &actor, &new).await?;
        let results = outcomes.into_iter().map(notification_result).collect();
        Ok(Response::new(SendNotificationResponse { results }))
    }
}

fn notifier_info(channel: Channel) -> NotifierInfo {
    NotifierInfo {
        channel_id: channel.id.to_string(),
        channel_name: channel.name,
        supported_events: channel.supported_events,
        is_healthy: channel.is_healthy,
    }
}

fn notification_result(outcome: Outcome) -> NotificationResult {
    NotificationResult {
        channel_id: outcome.channel_id.to_string(),
        success: outcome.error.is_none(),
        error_message: outcome.error.unwrap_or_default(),
    }
}
