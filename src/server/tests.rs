use std::net::SocketAddr;

use axum::Router;
use chrono::DateTime;
use tokio::task::JoinHandle;
use tonic::{Code, Request, transport::Channel};

use super::*;
use crate::{
    core::{settings::Settings, time::Clock},
    server::grpc::protocol::rustbill::order::{GetOrderRequest, order_service_client::OrderServiceClient},
};

struct Running {
    address: SocketAddr,
    app: App,
    shutdown: CancellationToken,
    server: JoinHandle<Result<()>>,
    _directory: tempfile::TempDir,
}

async fn start(change: impl FnOnce(&mut Settings)) -> Running {
    let directory = tempfile::tempdir().unwrap();
    let mut settings = Settings::default();
    settings.db.url = crate::core::secret::Secret::new(format!("sqlite://{}/t.db", directory.path().display()));
    change(&mut settings);
    let app = App::open(settings, Clock::manual(DateTime::UNIX_EPOCH)).await.unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let (address, shutdown) = (listener.local_addr().unwrap(), CancellationToken::new());
    let server = tokio::spawn(serve(app.clone(), listener, shutdown.clone()));
    Running { address, app, shutdown, server, _directory: directory }
}

impl Running {
    async fn channel(&self) -> Channel {
        Channel::from_shared(format!("http://{}", self.address)).unwrap().connect().await.unwrap()
    }

    async fn orders(&self) -> OrderServiceClient<Channel> {
        OrderServiceClient::new(self.channel().await)
    }

    async fn get(&self, path: &str) -> (u16, String) {
        let response = reqwest::get(format!("http://{}{path}", self.address)).await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.server.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn health_and_readiness_differ_until_the_schema_is_there() {
    let running = start(|_| ()).await;
    assert_eq!(running.get("/health").await, (200, "OK".to_owned()));
    let (status, text) = running.get("/ready").await;
    assert_eq!(status, 503);
    assert!(text.ends_with("migrations are pending"), "{text}");
    running.app.database.migrate().await.unwrap();
    assert_eq!(running.get("/ready").await, (200, "ready".to_owned()));
    running.app.database.close().await;
    assert_eq!(running.get("/ready").await.0, 503);
    assert_eq!(running.get("/health").await.0, 200);
    assert_eq!(running.get("/nothing").await.0, 404);
    running.stop().await;
}

#[tokio::test]
async fn what_is_missing_is_named() {
    let running = start(|_| ()).await;
    let channel = running.channel().await;
    let call = |path: &'static str| {
        let mut grpc = tonic::client::Grpc::new(channel.clone());
        async move {
            grpc.ready().await.unwrap();
            let codec = tonic_prost::ProstCodec::<GetOrderRequest, GetOrderRequest>::default();
            let path = axum::http::uri::PathAndQuery::from_static(path);
            let status = grpc.unary(Request::new(GetOrderRequest::default()), path, codec).await.unwrap_err();
            (status.code(), status.message().to_owned())
        }
    };
    for (path, message) in [
        ("/rustbill.order.OrderService/Nothing", "rustbill.order.OrderService has no method `Nothing`"),
        ("/rustbill.nothing.Service/Get", "there is no service `rustbill.nothing.Service`"),
    ] {
        assert_eq!(call(path).await, (Code::Unimplemented, message.to_owned()));
    }
    running.stop().await;
}

#[tokio::test]
async fn an_rpc_that_nobody_built_is_named() {
    let unbuilt =
        axum::routing::post(|| async { tonic::Status::unimplemented("Not yet implemented").into_http::<String>() });
    let router = Router::new().route("/rustbill.ticket.TicketService/ListTickets", unbuilt);
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router.layer(from_fn(grpc::name_unbuilt))).await });
    let url = format!("http://{address}/rustbill.ticket.TicketService/ListTickets");
    let response = reqwest::Client::new().post(url).send().await.unwrap();
    assert_eq!(response.headers()["grpc-message"], "ListTickets%20is%20not%20available%20in%20this%20version");
}

#[tokio::test]
async fn grpc_web_and_plain_http_get_what_they_can_read() {
    let running = start(|_| ()).await;
    let client = reqwest::Client::new();
    let post = |path: &str, kind: &'static str| {
        let url = format!("http://{}{path}", running.address);
        client.post(url).header("content-type", kind).body(vec![0_u8; 5]).send()
    };
    let response = post("/rustbill.nothing.Service/Get", "application/grpc-web+proto").await.unwrap();
    assert_eq!(response.headers()["grpc-status"], "12");
    assert_eq!(response.headers()["content-type"], "application/grpc-web+proto");
    let response = post("/rustbill.order.OrderService/Nothing", "application/grpc-web+proto").await.unwrap();
    assert_eq!(response.status(), 200);
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with("application/grpc-web"));
    running.stop().await;
}

#[tokio::test]
async fn reflection_answers_while_its_client_still_talks() {
    use tonic_reflection::pb::v1::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let running = start(|_| ()).await;
    let mut client = ServerReflectionClient::new(running.channel().await);
    let (questions, stream) = tokio::sync::mpsc::channel(1);
    let question = MessageRequest::ListServices(String::new());
    questions.send(ServerReflectionRequest { host: String::new(), message_request: Some(question) }).await.unwrap();
    let stream = tokio_stream::wrappers::ReceiverStream::new(stream);
    let mut answers = client.server_reflection_info(stream).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = answer else { panic!("{answer:?}") };
    assert_eq!(listed.service.iter().filter(|service| service.name.starts_with("rustbill.")).count(), 17);
    drop((questions, answers));
    running.stop().await;
}

#[tokio::test]
async fn a_database_that_is_away_logs_nobody_out() {
    let running = start(|_| ()).await;
    running.app.database.close().await;
    let mut request = Request::new(GetOrderRequest::default());
    request.metadata_mut().insert("cookie", "rustbill_session=ask-the-database".parse().unwrap());
    let status = running.orders().await.get_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert_eq!(status.metadata().get(status::ERROR_CODE).unwrap(), "auth.unavailable");
    running.stop().await;
}

#[tokio::test]
async fn a_body_beyond_the_limit_is_refused() {
    let running = start(|_| ()).await;
    let request = GetOrderRequest { id: "x".repeat(BODY_MAX_BYTES + 1) };
    let status = running.orders().await.get_order(request).await.unwrap_err();
    assert_eq!(status.code(), Code::InvalidArgument);
    running.stop().await;
}
