//! The settings of a mail server.

use std::{net::SocketAddr, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use lettre::{
    message::Mailbox,
    transport::smtp::{
        authentication::Credentials,
        client::{Certificate, CertificateStore, TlsParameters},
    },
};

use super::{Fields, Problem, unusable};

/// The longest conversation, in seconds; a script's call has 15.
const PATIENCE_MAX: u64 = 12;
/// Bytes of the certificates of `ca`.
const CA_MAX: usize = 64 * 1024;

/// How the connection is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encryption {
    /// Not at all.
    None,
    /// Begins in clear; nothing but the wish for encryption is said before it is there.
    StartTls,
    /// From the first byte on.
    Tls,
}

impl Encryption {
    /// The port that is usual for it.
    const fn port(self) -> u16 {
        match self {
            Self::None => 25,
            Self::StartTls => 587,
            Self::Tls => 465,
        }
    }

    fn read(given: &str, port: Option<u16>) -> Result<Self, Problem> {
        match given.to_ascii_lowercase().as_str() {
            "none" => Ok(Self::None),
            "starttls" => Ok(Self::StartTls),
            "ssl" | "tls" => Ok(Self::Tls),
            "" => Ok(if port == Some(Self::Tls.port()) { Self::Tls } else { Self::StartTls }),
            _ => Err(unusable(format!("`encryption` is `{given}`, expected `none`, `starttls` or `ssl`"))),
        }
    }
}

/// A mail server and who we are there.
pub(super) struct MailServer {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) encryption: Encryption,
    pub(super) login: Option<Credentials>,
    /// How long the conversation may take.
    pub(super) patience: Duration,
    from: String,
    username: String,
    password: String,
    ca: Option<Certificate>,
    allow_plain_login: bool,
}

impl MailServer {
    pub(super) fn read(fields: &Fields) -> Result<Self, Problem> {
        let host = fields.line("smtp_host")?;
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(unusable("`smtp_host` must be a host name or an IP address"));
        }
        let port = match fields.line("smtp_port")? {
            text if text.is_empty() => None,
            text => Some(
                text.parse()
                    .ok()
                    .filter(|port| *port > 0)
                    .ok_or_else(|| unusable(format!("`smtp_port` is `{text}`, expected a number from 1 to 65535")))?,
            ),
        };
        let encryption = Encryption::read(&fields.line("encryption")?, port)?;
        let patience =
            match fields.line("timeout")? {
                text if text.is_empty() => PATIENCE_MAX,
                text => text.parse().ok().filter(|seconds| (1..=PATIENCE_MAX).contains(seconds)).ok_or_else(|| {
                    unusable(format!("`timeout` is `{text}`, expected seconds from 1 to {PATIENCE_MAX}"))
                })?,
            };
        let ca = fields.text("ca")?;
        if ca.len() > CA_MAX {
            return Err(unusable(format!("`ca` has {} bytes, at most {CA_MAX} are allowed", ca.len())));
        }
        let ca = if ca.trim().is_empty() {
            None
        } else if ca.contains("-----BEGIN CERTIFICATE-----") {
            Some(Certificate::from_pem(ca.as_bytes()).map_err(|_| unusable("`ca` holds a malformed certificate"))?)
        } else {
            return Err(unusable("`ca` holds no certificate, expected `-----BEGIN CERTIFICATE-----`"));
        };
        let (username, password) = (fields.line("username")?, fields.text("password")?);
        let login = (!username.is_empty()).then(|| Credentials::new(username.clone(), password.clone()));
        Ok(Self {
            port: port.unwrap_or_else(|| encryption.port()),
            patience: Duration::from_secs(patience),
            from: fields.line("from")?,
            allow_plain_login: fields.line("allow_plain_login")? == "true",
            host,
            encryption,
            login,
            username,
            password,
            ca,
        })
    }

    /// Who the mails are from: `a@example.com` or `Name <a@example.com>`; the user name where it is an address.
    pub(super) fn from(&self) -> Result<Mailbox, Problem> {
        let from = if self.from.is_empty() { &self.username } else { &self.from };
        from.parse()
            .map_err(|_| unusable(format!("`from` is `{from}`, expected an address such as `Shop <shop@example.com>`")))
    }

    /// A password that is sent in clear belongs to everybody on the way.
    pub(super) fn check_login(&self, addresses: &[SocketAddr]) -> Result<(), Problem> {
        let stays_here = addresses.iter().all(|address| address.ip().to_canonical().is_loopback());
        if self.login.is_none() || self.encryption != Encryption::None || self.allow_plain_login || stays_here {
            return Ok(());
        }
        Err(unusable(
            "a login over an unencrypted connection shows the password to everybody on the way; \
             set `encryption` to `starttls` or `ssl`, or `allow_plain_login` if you trust that network",
        ))
    }

    /// What to trust: the system's certificate authorities, or those of `ca` and no other. The certificate must bear
    /// the name of `smtp_host`, whatever address that resolved to.
    pub(super) fn tls(&self) -> Result<Option<TlsParameters>, Problem> {
        if self.encryption == Encryption::None {
            return Ok(None);
        }
        let builder = TlsParameters::builder(self.host.clone());
        let builder = match &self.ca {
            Some(ca) => builder.certificate_store(CertificateStore::None).add_root_certificate(ca.clone()),
            None => builder,
        };
        builder.build().map(Some).map_err(|cause| unusable(format!("the TLS settings can't be used: {cause}")))
    }

    /// What must not be repeated to anybody, in each form in which it is sent.
    pub(super) fn secrets(&self) -> impl Iterator<Item = String> {
        let plain = format!("\0{}\0{}", self.username, self.password);
        let encoded = [&plain, &self.password].map(|secret| STANDARD.encode(secret));
        let [plain, password] = encoded;
        let given = (!self.password.is_empty()).then(|| [plain, password, self.password.clone()]);
        given.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(fields: &serde_json::Value) -> Result<MailServer, String> {
        let fields = Fields::parse("the mail server's settings", &fields.to_string()).unwrap();
        MailServer::read(&fields).map_err(|problem| problem.to_string())
    }

    #[test]
    fn settings_are_read_as_authors_write_them() {
        for (port, encryption, expected) in [
            (json!("465"), "ssl", (465, Encryption::Tls)),
            (json!(2525), "TLS", (2525, Encryption::Tls)),
            (json!(""), "ssl", (465, Encryption::Tls)),
            (json!(null), "starttls", (587, Encryption::StartTls)),
            (json!(null), "none", (25, Encryption::None)),
            (json!("465"), "", (465, Encryption::Tls)),
            (json!(25), "", (25, Encryption::StartTls)),
            (json!(null), "", (587, Encryption::StartTls)),
        ] {
            let server = read(&json!({ "smtp_host": "h", "smtp_port": port, "encryption": encryption })).unwrap();
            assert_eq!((server.port, server.encryption), expected);
        }
        for (fields, names) in [
            (json!({}), "`smtp_host`"),
            (json!({ "smtp_host": "h\r\nQUIT" }), "`smtp_host`"),
            (json!({ "smtp_host": "smtp://h" }), "`smtp_host`"),
            (json!({ "smtp_host": "h", "smtp_port": "0" }), "`smtp_port`"),
            (json!({ "smtp_host": "h", "smtp_port": 70000 }), "`smtp_port`"),
            (json!({ "smtp_host": "h", "encryption": "insecure" }), "`encryption`"),
            (json!({ "smtp_host": "h", "timeout": 60 }), "`timeout`"),
            (json!({ "smtp_host": "h", "ca": "nonsense" }), "`ca`"),
            (json!({ "smtp_host": "h", "username": "a\r\nb" }), "`username`"),
        ] {
            let problem = read(&fields).err().unwrap();
            assert!(problem.starts_with("permanent: ") && problem.contains(names), "{fields}: {problem}");
        }
    }

    #[test]
    fn passwords_are_not_sent_in_clear_over_a_network() {
        let with = |extra: serde_json::Value| {
            let mut fields = json!({ "smtp_host": "h", "encryption": "none", "username": "u", "password": "hunter2" });
            fields.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
            read(&fields).unwrap()
        };
        let to =
            |addresses: &[&str]| -> Vec<SocketAddr> { addresses.iter().map(|text| text.parse().unwrap()).collect() };
        let (far, near) = (to(&["127.0.0.1:25", "192.0.2.1:25"]), to(&["127.0.0.1:25", "[::1]:25"]));
        let problem = with(json!({})).check_login(&far).unwrap_err().to_string();
        assert!(problem.contains("`allow_plain_login`") && !problem.contains("hunter2"), "{problem}");
        assert!(with(json!({})).check_login(&near).is_ok());
        for fine in
            [json!({ "allow_plain_login": true }), json!({ "encryption": "starttls" }), json!({ "username": "" })]
        {
            assert!(with(fine).check_login(&far).is_ok());
        }
    }

    #[test]
    fn the_sender_is_an_address_with_or_without_a_name() {
        let from = |from: &str, username: &str| {
            let server = read(&json!({ "smtp_host": "h", "from": from, "username": username })).unwrap();
            server.from().map(|mailbox| mailbox.email.to_string()).map_err(|problem| problem.to_string())
        };
        assert_eq!(from("a@b.example", "").unwrap(), "a@b.example");
        assert_eq!(from("店 <a@b.example>", "").unwrap(), "a@b.example");
        assert_eq!(from("", "c@d.example").unwrap(), "c@d.example");
        assert!(from("", "c").unwrap_err().contains("`from`"));
    }
}
