//! Tickets: who sees what, where they go, and who is told.

mod wire;

use std::sync::Arc;

use rustbill::{
    core::{
        actor::{Actor, Role},
        customers::Customer,
        error::Kind,
        id::Id,
        identity::{self, AdminRole, NewUser, User, UserKind},
        page::PageRequest,
        secret::Secret,
        tickets::{self, NewReply, NewTicket, Priority, Reply, Ticket, TicketFilter, TicketStatus, TicketUpdate},
    },
    server::grpc::protocol::rustbill as proto,
};
use serde_json::json;

use crate::{
    on_both,
    support::{
        cli::rustbill,
        database::TestDatabase,
        receiver::{Received, Receiver},
        server::{InProcess, admin_token, channel, with_token},
        world::{PASSWORD, World, actor_of, at_once},
    },
};
use proto::{
    common,
    ticket::{ListTicketsRequest, ticket_service_client::TicketServiceClient},
};

/// Who is told when nobody else is.
const OPERATOR_ADDRESS: &str = "shop@example.com";

async fn staff(world: &World, role: AdminRole) -> User {
    let name = Id::generate().to_string();
    let new = NewUser {
        username: name.clone(),
        email: format!("{name}@example.com"),
        display_name: "Bob".to_owned(),
        password: Secret::new(PASSWORD),
        kind: UserKind::Admin,
        role: Some(role),
        customer_id: None,
    };
    identity::create_user(&world.app, &world.admin, new).await.unwrap()
}

async fn disable(world: &World, user: &User) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE admin_users SET is_active = FALSE WHERE id = $1").bind(user.id).execute().await.unwrap();
    tx.commit().await.unwrap();
}

fn new_ticket(customer: &Customer) -> NewTicket {
    NewTicket {
        customer_id: Some(customer.id),
        title: "No SSH".to_owned(),
        description: "Since noon".to_owned(),
        priority: None,
    }
}

async fn open(world: &World, actor: &Actor, customer: &Customer) -> Ticket {
    tickets::create(&world.app, actor, &new_ticket(customer)).await.unwrap()
}

async fn say(world: &World, actor: &Actor, ticket: &Ticket, content: &str, is_internal: bool) -> Reply {
    let new = NewReply { ticket_id: ticket.id, content: content.to_owned(), is_internal };
    tickets::reply(&world.app, actor, &new).await.unwrap()
}

async fn state(world: &World, ticket: &Ticket) -> TicketStatus {
    tickets::get(&world.app, &world.admin, ticket.id).await.unwrap().status
}

fn to(status: TicketStatus) -> TicketUpdate {
    TicketUpdate { status: Some(status), ..TicketUpdate::default() }
}

fn assign(user: Option<&User>) -> TicketUpdate {
    TicketUpdate { assignee_user_id: Some(user.map(|user| user.id)), ..TicketUpdate::default() }
}

async fn move_to(world: &World, ticket: &Ticket, status: TicketStatus) {
    tickets::update(&world.app, &world.admin, ticket.id, &to(status)).await.unwrap();
}

on_both! {
    async fn lists_are_narrowed_and_paged(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        let bob = staff(&world, AdminRole::Operator).await;
        let mut made = Vec::new();
        for priority in Priority::ALL {
            for customer in [&ann, &ben] {
                let new = NewTicket { priority: Some(*priority), ..new_ticket(customer) };
                made.push(tickets::create(&world.app, &world.admin, &new).await.unwrap());
            }
        }
        move_to(&world, &made[0], TicketStatus::Closed).await;
        tickets::update(&world.app, &world.admin, made[1].id, &assign(Some(&bob))).await.unwrap();
        let all = TicketFilter::default();
        for (filter, expected) in [
            (all, 8),
            (TicketFilter { customer_id: Some(ann.id), ..all }, 4),
            (TicketFilter { status: Some(TicketStatus::Pending), ..all }, 7),
            (TicketFilter { status: Some(TicketStatus::Closed), customer_id: Some(ben.id), ..all }, 0),
            (TicketFilter { priority: Some(Priority::Urgent), ..all }, 2),
            (TicketFilter { assignee_user_id: Some(bob.id), ..all }, 1),
            (TicketFilter { assignee_user_id: Some(Id::generate()), ..all }, 0),
        ] {
            let found = tickets::list(&world.app, &world.admin, filter, PageRequest::default()).await.unwrap();
            assert_eq!((found.total, found.items.len()), (expected, usize::try_from(expected).unwrap()), "{filter:?}");
        }
        let mut seen = Vec::new();
        for page in 1..=4 {
            let found = tickets::list(&world.app, &world.admin, all, PageRequest::new(page, 3)).await.unwrap();
            assert_eq!((found.total, found.total_pages()), (8, 3));
            seen.extend(found.items.into_iter().map(|ticket| ticket.id));
        }
        seen.reverse();
        assert_eq!(seen, made.iter().map(|ticket| ticket.id).collect::<Vec<_>>(), "newest first, each once");
        let owner = actor_of(&world.customer_user(&ann).await);
        assert_eq!(tickets::list(&world.app, &owner, all, PageRequest::default()).await.unwrap().total, 4);
        let foreign = TicketFilter { customer_id: Some(ben.id), ..all };
        assert_eq!(tickets::list(&world.app, &owner, foreign, PageRequest::default()).await.unwrap_err().code(), "permission.foreign");
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let request = ListTicketsRequest { pagination: Some(common::PageRequest { page: 2, page_size: 5 }), ..ListTicketsRequest::default() };
        let answer = TicketServiceClient::new(channel.clone()).list_tickets(with_token(request, &admin_token(&channel).await)).await.unwrap().into_inner();
        assert_eq!((answer.tickets.len(), answer.meta.unwrap()), (3, common::PageMeta { total: 8, page: 2, page_size: 5, total_pages: 2 }));
        server.stop().await;
    }

    async fn replies_move_tickets(world: World) {
        let customer = world.customer().await;
        let owner = actor_of(&world.customer_user(&customer).await);
        let ticket = open(&world, &owner, &customer).await;
        say(&world, &owner, &ticket, "Hello?", false).await;
        say(&world, &world.admin, &ticket, "for us", true).await;
        assert_eq!(state(&world, &ticket).await, TicketStatus::Pending);
        say(&world, &world.admin, &ticket, "On it", false).await;
        assert_eq!(state(&world, &ticket).await, TicketStatus::Processing);
        move_to(&world, &ticket, TicketStatus::Resolved).await;
        say(&world, &world.admin, &ticket, "Done", false).await;
        assert_eq!(state(&world, &ticket).await, TicketStatus::Resolved);
        say(&world, &owner, &ticket, "Not at all", false).await;
        assert_eq!(state(&world, &ticket).await, TicketStatus::Processing);
        move_to(&world, &ticket, TicketStatus::Resolved).await;
        move_to(&world, &ticket, TicketStatus::Processing).await;
        move_to(&world, &ticket, TicketStatus::Closed).await;
        for status in TicketStatus::ALL {
            let error = tickets::update(&world.app, &world.admin, ticket.id, &to(*status)).await.unwrap_err();
            assert_eq!((error.kind(), error.code()), (Kind::InvalidArgument, "ticket.wrong_state"));
        }
        // A key and the command line are no users, but may write all the same.
        let key = Actor::new(Role::ApiKey { key_id: Id::generate(), customer_id: customer.id }, "key", "127.0.0.1");
        let ticket = open(&world, &key, &customer).await;
        assert_eq!(say(&world, &key, &ticket, "by a key", false).await.user_id, None);
        let by_hand = say(&world, &Actor::local(), &ticket, "by hand", false).await;
        assert_eq!((by_hand.user_id, by_hand.author_is_customer), (None, false));
    }

    async fn replies_and_changes_at_the_same_moment(world: World) {
        const EACH: usize = 6;
        let customer = world.customer().await;
        let owner = actor_of(&world.customer_user(&customer).await);
        let ticket = open(&world, &owner, &customer).await;
        move_to(&world, &ticket, TicketStatus::Resolved).await;
        let bob = staff(&world, AdminRole::Admin).await;
        at_once(3 * EACH, |index| {
            let (app, admin, owner, id, bob) = (world.app.clone(), world.admin.clone(), owner.clone(), ticket.id, bob.clone());
            async move {
                match index % 3 {
                    0 => {
                        let actor = if index % 2 == 0 { &owner } else { &admin };
                        let new = NewReply { ticket_id: id, content: format!("reply {index}"), is_internal: false };
                        tickets::reply(&app, actor, &new).await.map(|_| ())
                    }
                    1 => tickets::update(&app, &admin, id, &assign(Some(&bob))).await.map(|_| ()),
                    _ => tickets::update(&app, &admin, id, &TicketUpdate { priority: Some(Priority::Urgent), ..TicketUpdate::default() }).await.map(|_| ()),
                }
                .unwrap();
            }
        })
        .await;
        let after = tickets::get(&world.app, &world.admin, ticket.id).await.unwrap();
        // Nobody's change was written over by another one.
        assert_eq!((after.status, after.priority, after.assignee_user_id), (TicketStatus::Processing, Priority::Urgent, Some(bob.id)));
        assert_eq!(after.replies.len(), EACH);
        let assigned = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'ticket_assigned'").await;
        let replied = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM event_queue WHERE event_type = 'ticket_replied'").await;
        assert_eq!((assigned, replied), (1, i64::try_from(EACH).unwrap()));

        // A reply meets the end of the ticket: it is there before it, or refused.
        let results = at_once(8, |index| {
            let (app, admin, owner, id) = (world.app.clone(), world.admin.clone(), owner.clone(), ticket.id);
            async move {
                if index == 0 {
                    return tickets::update(&app, &admin, id, &to(TicketStatus::Closed)).await.map(|_| false);
                }
                let new = NewReply { ticket_id: id, content: "one more".to_owned(), is_internal: false };
                tickets::reply(&app, &owner, &new).await.map(|_| true)
            }
        })
        .await;
        let (mut written, mut refused) = (0, 0);
        for result in results {
            match result {
                Ok(is_reply) => written += usize::from(is_reply),
                Err(error) => {
                    assert_eq!(error.code(), "ticket.closed");
                    refused += 1;
                }
            }
        }
        let after = tickets::get(&world.app, &world.admin, ticket.id).await.unwrap();
        assert_eq!((after.status, after.replies.len(), written + refused), (TicketStatus::Closed, EACH + written, 7));
    }

    async fn those_whom_it_concerns_are_told(world: World) {
        let mut world = world;
        let mut settings = (*world.app.settings).clone();
        OPERATOR_ADDRESS.clone_into(&mut settings.server.notify_email);
        world.app.settings = Arc::new(settings);
        let receiver = Receiver::start().await;
        world.interface("notifier-webhook.rn", json!({ "url": receiver.url })).await;
        let customer = world.customer().await;
        let owner = actor_of(&world.customer_user(&customer).await);
        let (bob, eve) = (staff(&world, AdminRole::Admin).await, staff(&world, AdminRole::Operator).await);
        world.start_worker();
        // Told since the last look: recipient, title, body.
        let mut count = 0;
        let mut told = async |event: &str| {
            world.until_quiet().await;
            let all = receiver.received();
            let new: Vec<_> = all[count..].iter().map(delivery).collect();
            count = all.len();
            assert!(new.iter().all(|(kind, ..)| kind == event), "{new:?}");
            let mut new: Vec<_> = new.into_iter().map(|(_, recipient, title, body)| (recipient, title, body)).collect();
            new.sort();
            new
        };
        let ticket = tickets::create(&world.app, &owner, &NewTicket { title: "No\nSSH".to_owned(), ..new_ticket(&customer) }).await.unwrap();
        assert!(told("none").await.is_empty());
        let line = |content: &str| format!("{content}\n\nTicket: {}", ticket.id);

        say(&world, &owner, &ticket, "Hello?", false).await;
        assert_eq!(told("ticket_replied").await, [(OPERATOR_ADDRESS.to_owned(), "New reply: No SSH".to_owned(), line("Hello?"))]);
        tickets::update(&world.app, &world.admin, ticket.id, &assign(Some(&bob))).await.unwrap();
        let title = "Ticket assigned: No SSH".to_owned();
        assert_eq!(told("ticket_assigned").await, [(bob.email.clone(), title.clone(), line("Bob takes care of the ticket now."))]);
        tickets::update(&world.app, &world.admin, ticket.id, &assign(Some(&eve))).await.unwrap();
        let both: Vec<_> = told("ticket_assigned").await.into_iter().map(|(recipient, ..)| recipient).collect();
        let mut expected = [bob.email.clone(), eve.email.clone()];
        expected.sort();
        assert_eq!(both, expected);
        // The same assignee again is no news.
        tickets::update(&world.app, &world.admin, ticket.id, &assign(Some(&eve))).await.unwrap();
        say(&world, &world.admin, &ticket, "for us only", true).await;
        assert!(told("none").await.is_empty());
        say(&world, &owner, &ticket, "Still there?", false).await;
        assert_eq!(told("ticket_replied").await, [(eve.email.clone(), "New reply: No SSH".to_owned(), line("Still there?"))]);
        say(&world, &world.admin, &ticket, "Yes", false).await;
        assert_eq!(told("ticket_replied").await, [(customer.email.clone(), "New reply: No SSH".to_owned(), line("Yes"))]);
        // Who was disabled meanwhile hears nothing; the operator does.
        disable(&world, &eve).await;
        say(&world, &owner, &ticket, "Hm", false).await;
        assert_eq!(told("ticket_replied").await[0].0, OPERATOR_ADDRESS);
        tickets::update(&world.app, &world.admin, ticket.id, &assign(None)).await.unwrap();
        assert_eq!(told("ticket_assigned").await, [(OPERATOR_ADDRESS.to_owned(), title, line("Nobody takes care of the ticket any more."))]);
        assert!(!receiver.received().iter().any(|request| request.body.contains("for us only")));
    }
}

/// Event, recipient, title and body of a delivery.
fn delivery(request: &Received) -> (String, String, String, String) {
    let json = request.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("event_type"), text("recipient"), text("title"), text("body"))
}

#[test]
fn an_operator_answers_from_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| {
        let output = rustbill(home.path(), args);
        let (out, error) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert_eq!(output.status.code(), Some(code), "rustbill {args:?}\n{out}\n{error}");
        if code == 0 { out } else { error }
    };
    let json = |args: &[&str]| -> serde_json::Value {
        serde_json::from_str(&run(&[args, &["--output", "json"]].concat(), 0)).unwrap()
    };
    let customer = json(&["customer", "create", "--name", "Ann", "--email", "ann@example.com"]);
    let customer = customer["id"].as_str().unwrap();
    let made = json(&["ticket", "create", "--customer", customer, "--title", "No SSH", "--priority", "high"]);
    let ticket = made["id"].as_str().unwrap();
    assert_eq!((&made["status"], &made["priority"]), (&json!("pending"), &json!("high")));
    json(&["ticket", "reply", ticket, "--content", "A bad cable", "--internal"]);
    json(&["ticket", "reply", ticket, "--content", "Try again"]);
    let shown = json(&["ticket", "show", ticket]);
    assert_eq!((&shown["status"], shown["replies"].as_array().unwrap().len()), (&json!("processing"), 2));
    let table = run(&["ticket", "show", ticket], 0);
    assert!(table.contains("No SSH") && table.contains("note") && table.contains("Try again"), "{table}");
    let updated = json(&["ticket", "update", ticket, "--status", "closed", "--assignee", ""]);
    assert_eq!((&updated["status"], &updated["assignee_user_id"]), (&json!("closed"), &serde_json::Value::Null));
    assert!(run(&["ticket", "reply", ticket, "--content", "x"], 2).contains("closed"));
    assert_eq!(json(&["ticket", "list", "--status", "closed", "--customer", customer])["total"], 1);
    assert!(run(&["ticket", "list", "--output", "csv"], 0).starts_with("id,title,status,priority"));
    run(&["ticket", "delete", ticket, "--yes"], 0);
    assert_eq!(json(&["ticket", "list"])["total"], 0);
    run(&["ticket", "show", ticket], 3);
}
