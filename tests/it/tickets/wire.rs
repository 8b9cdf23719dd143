//! Tickets over the wire: permissions, errors, and a conversation as both sides see it.

use rustbill::{
    core::{id::Id, identity::AdminRole, tickets::TicketStatus},
    server::grpc::protocol::rustbill as proto,
};
use tonic::{Code, Request, Status, transport::Channel};

use super::{disable, move_to, open, staff};
use crate::{
    on_both,
    support::{
        database::TestDatabase,
        server::{InProcess, admin_token, channel, customer_token, with_token},
        world::{PASSWORD, World},
    },
};
use proto::{
    identity::{LoginRequest, identity_service_client::IdentityServiceClient},
    ticket::{
        CreateReplyRequest, CreateTicketRequest, DeleteTicketRequest, GetTicketRequest, ListTicketsRequest, TicketInfo,
        UpdateTicketRequest, ticket_service_client::TicketServiceClient,
    },
};

/// How many rows a refused request could have written.
async fn rows(world: &World) -> Vec<i64> {
    let mut counts = Vec::new();
    for sql in [
        "SELECT CAST(COUNT(*) AS BIGINT) FROM tickets",
        "SELECT CAST(COUNT(*) AS BIGINT) FROM ticket_replies",
        "SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue",
        "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs",
    ] {
        counts.push(world.count(sql).await);
    }
    counts
}

/// Everybody who may call.
struct Callers {
    client: TicketServiceClient<Channel>,
    /// Of nobody, the owner, another customer, an operator and an administrator.
    tokens: [Option<String>; 5],
}

/// The code of one RPC for each of the callers.
macro_rules! as_everybody {
    ($callers:expr, $method:ident, $message:expr) => {{
        let mut codes = Vec::new();
        for token in &$callers.tokens {
            let request = match token {
                Some(token) => with_token($message, token),
                None => Request::new($message),
            };
            let result = $callers.client.clone().$method(request).await;
            codes.push(result.map_or_else(|status| status.code(), |_| Code::Ok));
        }
        codes
    }};
}

async fn operator_token(channel: &Channel, username: &str) -> String {
    let request =
        LoginRequest { username: username.to_owned(), password: PASSWORD.to_owned(), user_type: "admin".to_owned() };
    let response = IdentityServiceClient::new(channel.clone()).login(request).await.unwrap();
    let cookie = response.metadata().get("set-cookie").unwrap().to_str().unwrap().to_owned();
    cookie.split(['=', ';']).nth(1).unwrap().to_owned()
}

fn refused<T: std::fmt::Debug>(what: &str, code: Code, names: &str, result: Result<T, Status>) {
    let status = result.expect_err(what);
    assert_eq!(status.code(), code, "{what}: {status}");
    assert!(status.message().contains(names), "{what}: `{}` does not name {names}", status.message());
    assert!(status.message().len() < 500, "{what}");
}

on_both! {
    async fn everybody_may_what_the_protocol_says(world: World) {
        use Code::{Ok as Fine, PermissionDenied as Denied, Unauthenticated as Nobody};
        let (ann, ben) = (world.customer().await, world.customer().await);
        let (ann_user, ben_user) = (world.customer_user(&ann).await, world.customer_user(&ben).await);
        let operator = staff(&world, AdminRole::Operator).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let callers = Callers {
            client: TicketServiceClient::new(channel.clone()),
            tokens: [
                None,
                Some(customer_token(&channel, &ann_user.username).await),
                Some(customer_token(&channel, &ben_user.username).await),
                Some(operator_token(&channel, &operator.username).await),
                Some(admin_token(&channel).await),
            ],
        };
        let ticket = open(&world, &world.admin, &ann).await;
        let id = ticket.id.to_string();
        let create = CreateTicketRequest { customer_id: ann.id.to_string(), title: "x".to_owned(), ..CreateTicketRequest::default() };
        assert_eq!(as_everybody!(callers, create_ticket, create.clone()), [Nobody, Fine, Denied, Fine, Fine]);
        let list = ListTicketsRequest { customer_id: Some(ann.id.to_string()), ..ListTicketsRequest::default() };
        assert_eq!(as_everybody!(callers, list_tickets, list.clone()), [Nobody, Fine, Denied, Fine, Fine]);
        assert_eq!(as_everybody!(callers, list_tickets, ListTicketsRequest::default()), [Nobody, Fine, Fine, Fine, Fine]);
        assert_eq!(as_everybody!(callers, get_ticket, GetTicketRequest { id: id.clone() }), [Nobody, Fine, Denied, Fine, Fine]);
        let update = UpdateTicketRequest { id: id.clone(), priority: Some("low".to_owned()), ..UpdateTicketRequest::default() };
        assert_eq!(as_everybody!(callers, update_ticket, update.clone()), [Nobody, Denied, Denied, Fine, Fine]);
        let reply = |is_internal| CreateReplyRequest { ticket_id: id.clone(), content: "x".to_owned(), is_internal };
        assert_eq!(as_everybody!(callers, create_reply, reply(false)), [Nobody, Fine, Denied, Fine, Fine]);
        assert_eq!(as_everybody!(callers, create_reply, reply(true)), [Nobody, Denied, Denied, Fine, Fine]);
        let delete = DeleteTicketRequest { id: id.clone() };
        assert_eq!(as_everybody!(callers, delete_ticket, delete.clone()), [Nobody, Denied, Denied, Fine, Code::NotFound]);
        server.stop().await;
    }

    async fn bad_requests_name_what_is_wrong_and_write_nothing(world: World) {
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let ticket = open(&world, &world.admin, &customer).await;
        let closed = open(&world, &world.admin, &customer).await;
        move_to(&world, &closed, TicketStatus::Closed).await;
        let disabled = staff(&world, AdminRole::Admin).await;
        disable(&world, &disabled).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let (admin, token) = (admin_token(&channel).await, customer_token(&channel, &user.username).await);
        let mut client = TicketServiceClient::new(channel);
        let before = rows(&world).await;
        let unknown = Id::generate().to_string();

        let good = CreateTicketRequest { customer_id: customer.id.to_string(), title: "x".to_owned(), ..CreateTicketRequest::default() };
        for (what, bad, code, names) in [
            ("no title", CreateTicketRequest { title: " ".to_owned(), ..good.clone() }, Code::InvalidArgument, "`title`"),
            ("a long title", CreateTicketRequest { title: "x".repeat(201), ..good.clone() }, Code::InvalidArgument, "`title`"),
            ("a long description", CreateTicketRequest { description: "x".repeat(10_001), ..good.clone() }, Code::InvalidArgument, "`description`"),
            ("control characters", CreateTicketRequest { description: "\u{1b}[2J".to_owned(), ..good.clone() }, Code::InvalidArgument, "`description`"),
            ("an unknown priority", CreateTicketRequest { priority: "asap".to_owned(), ..good.clone() }, Code::InvalidArgument, "`asap`"),
            ("no customer", CreateTicketRequest { customer_id: String::new(), ..good.clone() }, Code::InvalidArgument, "`customer_id`"),
            ("a malformed customer", CreateTicketRequest { customer_id: "7".to_owned(), ..good.clone() }, Code::InvalidArgument, "`customer_id`"),
            ("an unknown customer", CreateTicketRequest { customer_id: unknown.clone(), ..good.clone() }, Code::NotFound, "customer"),
        ] {
            refused(what, code, names, client.create_ticket(with_token(bad, &admin)).await);
        }

        let list = ListTicketsRequest::default();
        for (what, bad, names) in [
            ("an unknown state", ListTicketsRequest { status: Some("open".to_owned()), ..list.clone() }, "`open`"),
            ("an unknown priority", ListTicketsRequest { priority: Some("asap".to_owned()), ..list.clone() }, "`asap`"),
            ("a malformed customer", ListTicketsRequest { customer_id: Some("7".to_owned()), ..list.clone() }, "`customer_id`"),
            ("a malformed assignee", ListTicketsRequest { assignee_user_id: Some("7".to_owned()), ..list.clone() }, "`assignee_user_id`"),
        ] {
            refused(what, Code::InvalidArgument, names, client.list_tickets(with_token(bad, &admin)).await);
        }

        let get = |id: &str| with_token(GetTicketRequest { id: id.to_owned() }, &admin);
        refused("a malformed ticket", Code::InvalidArgument, "`id`", client.get_ticket(get("7")).await);
        refused("an unknown ticket", Code::NotFound, "ticket", client.get_ticket(get(&unknown)).await);

        let good = UpdateTicketRequest { id: ticket.id.to_string(), ..UpdateTicketRequest::default() };
        for (what, bad, code, names) in [
            ("nothing", good.clone(), Code::InvalidArgument, "nothing to change"),
            ("a malformed ticket", UpdateTicketRequest { id: "7".to_owned(), ..good.clone() }, Code::InvalidArgument, "`id`"),
            ("an unknown ticket", UpdateTicketRequest { id: unknown.clone(), priority: Some("low".to_owned()), ..good.clone() }, Code::NotFound, "ticket"),
            ("an unknown state", UpdateTicketRequest { status: Some("open".to_owned()), ..good.clone() }, Code::InvalidArgument, "`open`"),
            ("the same state", UpdateTicketRequest { status: Some("pending".to_owned()), ..good.clone() }, Code::InvalidArgument, "is pending and can't become pending"),
            ("a closed one", UpdateTicketRequest { id: closed.id.to_string(), status: Some("processing".to_owned()), ..good.clone() }, Code::InvalidArgument, "is closed and can't become processing"),
            ("an unknown priority", UpdateTicketRequest { priority: Some("asap".to_owned()), ..good.clone() }, Code::InvalidArgument, "`asap`"),
            ("a malformed assignee", UpdateTicketRequest { assignee_user_id: Some("7".to_owned()), ..good.clone() }, Code::InvalidArgument, "`assignee_user_id`"),
            ("an unknown assignee", UpdateTicketRequest { assignee_user_id: Some(unknown.clone()), ..good.clone() }, Code::NotFound, "administrator"),
            ("a customer's user as assignee", UpdateTicketRequest { assignee_user_id: Some(user.id.to_string()), ..good.clone() }, Code::NotFound, "administrator"),
            ("a disabled assignee", UpdateTicketRequest { assignee_user_id: Some(disabled.id.to_string()), ..good.clone() }, Code::InvalidArgument, "disabled"),
            ("a long description", UpdateTicketRequest { description: Some("x".repeat(10_001)), ..good.clone() }, Code::InvalidArgument, "`description`"),
        ] {
            refused(what, code, names, client.update_ticket(with_token(bad, &admin)).await);
        }

        let good = CreateReplyRequest { ticket_id: ticket.id.to_string(), content: "x".to_owned(), is_internal: false };
        for (what, bad, code, names) in [
            ("no content", CreateReplyRequest { content: "\n ".to_owned(), ..good.clone() }, Code::InvalidArgument, "`content`"),
            ("a long content", CreateReplyRequest { content: "x".repeat(10_001), ..good.clone() }, Code::InvalidArgument, "`content`"),
            ("a malformed ticket", CreateReplyRequest { ticket_id: "7".to_owned(), ..good.clone() }, Code::InvalidArgument, "`ticket_id`"),
            ("an unknown ticket", CreateReplyRequest { ticket_id: unknown.clone(), ..good.clone() }, Code::NotFound, "ticket"),
            ("a closed ticket", CreateReplyRequest { ticket_id: closed.id.to_string(), ..good.clone() }, Code::InvalidArgument, "closed"),
        ] {
            refused(what, code, names, client.create_reply(with_token(bad, &token)).await);
        }
        let note = CreateReplyRequest { ticket_id: closed.id.to_string(), is_internal: true, ..good };
        refused("a note on a closed ticket", Code::InvalidArgument, "closed", client.create_reply(with_token(note, &admin)).await);

        let delete = |id: &str| with_token(DeleteTicketRequest { id: id.to_owned() }, &admin);
        refused("a malformed ticket", Code::InvalidArgument, "`id`", client.delete_ticket(delete("7")).await);
        refused("an unknown ticket", Code::NotFound, "ticket", client.delete_ticket(delete(&unknown)).await);
        assert_eq!(rows(&world).await, before);
        server.stop().await;
    }

    async fn a_conversation_as_both_sides_see_it(world: World) {
        let customer = world.customer().await;
        let user = world.customer_user(&customer).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let (admin, token) = (admin_token(&channel).await, customer_token(&channel, &user.username).await);
        let mut client = TicketServiceClient::new(channel);

        let request = CreateTicketRequest { title: " No SSH ".to_owned(), description: "Since noon".to_owned(), ..CreateTicketRequest::default() };
        let made = client.create_ticket(with_token(request, &token)).await.unwrap().into_inner().ticket.unwrap();
        assert_eq!((made.title.as_str(), made.status.as_str(), made.priority.as_str()), ("No SSH", "pending", "medium"));
        assert_eq!((&made.customer_id, made.creator_user_id.as_str(), made.assignee_user_id.as_str()), (&customer.id.to_string(), "", ""));

        let reply = |content: &str, is_internal| CreateReplyRequest { ticket_id: made.id.clone(), content: content.to_owned(), is_internal };
        client.create_reply(with_token(reply("Hello?", false), &token)).await.unwrap();
        client.create_reply(with_token(reply("A bad cable, I think", true), &admin)).await.unwrap();
        client.create_reply(with_token(reply("Try again", false), &admin)).await.unwrap();
        let update = UpdateTicketRequest { id: made.id.clone(), status: Some("resolved".to_owned()), priority: Some("high".to_owned()), ..UpdateTicketRequest::default() };
        let updated = client.update_ticket(with_token(update, &admin)).await.unwrap().into_inner().ticket.unwrap();
        assert_eq!((updated.status.as_str(), updated.priority.as_str(), updated.replies.len()), ("resolved", "high", 3));

        let request = || GetTicketRequest { id: made.id.clone() };
        let seen = |ticket: TicketInfo| -> Vec<String> { ticket.replies.into_iter().map(|reply| reply.content).collect() };
        let by_admin = client.get_ticket(with_token(request(), &admin)).await.unwrap().into_inner().ticket.unwrap();
        let authors: Vec<_> = by_admin.replies.iter().map(|reply| (reply.user_id.is_empty(), reply.customer_id.is_empty(), reply.is_internal)).collect();
        assert_eq!(authors, [(true, false, false), (false, true, true), (false, true, false)]);
        assert_eq!(seen(by_admin), ["Hello?", "A bad cable, I think", "Try again"]);
        let by_customer = client.get_ticket(with_token(request(), &token)).await.unwrap().into_inner().ticket.unwrap();
        assert_eq!(seen(by_customer), ["Hello?", "Try again"]);
        let list = client.list_tickets(with_token(ListTicketsRequest::default(), &token)).await.unwrap().into_inner();
        assert_eq!((list.tickets.len(), list.tickets[0].replies.len()), (1, 0));

        client.delete_ticket(with_token(DeleteTicketRequest { id: made.id.clone() }, &admin)).await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM ticket_replies").await, 0);
        refused("a deleted ticket", Code::NotFound, "ticket", client.get_ticket(with_token(request(), &token)).await);
        // What people write to each other is not for the operation log.
        let logged = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE target_type = 'ticket'").await;
        let texts = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE CAST(detail AS TEXT) LIKE '%cable%' OR CAST(detail AS TEXT) LIKE '%noon%'").await;
        assert_eq!((logged, texts), (6, 0));
        server.stop().await;
    }
}
