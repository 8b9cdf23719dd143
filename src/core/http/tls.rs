//! TLS with a certificate of our own, and with servers that no public authority vouches for.
//!
//! A server is believed when an authority signed its certificate, or when the certificate is the very one that was
//! named by its fingerprint. There is no third way: nothing here accepts whatever it is shown.

use std::{error::Error as StdError, fmt, sync::Arc};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime, pem::PemObject as _},
};
use sha2::{Digest as _, Sha256};

use super::{HttpClient, build, causes::causes};
use crate::core::error::{Error, Result};

/// Certificates of one PEM text.
const CERTIFICATES_MAX: usize = 100;

/// Who we are towards a server, and which server we believe. Its `Debug` shows no key.
#[derive(Default)]
pub struct Identity {
    chain: Vec<CertificateDer<'static>>,
    key: Option<PrivateKeyDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    fingerprint: Option<Fingerprint>,
}

impl Identity {
    /// Reads the parts, each of which may be empty: our certificate and its key, the authorities that are believed in
    /// place of the system's (all PEM), and the SHA-256 fingerprint of the one server certificate that is believed, in
    /// hexadecimal digits with or without colons. A fingerprint wins over authorities.
    ///
    /// # Errors
    /// `http.tls`, naming the part and nothing of what it holds.
    pub fn read(certificate: &str, key: &str, authorities: &str, fingerprint: &str) -> Result<Self> {
        let unfit = |message: String| Error::invalid("http.tls", message);
        if certificate.trim().is_empty() != key.trim().is_empty() {
            return Err(unfit("`cert` and `key` are given together or not at all".to_owned()));
        }
        let key = match key.trim() {
            "" => None,
            key => Some(PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| {
                unfit("`key` holds no private key in PEM form that can be used without a password".to_owned())
            })?),
        };
        Ok(Self {
            chain: certificates("cert", certificate)?,
            key,
            authorities: certificates("ca", authorities)?,
            fingerprint: match fingerprint.trim() {
                "" => None,
                text => Some(Fingerprint::parse(text).ok_or_else(|| {
                    unfit("`fingerprint` is not 64 hexadecimal digits, with or without colons".to_owned())
                })?),
            },
        })
    }

    fn trust(&self, provider: &Arc<CryptoProvider>) -> Result<Trust> {
        let failed = |cause: Box<dyn StdError + Send + Sync>| {
            Error::invalid("http.tls", "the certificates in `ca` can't be used").caused_by(cause)
        };
        if let Some(fingerprint) = self.fingerprint {
            return Ok(Trust::Only(fingerprint));
        }
        if self.authorities.is_empty() {
            let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider)).map_err(|cause| {
                Error::internal("http.client", "the system's certificates can't be read").caused_by(cause)
            })?;
            return Ok(Trust::SignedBy(Arc::new(system)));
        }
        Ok(Trust::SignedBy(signed_by(&self.authorities, provider).map_err(failed)?))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("fingerprint", &self.fingerprint).finish_non_exhaustive()
    }
}

fn certificates(field: &str, pem: &str) -> Result<Vec<CertificateDer<'static>>> {
    if pem.trim().is_empty() {
        return Ok(Vec::new());
    }
    let found: Vec<_> = CertificateDer::pem_slice_iter(pem.as_bytes())
        .take(CERTIFICATES_MAX + 1)
        .collect::<Result<_, _>>()
        .unwrap_or_default();
    if found.is_empty() || found.len() > CERTIFICATES_MAX {
        let message = format!("`{field}` holds no certificate in PEM form, or more than {CERTIFICATES_MAX}");
        return Err(Error::invalid("http.tls", message));
    }
    Ok(found)
}

impl HttpClient {
    /// The same client, address policy included, with another identity.
    ///
    /// # Errors
    /// `http.tls` when the certificate and the key do not belong together, or an authority can't be used.
    pub fn with_identity(&self, identity: &Identity) -> Result<Self> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = Verifier { trust: identity.trust(&provider)?, provider: Arc::clone(&provider) };
        let unfit = |cause: rustls::Error| {
            Error::invalid("http.tls", "`cert` and `key` can't be used together").caused_by(cause)
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(unfit)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier));
        let config = match &identity.key {
            Some(key) => config.with_client_auth_cert(identity.chain.clone(), key.clone_key()).map_err(unfit)?,
            None => config.with_no_client_auth(),
        };
        let client = build(&self.policy, Some(config.clone()))?;
        Ok(Self { client, closed: Arc::default(), tls: Some(config), is_bound: true, ..self.clone() })
    }
}

/// The SHA-256 hash of a certificate.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Fingerprint([u8; 32]);

impl Fingerprint {
    fn of(certificate: &CertificateDer<'_>) -> Self {
        Self(Sha256::digest(certificate).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|character| *character != ':' && !character.is_whitespace()).collect();
        hex::decode(digits).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Why a server was not believed, with what an operator needs to decide about it.
#[derive(Debug)]
pub(crate) struct Untrusted {
    shown: Fingerprint,
    why: String,
    advice: &'static str,
}

impl fmt::Display for Untrusted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shown, why, advice } = self;
        write!(f, "the server's certificate is not trusted: {why}; its SHA-256 fingerprint is {shown}; {advice}")
    }
}

impl StdError for Untrusted {}

impl Untrusted {
    /// That a server was not believed, somewhere among the causes of a failed request.
    pub(crate) fn among<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a Self> {
        causes(error).find_map(|cause| match cause.downcast_ref::<rustls::Error>()? {
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(inner))) => {
                let inner: &(dyn StdError + 'static) = inner.as_ref();
                inner.downcast_ref::<Self>()
            }
            _ => None,
        })
    }
}

#[derive(Debug)]
enum Trust {
    /// This certificate and no other, whatever its name.
    Only(Fingerprint),
    /// What these authorities signed for the name that was connected to.
    SignedBy(Arc<dyn ServerCertVerifier>),
}

#[derive(Debug)]
struct Verifier {
    trust: Trust,
    provider: Arc<CryptoProvider>,
}

fn signed_by(
    authorities: &[CertificateDer<'static>],
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<WebPkiServerVerifier>, Box<dyn StdError + Send + Sync>> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(provider)).build()?)
}

const fn is_out_of_date(error: &CertificateError) -> bool {
    matches!(
        error,
        CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. }
    )
}

impl Verifier {
    /// Whether a certificate that was named is still good: it counts as its own authority, and of what may be wrong
    /// with that only the dates are looked at.
    fn check_dates(
        &self,
        certificate: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), rustls::Error> {
        let own = signed_by(&[certificate.clone().into_owned()], &self.provider)
            .map_err(|_| rustls::Error::InvalidCertificate(CertificateError::BadEncoding))?;
        match own.verify_server_cert(certificate, &[], name, &[], now) {
            Err(rustls::Error::InvalidCertificate(error)) if is_out_of_date(&error) => {
                Err(rustls::Error::InvalidCertificate(error))
            }
            _ => Ok(()),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        let verdict = match &self.trust {
            Trust::Only(wanted) if *wanted == shown => {
                self.check_dates(end_entity, server_name, now).map_err(|error| why(&error))
            }
            Trust::Only(wanted) => Err((
                format!("the configured `fingerprint` is {wanted}"),
                "if the server's certificate was changed on purpose, set the new one",
            )),
            Trust::SignedBy(verifier) => verifier
                .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
                .map(|_| ())
                .map_err(|error| why(&error)),
        };
        verdict.map(|()| ServerCertVerified::assertion()).map_err(|(why, advice)| {
            let untrusted = Untrusted { shown, why, advice };
            rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(untrusted))))
        })
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, cert, dss, &self.provider.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// What is wrong with a certificate, and what to do about it.
fn why(error: &rustls::Error) -> (String, &'static str) {
    const NAME_IT: &str = "compare it with the server's own, and set it as `fingerprint`, or set `ca`";
    match error {
        rustls::Error::InvalidCertificate(error) if is_out_of_date(error) => {
            ("it has expired, or is not valid yet".to_owned(), "give the server a new one, and look at both clocks")
        }
        rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer) => {
            ("no authority that is trusted signed it".to_owned(), NAME_IT)
        }
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => ("it is for another name than the one in the URL".to_owned(), NAME_IT),
        other => (other.to_string(), NAME_IT),
    }
}
