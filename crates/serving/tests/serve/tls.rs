//! Encrypted connections, and clients that show who they are.

use std::io::{Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use serving::http::tls::Files;
use serving::{Settings, Source};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use crate::bundles::tiny;
use crate::client::{Running, start};

/// Someone who signs, a server and a client that it signed, and a client that it did not.
struct Made {
    folder: tempfile::TempDir,
}

impl Made {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: String| std::fs::write(folder.path().join(name), text).unwrap();
        for issuer in ["ca", "stranger"] {
            let mut params = CertificateParams::new(Vec::new()).unwrap();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            let issued = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
            write(&format!("{issuer}.pem"), issued.pem());
            for name in ["server", "client"] {
                let key = KeyPair::generate().unwrap();
                let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
                write(&format!("{issuer}-{name}.pem"), params.signed_by(&key, &issued).unwrap().pem());
                write(&format!("{issuer}-{name}.key"), key.serialize_pem());
            }
        }
        Self { folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn files(&self, clients: bool) -> Files {
        Files {
            certificate: self.path("ca-server.pem"),
            key: self.path("ca-server.key"),
            clients: clients.then(|| self.path("ca.pem")),
        }
    }
}

fn certificates(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().collect::<Result<_, _>>().unwrap()
}

/// What a client is told that trusts `ca` and shows the certificate of this name.
fn ask(address: SocketAddr, made: &Made, ca: &str, shows: Option<&str>, path: &str) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(&made.path(ca)) {
        roots.add(certificate).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match shows {
        None => config.with_no_client_auth(),
        Some(name) => {
            let key = PrivateKeyDer::from_pem_file(made.path(&format!("{name}.key"))).unwrap();
            config.with_client_auth_cert(certificates(&made.path(&format!("{name}.pem"))), key).unwrap()
        }
    };
    let connection = ClientConnection::new(Arc::new(config), ServerName::try_from("localhost").unwrap()).unwrap();
    let stream = std::net::TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut stream = StreamOwned::new(connection, stream);
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn serve(files: Files) -> Running {
    let model = Source { bundle: tiny(), ..Source::default() };
    start(Settings { tls: Some(files), ..Settings::of(vec![model]) })
}

#[test]
fn a_server_shows_who_it_is_and_may_want_to_know_who_asks() {
    let made = Made::new();
    let server = serve(made.files(false));
    let answer = ask(server.address, &made, "ca.pem", None, "/v2").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("firebox"), "{answer}");
    assert!(ask(server.address, &made, "stranger.pem", None, "/v2").is_err(), "the client does not trust it");
    // Whoever does not encrypt is told nothing.
    let plain = server.get("/v2");
    assert_eq!(plain.status, 0, "{}", plain.body);

    let server = serve(made.files(true));
    let begun = Instant::now();
    while !ask(server.address, &made, "ca.pem", Some("ca-client"), "/v2/health/ready").unwrap().contains(" 200 ") {
        assert!(begun.elapsed() < Duration::from_secs(20));
    }
    for shows in [None, Some("stranger-client")] {
        let told = ask(server.address, &made, "ca.pem", shows, "/v2");
        assert!(told.as_ref().is_err() || told.as_ref().is_ok_and(String::is_empty), "{told:?}");
    }
}

#[test]
fn files_that_are_none_are_named() {
    let made = Made::new();
    std::fs::write(made.path("empty.pem"), "").unwrap();
    let good = made.files(true);
    for (files, name) in [
        (Files { certificate: made.path("empty.pem"), ..good.clone() }, "empty.pem"),
        (Files { certificate: made.path("nowhere.pem"), ..good.clone() }, "nowhere.pem"),
        (Files { key: made.path("ca.pem"), ..good.clone() }, "ca.pem"),
        (Files { key: made.path("ca-client.key"), ..good.clone() }, "ca-client.key"),
        (Files { clients: Some(made.path("empty.pem")), ..good }, "empty.pem"),
    ] {
        let error = serve(files).ended().unwrap_err();
        assert!(error.to_string().contains(name) && error.is_usage(), "{error}");
    }
}
