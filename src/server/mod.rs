//! The network's side: one port for gRPC (h2c), gRPC-Web, reflection, `/health` and `/ready`.
//!
//! A gRPC request passes, from outside in:
//!
//! | layer | does |
//! |---|---|
//! | `GrpcWebLayer` | turns gRPC-Web into gRPC and the answer back |
//! | `detach.rs` | reads the body, waits for a place, goes on in a task of its own |
//! | `auth.rs` | finds out who calls and leaves an [`crate::core::actor::Actor`] in the request |
//! | `frame.rs` | refuses what is not one whole message |
//! | `grpc/mod.rs` | says which RPC is not built, when it is not |
//! | `grpc/<service>.rs` | decode, call an operation of the core, encode |
//!
//! `/health` and `/ready` (`health.rs`) pass none of them; what nobody knows ends in `web_fallback.rs`. Errors become
//! statuses in `status.rs` only.

pub mod auth;
mod detach;
mod frame;
pub mod grpc;
mod health;
pub mod status;
pub mod telemetry;
mod web_fallback;

use std::{net::SocketAddr, time::Duration};

use axum::{
    Router,
    middleware::{from_fn, from_fn_with_state},
    serve::ListenerExt as _,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic_web::GrpcWebLayer;

use self::detach::Admission;
use crate::core::{
    app::App,
    error::{Error, Result},
};

/// How long requests may go on after the server was asked to stop.
const SHUTDOWN_MAX: Duration = Duration::from_secs(20);
/// Bytes of an inbound body.
const BODY_MAX_BYTES: usize = 4 * 1024 * 1024;

/// Serves until `shutdown` is cancelled: then nothing more is accepted, and what runs has [`SHUTDOWN_MAX`] to finish.
///
/// # Errors
/// `server.failed` when the reflection service or the listener can't be set up.
pub async fn serve(app: App, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let admission = Admission::new(app.settings.server.max_concurrency);
    let router = router(app, admission.clone())?;
    // Small answers go out at once, not after the peer's delayed acknowledgement.
    let listener = listener.tap_io(|stream| {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "can't set TCP_NODELAY");
        }
    });
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    let serving = axum::serve(listener, service).with_graceful_shutdown(shutdown.clone().cancelled_owned());
    let too_late = async {
        shutdown.cancelled().await;
        tokio::time::sleep(SHUTDOWN_MAX).await;
    };
    let finished = async {
        let served = serving.await;
        // Requests whose clients went away have no connection that axum would wait for.
        admission.drained().await;
        served
    };
    tokio::select! {
        served = finished => {
            served.map_err(|cause| Error::internal("server.failed", "the server failed").caused_by(cause))
        }
        () = too_late => {
            tracing::warn!("some requests did not finish within {} s and were cut off", SHUTDOWN_MAX.as_secs());
            Ok(())
        }
    }
}

fn router(app: App, admission: Admission) -> Result<Router> {
    // `layer` wraps what is there: the last one is the outermost.
    let grpc = grpc::routes(&app)?
        .layer(from_fn(grpc::name_unbuilt))
        .layer(from_fn(frame::one_message))
        .layer(from_fn_with_state(app.clone(), auth::identify))
        .layer(from_fn_with_state(admission, detach::detach))
        .layer(GrpcWebLayer::new());
    Ok(Router::new().merge(grpc).merge(health::routes(app)).fallback(web_fallback::unknown))
}

#[cfg(test)]
mod tests;
