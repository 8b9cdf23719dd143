//! Calls with the metadata `idempotency-key`: the same key gets the same answer, and the change is made once.
//!
//! Only for RPCs that change something, and for callers that are known: a stranger's key is ignored, since anybody
//! could send it. Reading RPCs ignore keys, and so do those that log in and out, whose answers must be fresh.
//!
//! What the caller may do by trying again is not kept: see [`is_transient`].

mod canonical;

use std::convert::Infallible;

use axum::{
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
    response::Response,
};
use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt as _, StreamBody};
use prost::Message as _;
use tonic::{Code, Status};

use super::BODY_MAX_BYTES;
use crate::core::{
    actor::Actor,
    app::App,
    error::{Error, Result},
    idempotency::{self, ANSWER_MAX_BYTES, Key, Reserved},
};

/// The metadata field of the key.
pub(super) const KEY: &str = "idempotency-key";
/// The metadata field of an answer that was given before.
pub(super) const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// What an RPC that only reads begins with.
const READING: [&str; 2] = ["List", "Get"];
/// Other RPCs that only read, and those whose answers are of the moment.
const IGNORING: [&str; 5] = ["QueryPrice", "CheckPluginSource", "Login", "RefreshToken", "Logout"];

/// An answer as it is kept.
#[derive(Clone, PartialEq, prost::Message)]
struct Answer {
    #[prost(message, repeated, tag = "1")]
    headers: Vec<Field>,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
    #[prost(message, repeated, tag = "3")]
    trailers: Vec<Field>,
}

/// A field of metadata.
#[derive(Clone, PartialEq, prost::Message)]
struct Field {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(bytes = "vec", tag = "2")]
    value: Vec<u8>,
}

/// The layer.
pub(super) async fn once(State(app): State<App>, request: Request, next: Next) -> Response {
    if !request.headers().contains_key(KEY) || !takes_keys(request.uri().path()) {
        return next.run(request).await;
    }
    match keyed(&app, request, next).await {
        Ok(response) => response,
        Err(error) => Status::from(error).into_http(),
    }
}

/// Whether keys mean something to an RPC.
fn takes_keys(path: &str) -> bool {
    let rpc = path.rsplit('/').next().unwrap_or_default();
    path.starts_with("/rustbill.") && !READING.iter().any(|start| rpc.starts_with(start)) && !IGNORING.contains(&rpc)
}

async fn keyed(app: &App, request: Request, next: Next) -> Result<Response> {
    let Some(actor) = request.extensions().get::<Actor>().cloned() else { return Ok(next.run(request).await) };
    let key = key_of(request.headers());
    let (mut parts, body) = request.into_parts();
    let unreadable = |cause| Error::invalid("request.body", "the request can't be read").caused_by(cause);
    let body = axum::body::to_bytes(body, BODY_MAX_BYTES).await.map_err(unreadable)?;
    let path = parts.uri.path().to_owned();
    let content = canonical::request(&path, &body);
    let content = [path.as_bytes(), b"\0", content.as_slice()].concat();
    let reserved = match key {
        Ok(key) => idempotency::reserve(app, &actor, &key, &content).await?,
        // A stranger's key is ignored, also one that is none.
        Err(error) if actor.id().is_some() => return Err(error),
        Err(_) => Reserved::Ignored,
    };
    let reservation = match reserved {
        Reserved::Ignored => return Ok(next.run(Request::from_parts(parts, Body::from(body))).await),
        Reserved::Replay(kept) => return replay(&kept),
        Reserved::Run(reservation) => reservation,
    };
    parts.extensions.insert(reservation.carried_by(&actor));
    let work = next.run(Request::from_parts(parts, Body::from(body)));
    let (response, answer) = collect(idempotency::held(app, &reservation, work).await).await?;
    let kept = answer.as_ref().map(prost::Message::encode_to_vec).filter(|kept| kept.len() <= ANSWER_MAX_BYTES);
    let ended = match kept {
        Some(kept) => idempotency::answer(app, &reservation, &kept).await,
        None => idempotency::release(app, &reservation).await,
    };
    // The caller has its answer all the same; only who asks again does not.
    if let Err(error) = ended {
        tracing::error!(%error, path, "the answer to an idempotency key could not be kept");
    }
    Ok(response)
}

fn key_of(headers: &HeaderMap) -> Result<Key> {
    let mut given = headers.get_all(KEY).iter();
    match (given.next().and_then(|value| value.to_str().ok()), given.next()) {
        (Some(text), None) => Key::parse(text),
        _ => Key::parse(""),
    }
}

/// Reads an answer to its end. There is nothing to keep of one that is transient.
async fn collect(response: Response) -> Result<(Response, Option<Answer>)> {
    let (parts, body) = response.into_parts();
    let broken = |cause| Error::internal("idempotency.response", "the answer can't be read").caused_by(cause);
    let collected = body.collect().await.map_err(broken)?;
    let trailers = collected.trailers().cloned();
    let data = collected.to_bytes();
    let status = trailers.iter().chain([&parts.headers]).find_map(|fields| fields.get(Status::GRPC_STATUS));
    let is_kept = status.is_some_and(|code| !is_transient(Code::from_bytes(code.as_bytes())));
    let answer = is_kept.then(|| Answer {
        headers: fields(&parts.headers),
        data: data.clone(),
        trailers: trailers.as_ref().map(fields).unwrap_or_default(),
    });
    Ok((Response::from_parts(parts, body_of(data, trailers)), answer))
}

/// What trying again may change.
const fn is_transient(code: Code) -> bool {
    match code {
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::OutOfRange => false,
        Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => true,
    }
}

/// A kept answer, marked as one.
fn replay(kept: &[u8]) -> Result<Response> {
    let unreadable = |cause: Box<dyn std::error::Error + Send + Sync>| {
        Error::internal("idempotency.answer", "a kept answer can't be read").caused_by(cause)
    };
    let answer = Answer::decode(kept).map_err(|cause| unreadable(cause.into()))?;
    let trailers = if answer.trailers.is_empty() { None } else { Some(map(answer.trailers).map_err(unreadable)?) };
    let mut response = Response::new(body_of(answer.data, trailers));
    *response.headers_mut() = map(answer.headers).map_err(unreadable)?;
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

/// Of no length that could be told beforehand: gRPC-Web adds the trailers to the data.
fn body_of(data: Bytes, trailers: Option<HeaderMap>) -> Body {
    let frames = [Some(Frame::data(data)), trailers.map(Frame::trailers)].into_iter().flatten();
    Body::new(StreamBody::new(stream::iter(frames.map(Ok::<_, Infallible>))))
}

fn fields(headers: &HeaderMap) -> Vec<Field> {
    headers
        .iter()
        .map(|(name, value)| Field { name: name.as_str().to_owned(), value: value.as_bytes().to_vec() })
        .collect()
}

fn map(fields: Vec<Field>) -> Result<HeaderMap, Box<dyn std::error::Error + Send + Sync>> {
    let mut map = HeaderMap::new();
    for Field { name, value } in fields {
        map.append(HeaderName::from_bytes(name.as_bytes())?, HeaderValue::from_bytes(&value)?);
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use prost_types::FileDescriptorSet;

    use super::*;

    #[test]
    fn every_rpc_that_changes_something_takes_keys() {
        let files = FileDescriptorSet::decode(super::super::grpc::DESCRIPTORS).unwrap();
        let mut without: Vec<String> = files
            .file
            .iter()
            .flat_map(|file| file.service.iter().map(move |service| (file.package(), service)))
            .flat_map(|(package, service)| {
                service.method.iter().map(move |method| format!("/{package}.{}/{}", service.name(), method.name()))
            })
            .filter(|path| !takes_keys(path))
            .map(|path| path.rsplit('/').next().unwrap().to_owned())
            .filter(|rpc| !rpc.starts_with("List") && !rpc.starts_with("Get"))
            .collect();
        without.sort();
        assert_eq!(without, ["CheckPluginSource", "Login", "Logout", "QueryPrice", "RefreshToken"]);
        assert!(!takes_keys("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"));
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_was() {
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", HeaderValue::from_static("0"));
        let mut response = Response::new(body_of(Bytes::from_static(b"data"), Some(trailers.clone())));
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/grpc"));
        let (response, answer) = collect(response).await.unwrap();
        assert_eq!(response.into_body().collect().await.unwrap().trailers(), Some(&trailers));
        let again = replay(&answer.unwrap().encode_to_vec()).unwrap();
        assert_eq!(again.headers()["content-type"], "application/grpc");
        assert_eq!(again.headers()[REPLAYED], "true");
        let again = again.into_body().collect().await.unwrap();
        assert_eq!(again.trailers(), Some(&trailers));
        assert_eq!(again.to_bytes().as_ref(), b"data");
    }

    #[tokio::test]
    async fn what_may_go_better_the_next_time_is_not_kept() {
        for (status, is_kept) in [
            (Status::invalid_argument("x"), true),
            (Status::not_found("x"), true),
            (Status::internal("x"), false),
            (Status::unavailable("x"), false),
            (Status::unauthenticated("x"), false),
            (Status::unimplemented("x"), false),
        ] {
            let code = status.code();
            let (_, answer) = collect(status.into_http()).await.unwrap();
            assert_eq!(answer.is_some(), is_kept, "{code:?}");
        }
    }
}
