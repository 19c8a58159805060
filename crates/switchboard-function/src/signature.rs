//! Who made an archive: signatures as `minisign` writes them
//! (<https://jedisct1.github.io/minisign/>), beside the archive in a file of its name with `.minisig`.

use minisign_verify::{PublicKey, Signature};

/// The keys of those whose bundles are served. Where there are none, everybody's are.
#[derive(Clone, Default)]
pub struct SigningKeys(Vec<PublicKey>);

/// Why an archive is not taken.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SignatureError {
    #[error("it is not signed, and `bundles.signing_keys` wants it to be: there is no `{0}`")]
    Unsigned(String),
    #[error("a directory cannot be signed, and `bundles.signing_keys` wants it to be")]
    Directory,
    #[error("its signature `{file}` is malformed: {cause}")]
    Malformed { file: String, cause: String },
    #[error("its signature `{0}` is of none of `bundles.signing_keys`, or of another archive")]
    Wrong(String),
}

impl SigningKeys {
    /// Reads public keys as `minisign` prints them: one line of base64, which begins with `RW`.
    ///
    /// # Errors
    ///
    /// The first that is none.
    pub fn parse(keys: &[String]) -> Result<Self, String> {
        let key = |text: &String| PublicKey::from_base64(text.trim()).map_err(|_| text.clone());
        keys.iter().map(key).collect::<Result<_, _>>().map(Self)
    }

    pub fn are_there(&self) -> bool {
        !self.0.is_empty()
    }

    /// Checks the signature `text`, which is in `file`. Only those of whole contents count (of the
    /// digest, which is what `minisign` has made since 0.10), and not the older ones.
    ///
    /// # Errors
    ///
    /// See [`SignatureError`].
    pub fn check(&self, content: &[u8], file: &str, text: &str) -> Result<(), SignatureError> {
        let signature = Signature::decode(text).map_err(|error| {
            let (file, cause) = (file.to_owned(), error.to_string());
            SignatureError::Malformed { file, cause }
        })?;
        let fits = |key: &PublicKey| key.verify(content, &signature, false).is_ok();
        match self.0.iter().any(fits) {
            true => Ok(()),
            false => Err(SignatureError::Wrong(file.to_owned())),
        }
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} keys", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use minisign::KeyPair;

    use super::{SignatureError, SigningKeys};

    #[test]
    fn signatures_are_of_a_key_and_a_content() {
        let pair = KeyPair::generate_unencrypted_keypair().unwrap();
        let other = KeyPair::generate_unencrypted_keypair().unwrap();
        let sign = |pair: &KeyPair, content: &[u8]| {
            let signed = minisign::sign(None, &pair.sk, content, Some("by a test"), None);
            signed.unwrap().to_string()
        };
        let keys = SigningKeys::parse(&[other.pk.to_base64(), pair.pk.to_base64()]).unwrap();
        let check = |content: &[u8], text: &str| keys.check(content, "b.zip.minisig", text);
        assert_eq!(check(b"bundle", &sign(&pair, b"bundle")), Ok(()));
        assert_eq!(check(b"bundle", &sign(&other, b"bundle")), Ok(()), "either key will do");
        let wrong = Err(SignatureError::Wrong("b.zip.minisig".to_owned()));
        assert_eq!(check(b"bundlE", &sign(&pair, b"bundle")), wrong);
        let stranger = KeyPair::generate_unencrypted_keypair().unwrap();
        assert_eq!(check(b"bundle", &sign(&stranger, b"bundle")), wrong);
        // What is said of it is signed with it.
        let renamed = sign(&pair, b"bundle").replace("by a test", "by a tEst");
        assert_eq!(check(b"bundle", &renamed), wrong);
        for malformed in ["", "a\nb\nc\nd", "untrusted comment: x\nRWQ="] {
            let refused = check(b"bundle", malformed);
            assert!(matches!(refused, Err(SignatureError::Malformed { .. })), "{malformed}");
        }
        assert!(SigningKeys::parse(&["RWQnone".to_owned()]).is_err());
    }
}
