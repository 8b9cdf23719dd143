//! The one error of the core. Every surface (gRPC, HTTP, CLI, later the TUI) translates it in a single file.

use std::{error::Error as StdError, fmt};

/// What went wrong, in the contract's words; each surface maps these and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The request can't be served as it is; the caller must change it.
    InvalidArgument,
    /// The thing named by a well-formed identifier does not exist.
    NotFound,
    /// It exists already, or was already done.
    AlreadyExists,
    /// The caller is known and may not do this.
    PermissionDenied,
    /// The caller is not known.
    Unauthenticated,
    /// The caller tries too often; the same request may succeed later.
    TooMany,
    /// A fault of ours or of a part we depend on.
    Internal,
    /// Not built yet.
    Unimplemented,
    /// A part that we need can't be reached now; trying again later may help.
    Unavailable,
}

/// An error: its [`Kind`], a stable code such as `order.wrong_state`, a sentence, and perhaps advice.
///
/// The message says what failed and shows the value; the hint says what to do. An attached source is for the log
/// and for operators on the command line, never for a remote caller: see [`Error::public_message`].
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    code: &'static str,
    message: String,
    hint: Option<String>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

/// Results of the core.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Self {
        Self { kind, code, message: message.into(), hint: None, source: None }
    }

    /// The caller must change the request.
    pub fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::InvalidArgument, code, message)
    }

    /// `noun` with `id` does not exist.
    pub fn not_found(noun: &str, id: impl fmt::Display) -> Self {
        Self::new(Kind::NotFound, "not_found", format!("{noun} `{id}` does not exist"))
    }

    /// What was looked for by something else than an identifier does not exist.
    pub fn none_such(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, code, message)
    }

    /// It exists already.
    pub fn already_exists(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::AlreadyExists, code, message)
    }

    /// The caller may not do this.
    pub fn denied(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::PermissionDenied, code, message)
    }

    /// The caller must log in first.
    pub fn unauthenticated(message: impl Into<String>) -> Self {
        Self::new(Kind::Unauthenticated, "auth.required", message)
    }

    /// The caller tries too often.
    pub fn too_many(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::TooMany, code, message)
    }

    /// A fault that the caller can't mend. Attach the cause with [`Error::caused_by`].
    pub fn internal(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, code, message)
    }

    /// A part that we need can't be reached.
    pub fn unavailable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Kind::Unavailable, code, message)
    }

    /// Adds one line of advice, a command where one helps.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Attaches what was underneath.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind, for translation to a surface's own codes.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// The advice, if there is any.
    #[must_use]
    pub fn advice(&self) -> Option<&str> {
        self.hint.as_deref()
    }

    /// What a remote caller is told: the message and the hint, but nothing of what was underneath.
    #[must_use]
    pub fn public_message(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{}; {hint}", self.message),
            None => self.message.clone(),
        }
    }

    /// Whether running the same transaction once more may succeed: the database gave way to a concurrent one.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.code == CONFLICT
    }
}

/// The code of an error that says: two transactions met, and ours was the one to yield.
pub const CONFLICT: &str = "database.conflict";

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        let mut cause = self.source.as_deref().map(|cause| cause as &dyn StdError);
        while let Some(error) = cause {
            write!(f, ": {error}")?;
            // One of ours shows its causes itself.
            cause = if error.is::<Self>() { None } else { error.source() };
        }
        Ok(())
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|cause| cause as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_caller_does_not_see_the_cause_and_an_operator_does() {
        let error = Error::internal("database.failed", "can't read orders")
            .caused_by(std::io::Error::other("password of the database is hunter2"))
            .hint("see the server's log");
        assert_eq!(error.public_message(), "can't read orders; see the server's log");
        assert_eq!(error.to_string(), "can't read orders: password of the database is hunter2");
        let outer = Error::unavailable("a.b", "can't start").caused_by(error);
        assert_eq!(outer.to_string(), "can't start: can't read orders: password of the database is hunter2");
    }
}
