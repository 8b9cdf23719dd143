//! `NotificationService`.

use super::{Api, proto::notification::notification_service_server::NotificationService};

#[tonic::async_trait]
impl NotificationService for Api {}
