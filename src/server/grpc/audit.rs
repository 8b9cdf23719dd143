//! `AuditService`.

use super::{Api, proto::audit::audit_service_server::AuditService};

#[tonic::async_trait]
impl AuditService for Api {}
