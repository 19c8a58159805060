//! What our own tokens are signed with.
//!
//! There is no default. The secret is generated on first use, in a [`KeyFile`](crate::KeyFile) that
//! only its owner can read and that can be rotated like the key of the instance; or somebody
//! configured one, for daemons that share it, and then it has to be worth something.

use std::time::SystemTime;

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use switchboard_config::Secret;

use crate::api_keys::hex;
use crate::jwt::{self, Bad, Claims, Unverified};
use crate::stored::Stored;

/// How our own tokens are signed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub enum Signature {
    /// HMAC with SHA-256: whoever can check a token can make one.
    #[default]
    HS256,
    /// Ed25519.
    EdDSA,
}

/// The present key, and those before it for as long as they are good.
pub(crate) struct SigningKeys {
    current: SigningKey,
    encoding: EncodingKey,
    previous: Vec<(SigningKey, SystemTime)>,
}

struct SigningKey {
    kid: String,
    algorithm: Algorithm,
    decoding: DecodingKey,
}

/// Why a secret cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum WeakSecret {
    #[error(
        "the secret for tokens has {0} bytes, fewer than {SHORTEST}; leave it out to have one made"
    )]
    Short(usize),
    #[error(
        "the secret for tokens is one that is in examples, so that anybody can make tokens; leave \
         it out to have one made"
    )]
    Known,
}

/// As many as the hash has (RFC 7518, section 3.2).
const SHORTEST: usize = 32;

/// What stands in examples and in the defaults of older daemons, without signs between.
const KNOWN: &[&str] = &["changeme", "secret", "example", "password", "yoursecretkey", "jwtsecret"];

/// The beginning of an Ed25519 private key before its 32 bytes (RFC 8410, section 7).
const PKCS8: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

impl SigningKeys {
    /// Signs with the generated secret of a file that is used for nothing else.
    pub(crate) fn generated(stored: &Stored, signature: Signature) -> Self {
        let (current, previous) = stored.digests();
        // The key is not the digest itself, which others may compare keys by.
        let derive = |digest: [u8; 32]| -> [u8; 32] {
            let hash = Sha256::new().chain_update(b"switchboard token 1\0").chain_update(digest);
            hash.finalize().into()
        };
        let (current, encoding) = SigningKey::new(&derive(current), signature);
        let previous =
            previous.map(|(digest, until)| (SigningKey::new(&derive(digest), signature).0, until));
        Self { current, encoding, previous: previous.into_iter().collect() }
    }

    /// Signs with a secret that somebody chose.
    ///
    /// # Errors
    ///
    /// [`WeakSecret`] where anybody could guess it.
    pub(crate) fn configured(secret: &Secret, signature: Signature) -> Result<Self, WeakSecret> {
        let text = secret.expose();
        // `CHANGEME` over and over is as well known as once.
        let letters = text.to_ascii_lowercase().replace(|c: char| !c.is_ascii_alphanumeric(), "");
        if KNOWN.iter().any(|known| letters.replace(known, "").is_empty()) {
            return Err(WeakSecret::Known);
        }
        if text.len() < SHORTEST {
            return Err(WeakSecret::Short(text.len()));
        }
        let (current, encoding) = match signature {
            Signature::HS256 => SigningKey::new(text.as_bytes(), signature),
            Signature::EdDSA => {
                let hash = Sha256::new().chain_update(b"switchboard token 1\0").chain_update(text);
                SigningKey::new(&<[u8; 32]>::from(hash.finalize()), signature)
            }
        };
        Ok(Self { current, encoding, previous: Vec::new() })
    }

    pub(crate) fn sign(&self, claims: &Claims) -> String {
        let mut header = Header::new(self.current.algorithm);
        header.kid = Some(self.current.kid.clone());
        jsonwebtoken::encode(&header, claims, &self.encoding).expect("the key fits its algorithm")
    }

    /// The claims of a token that one of the keys signed.
    pub(crate) fn verify(
        &self,
        token: &str,
        unverified: &Unverified,
        now: SystemTime,
    ) -> Result<Claims, Bad> {
        let key = match &unverified.kid {
            None => &self.current,
            Some(kid) if *kid == self.current.kid => &self.current,
            Some(kid) => {
                let mut previous = self.previous.iter();
                let found = previous.find(|(key, until)| key.kid == *kid && now < *until);
                &found.ok_or(Bad::Other)?.0
            }
        };
        jwt::verify(token, &key.decoding, key.algorithm)
    }
}

impl SigningKey {
    /// A key of these bytes, which are 32 for Ed25519.
    fn new(secret: &[u8], signature: Signature) -> (Self, EncodingKey) {
        let (algorithm, encoding, decoding) = match signature {
            Signature::HS256 => (
                Algorithm::HS256,
                EncodingKey::from_secret(secret),
                DecodingKey::from_secret(secret),
            ),
            Signature::EdDSA => {
                let encoding = EncodingKey::from_ed_der(&[&PKCS8, secret].concat());
                let decoding = public(&encoding);
                (Algorithm::EdDSA, encoding, decoding)
            }
        };
        // Whoever has a token can try secrets against it anyway, so this gives nothing away.
        let hash = Sha256::new().chain_update(b"switchboard kid 1\0").chain_update(secret);
        let kid = hex(&hash.finalize()[..8]);
        (Self { kid, algorithm, decoding }, encoding)
    }
}

fn public(private: &EncodingKey) -> DecodingKey {
    let jwk = Jwk::from_encoding_key(private, Algorithm::EdDSA).expect("32 bytes make a key");
    let AlgorithmParameters::OctetKeyPair(pair) = jwk.algorithm else {
        unreachable!("Ed25519 keys are pairs of octets");
    };
    DecodingKey::from_ed_components(&pair.x).expect("what the library made it reads")
}
