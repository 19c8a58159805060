//! A small identity provider on loopback, whose keys rotate and whose documents may lie; and tokens
//! of all kinds, good and forged.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

/// The provider; it ends when it is dropped.
pub struct Provider {
    pub issuer: String,
    pub shared: Arc<Shared>,
    address: SocketAddr,
}

/// What it answers.
#[derive(Default)]
pub struct Shared {
    pub discovery: Mutex<Value>,
    pub keys: Mutex<Vec<Value>>,
    /// The status of every answer, where it is not 200.
    pub status: Mutex<Option<u16>>,
    pub asked: Mutex<HashMap<String, usize>>,
    ended: AtomicBool,
}

/// Something to sign with.
pub struct Signer {
    pub kid: String,
    pub algorithm: Algorithm,
    pub key: EncodingKey,
    pub public_pem: String,
    pub jwk: Value,
}

impl Signer {
    /// Takes half a second without optimisation.
    pub fn rsa(kid: &str) -> Self {
        let pair = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let key = EncodingKey::from_rsa_pem(pair.serialize_pem().as_bytes()).unwrap();
        Self::new(kid, Algorithm::RS256, key, pair.public_key_pem())
    }

    pub fn ec(kid: &str) -> Self {
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

    /// A token with the id of the key in its header.
    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as(Some(&self.kid), self.algorithm, claims)
    }

    pub fn sign_as(&self, kid: Option<&str>, algorithm: Algorithm, claims: &Value) -> String {
        let mut header = Header::new(algorithm);
        header.kid = kid.map(str::to_owned);
        encode(&header, claims, &self.key).unwrap()
    }
}

impl Provider {
    /// Publishes these keys, at a free port.
    pub fn start(keys: &[&Signer]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let issuer = format!("http://{address}");
        let shared = Arc::new(Shared::default());
        *shared.discovery.lock().unwrap() =
            json!({ "issuer": issuer, "jwks_uri": format!("{issuer}/keys") });
        let behind = Arc::clone(&shared);
        std::thread::spawn(move || serve(&listener, &behind));
        let provider = Self { issuer, shared, address };
        provider.publish(keys.iter().map(|key| key.jwk.clone()));
        provider
    }

    /// Publishes these keys instead.
    pub fn publish(&self, keys: impl IntoIterator<Item = Value>) {
        *self.shared.keys.lock().unwrap() = keys.into_iter().collect();
    }

    /// Answers everything with this status from now on.
    pub fn fail(&self, status: Option<u16>) {
        *self.shared.status.lock().unwrap() = status;
    }

    /// How often the keys were asked for.
    pub fn fetches(&self) -> usize {
        self.shared.asked.lock().unwrap().get("/keys").copied().unwrap_or_default()
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the thread, which then sees it.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(listener: &TcpListener, shared: &Arc<Shared>) {
    for stream in listener.incoming().map_while(Result::ok) {
        if shared.ended.load(Ordering::Relaxed) {
            return;
        }
        let shared = Arc::clone(shared);
        std::thread::spawn(move || answer(&stream, &shared));
    }
}

/// How long a client may take to say what it wants.
const SLOW: Duration = Duration::from_secs(20);

fn answer(mut stream: &TcpStream, shared: &Shared) {
    let _ = stream.set_read_timeout(Some(SLOW));
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && head.len() < 16 * 1024 {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            _ => return,
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
    let _ = stream.write_all(format!("{head}{body}").as_bytes());
}

/// A token with this header, signed with a shared secret by the algorithm that the header names;
/// `none` has no signature.
pub fn sign_with_secret(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = match header["alg"].as_str() {
        Some("HS256") => {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256).unwrap()
        }
        _ => String::new(),
    };
    format!("{message}.{signature}")
}

/// The header and the claims of a token, which nobody checks.
pub fn read(token: &str) -> (Value, Value) {
    let parts: Vec<Value> = token
        .split('.')
        .take(2)
        .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
        .collect();
    let [header, claims] = <[Value; 2]>::try_from(parts).unwrap();
    (header, claims)
}
