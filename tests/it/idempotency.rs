//! Calls with a key happen once.

mod time;

use rustbill::{
    core::{
        balance,
        customers::{self, CustomerFilter, CustomerUpdate},
        id::Id,
        idempotency::{self, Key, Reservation, Reserved},
        orders::OrderStatus,
        page::PageRequest,
    },
    server::grpc::protocol::rustbill as proto,
};
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{
    on_both,
    support::{
        cli::rustbill,
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, admin_token, channel, with_token},
        world::{World, at_once, money, settings_file},
    },
};
use proto::{
    balance::{
        AdjustBalanceRequest, AdjustBalanceResponse, GetBalanceRequest, balance_service_client::BalanceServiceClient,
    },
    customer::{CreateCustomerRequest, customer_service_client::CustomerServiceClient},
    downstream::{CreateApiKeyRequest, api_key_service_client::ApiKeyServiceClient},
    identity::{LoginRequest, identity_service_client::IdentityServiceClient},
    order::{CreateOrderRequest, order_service_client::OrderServiceClient},
    ticket::{CreateTicketRequest, ticket_service_client::TicketServiceClient},
};

const KEYS: &str = "SELECT CAST(COUNT(*) AS BIGINT) FROM idempotency_keys";

fn keyed<T>(mut request: Request<T>, key: &str) -> Request<T> {
    request.metadata_mut().insert("idempotency-key", key.parse().unwrap());
    request
}

fn was_replayed<T>(response: &Response<T>) -> bool {
    response.metadata().get("idempotency-replayed").is_some_and(|value| value == "true")
}

fn code_of(status: &Status) -> &str {
    status.metadata().get("error-code").unwrap().to_str().unwrap()
}

async fn run(world: &World, sql: &'static str) {
    let mut tx = world.db().begin().await.unwrap();
    assert!(tx.q(sql).execute().await.unwrap() > 0, "{sql}");
    tx.commit().await.unwrap();
}

/// An administrator at a server, and a customer to pay to.
struct Counter {
    channel: Channel,
    token: String,
    customer: Id,
}

impl Counter {
    async fn at(world: &World, server: &InProcess) -> Self {
        let channel = channel(&server.address).await;
        let token = admin_token(&channel).await;
        Self { channel, token, customer: world.customer().await.id }
    }

    async fn adjust(&self, key: &str, amount: &str) -> Result<Response<AdjustBalanceResponse>, Status> {
        let request = AdjustBalanceRequest {
            customer_id: self.customer.to_string(),
            amount: amount.to_owned(),
            description: "cash".to_owned(),
        };
        BalanceServiceClient::new(self.channel.clone())
            .adjust_balance(keyed(with_token(request, &self.token), key))
            .await
    }
}

/// A reservation by the core itself.
async fn reserve(world: &World, key: &str, request: &[u8]) -> Reserved {
    idempotency::reserve(&world.app, &world.admin, &Key::parse(key).unwrap(), request).await.unwrap()
}

fn running(reserved: Reserved) -> Reservation {
    match reserved {
        Reserved::Run(reservation) => reservation,
        other => panic!("{other:?}"),
    }
}

on_both! {
    async fn the_same_key_is_one_order_and_one_answer(world: World) {
        let product = world.product(&world.instant_provider().await).await;
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        let mut orders = OrderServiceClient::new(counter.channel.clone());
        let request = |notes: &str| {
            let request = CreateOrderRequest {
                customer_id: counter.customer.to_string(),
                product_id: product.id.to_string(),
                billing_cycle: "monthly".to_owned(),
                notes: notes.to_owned(),
                ..CreateOrderRequest::default()
            };
            keyed(with_token(request, &counter.token), "order-1")
        };
        let first = orders.create_order(request("")).await.unwrap();
        assert!(!was_replayed(&first));
        let second = orders.create_order(request("")).await.unwrap();
        assert!(was_replayed(&second));
        let first = first.into_inner();
        let id = first.order.clone().unwrap().id;
        assert_eq!(first, second.into_inner());
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 1);
        assert_eq!(world.order_state(Id::parse("id", &id).unwrap()).await.status, OrderStatus::Pending);

        // Another body, another RPC.
        let status = orders.create_order(request("other")).await.unwrap_err();
        assert_eq!((status.code(), code_of(&status)), (Code::InvalidArgument, "idempotency.reused"));
        let status = counter.adjust("order-1", "1.00").await.unwrap_err();
        assert_eq!(code_of(&status), "idempotency.reused");
        assert_eq!(world.balance(counter.customer).await, "0.00");
        // Without a key each call is its own.
        let plain = CreateOrderRequest {
            customer_id: counter.customer.to_string(),
            product_id: product.id.to_string(),
            billing_cycle: "monthly".to_owned(),
            ..CreateOrderRequest::default()
        };
        orders.create_order(with_token(plain, &counter.token)).await.unwrap();
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM orders").await, 2);
        server.stop().await;
    }

    async fn equal_keys_of_others_are_other_keys(world: World) {
        let server = InProcess::start(&world).await;
        let everybody = Everybody::log_in(&world, &channel(&server.address).await).await;
        let mut tickets = TicketServiceClient::new(channel(&server.address).await);
        let mut made = Vec::new();
        for caller in &everybody.callers {
            let customer = usize::from(caller.name == "customer B");
            let request = || CreateTicketRequest {
                customer_id: everybody.customers[customer].id.to_string(),
                title: "Help".to_owned(),
                ..CreateTicketRequest::default()
            };
            let Ok(first) = tickets.create_ticket(keyed(caller.says(request()), "k")).await else {
                assert_eq!(caller.name, "nobody");
                continue;
            };
            let again = tickets.create_ticket(keyed(caller.says(request()), "k")).await.unwrap();
            assert!(!was_replayed(&first) && was_replayed(&again), "{}", caller.name);
            assert_eq!(first.get_ref(), again.get_ref());
            made.push(format!("{:?}", first.into_inner()));
        }
        made.sort();
        made.dedup();
        assert_eq!(made.len(), 4);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM tickets").await, 4);
        server.stop().await;
    }

    async fn many_at_once_are_one(world: World) {
        let server = InProcess::start(&world).await;
        let counter = std::sync::Arc::new(Counter::at(&world, &server).await);
        let answers = at_once(16, |_| {
            let counter = std::sync::Arc::clone(&counter);
            async move { counter.adjust("once", "5.00").await.unwrap() }
        })
        .await;
        assert_eq!(answers.iter().filter(|answer| !was_replayed(answer)).count(), 1);
        assert!(answers.iter().all(|answer| answer.get_ref() == answers[0].get_ref()));
        assert_eq!(world.balance(counter.customer).await, "5.00");
        world.check_ledgers().await;
        server.stop().await;
    }

    async fn refusals_are_kept_too(world: World) {
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        let taken = world.customer().await;
        let mut client = CustomerServiceClient::new(counter.channel.clone());
        let request = |key: &str| {
            let request = CreateCustomerRequest { name: "Ben".to_owned(), email: taken.email.clone(), ..CreateCustomerRequest::default() };
            keyed(with_token(request, &counter.token), key)
        };
        let first = client.create_customer(request("a")).await.unwrap_err();
        assert_eq!((first.code(), code_of(&first)), (Code::AlreadyExists, "name.taken"));
        let change = CustomerUpdate { email: Some("free@example.com".to_owned()), ..CustomerUpdate::default() };
        customers::update(&world.app, &world.admin, taken.id, &change).await.unwrap();
        let again = client.create_customer(request("a")).await.unwrap_err();
        assert_eq!((again.code(), again.message(), code_of(&again)), (first.code(), first.message(), "name.taken"));
        assert_eq!(again.metadata().get("idempotency-replayed").unwrap(), "true");
        client.create_customer(request("b")).await.unwrap();
        server.stop().await;
    }

    async fn who_reads_or_logs_in_or_is_nobody_leaves_no_key(world: World) {
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        let mut balances = BalanceServiceClient::new(counter.channel.clone());
        let read = || keyed(with_token(GetBalanceRequest { customer_id: counter.customer.to_string() }, &counter.token), "k");
        assert_eq!(balances.get_balance(read()).await.unwrap().into_inner().balance, "0.00");
        world.top_up(counter.customer, "7.00").await;
        let found = balances.get_balance(read()).await.unwrap();
        assert!(!was_replayed(&found));
        assert_eq!(found.into_inner().balance, "7.00");
        let login = || {
            let request = LoginRequest { username: "admin".to_owned(), password: crate::support::world::PASSWORD.to_owned(), user_type: "admin".to_owned() };
            keyed(Request::new(request), "k")
        };
        let mut identity = IdentityServiceClient::new(counter.channel.clone());
        let cookies = [identity.login(login()).await.unwrap(), identity.login(login()).await.unwrap()];
        assert_ne!(cookies[0].metadata().get("set-cookie"), cookies[1].metadata().get("set-cookie"));
        let nobody = AdjustBalanceRequest::default();
        let status = balances.adjust_balance(keyed(Request::new(nobody.clone()), "k")).await.unwrap_err();
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(world.count(KEYS).await, 0);
        for bad in ["", "a b", &"k".repeat(201)] {
            let status = counter.adjust(bad, "1.00").await.unwrap_err();
            assert_eq!(code_of(&status), "idempotency.key", "{bad:?}");
        }
        assert_eq!(world.balance(counter.customer).await, "7.00");
        server.stop().await;
    }

    async fn a_secret_answer_comes_again_and_is_not_in_the_table(world: World) {
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        let mut client = ApiKeyServiceClient::new(counter.channel.clone());
        let request = || {
            let request = CreateApiKeyRequest { name: "shop".to_owned(), customer_id: counter.customer.to_string() };
            keyed(with_token(request, &counter.token), "a-key-of-the-client")
        };
        let first = client.create_api_key(request()).await.unwrap().into_inner();
        assert_eq!(client.create_api_key(request()).await.unwrap().into_inner(), first);
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM api_keys").await, 1);
        let answers = world.db().q("SELECT answer FROM idempotency_keys").scalars::<Vec<u8>>().await.unwrap();
        let texts = world.db().q("SELECT scope || key_hash || request_hash FROM idempotency_keys").scalars::<String>().await.unwrap();
        assert_eq!((answers.len(), texts.len()), (1, 1));
        for secret in [first.api_key.as_str(), "a-key-of-the-client", &first.id] {
            assert!(!answers[0].windows(secret.len()).any(|part| part == secret.as_bytes()), "{secret}");
            assert!(!texts[0].contains(secret), "{secret}");
        }
        server.stop().await;
    }

    async fn after_a_crash_a_change_is_made_or_told_of_but_never_made_twice(world: World) {
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        counter.adjust("made", "1.00").await.unwrap();
        // The program died after the commit and before the answer was kept.
        let long_ago = "UPDATE idempotency_keys SET answer = NULL, lease_until = created_at";
        run(&world, long_ago).await;
        let status = counter.adjust("made", "1.00").await.unwrap_err();
        assert_eq!((status.code(), code_of(&status)), (Code::AlreadyExists, "idempotency.answer_lost"));
        assert_eq!(code_of(&counter.adjust("made", "1.00").await.unwrap_err()), "idempotency.answer_lost");
        assert_eq!(world.balance(counter.customer).await, "1.00");
        // It died before the commit.
        run(&world, "UPDATE idempotency_keys SET applied = FALSE").await;
        assert!(!was_replayed(&counter.adjust("made", "1.00").await.unwrap()));
        assert_eq!(world.balance(counter.customer).await, "2.00");
        assert!(was_replayed(&counter.adjust("made", "1.00").await.unwrap()));
        server.stop().await;
    }

    async fn what_is_rolled_back_is_not_marked(world: World) {
        let customer = world.customer().await;
        let reservation = running(reserve(&world, "k", b"x").await);
        let actor = reservation.carried_by(&world.admin);
        let too_much = money("9999999999.00");
        balance::adjust(&world.app, &actor, customer.id, too_much, "").await.unwrap();
        assert!(idempotency::has_applied(&world.app, &reservation).await.unwrap());
        let reservation = running(reserve(&world, "k2", b"x").await);
        let actor = reservation.carried_by(&world.admin);
        balance::adjust(&world.app, &actor, customer.id, too_much, "").await.unwrap_err();
        assert!(!idempotency::has_applied(&world.app, &reservation).await.unwrap());
        // Ended without an answer, the key is free at once, and for any request.
        idempotency::release(&world.app, &reservation).await.unwrap();
        running(reserve(&world, "k2", b"another").await);
    }

    async fn who_waits_gets_the_answer(world: World) {
        let reservation = running(reserve(&world, "k", b"x").await);
        let (app, admin) = (world.app.clone(), world.admin.clone());
        let waiting = tokio::spawn(async move {
            idempotency::reserve(&app, &admin, &Key::parse("k").unwrap(), b"x").await.unwrap()
        });
        idempotency::answer(&world.app, &reservation, b"done").await.unwrap();
        assert!(matches!(waiting.await.unwrap(), Reserved::Replay(answer) if answer == b"done"));
    }

    async fn the_command_line_makes_a_change_once(world: World) {
        let config = settings_file(&world.database, world.database.directory.path());
        let config = config.to_str().unwrap();
        let home = world.database.directory.path();
        let run = |args: &[&str]| rustbill(home, &[args, &["--config", config]].concat());
        let create = ["customer", "create", "--name", "Ann", "--email", "ann@example.com", "--idempotency-key", "k1"];
        let first = run(&create);
        assert!(first.status.success(), "{}", String::from_utf8_lossy(&first.stderr));
        let again = run(&create);
        assert_eq!((again.status.code(), &again.stdout), (Some(0), &first.stdout));
        let filter = CustomerFilter::default();
        let total = || async { customers::list(&world.app, &world.admin, &filter, PageRequest::default()).await.unwrap().total };
        assert_eq!(total().await, 1);
        let other = run(&["customer", "create", "--name", "Ben", "--email", "ben@example.com", "--idempotency-key", "k1"]);
        assert_eq!(other.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&other.stderr).contains("another request"));
        // What only reads, and what failed, is run again.
        let list = ["customer", "list", "--idempotency-key", "k2", "--output", "csv"];
        let before = run(&list).stdout;
        let taken = ["customer", "create", "--name", "Cleo", "--email", "cleo@example.com", "--credit-limit", "-1", "--idempotency-key", "k3"];
        assert!(!run(&taken).status.success());
        world.customer().await;
        assert_ne!(run(&list).stdout, before);
        assert_eq!(world.count(KEYS).await, 1);
        assert_eq!(run(&["db", "status", "--idempotency-key", "k4"]).status.code(), Some(2));
        // Authors have no database, and a key must not make them need one.
        let absent = home.join("absent.toml");
        let draft = home.join("notifier-draft.rn");
        let (absent, draft, dir) = (absent.to_str().unwrap(), draft.to_str().unwrap(), home.to_str().unwrap());
        for verb in [&["new", "notifier", "draft", "--dir", dir][..], &["check", draft], &["test", draft]] {
            let refused = rustbill(home, &[&["plugin"], verb, &["--config", absent, "--idempotency-key", "k5"]].concat());
            let words = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(refused.status.code() == Some(2) && words.contains("means nothing to this command"), "{words}");
        }
        assert!(!home.join("notifier-draft.rn").exists());
    }

    async fn browsers_have_keys_too(world: World) {
        let server = InProcess::start(&world).await;
        let counter = Counter::at(&world, &server).await;
        let message = prost::Message::encode_to_vec(&AdjustBalanceRequest {
            customer_id: counter.customer.to_string(),
            amount: "3.00".to_owned(),
            description: String::new(),
        });
        let length = u32::try_from(message.len()).unwrap().to_be_bytes();
        let body = [&[0], length.as_slice(), &message].concat();
        let send = || async {
            let response = reqwest::Client::new()
                .post(format!("{}/rustbill.balance.BalanceService/AdjustBalance", server.address))
                .header("content-type", "application/grpc-web+proto")
                .header("authorization", format!("Bearer {}", counter.token))
                .header("idempotency-key", "web")
                .body(body.clone())
                .send()
                .await
                .unwrap();
            let replayed = response.headers().contains_key("idempotency-replayed");
            (replayed, response.bytes().await.unwrap())
        };
        let (first, second) = (send().await, send().await);
        assert_eq!((first.0, second.0), (false, true));
        assert_eq!(first.1, second.1);
        assert!(String::from_utf8_lossy(&first.1).contains("grpc-status:0"));
        assert_eq!(world.balance(counter.customer).await, "3.00");
        server.stop().await;
    }
}
