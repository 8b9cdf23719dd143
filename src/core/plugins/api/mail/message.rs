//! A mail, from the fields that a script gave.

use std::time::{Duration, SystemTime};

use lettre::{
    Message,
    message::{
        Mailbox, MultiPart, SinglePart,
        header::{HeaderName, HeaderValue},
    },
};

use super::{Fields, Problem, unusable};
use crate::core::{id::Id, time::Timestamp};

/// Recipients of one mail.
const RECIPIENTS_MAX: usize = 50;
/// Characters of a subject.
const SUBJECT_MAX: usize = 500;
/// Bytes of the text, and of the HTML.
const BODY_MAX: usize = 1024 * 1024;
/// Characters of an identifier.
const MESSAGE_ID_MAX: usize = 200;

/// Builds a mail. Headers are encoded here and nowhere else, and none may hold a line break.
pub(super) fn build(fields: &Fields, from: Mailbox, at: Timestamp) -> Result<Message, Problem> {
    let recipients = fields.lines("to")?;
    if recipients.is_empty() || recipients.len() > RECIPIENTS_MAX {
        let count = recipients.len();
        return Err(unusable(format!("`to` names {count} recipients, expected 1 to {RECIPIENTS_MAX}")));
    }
    let subject = fields.line("subject")?;
    if subject.chars().count() > SUBJECT_MAX {
        return Err(unusable(format!("`subject` is longer than {SUBJECT_MAX} characters")));
    }
    let id = format!("<{}@{}>", message_id(fields)?, from.email.domain());
    let mut builder = Message::builder()
        .from(from)
        .subject(subject)
        .date(SystemTime::UNIX_EPOCH + Duration::from_micros(u64::try_from(at.unix_micros()).unwrap_or_default()))
        .message_id(Some(id));
    for recipient in recipients {
        builder = builder.to(mailbox("to", &recipient)?);
    }
    let reply_to = fields.line("reply_to")?;
    if !reply_to.is_empty() {
        builder = builder.reply_to(mailbox("reply_to", &reply_to)?);
    }
    // Keeps the answers of machines, such as holiday notices, away.
    let name = HeaderName::new_from_ascii_str("Auto-Submitted");
    let builder = builder.raw_header(HeaderValue::new(name, "auto-generated".to_owned()));
    let (body, html) = (body(fields, "body")?, body(fields, "html")?);
    let built = match (html.is_empty(), fields.line("content_type")?.as_str()) {
        (false, "" | "text/plain") => builder.multipart(MultiPart::alternative_plain_html(body, html)),
        (true, "" | "text/plain") => builder.singlepart(SinglePart::plain(body)),
        (true, "text/html") => builder.singlepart(SinglePart::html(body)),
        (false, "text/html") => return Err(unusable("`html` stands beside a `body` that is `text/html` too")),
        (_, other) => {
            return Err(unusable(format!("`content_type` is `{other}`, expected `text/plain` or `text/html`")));
        }
    };
    built.map_err(|cause| unusable(format!("the mail can't be built: {cause}")))
}

fn mailbox(name: &str, text: &str) -> Result<Mailbox, Problem> {
    // Without the address, which is a person's.
    text.parse().map_err(|_| unusable(format!("`{name}` holds a malformed address")))
}

fn body(fields: &Fields, name: &str) -> Result<String, Problem> {
    let text = fields.text(name)?;
    if text.len() > BODY_MAX || text.contains('\0') {
        return Err(unusable(format!("`{name}` has more than {BODY_MAX} bytes, or holds NUL")));
    }
    Ok(text)
}

/// What makes the mail known again when it comes twice; a new one unless the script gave one.
fn message_id(fields: &Fields) -> Result<String, Problem> {
    let given = fields.line("message_id")?;
    if given.is_empty() {
        return Ok(Id::generate().to_string());
    }
    let is_plain = given.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if is_plain && given.len() <= MESSAGE_ID_MAX {
        return Ok(given);
    }
    Err(unusable(format!(
        "`message_id` has other characters than letters, digits, `-`, `_` and `.`, or more than {MESSAGE_ID_MAX}"
    )))
}

/// The addresses of a mail's recipients.
pub(super) fn addresses(mail: &Message) -> impl Iterator<Item = String> {
    mail.envelope().to().iter().map(ToString::to_string)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn built(fields: &serde_json::Value) -> Result<String, String> {
        let at = crate::core::time::Clock::manual(chrono::DateTime::UNIX_EPOCH).now();
        let fields = Fields::parse("the mail", &fields.to_string()).unwrap();
        build(&fields, "Shop <shop@s.example>".parse().unwrap(), at)
            .map(|mail| String::from_utf8(mail.formatted()).unwrap())
            .map_err(|problem| problem.to_string())
    }

    #[test]
    fn a_mail_has_its_headers_once_and_in_ascii() {
        let mail = built(&json!({ "to": "ann@e.example", "subject": "订单确认", "body": "您好", "html": "<p>您好</p>",
            "reply_to": "help@s.example", "message_id": "d-1" }))
        .unwrap();
        assert!(mail.is_ascii());
        for line in [
            "From: Shop <shop@s.example>\r\n",
            "To: ann@e.example\r\n",
            "Reply-To: help@s.example\r\n",
            "Message-ID: <d-1@s.example>\r\n",
            "Date: Thu, 01 Jan 1970 00:00:00 +0000\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "MIME-Version: 1.0\r\n",
        ] {
            assert_eq!(mail.matches(line).count(), 1, "{line}{mail}");
        }
        assert!(mail.contains("multipart/alternative"));
    }

    #[test]
    fn nothing_begins_a_header_of_its_own() {
        let good = json!({ "to": "ann@e.example", "subject": "s", "body": "b" });
        assert!(built(&good).is_ok());
        for (field, value, names) in [
            ("subject", json!("s\r\nBcc: eve@e.example"), "`subject`"),
            ("to", json!("ann@e.example\nBcc: eve@e.example"), "`to`"),
            ("to", json!(["ann@e.example", "x\r\n@e.example"]), "`to`"),
            ("reply_to", json!("a@e.example\rX: y"), "`reply_to`"),
            ("content_type", json!("text/plain\r\nX: y"), "`content_type`"),
            ("message_id", json!("a@b"), "`message_id`"),
            ("to", json!([]), "`to`"),
            ("to", json!("ann"), "`to`"),
            ("to", json!(vec!["ann@e.example"; 51]), "`to`"),
            ("subject", json!("x".repeat(501)), "`subject`"),
            ("body", json!("x".repeat(BODY_MAX + 1)), "`body`"),
            ("content_type", json!("image/png"), "`content_type`"),
        ] {
            let mut bad = good.clone();
            bad[field] = value;
            let problem = built(&bad).unwrap_err();
            assert!(problem.starts_with("permanent: ") && problem.contains(names), "{field}: {problem}");
        }
    }
}
