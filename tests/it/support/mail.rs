//! A real mail server, aiosmtpd, which keeps what it takes.

use std::{
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    python::{python, root},
    wait,
};

/// The login that the server knows.
pub(crate) const LOGIN: (&str, &str) = ("shop", "hunter2");

/// The server. It ends with the test.
pub(crate) struct MailServer {
    mode: &'static str,
    pub(crate) port: u16,
    /// The authority that signed the server's certificate, which is for `localhost`.
    pub(crate) authority: String,
    directory: TempDir,
    child: Child,
    mails: Arc<Mutex<Vec<Value>>>,
}

impl MailServer {
    /// A server that speaks `none`, `starttls` or `ssl`.
    pub(crate) fn start(mode: &'static str) -> Self {
        let directory = TempDir::new().unwrap();
        let authority = certificates(directory.path());
        let mails = Arc::default();
        let (child, port) = run(mode, 0, directory.path(), &mails);
        Self { mode, port, authority, directory, child, mails }
    }

    /// Settings of `notifier-email` for it.
    pub(crate) fn settings(&self) -> Value {
        json!({
            "smtp_host": "localhost",
            "smtp_port": self.port,
            "encryption": self.mode,
            "username": LOGIN.0,
            "password": LOGIN.1,
            "from": "云 Shop <shop@example.com>",
            "ca": self.authority,
        })
    }

    /// Ends it at once.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Brings it back at the same port.
    pub(crate) fn restart(&mut self) {
        (self.child, self.port) = run(self.mode, self.port, self.directory.path(), &self.mails);
    }

    pub(crate) fn mails(&self) -> Vec<Value> {
        self.mails.lock().unwrap().clone()
    }

    /// Waits for the mail with this number, from 0.
    pub(crate) async fn mail(&self, number: usize) -> Value {
        wait::value("a mail arrives", async || self.mails().get(number).cloned()).await
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(mode: &str, port: u16, directory: &Path, mails: &Arc<Mutex<Vec<Value>>>) -> (Child, u16) {
    let mut child = Command::new(python())
        .arg(root().join("tests/python/mail.py"))
        .args([mode, &port.to_string()])
        .args([directory.join("server.pem"), directory.join("key.pem")])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("PYTHONWARNINGS", "ignore")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let first = lines.next().expect("the mail server started; run `make setup` if a package is missing").unwrap();
    let port = serde_json::from_str::<Value>(&first).unwrap()["port"].as_u64().unwrap();
    let mails = Arc::clone(mails);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            mails.lock().unwrap().push(serde_json::from_str(&line).unwrap());
        }
    });
    (child, u16::try_from(port).unwrap())
}

/// Writes a certificate for `localhost` and its key, and gives the authority that signed it.
fn certificates(directory: &Path) -> String {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    std::fs::write(directory.join("server.pem"), server.pem()).unwrap();
    std::fs::write(directory.join("key.pem"), key.serialize_pem()).unwrap();
    authority
}

/// A header of a mail; it must be there once.
pub(crate) fn header(mail: &Value, name: &str) -> String {
    let headers = mail["headers"].as_array().unwrap();
    let found: Vec<&str> =
        headers.iter().filter(|header| header[0] == name).map(|header| header[1].as_str().unwrap()).collect();
    assert_eq!(found.len(), 1, "{name} in {headers:?}");
    found[0].to_owned()
}
