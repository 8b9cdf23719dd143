//! Mail for scripts: `smtp_send`, `smtp_try` and `smtp_check`.
//!
//! `server.rs` reads the settings of the mail server, `message.rs` builds the mail, `stream.rs` is the connection, and
//! this file talks. Mail servers obey the rules of all outbound connections: their addresses are checked and those very
//! addresses are used, and one that fails again and again is left alone for a while.

mod message;
mod server;
mod stream;

use std::{fmt, net::SocketAddr, time::Duration};

use lettre::{
    Message,
    transport::smtp::{
        Error as SmtpError,
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, AsyncTokioStream, TlsParameters},
        extension::ClientId,
    },
};
use serde_json::{Map, Value};
use tokio::time::{Instant, timeout_at};

use self::server::{Encryption, MailServer};
use super::HostApi;
use crate::core::{
    error::Kind,
    http::{Turn, is_tls},
    text::printable,
};

/// The longest that connecting to one address may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Addresses of a mail server that are tried.
const ADDRESSES_MAX: usize = 2;
/// "Service not available, closing": the server is ailing, whatever was asked.
const SERVICE_NOT_AVAILABLE: u16 = 421;
/// Characters of what a server says that are passed on.
const WORDS_MAX: usize = 500;

/// Why a mail was not sent.
#[derive(Debug)]
struct Problem {
    /// Whether the same attempt may succeed later.
    is_temporary: bool,
    words: String,
}

impl Problem {
    fn temporary(words: impl Into<String>) -> Self {
        Self { is_temporary: true, words: words.into() }
    }

    fn permanent(words: impl Into<String>) -> Self {
        Self { is_temporary: false, words: words.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", if self.is_temporary { "temporary" } else { "permanent" }, self.words)
    }
}

/// The settings or the mail can't be used as they are.
fn unusable(words: impl Into<String>) -> Problem {
    Problem::permanent(words)
}

impl HostApi {
    /// Sends a mail; a problem ends the script's call.
    pub(super) async fn smtp_send(&self, config: &str, email: &str) -> Result<String, String> {
        self.mail(config, Some(email)).await.map(|()| String::new()).map_err(|problem| problem.to_string())
    }

    /// As [`HostApi::smtp_send`], with the problem as the answer. Without a mail it only goes through the motions:
    /// connect, encrypt, log in, leave.
    pub(super) async fn smtp_try(&self, config: &str, email: &str) -> Result<String, String> {
        let email = Some(email).filter(|email| !email.is_empty());
        Ok(self.mail(config, email).await.err().map(|problem| problem.to_string()).unwrap_or_default())
    }

    async fn mail(&self, config: &str, email: Option<&str>) -> Result<(), Problem> {
        let server = MailServer::read(&Fields::parse("the mail server's settings", config)?)?;
        let mail = match email {
            Some(email) => {
                let from = server.from()?;
                Some(message::build(&Fields::parse("the mail", email)?, from, self.clock.now())?)
            }
            None => None,
        };
        let tls = server.tls()?;
        let deadline = Instant::now() + server.patience;
        let addresses = self.http.resolve(&server.host, server.port).await.map_err(|error| match error.kind() {
            Kind::Unavailable => Problem::temporary(error.to_string()),
            _ => Problem::permanent(error.public_message()),
        })?;
        server.check_login(&addresses)?;
        let addresses: Vec<SocketAddr> = addresses.into_iter().take(ADDRESSES_MAX).collect();
        let turn = self
            .http
            .enter("smtp", &server.host, server.port, deadline)
            .await
            .map_err(|error| Problem::temporary(error.to_string()))?;
        let outcome = timeout_at(deadline, talk(&server, tls, &addresses, mail.as_ref())).await.unwrap_or_else(|_| {
            let seconds = server.patience.as_secs();
            Err(Trouble { is_host: true, problem: Problem::temporary(format!("no answer within {seconds} s")) })
        });
        report(turn, &outcome);
        outcome.map_err(|trouble| {
            let words = format!("the mail server `{}:{}`: {}", server.host, server.port, trouble.problem.words);
            let secrets = server.secrets().chain(mail.iter().flat_map(message::addresses));
            Problem { words: without(words, secrets), ..trouble.problem }
        })
    }
}

/// A problem, and whether it tells of the host and not of this mail.
struct Trouble {
    is_host: bool,
    problem: Problem,
}

fn report(turn: Turn, outcome: &Result<(), Trouble>) {
    match outcome {
        Err(trouble) if trouble.is_host => turn.failed(),
        _ => turn.succeeded(),
    }
}

/// The whole conversation.
async fn talk(
    server: &MailServer,
    tls: Option<TlsParameters>,
    addresses: &[SocketAddr],
    mail: Option<&Message>,
) -> Result<(), Trouble> {
    let hello = ClientId::default();
    let (wrapped, upgraded) = match server.encryption {
        Encryption::None => (None, None),
        Encryption::StartTls => (None, tls),
        Encryption::Tls => (tls, None),
    };
    let stream = stream::connect(addresses).await.map_err(|cause| Trouble {
        is_host: true,
        problem: Problem::temporary(format!("connecting failed: {cause}")),
    })?;
    let stream: Box<dyn AsyncTokioStream> = match wrapped {
        Some(tls) => Box::new(stream::encrypted(stream, tls).await.map_err(|cause| trouble("connecting", &cause))?),
        None => Box::new(stream),
    };
    let mut connection = AsyncSmtpConnection::connect_with_transport(stream, &hello)
        .await
        .map_err(|cause| trouble("connecting", &cause))?;
    if let Some(tls) = upgraded {
        connection.starttls(tls, &hello).await.map_err(|cause| trouble("STARTTLS", &cause))?;
    }
    if let Some(login) = &server.login {
        connection.auth(DEFAULT_MECHANISMS, login).await.map_err(|cause| trouble("the login", &cause))?;
    }
    if let Some(mail) = mail {
        connection
            .send(mail.envelope(), &mail.formatted())
            .await
            .map_err(|cause| trouble("handing over the mail", &cause))?;
    }
    // Whatever the server says to our leave: the mail is its own since it took it.
    let _ = connection.quit().await;
    Ok(())
}

fn trouble(step: &str, cause: &SmtpError) -> Trouble {
    let words = format!("{step} failed: {cause}");
    if let Some(status) = cause.status() {
        let problem = if cause.is_transient() { Problem::temporary(words) } else { Problem::permanent(words) };
        return Trouble { is_host: u16::from(status) == SERVICE_NOT_AVAILABLE, problem };
    }
    // A certificate that is not trusted, which comes wrapped in an error of the network, and a server that lacks what the
    // settings ask for, stay so.
    if cause.is_tls() || cause.is_client() || is_tls(cause) {
        return Trouble { is_host: false, problem: Problem::permanent(words) };
    }
    Trouble { is_host: true, problem: Problem::temporary(words) }
}

/// Texts for logs and for whoever reads the outcome: what is secret or personal does not belong there, also when the
/// server repeats it.
fn without(words: String, secrets: impl Iterator<Item = String>) -> String {
    let hidden = secrets.filter(|secret| !secret.is_empty()).fold(words, |words, secret| words.replace(&secret, "…"));
    printable(&hidden.split_whitespace().collect::<Vec<_>>().join(" ")).chars().take(WORDS_MAX).collect()
}

/// The fields of a JSON object as scripts write them: numbers and booleans may be texts.
struct Fields {
    what: &'static str,
    fields: Map<String, Value>,
}

impl Fields {
    fn parse(what: &'static str, json: &str) -> Result<Self, Problem> {
        match serde_json::from_str(json) {
            Ok(Value::Object(fields)) => Ok(Self { what, fields }),
            Ok(_) => Err(unusable(format!("{what} are no JSON object"))),
            // Without the cause, which could show what is there.
            Err(cause) => {
                Err(unusable(format!("{what} are no JSON: line {}, column {}", cause.line(), cause.column())))
            }
        }
    }

    /// A field as text; what is absent or null is empty.
    fn text(&self, name: &str) -> Result<String, Problem> {
        match self.fields.get(name) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(Value::Number(number)) => Ok(number.to_string()),
            Some(Value::Bool(flag)) => Ok(flag.to_string()),
            Some(_) => Err(unusable(format!("`{name}` in {} is no text", self.what))),
        }
    }

    /// A text that goes into a header or a command: one line.
    fn line(&self, name: &str) -> Result<String, Problem> {
        let text = self.text(name)?;
        let text = text.trim();
        if text.chars().any(char::is_control) {
            return Err(unusable(format!("`{name}` holds a line break or another control character")));
        }
        Ok(text.to_owned())
    }

    /// One line, or several as a list.
    fn lines(&self, name: &str) -> Result<Vec<String>, Problem> {
        let Some(Value::Array(items)) = self.fields.get(name) else {
            let line = self.line(name)?;
            return Ok(if line.is_empty() { Vec::new() } else { vec![line] });
        };
        items
            .iter()
            .map(|item| {
                let fields = Map::from_iter([(name.to_owned(), item.clone())]);
                Self { what: self.what, fields }.line(name)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_repeat_is_hidden() {
        let secrets = ["hunter2", "", "ann@example.com"].map(str::to_owned);
        let words = without("no\r\n hunter2 for <ann@example.com>".to_owned(), secrets.into_iter());
        assert_eq!(words, "no … for <…>");
    }

    #[test]
    fn malformed_json_is_told_without_showing_it() {
        let problem = Fields::parse("the mail", "{\"body\": \"hunter2").err().unwrap().to_string();
        assert!(problem.starts_with("permanent: ") && !problem.contains("hunter2"), "{problem}");
        let fields = Fields::parse("the mail", r#"{"port": 25, "flag": true, "to": ["a", "b"], "x": "a\nb"}"#).unwrap();
        assert_eq!((fields.text("port").unwrap(), fields.text("flag").unwrap()), ("25".to_owned(), "true".to_owned()));
        assert_eq!(fields.lines("to").unwrap(), ["a", "b"]);
        assert!(fields.lines("none").unwrap().is_empty());
        assert!(fields.line("x").is_err() && fields.text("to").is_err());
    }
}
