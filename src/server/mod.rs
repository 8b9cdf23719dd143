//! The network's side: one port for gRPC (h2c), gRPC-Web, reflection, `/callback`, `/health` and `/ready`.
//!
//! A gRPC request passes, from outside in:
//!
//! | part | does |
//! |---|---|
//! | `layers/` | everything that comes before a service: `layers/mod.rs` has the stack, in order |
//! | `frame.rs` | refuses what is not one whole message |
//! | `idempotency.rs` | answers a call that was made before as it was answered then |
//! | `grpc/mod.rs` | says which RPC is not built, when it is not |
//! | `grpc/<service>.rs` | decode, call an operation of the core, encode |
//! | `callback.rs` | the same for gateways, which speak plain HTTP |
//!
//! The layers leave an [`crate::core::actor::Actor`] in the request (`auth.rs`). What nobody knows ends in
//! `web_fallback.rs`. Errors become statuses in `status.rs` only.

pub mod auth;
mod callback;
mod frame;
pub mod grpc;
mod idempotency;
mod layers;
pub mod status;
pub mod telemetry;
mod web_fallback;

use std::{net::SocketAddr, time::Duration};

use axum::{
    middleware::{from_fn, from_fn_with_state},
    serve::ListenerExt as _,
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::layers::Admission;
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
/// `server.failed` when the reflection service or the listener can't be set up; `config.invalid` for a malformed origin.
pub async fn serve(app: App, listener: TcpListener, shutdown: CancellationToken) -> Result<()> {
    let admission = Admission::new(app.settings.server.max_concurrency);
    let services = grpc::routes(&app)?
        .layer(from_fn(grpc::name_unbuilt))
        .layer(from_fn_with_state(app.clone(), idempotency::once))
        .layer(from_fn(frame::one_message));
    let router = layers::stack(&app, admission.clone(), services)?;
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

#[cfg(test)]
mod tests;
