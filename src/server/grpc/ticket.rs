//! `TicketService`.

use tonic::{Request, Response, Status};

use super::{
    Api,
    convert::{given, given_id, page, page_request, present, text},
    proto::ticket::{
        CreateReplyRequest, CreateReplyResponse, CreateTicketRequest, CreateTicketResponse, DeleteTicketRequest,
        DeleteTicketResponse, GetTicketRequest, GetTicketResponse, ListTicketsRequest, ListTicketsResponse, TicketInfo,
        TicketReplyInfo, UpdateTicketRequest, UpdateTicketResponse, ticket_service_server::TicketService,
    },
};
use crate::{
    core::{
        id::Id,
        tickets::{self, NewReply, NewTicket, Priority, Reply, Ticket, TicketFilter, TicketStatus, TicketUpdate},
    },
    server::auth::actor,
};

#[tonic::async_trait]
impl TicketService for Api {
    async fn create_ticket(
        &self,
        request: Request<CreateTicketRequest>,
    ) -> Result<Response<CreateTicketResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewTicket {
            customer_id: Id::parse_optional("customer_id", &request.customer_id)?,
            priority: present(&request.priority).map(Priority::parse).transpose()?,
            title: request.title,
            description: request.description,
        };
        let ticket = tickets::create(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateTicketResponse { ticket: Some(ticket_info(ticket)) }))
    }

    async fn list_tickets(
        &self,
        request: Request<ListTicketsRequest>,
    ) -> Result<Response<ListTicketsResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let filter = TicketFilter {
            customer_id: given_id("customer_id", request.customer_id.as_ref())?,
            status: given(request.status.as_ref()).map(TicketStatus::parse).transpose()?,
            priority: given(request.priority.as_ref()).map(Priority::parse).transpose()?,
            assignee_user_id: given_id("assignee_user_id", request.assignee_user_id.as_ref())?,
        };
        let found = tickets::list(&self.app, &actor, filter, page_request(request.pagination)).await?;
        let (tickets, meta) = page(found, ticket_info);
        Ok(Response::new(ListTicketsResponse { tickets, meta }))
    }

    async fn get_ticket(&self, request: Request<GetTicketRequest>) -> Result<Response<GetTicketResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        let ticket = tickets::get(&self.app, &actor(&request), id).await?;
        Ok(Response::new(GetTicketResponse { ticket: Some(ticket_info(ticket)) }))
    }

    async fn update_ticket(
        &self,
        request: Request<UpdateTicketRequest>,
    ) -> Result<Response<UpdateTicketResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let id = Id::parse("id", &request.id)?;
        let assignee = request.assignee_user_id.as_deref();
        let change = TicketUpdate {
            status: given(request.status.as_ref()).map(TicketStatus::parse).transpose()?,
            priority: given(request.priority.as_ref()).map(Priority::parse).transpose()?,
            // Given and empty means: nobody.
            assignee_user_id: assignee.map(|text| Id::parse_optional("assignee_user_id", text)).transpose()?,
            description: request.description,
        };
        let ticket = tickets::update(&self.app, &actor, id, &change).await?;
        Ok(Response::new(UpdateTicketResponse { ticket: Some(ticket_info(ticket)) }))
    }

    async fn create_reply(
        &self,
        request: Request<CreateReplyRequest>,
    ) -> Result<Response<CreateReplyResponse>, Status> {
        let actor = actor(&request);
        let request = request.into_inner();
        let new = NewReply {
            ticket_id: Id::parse("ticket_id", &request.ticket_id)?,
            content: request.content,
            is_internal: request.is_internal,
        };
        let reply = tickets::reply(&self.app, &actor, &new).await?;
        Ok(Response::new(CreateReplyResponse { reply: Some(reply_info(reply)) }))
    }

    async fn delete_ticket(
        &self,
        request: Request<DeleteTicketRequest>,
    ) -> Result<Response<DeleteTicketResponse>, Status> {
        let id = Id::parse("id", &request.get_ref().id)?;
        tickets::delete(&self.app, &actor(&request), id).await?;
        Ok(Response::new(DeleteTicketResponse {}))
    }
}

fn ticket_info(ticket: Ticket) -> TicketInfo {
    TicketInfo {
        id: ticket.id.to_string(),
        customer_id: ticket.customer_id.to_string(),
        title: ticket.title,
        description: ticket.description,
        status: ticket.status.to_string(),
        priority: ticket.priority.to_string(),
        assignee_user_id: text(ticket.assignee_user_id),
        creator_user_id: text(ticket.creator_user_id),
        created_at: ticket.created_at.to_string(),
        updated_at: ticket.updated_at.to_string(),
        replies: ticket.replies.into_iter().map(reply_info).collect(),
    }
}

/// The wire names the author in one of two fields, by its kind.
fn reply_info(reply: Reply) -> TicketReplyInfo {
    let is_customer = reply.author_is_customer;
    TicketReplyInfo {
        id: reply.id.to_string(),
        ticket_id: reply.ticket_id.to_string(),
        user_id: text(reply.user_id.filter(|_| !is_customer)),
        customer_id: text(Some(reply.customer_id).filter(|_| is_customer)),
        content: reply.content,
        is_internal: reply.is_internal,
        created_at: reply.created_at.to_string(),
    }
}
