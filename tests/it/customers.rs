//! Customers: changing and deleting them.

use rustbill::{
    core::{
        customers::{self, CustomerUpdate, NewCustomer},
        id::Id,
        identity,
        money::Money,
    },
    server::grpc::protocol::rustbill::customer as proto,
};
use tonic::Code;

use crate::{
    as_everybody, on_both,
    support::{
        cli::run_json,
        database::TestDatabase,
        everybody::Everybody,
        server::{InProcess, channel, customer_token},
        world::{World, at_once, money},
    },
};
use proto::customer_service_client::CustomerServiceClient;

fn email(text: &str) -> CustomerUpdate {
    CustomerUpdate { email: Some(text.to_owned()), ..CustomerUpdate::default() }
}

on_both! {
    async fn only_what_is_given_changes(world: World) {
        let made = world.customer().await;
        let change = CustomerUpdate { company: Some("Lee GmbH".to_owned()), can_create_api_keys: Some(true), ..CustomerUpdate::default() };
        let changed = customers::update(&world.app, &world.admin, made.id, &change).await.unwrap();
        assert_eq!((changed.name, changed.email, changed.company.as_str()), (made.name, made.email, "Lee GmbH"));
        assert!(changed.can_create_api_keys && changed.is_active);
        let filter = customers::CustomerFilter { search: Some("%lee gmbh%".to_owned()), ..customers::CustomerFilter::default() };
        assert_eq!(customers::list(&world.app, &world.admin, &filter, rustbill::core::page::PageRequest::default()).await.unwrap().total, 1);

        // Less credit than is used: taken, and the balance stays.
        let credit = |text: &str| CustomerUpdate { credit_limit: Some(money(text)), ..CustomerUpdate::default() };
        customers::update(&world.app, &world.admin, made.id, &credit("50")).await.unwrap();
        world.top_up(made.id, "-30.00").await;
        let changed = customers::update(&world.app, &world.admin, made.id, &credit("10.00")).await.unwrap();
        assert_eq!((changed.balance, changed.credit_limit), (money("-30.00"), money("10.00")));
        for (bad, code) in [
            (credit("-1"), "customer.credit_limit"),
            (email("ann"), "email.malformed"),
            (CustomerUpdate { name: Some(" ".to_owned()), ..CustomerUpdate::default() }, "text.missing"),
            (CustomerUpdate { notes: Some("a\0".to_owned()), ..CustomerUpdate::default() }, "text.control"),
            (CustomerUpdate { phone: Some("1".repeat(201)), ..CustomerUpdate::default() }, "text.too_long"),
        ] {
            assert_eq!(customers::update(&world.app, &world.admin, made.id, &bad).await.unwrap_err().code(), code, "{bad:?}");
        }
        let error = customers::update(&world.app, &world.admin, Id::generate(), &email("x@example.com")).await.unwrap_err();
        assert_eq!(error.code(), "not_found");
        assert_eq!(customers::get(&world.app, &world.admin, made.id).await.unwrap().credit_limit, money("10.00"));
    }

    async fn an_address_is_one_customers(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        let error = customers::update(&world.app, &world.admin, ann.id, &email(&ben.email.to_uppercase())).await.unwrap_err();
        assert_eq!(error.code(), "name.taken");
        // Its own one in other letters is no change.
        customers::update(&world.app, &world.admin, ann.id, &email(&ann.email.to_uppercase())).await.unwrap();
        customers::update(&world.app, &world.admin, ann.id, &email("ann@example.com")).await.unwrap();
        // The address that Ann gave up is free again, the new one is not.
        customers::update(&world.app, &world.admin, ben.id, &email(&ann.email)).await.unwrap();
        let new = NewCustomer { name: "x".to_owned(), email: "ann@example.com".to_owned(), ..NewCustomer::default() };
        assert_eq!(customers::create(&world.app, &world.admin, &new).await.unwrap_err().code(), "name.taken");

        let mut racers = Vec::new();
        for _ in 0..6 {
            racers.push(world.customer().await.id);
        }
        let results = at_once(racers.len(), |index| {
            let (app, admin, id) = (world.app.clone(), world.admin.clone(), racers[index]);
            async move { customers::update(&app, &admin, id, &email("race@example.com")).await }
        })
        .await;
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
        assert!(results.iter().filter_map(|result| result.as_ref().err()).all(|error| error.code() == "name.taken"), "{results:?}");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM unique_names WHERE kind = 'customer_email'").await, 8);
    }

    async fn disabling_ends_the_refresh_tokens_of_its_users(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let (ann, ben) = (world.customer().await, world.customer().await);
        for customer in [&ann, &ben] {
            customer_token(&channel, &world.customer_user(customer).await.username).await;
        }
        let set = async |is_active| {
            let change = CustomerUpdate { is_active: Some(is_active), ..CustomerUpdate::default() };
            customers::update(&world.app, &world.admin, ann.id, &change).await.unwrap()
        };
        let revoked = async || world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM refresh_tokens WHERE revoked_at IS NOT NULL").await;
        set(true).await;
        assert_eq!(revoked().await, 0);
        assert!(!set(false).await.is_active);
        assert_eq!(revoked().await, 1, "not those of others");
        set(true).await;
        assert_eq!(revoked().await, 1);
        server.stop().await;
    }

    async fn what_has_money_behind_it_stays(world: World) {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        let (ordering, moved) = (world.customer().await, world.customer().await);
        world.order(&ordering, &product).await;
        world.top_up(moved.id, "5.00").await;
        let refused = async |id| customers::delete(&world.app, &world.admin, id).await.unwrap_err();
        let error = refused(ordering.id).await;
        assert!(error.code() == "customer.in_use" && error.to_string().contains("1 order"), "{error}");
        assert!(error.advice().unwrap().contains("disable"));
        let error = refused(moved.id).await;
        assert!(error.to_string().contains("1 movement of its balance, a balance of 5.00"), "{error}");
        world.top_up(moved.id, "-5.00").await;
        let error = refused(moved.id).await;
        assert!(error.to_string().ends_with("2 movements of its balance"), "{error}");
        assert_eq!(refused(Id::generate()).await.code(), "not_found");
    }

    async fn what_belonged_to_a_deleted_one_is_gone(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let (ann, ben) = (world.customer().await, world.customer().await);
        let (user, other) = (world.customer_user(&ann).await, world.customer_user(&ben).await);
        customer_token(&channel, &user.username).await;
        let token = customer_token(&channel, &other.username).await;
        customers::delete(&world.app, &world.admin, ann.id).await.unwrap();
        assert_eq!(customers::get(&world.app, &world.admin, ann.id).await.unwrap_err().code(), "not_found");
        assert_eq!(identity::get_user(&world.app, &world.admin, None, user.id).await.unwrap_err().code(), "not_found");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM unique_names").await, 3, "Ben's");
        assert_eq!(world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM refresh_tokens").await, 1, "Ben's");
        let known = identity::authenticate(&world.app, identity::Credential::of_bearer(&token), "test").await;
        assert!(known.is_ok());
        // Its address can be used again.
        let new = NewCustomer { name: "x".to_owned(), email: ann.email, credit_limit: Money::ZERO, ..NewCustomer::default() };
        customers::create(&world.app, &world.admin, &new).await.unwrap();
        server.stop().await;
    }

    async fn a_customer_is_not_deleted_under_an_order(world: World) {
        let provider = world.instant_provider().await;
        let product = world.product(&provider).await;
        for _ in 0..6 {
            let customer = world.customer().await;
            let new = crate::support::world::new_order(&customer, &product);
            let results = at_once(2, |index| {
                let (app, admin, id, new) = (world.app.clone(), world.admin.clone(), customer.id, new.clone());
                async move {
                    if index == 0 {
                        rustbill::core::orders::place(&app, &admin, &new).await.map(|_| ())
                    } else {
                        customers::delete(&app, &admin, id).await
                    }
                }
            })
            .await;
            let codes: Vec<&str> = results.iter().map(|result| result.as_ref().map_or_else(rustbill::core::error::Error::code, |()| "ok")).collect();
            assert!(codes == ["ok", "customer.in_use"] || codes == ["not_found", "ok"], "{codes:?}");
        }
    }

    async fn over_the_wire(world: World) {
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let everybody = Everybody::log_in(&world, &channel).await;
        let mut client = CustomerServiceClient::new(channel.clone());
        let id = Id::generate().to_string();
        as_everybody!(everybody, is_kept_to_admins, client;
            update_customer(proto::UpdateCustomerRequest { id: id.clone(), ..Default::default() }),
            delete_customer(proto::DeleteCustomerRequest { id: id.clone() }));
        let admin = everybody.admin();
        let [ann, ben] = &everybody.customers;
        let request = proto::UpdateCustomerRequest { id: ann.id.to_string(), credit_limit: Some("20000".to_owned()), is_active: Some(false), ..Default::default() };
        let changed = client.update_customer(admin.says(request)).await.unwrap().into_inner().customer.unwrap();
        assert_eq!((changed.credit_limit.as_str(), changed.is_active, changed.name.as_str()), ("20000.00", false, "Ann"));
        let good = proto::UpdateCustomerRequest { id: ann.id.to_string(), ..Default::default() };
        for (bad, code, names) in [
            (proto::UpdateCustomerRequest { id: "x".to_owned(), ..good.clone() }, Code::InvalidArgument, "`id`"),
            (proto::UpdateCustomerRequest { id: id.clone(), ..good.clone() }, Code::NotFound, id.as_str()),
            (proto::UpdateCustomerRequest { credit_limit: Some("1e3".to_owned()), ..good.clone() }, Code::InvalidArgument, "credit_limit"),
            (proto::UpdateCustomerRequest { email: Some(ben.email.clone()), ..good.clone() }, Code::AlreadyExists, "e-mail"),
        ] {
            let status = client.update_customer(admin.says(bad)).await.unwrap_err();
            assert!(status.code() == code && status.message().contains(names), "{status}");
        }
        for (id, code) in [("x", Code::InvalidArgument), (id.as_str(), Code::NotFound)] {
            let status = client.delete_customer(admin.says(proto::DeleteCustomerRequest { id: id.to_owned() })).await.unwrap_err();
            assert_eq!(status.code(), code);
        }
        world.top_up(ann.id, "1.00").await;
        let status = client.delete_customer(admin.says(proto::DeleteCustomerRequest { id: ann.id.to_string() })).await.unwrap_err();
        assert!(status.code() == Code::InvalidArgument && status.message().contains("balance"), "{status}");
        client.delete_customer(admin.says(proto::DeleteCustomerRequest { id: ben.id.to_string() })).await.unwrap();
        server.stop().await;
    }
}

#[test]
fn on_the_command_line() {
    let home = tempfile::tempdir().unwrap();
    let run = |args: &[&str], code: i32| run_json(home.path(), args, code);
    let made = run(&["customer", "create", "--name", "Ann", "--email", "ann@example.com"], 0);
    let id = serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    let changed = run(&["customer", "update", &id, "--credit-limit", "50", "--active", "false"], 0);
    assert!(changed.contains("\"credit_limit\": \"50.00\"") && changed.contains("\"is_active\": false"), "{changed}");
    assert!(run(&["customer", "update", &id, "--credit-limit", "-1"], 2).contains("credit_limit"));
    run(&["customer", "adjust-balance", &id, "--amount", "1.00"], 0);
    assert!(run(&["customer", "delete", &id, "--yes"], 2).contains("a balance of 1.00"));
    let made = run(&["customer", "create", "--name", "Ben", "--email", "ben@example.com"], 0);
    let id = serde_json::from_str::<serde_json::Value>(&made).unwrap()["id"].as_str().unwrap().to_owned();
    assert!(run(&["customer", "delete", &id, "--yes"], 0).contains("\"deleted\": true"));
}
