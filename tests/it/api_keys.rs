//! API keys: who makes, sees and ends them, and what they open.

use chrono::TimeDelta;
use rustbill::{
    core::{
        actor::{Actor, Role},
        customers::Customer,
        error::{Kind, Result},
        id::Id,
        identity::{self, CreatedApiKey, Credential, NewApiKey},
    },
    server::grpc::protocol::rustbill as proto,
};
use tonic::Code;

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        server::{InProcess, admin_token, channel, customer_token, with_token},
        world::{World, actor_of, clock_at},
    },
};
use proto::{
    downstream::{
        CreateApiKeyRequest, ListApiKeysRequest, RevokeApiKeyRequest, api_key_service_client::ApiKeyServiceClient,
    },
    order::{ListOrdersRequest, order_service_client::OrderServiceClient},
};

async fn allow(world: &World, customer: &Customer, allowed: bool) {
    let mut tx = world.db().begin().await.unwrap();
    tx.q("UPDATE customers SET can_create_api_keys = $2 WHERE id = $1")
        .bind(customer.id)
        .bind(allowed)
        .execute_one()
        .await
        .unwrap();
    tx.commit().await.unwrap();
}

async fn make(world: &World, actor: &Actor, customer: Option<Id>) -> Result<CreatedApiKey> {
    let new = NewApiKey { name: "shop".to_owned(), customer_id: customer, lifetime: None };
    identity::create_api_key(&world.app, actor, &new).await
}

async fn recognise(world: &World, key: &str) -> Result<Actor> {
    identity::authenticate(&world.app, Credential::of_bearer(key), "192.0.2.7").await
}

fn operator() -> Actor {
    Actor::new(Role::Operator(Id::generate()), "op", "::1")
}

on_both! {
    async fn a_key_acts_as_its_customer(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        allow(&world, &ann, true).await;
        let product = world.product(&world.instant_provider().await).await;
        world.order(&ben, &product).await;
        let anns = world.order(&ann, &product).await;
        let user = world.customer_user(&ann).await;
        let server = InProcess::start(&world).await;
        let channel = channel(&server.address).await;
        let token = customer_token(&channel, &user.username).await;
        let mut keys = ApiKeyServiceClient::new(channel.clone());
        let request = CreateApiKeyRequest { name: " shop ".to_owned(), customer_id: String::new() };
        let made = keys.create_api_key(with_token(request, &token)).await.unwrap().into_inner();
        assert!(made.api_key.starts_with("rbk_") && made.api_key.len() == 44, "the form of a key");
        assert_eq!(made.key_prefix, made.api_key[..12]);

        let mut orders = OrderServiceClient::new(channel.clone());
        let listed = orders.list_orders(with_token(ListOrdersRequest::default(), &made.api_key)).await.unwrap().into_inner();
        assert_eq!(listed.orders.iter().map(|order| order.id.as_str()).collect::<Vec<_>>(), [anns.id.to_string()]);
        let foreign = ListOrdersRequest { customer_id: Some(ben.id.to_string()), ..ListOrdersRequest::default() };
        assert_eq!(orders.list_orders(with_token(foreign, &made.api_key)).await.unwrap_err().code(), Code::PermissionDenied);

        // A key manages no keys.
        for (what, code) in [
            ("create", keys.create_api_key(with_token(CreateApiKeyRequest { name: "x".to_owned(), customer_id: String::new() }, &made.api_key)).await.unwrap_err().code()),
            ("list", keys.list_api_keys(with_token(ListApiKeysRequest { customer_id: String::new() }, &made.api_key)).await.unwrap_err().code()),
            ("revoke", keys.revoke_api_key(with_token(RevokeApiKeyRequest { id: made.id.clone() }, &made.api_key)).await.unwrap_err().code()),
        ] {
            assert_eq!(code, Code::PermissionDenied, "{what}");
        }

        let list = |token: &str| with_token(ListApiKeysRequest { customer_id: ann.id.to_string() }, token);
        let found = keys.list_api_keys(list(&token)).await.unwrap().into_inner().keys;
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].name.as_str(), found[0].enabled, found[0].expires_at.as_str()), ("shop", true, ""));
        assert!(!found[0].last_used_at.is_empty() && found[0].key_prefix == made.key_prefix);
        let admin = admin_token(&channel).await;
        keys.revoke_api_key(with_token(RevokeApiKeyRequest { id: made.id.clone() }, &admin)).await.unwrap();
        keys.revoke_api_key(with_token(RevokeApiKeyRequest { id: made.id.clone() }, &admin)).await.unwrap();
        assert!(!keys.list_api_keys(list(&admin)).await.unwrap().into_inner().keys[0].enabled);
        let refused = orders.list_orders(with_token(ListOrdersRequest::default(), &made.api_key)).await.unwrap_err();
        assert_eq!(refused.code(), Code::Unauthenticated);

        // The key itself is stored nowhere.
        for sql in ["SELECT key_hash FROM api_keys", "SELECT key_prefix FROM api_keys", "SELECT CAST(detail AS TEXT) FROM operation_logs"] {
            let texts = world.db().q(sql).scalars::<String>().await.unwrap();
            assert!(texts.iter().all(|text| !text.contains(&made.api_key)), "{sql}");
        }
        let logged = world.count("SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE action LIKE 'api_key.%'").await;
        assert_eq!(logged, 2, "made once, revoked once");
        for (what, id, code) in [("malformed", "42".to_owned(), Code::InvalidArgument), ("unknown", Id::generate().to_string(), Code::NotFound)] {
            let status = keys.revoke_api_key(with_token(RevokeApiKeyRequest { id }, &admin)).await.unwrap_err();
            assert_eq!(status.code(), code, "{what}");
        }
        server.stop().await;
    }

    async fn who_may_do_what_with_keys(world: World) {
        let (ann, ben) = (world.customer().await, world.customer().await);
        allow(&world, &ann, true).await;
        let anns_user = actor_of(&world.customer_user(&ann).await);
        let bens_user = actor_of(&world.customer_user(&ben).await);
        let nobody = Actor::anonymous("::1");
        let anns = make(&world, &world.admin, Some(ann.id)).await.unwrap().key;
        for (who, actor, create, revoke) in [
            ("nobody", &nobody, Some(Kind::Unauthenticated), Some(Kind::Unauthenticated)),
            ("another customer", &bens_user, Some(Kind::PermissionDenied), Some(Kind::PermissionDenied)),
            ("the customer", &anns_user, None, None),
            ("an operator", &operator(), None, None),
            ("an administrator", &world.admin, None, None),
            ("the command line", &Actor::local(), None, None),
        ] {
            assert_eq!(make(&world, actor, Some(ann.id)).await.err().map(|error| error.kind()), create, "{who}");
            let listed = identity::list_api_keys(&world.app, actor, Some(ann.id)).await;
            assert_eq!(listed.err().map(|error| error.kind()), create, "{who}");
            let revoked = identity::revoke_api_key(&world.app, actor, anns.id).await;
            assert_eq!(revoked.err().map(|error| error.kind()), revoke, "{who}");
        }
        // Without the flag a customer makes and lists none, but ends what an administrator made for it.
        assert_eq!(make(&world, &bens_user, None).await.unwrap_err().code(), "api_key.not_allowed");
        assert_eq!(identity::list_api_keys(&world.app, &bens_user, None).await.unwrap_err().code(), "api_key.not_allowed");
        let bens = make(&world, &world.admin, Some(ben.id)).await.unwrap().key;
        assert!(!identity::revoke_api_key(&world.app, &bens_user, bens.id).await.unwrap().enabled);
        // Newest first.
        let listed = identity::list_api_keys(&world.app, &world.admin, Some(ann.id)).await.unwrap();
        assert_eq!(listed.len(), 5);
        assert!(listed.is_sorted_by(|first, second| (first.created_at, first.id) > (second.created_at, second.id)));
        assert_eq!(listed[4].id, anns.id);

        for (name, customer, code) in [("", Some(ann.id), "text.missing"), ("x", None, "id.missing"), ("x", Some(Id::generate()), "not_found")] {
            let new = NewApiKey { name: name.to_owned(), customer_id: customer, lifetime: None };
            assert_eq!(identity::create_api_key(&world.app, &world.admin, &new).await.unwrap_err().code(), code);
        }
    }

    async fn a_key_of_a_disabled_customer_opens_nothing(world: World) {
        let customer = world.customer().await;
        let made = make(&world, &world.admin, Some(customer.id)).await.unwrap();
        let actor = recognise(&world, made.secret.reveal()).await.unwrap();
        assert_eq!(actor.role(), Role::ApiKey { key_id: made.key.id, customer_id: customer.id });
        for wrong in ["rbk_", "rbk_unknown", &made.secret.reveal()[..43], &made.secret.reveal().to_uppercase()] {
            assert_eq!(recognise(&world, wrong).await.unwrap_err().kind(), Kind::Unauthenticated);
        }
        // A key is no session.
        let cookie = Credential::Session(made.secret.reveal());
        assert!(identity::authenticate(&world.app, cookie, "::1").await.is_err());
        // A key is no user.
        assert_eq!(identity::me(&world.app, &actor).await.unwrap_err().kind(), Kind::Unauthenticated);
        let changed = identity::change_password(&world.app, &actor, None, "old password", "new password").await;
        assert_eq!(changed.unwrap_err().kind(), Kind::Unauthenticated);
        let mut tx = world.db().begin().await.unwrap();
        tx.q("UPDATE customers SET is_active = FALSE").execute().await.unwrap();
        tx.commit().await.unwrap();
        assert!(recognise(&world, made.secret.reveal()).await.is_err());
        assert_eq!(make(&world, &world.admin, Some(customer.id)).await.unwrap_err().code(), "customer.inactive");
    }
}

async fn keys_and_time(database: TestDatabase) {
    let clock = clock_at("2026-01-01T00:00:00Z");
    let world = World::with_clock(database, clock.clone()).await;
    let customer = world.customer().await;
    let new =
        NewApiKey { name: "trial".to_owned(), customer_id: Some(customer.id), lifetime: Some(TimeDelta::days(1)) };
    let made = identity::create_api_key(&world.app, &world.admin, &new).await.unwrap();
    let used = async || {
        let keys = identity::list_api_keys(&world.app, &world.admin, Some(customer.id)).await.unwrap();
        keys[0].last_used_at.map(|at| at.to_string())
    };
    assert_eq!(used().await, None);
    for (seconds, expected) in [(0, "00:00:00"), (59, "00:00:00"), (1, "00:01:00"), (30, "00:01:00"), (30, "00:02:00")]
    {
        clock.advance(TimeDelta::seconds(seconds));
        recognise(&world, made.secret.reveal()).await.unwrap();
        assert_eq!(used().await.unwrap(), format!("2026-01-01T{expected}Z"), "written at most once a minute");
    }
    clock.advance(TimeDelta::days(1));
    assert!(recognise(&world, made.secret.reveal()).await.is_err(), "it has expired");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_time_sqlite() {
    keys_and_time(TestDatabase::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_and_time_postgres() {
    keys_and_time(TestDatabase::postgres().await).await;
}
