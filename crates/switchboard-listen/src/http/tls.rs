//! TLS at our own door. The certificate is read again when its files change, because whoever
//! renews it (an ACME client, a secret that is rotated) writes files and knows nothing of us.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_util::sync::CancellationToken;

/// The certificate that the listener shows. The files are read again when they change.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct TlsConfig {
    /// The certificate, followed by those between it and its authority, as PEM.
    pub certificate: PathBuf,
    /// The private key of the certificate, as PEM.
    pub key: PathBuf,
    /// The authorities that clients' certificates must come from, as PEM. Absent: clients need
    /// none. The key is asked for in either case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_ca: Option<PathBuf>,
}

/// Shows the newest certificate to every new connection.
pub(crate) struct Tls {
    config: TlsConfig,
    current: ArcSwap<ServerConfig>,
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
#[error("`{}`: {cause}", .path.display())]
pub struct TlsError {
    path: PathBuf,
    cause: String,
}

/// How often the files are looked at: a renewal comes days before the old certificate ends.
const LOOK: Duration = Duration::from_secs(5);

impl Tls {
    pub(crate) fn open(config: &TlsConfig) -> Result<Arc<Self>, TlsError> {
        let current = ArcSwap::new(read(config)?);
        Ok(Arc::new(Self { config: config.clone(), current }))
    }

    /// Agrees on the encryption with a client that has just connected.
    pub(crate) async fn accept(&self, stream: TcpStream) -> std::io::Result<TlsStream<TcpStream>> {
        TlsAcceptor::from(self.current.load_full()).accept(stream).await
    }

    /// Follows the files until `stop`. What cannot be used is logged, and the old one stays.
    pub(crate) async fn follow(self: Arc<Self>, stop: CancellationToken) {
        let mut seen = stamps(&self.config);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK) => {}
            }
            let now = stamps(&self.config);
            if now == seen {
                continue;
            }
            seen = now;
            match read(&self.config) {
                Ok(config) => {
                    self.current.store(config);
                    tracing::info!("the certificate was read again");
                }
                // Files that are written one after the other do not fit for a moment; the next
                // change is looked at again.
                Err(error) => tracing::warn!(%error, "the old certificate is kept"),
            }
        }
    }
}

fn stamps(config: &TlsConfig) -> Vec<Option<(SystemTime, u64)>> {
    let stamp = |path: &Path| {
        let metadata = std::fs::metadata(path).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    let files = [&config.certificate, &config.key].into_iter().chain(&config.client_ca);
    files.map(|path| stamp(path)).collect()
}

fn read(config: &TlsConfig) -> Result<Arc<ServerConfig>, TlsError> {
    let chain = certificates(&config.certificate)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| problem(&config.key, format!("no private key in PEM: {error}")))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("the provider has both versions of TLS");
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = RootCertStore::empty();
            for certificate in certificates(path)? {
                roots.add(certificate).map_err(|error| problem(path, error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            let verifier = verifier.build().map_err(|error| problem(path, error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder
        .with_single_cert(chain, key)
        .map_err(|error| problem(&config.certificate, error.to_string()))?;
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(server))
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let chain = read.map_err(|error| problem(path, error.to_string()))?;
    if chain.is_empty() {
        return Err(problem(path, "no certificate in PEM".to_owned()));
    }
    Ok(chain)
}

fn problem(path: &Path, cause: String) -> TlsError {
    TlsError { path: path.to_owned(), cause }
}
