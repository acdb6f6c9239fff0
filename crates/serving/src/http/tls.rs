//! How does a server show who it is, and learn who its clients are? By certificates (TLS 1.2 and 1.3, by rustls).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::Error;

/// What is spoken, as TLS names it; the first that both know.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Files in PEM.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Files {
    /// The server's certificate, and those behind it up to one that clients trust.
    pub certificate: PathBuf,
    /// The private key that belongs to it.
    pub key: PathBuf,
    /// Who must have signed the certificates of clients; without it none is asked for.
    pub clients: Option<PathBuf>,
}

/// How many digits of the hash of a certificate tell clients apart.
const SHOWN: usize = 16;

fn wrong(path: &Path, reason: impl ToString) -> Error {
    Error::Access { path: path.to_owned(), reason: reason.to_string() }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, Error> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let certificates = read.map_err(|error| wrong(path, error))?;
    match certificates.is_empty() {
        true => Err(wrong(path, "it holds no certificate in PEM")),
        false => Ok(certificates),
    }
}

/// What accepts connections with these files.
///
/// # Errors
/// [`Error::Access`] with what is wrong in which file.
pub(super) fn acceptor(files: &Files) -> Result<TlsAcceptor, Error> {
    let provider = Arc::new(ring::default_provider());
    let chain = certificates(&files.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| wrong(&files.key, error))?;
    let config = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let config = config.map_err(|error| wrong(&files.certificate, error))?;
    let config = match &files.clients {
        None => config.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| wrong(path, error))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            config.with_client_cert_verifier(verifier.map_err(|error| wrong(path, error))?)
        }
    };
    let mut config = config.with_single_cert(chain, key).map_err(|error| wrong(&files.key, error))?;
    config.alpn_protocols = PROTOCOLS.iter().map(|name| name.to_vec()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// The first digits of the SHA-256 of the certificate that a client showed.
pub(super) fn shown(connection: &ServerConnection) -> Option<String> {
    let certificate = connection.peer_certificates()?.first()?;
    let hash = format!("{:x}", Sha256::digest(certificate));
    Some(hash[..SHOWN].to_owned())
}

/// Whether both agreed on HTTP/2.
pub(super) fn is_http2(connection: &ServerConnection) -> bool {
    connection.alpn_protocol() == Some(PROTOCOLS[0])
}
