//! What a request passes before a service sees it, over the wire.

use rustbill::{
    core::settings::Settings,
    server::grpc::protocol::rustbill::identity::{
        GetMeRequest, LoginRequest, LoginResponse, identity_service_client::IdentityServiceClient,
    },
};
use tonic::{Code, Request, Response, Status, transport::Channel};

use crate::{
    on_both,
    support::{
        database::TestDatabase,
        server::{InProcess, admin_token, channel, customer_token},
        world::{World, at_once},
    },
};

/// A name that nobody has.
const STRANGER: &str = "nobody";

type Client = IdentityServiceClient<Channel>;

async fn client(server: &InProcess) -> Client {
    IdentityServiceClient::new(channel(&server.address).await)
}

/// A login that fails unless it is refused before, as it comes from `address` through a proxy.
async fn try_from(mut client: Client, address: String) -> Result<Response<LoginResponse>, Status> {
    let message = LoginRequest {
        username: STRANGER.to_owned(),
        password: "wrong password".to_owned(),
        user_type: "customer".to_owned(),
    };
    let mut request = Request::new(message);
    request.metadata_mut().insert("x-forwarded-for", address.parse().unwrap());
    client.login(request).await
}

fn limited(settings: &mut Settings) {
    settings.rate_limit.enabled = true;
    settings.rate_limit.login_per_sec = 5;
}

fn behind_a_proxy(settings: &mut Settings) {
    limited(settings);
    settings.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
}

/// Who calls, with these fields.
async fn me(client: &Client, fields: &[(&'static str, String)]) -> Result<String, Code> {
    let mut request = Request::new(GetMeRequest {});
    for (name, value) in fields {
        request.metadata_mut().insert(*name, value.parse().unwrap());
    }
    let answer = client.clone().get_me(request).await;
    answer.map(|answer| answer.into_inner().user.unwrap().user_type).map_err(|status| status.code())
}

on_both! {
    async fn a_bearer_token_comes_before_the_cookie_and_does_not_fall_back(world: World) {
        let server = InProcess::start(&world).await;
        let client = client(&server).await;
        let session = admin_token(&channel(&server.address).await).await;
        let user = world.customer_user(&world.customer().await).await;
        let access = customer_token(&channel(&server.address).await, &user.username).await;
        let cookie = ("cookie", format!("rustbill_session={session}"));
        let bearer = |token: &str| ("authorization", format!("Bearer {token}"));
        assert_eq!(me(&client, &[]).await, Err(Code::Unauthenticated));
        assert_eq!(me(&client, std::slice::from_ref(&cookie)).await.unwrap(), "admin");
        assert_eq!(me(&client, &[bearer(&session)]).await.unwrap(), "admin");
        assert_eq!(me(&client, &[bearer(&access)]).await.unwrap(), "customer");
        assert_eq!(me(&client, &[cookie.clone(), bearer(&access)]).await.unwrap(), "customer");
        for bad in ["x", "a.b.c", "rbk_x"] {
            assert_eq!(me(&client, &[cookie.clone(), bearer(bad)]).await, Err(Code::Unauthenticated), "{bad}");
        }
        server.stop().await;
    }

    async fn a_page_of_another_origin_cannot_act_with_the_cookie(world: World) {
        let listed = "https://shop.example".to_owned();
        let server =
            InProcess::start_with(&world, |settings| settings.server.allowed_origins = vec![listed.clone()]).await;
        let client = client(&server).await;
        let session = admin_token(&channel(&server.address).await).await;
        let cookie = ("cookie", format!("rustbill_session={session}"));
        let origin = |origin: &str| ("origin", origin.to_owned());
        for own in [&listed, &server.address] {
            assert_eq!(me(&client, &[cookie.clone(), origin(own)]).await.unwrap(), "admin", "{own}");
        }
        for foreign in ["https://evil.example", "null"] {
            assert_eq!(me(&client, &[cookie.clone(), origin(foreign)]).await, Err(Code::Unauthenticated), "{foreign}");
        }
        // A token in a header was put there by the page itself.
        let bearer = ("authorization", format!("Bearer {session}"));
        assert_eq!(me(&client, &[bearer, origin("https://evil.example")]).await.unwrap(), "admin");
        server.stop().await;
    }

    async fn the_operation_log_has_the_client_behind_the_proxy(world: World) {
        let server = InProcess::start_with(&world, behind_a_proxy).await;
        let user = world.customer_user(&world.customer().await).await;
        let message = LoginRequest {
            username: user.username,
            password: crate::support::world::PASSWORD.to_owned(),
            user_type: "customer".to_owned(),
        };
        let mut request = Request::new(message);
        request.metadata_mut().insert("x-forwarded-for", "192.0.2.66, 203.0.113.9".parse().unwrap());
        client(&server).await.login(request).await.unwrap();
        let sql = "SELECT CAST(COUNT(*) AS BIGINT) FROM operation_logs WHERE source = '203.0.113.9'";
        assert_eq!(world.count(sql).await, 1);
        server.stop().await;
    }
}

/// How many of many logins at once were refused for being too many; all others failed for their own reason.
async fn refused(client: &Client, address: impl Fn(usize) -> String) -> usize {
    const TRIES: usize = 60;
    let addresses: Vec<String> = (0..TRIES).map(address).collect();
    let results = at_once(TRIES, |index| try_from(client.clone(), addresses[index].clone())).await;
    let statuses = results.into_iter().map(|result| result.unwrap_err());
    let (refused, others): (Vec<_>, Vec<_>) = statuses.partition(|status| status.code() == Code::ResourceExhausted);
    for status in others {
        assert_eq!(status.code(), Code::InvalidArgument, "{status}");
    }
    for status in &refused {
        assert_eq!(status.metadata().get("retry-after").unwrap(), "1");
        assert_eq!(status.metadata().get("error-code").unwrap(), "rate_limit.exceeded");
    }
    refused.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_client_is_slowed_down_and_another_gets_in() {
    let world = World::on(TestDatabase::sqlite()).await;
    let server = InProcess::start_with(&world, behind_a_proxy).await;
    let client = client(&server).await;
    assert!(refused(&client, |_| "203.0.113.1".to_owned()).await > 0);
    let other = try_from(client.clone(), "203.0.113.2".to_owned()).await.unwrap_err();
    assert_eq!(other.code(), Code::InvalidArgument);
    // Sixty clients with one try each are sixty clients.
    assert_eq!(refused(&client, |index| format!("198.51.100.{index}")).await, 0);
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_method_is_no_way_around_the_limit() {
    const TRIES: usize = 60;
    let world = World::on(TestDatabase::sqlite()).await;
    let server = InProcess::start_with(&world, limited).await;
    let message =
        LoginRequest { username: STRANGER.to_owned(), password: "x".to_owned(), user_type: "customer".to_owned() };
    let message = prost::Message::encode_to_vec(&message);
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    let body = [&[0], length.as_slice(), &message].concat();
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    let url = format!("{}/rustbill.identity.IdentityService/Login", server.address);
    let statuses = at_once(TRIES, |_| {
        let request = client.put(&url).header("content-type", "application/grpc").body(body.clone());
        async move { request.send().await.unwrap().headers().get("grpc-status").cloned() }
    })
    .await;
    assert!(statuses.iter().flatten().any(|status| status == "8"), "{statuses:?}");
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stranger_gains_nothing_by_naming_other_addresses() {
    let world = World::on(TestDatabase::sqlite()).await;
    let server = InProcess::start_with(&world, limited).await;
    assert!(refused(&client(&server).await, |index| format!("198.51.100.{index}")).await > 0);
    server.stop().await;
}
