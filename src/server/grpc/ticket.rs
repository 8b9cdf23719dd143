//! `TicketService`.

use super::{Api, proto::ticket::ticket_service_server::TicketService};

#[tonic::async_trait]
impl TicketService for Api {}
