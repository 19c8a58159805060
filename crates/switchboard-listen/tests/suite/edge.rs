//! The edge of the listener: encryption, pages of other origins, and room for new connections.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use switchboard_listen::http::TlsConfig;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::house::House;

/// An authority of our own, and what it signs.
struct Authority(CertifiedIssuer<'static, KeyPair>);

struct Signed {
    chain: String,
    key: String,
    der: CertificateDer<'static>,
    key_der: PrivateKeyDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn sign(&self) -> Signed {
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Signed {
            chain: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().clone(),
            key_der: key.serialize_der().try_into().unwrap(),
        }
    }

    fn roots(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }
}

impl Signed {
    fn write(&self, directory: &Path) -> TlsConfig {
        let (certificate, key) = (directory.join("cert.pem"), directory.join("key.pem"));
        std::fs::write(&certificate, &self.chain).unwrap();
        std::fs::write(&key, &self.key).unwrap();
        TlsConfig { certificate, key, client_ca: None }
    }
}

/// Asks for `/health` over TLS; the certificate that was shown and the answer.
async fn health(
    address: SocketAddr,
    authority: &Authority,
    own: Option<&Signed>,
) -> std::io::Result<(CertificateDer<'static>, String)> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(authority.roots());
    let config = match own {
        None => builder.with_no_client_auth(),
        Some(own) => {
            builder.with_client_auth_cert(vec![own.der.clone()], own.key_der.clone_key()).unwrap()
        }
    };
    let stream = TcpStream::connect(address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates().unwrap()[0].clone().into_owned();
    stream
        .write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok((shown, answer))
}

pub(crate) async fn a_renewed_certificate_is_shown_without_a_restart() {
    let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
    let first = authority.sign();
    let tls = first.write(directory.path());
    let house = House::with(|config| config.tls = Some(tls)).await;
    let (shown, answer) = health(house.address, &authority, None).await.unwrap();
    assert_eq!(shown, first.der);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let mut plain = house.connect().await;
    plain.send("GET /health", "").await;
    assert!(plain.wire.head().await.is_none(), "nothing is answered in the clear");

    // Half of a renewal: the old pair stays.
    let second = authority.sign();
    std::fs::write(directory.path().join("key.pem"), &second.key).unwrap();
    let (shown, _) = health(house.address, &authority, None).await.unwrap();
    assert_eq!(shown, first.der);
    second.write(directory.path());
    let renewed = async {
        while health(house.address, &authority, None).await.unwrap().0 != second.der {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), renewed).await.unwrap();
    house.end().await;
}

pub(crate) async fn clients_show_a_certificate_where_they_must() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let directory = tempfile::tempdir().unwrap();
    let mut tls = authority.sign().write(directory.path());
    let ca = directory.path().join("ca.pem");
    std::fs::write(&ca, authority.0.pem()).unwrap();
    tls.client_ca = Some(ca);
    let house = House::with(|config| config.tls = Some(tls)).await;
    let answer = health(house.address, &authority, Some(&authority.sign())).await.unwrap().1;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(health(house.address, &authority, None).await.is_err());
    assert!(health(house.address, &authority, Some(&stranger.sign())).await.is_err());
    house.end().await;
}

pub(crate) async fn pages_of_friends_may_read_and_others_may_not() {
    let house = House::new().await;
    let wish = "ask-method=POST ask-headers=authorization,mcp-param-city,x-evil key=";
    let friend = format!("OPTIONS origin=https://app.example {wish}");
    let (head, _) = house.ask(&friend, "").await;
    assert_eq!(head.status, 204);
    assert_eq!(head.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(head.header("access-control-allow-headers"), Some("authorization, mcp-param-city"));
    let evil = format!("OPTIONS origin=https://evil.example {wish}");
    let (head, _) = house.ask(&evil, "").await;
    assert_eq!((head.status, head.header("access-control-allow-origin")), (403, None));
    // Also a refusal may be read, or the page could not tell why.
    let (head, _) = house.ask("POST origin=http://localhost:6274 key=wrong", "{}").await;
    assert_eq!(head.header("access-control-allow-origin"), Some("http://localhost:6274"));
    assert_eq!(head.header("vary"), Some("Origin"));
    let (head, _) = house.ask("GET /health origin=", "").await;
    assert_eq!(head.header("access-control-allow-origin"), None);
    house.end().await;
}

pub(crate) async fn an_idle_connection_makes_room() {
    let house = House::with(|config| config.connections = 2).await;
    let request = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut idle = TcpStream::connect(house.address).await.unwrap();
    idle.write_all(request).await.unwrap();
    assert_ne!(idle.read(&mut [0; 4096]).await.unwrap(), 0);
    for _ in 0..5 {
        let mut next = TcpStream::connect(house.address).await.unwrap();
        next.write_all(request).await.unwrap();
        let read = tokio::time::timeout(Duration::from_secs(20), next.read(&mut [0; 4096])).await;
        assert_ne!(read.expect("a place was made").unwrap(), 0);
        drop(idle);
        idle = next;
    }
    house.end().await;
}
