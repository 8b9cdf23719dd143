//! A row of the table: a request that is refused, and how.

use futures::future::LocalBoxFuture;
use serde_json::Value;
use tonic::Code;

use super::scene::Scene;

/// A well-formed identifier of nothing. It may stand in the words that a row expects as `UNKNOWN`.
pub(super) const UNKNOWN: &str = "0198a000-0000-7000-8000-000000000000";

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Who {
    Nobody,
    /// The customer whose things the requests are about.
    Owner,
    Stranger,
    /// A customer who may have no API keys.
    Third,
    Operator,
    Admin,
    /// Nobody, at a server that can't run any script.
    NobodyCutOff,
    /// An administrator, at such a server.
    AdminCutOff,
}

/// A request that is refused.
pub(super) struct Row {
    pub(super) rpc: &'static str,
    pub(super) code: Code,
    /// The situation: words of the RPC's comment.
    pub(super) when: &'static str,
    pub(super) who: Who,
    /// The word in `error-code`; empty where any word will do.
    pub(super) error: &'static str,
    /// What the message names.
    pub(super) says: &'static str,
    pub(super) request: for<'a> fn(&'a Scene<'a>) -> LocalBoxFuture<'a, Value>,
}

/// `"Service/Rpc" { Code "situation": Caller, "error.code", "words of the message" => |scene| request; … }`
macro_rules! rows {
    ($($rpc:literal {
        $($code:ident $when:literal: $who:ident, $error:literal, $says:literal => |$scene:pat_param| $request:expr;)+
    })+) => {
        pub(super) const ROWS: &[$crate::errors::row::Row] = &[$($($crate::errors::row::Row {
            rpc: $rpc,
            code: tonic::Code::$code,
            when: $when,
            who: $crate::errors::row::Who::$who,
            error: $error,
            says: $says,
            request: |$scene| Box::pin(async move { $request }),
        },)+)+];
    };
}

pub(super) use rows;
