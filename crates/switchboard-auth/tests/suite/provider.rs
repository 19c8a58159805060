//! A small identity provider on loopback, whose keys rotate and whose documents may lie.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) struct Provider {
    pub(crate) issuer: String,
    pub(crate) shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// What it answers.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) discovery: Mutex<Value>,
    pub(crate) keys: Mutex<Vec<Value>>,
    /// The status of every answer, where it is not 200.
    pub(crate) status: Mutex<Option<u16>>,
    pub(crate) asked: Mutex<HashMap<String, usize>>,
}

/// Something to sign with.
pub(crate) struct Signer {
    pub(crate) kid: String,
    pub(crate) algorithm: Algorithm,
    pub(crate) key: EncodingKey,
    pub(crate) public_pem: String,
    pub(crate) jwk: Value,
}

impl Signer {
    pub(crate) fn rsa(kid: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self::new(kid, Algorithm::RS256, key, pair.public_key_pem())
    }

    pub(crate) fn ec(kid: &str) -> Self {
        let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self::new(kid, Algorithm::ES256, key, pair.public_key_pem())
    }

    fn new(kid: &str, algorithm: Algorithm, key: EncodingKey, public_pem: String) -> Self {
        let mut jwk = json!(Jwk::from_encoding_key(&key, algorithm).unwrap());
        jwk["kid"] = kid.into();
        jwk["use"] = "sig".into();
        Self { kid: kid.to_owned(), algorithm, key, public_pem, jwk }
    }

    pub(crate) fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(&self.kid), self.algorithm, claims)
    }

    pub(crate) fn sign_as(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        claims: &Value,
    ) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &self.key).unwrap()
    }
}

impl Provider {
    pub(crate) async fn start(keys: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}", listener.local_addr().unwrap());
        let shared = Arc::new(Shared::default());
        *shared.discovery.lock().unwrap() =
            json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let mut tasks = JoinSet::new();
        tasks.spawn(serve(listener, Arc::clone(&shared)));
        let provider = Self { issuer, shared, _tasks: tasks };
        provider.publish(keys.iter().map(|key| key.jwk.clone()));
        provider
    }

    pub(crate) fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        *self.shared.keys.lock().unwrap() = keys.into_iter().collect();
    }

    pub(crate) fn fail(&self, status: Option<u16>) {
        *self.shared.status.lock().unwrap() = status;
    }

    /// How often the keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.shared.asked.lock().unwrap().get("/keys").copied().unwrap_or_default()
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        connections.spawn(answer(stream, Arc::clone(&shared)));
    }
}

async fn answer(mut stream: TcpStream, shared: Arc<Shared>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(_) => return,
        }
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    *shared.asked.lock().unwrap().entry(path.clone()).or_default() += 1;
    let failure = *shared.status.lock().unwrap();
    let (status, body) = match (failure, &*path) {
        (Some(status), _) => (status, String::new()),
        (None, "/.well-known/openid-configuration") => {
            (200, shared.discovery.lock().unwrap().to_string())
        }
        (None, "/keys") => (200, json!({ "keys": *shared.keys.lock().unwrap() }).to_string()),
        (None, _) => (404, String::new()),
    };
    let location = if status == 302 { "location: /keys\r\n" } else { "" };
    let head = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\n{location}content-length: {}\r\n\
         connection: close\r\n\r\n",
        body.len(),
    );
    let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
}
