//! Seals what clients keep for us: cursors, the state of a call, task ids.
//!
//! A sealed text is `base64url(nonce ‖ XChaCha20-Poly1305(time ‖ payload))`, with the purpose and
//! the principal as associated data: it tells nothing, cannot be changed, and opens for the one
//! principal and purpose it was made for. Nothing is stored, so a text survives a restart, and any
//! replica with the same key file opens it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};
use switchboard_core::{Principal, Purpose, Seal};

use crate::stored::Stored;

/// The present key, and the one before it for as long as it is good.
pub struct Sealer {
    current: XChaCha20Poly1305,
    previous: Option<(XChaCha20Poly1305, SystemTime)>,
}

/// 192 random bits: so many texts can be sealed under one key that none repeats.
const NONCE: usize = 24;

/// Seconds since 1970, before the payload.
const TIME: usize = 8;

/// Longest text that is opened. The longest we make holds a server's `requestState`, which clients
/// carry in a JSON message of a few MiB at most.
const TEXT_LIMIT: usize = 4 << 20;

impl Sealer {
    /// Seals with the key of a file that is used for nothing else.
    pub fn new(stored: &Stored) -> Self {
        let (current, previous) = stored.digests();
        Self {
            current: cipher(current),
            previous: previous.map(|(digest, expires)| (cipher(digest), expires)),
        }
    }

    /// Seals with a key that ends with the process, for where nothing has to outlast it.
    pub fn random() -> Self {
        let mut key = [0; 32];
        getrandom::fill(&mut key).expect("the system has a source of randomness");
        Self { current: cipher(key), previous: None }
    }

    fn seal_at(
        &self,
        purpose: Purpose,
        principal: &Principal,
        payload: &[u8],
        now: SystemTime,
    ) -> String {
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce).expect("the system has a source of randomness");
        let mut clear = Vec::with_capacity(TIME + payload.len());
        clear.extend_from_slice(&seconds(now).to_be_bytes());
        clear.extend_from_slice(payload);
        let aad = associated(purpose, principal);
        let sealed = self
            .current
            .encrypt(&XNonce::from(nonce), Payload { msg: &clear, aad: &aad })
            .expect("only a payload of 256 GiB is too long");
        let mut whole = nonce.to_vec();
        whole.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(whole)
    }

    fn open_at(
        &self,
        purpose: Purpose,
        principal: &Principal,
        text: &str,
        now: SystemTime,
    ) -> Option<Vec<u8>> {
        if text.len() > TEXT_LIMIT {
            return None;
        }
        let whole = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (nonce, sealed) = whole.split_at_checked(NONCE)?;
        let nonce = XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?);
        let aad = associated(purpose, principal);
        let payload = || Payload { msg: sealed, aad: &aad };
        let clear = self.current.decrypt(&nonce, payload()).ok().or_else(|| {
            let (cipher, expires) = self.previous.as_ref()?;
            if now >= *expires {
                return None;
            }
            cipher.decrypt(&nonce, payload()).ok()
        })?;
        let (made, payload) = clear.split_at_checked(TIME)?;
        let made = UNIX_EPOCH + Duration::from_secs(u64::from_be_bytes(made.try_into().ok()?));
        let good = match purpose.lifetime() {
            None => true,
            // A clock that was set back makes nothing older than it is.
            Some(lifetime) => now.duration_since(made).is_ok_and(|age| age <= lifetime + SKEW),
        };
        good.then(|| payload.to_vec())
    }
}

/// Whole seconds are kept, and replicas' clocks differ a little.
const SKEW: Duration = Duration::from_secs(5);

#[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
fn now() -> SystemTime {
    SystemTime::now()
}

impl Seal for Sealer {
    fn seal(&self, purpose: Purpose, principal: &Principal, payload: &[u8]) -> String {
        self.seal_at(purpose, principal, payload, now())
    }

    fn open(&self, purpose: Purpose, principal: &Principal, text: &str) -> Option<Vec<u8>> {
        // One a few seconds from the future comes from a replica whose clock is ahead.
        self.open_at(purpose, principal, text, now() + SKEW)
    }
}

/// The key for sealing is not the digest itself, which others may compare keys by.
fn cipher(digest: [u8; 32]) -> XChaCha20Poly1305 {
    let mut hash = Sha256::new();
    hash.update(b"switchboard seal 1\0");
    hash.update(digest);
    XChaCha20Poly1305::new(&hash.finalize())
}

fn associated(purpose: Purpose, principal: &Principal) -> Vec<u8> {
    // No purpose and no tenant contains the byte between them, so no two of them read the same.
    let (tenant, subject) = (principal.tenant.as_str(), &*principal.subject);
    [purpose.as_str(), tenant, subject].join("\0").into_bytes()
}

fn seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use switchboard_core::{Principal, Purpose};

    use super::Sealer;
    use crate::key::Key;
    use crate::stored::Stored;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn stored(byte: u8) -> Stored {
        Stored::new(Key::from_random([byte; 32]))
    }

    fn noon() -> SystemTime {
        UNIX_EPOCH + 20_000 * DAY
    }

    #[test]
    fn a_sealed_text_opens_for_its_principal_and_purpose_only() {
        let sealer = Sealer::new(&stored(1));
        let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
        let text = sealer.seal_at(Purpose::State, &ann, b"secret", noon());
        let open = |sealer: &Sealer, purpose, principal: &Principal, text: &str| {
            sealer.open_at(purpose, principal, text, noon())
        };
        assert_eq!(open(&sealer, Purpose::State, &ann, &text).as_deref(), Some(&b"secret"[..]));
        assert_eq!(open(&sealer, Purpose::State, &bob, &text), None);
        assert_eq!(open(&sealer, Purpose::Cursor, &ann, &text), None);
        assert_eq!(open(&Sealer::new(&stored(2)), Purpose::State, &ann, &text), None);
        assert!(!text.contains("secret"));
        let again = sealer.seal_at(Purpose::State, &ann, b"secret", noon());
        assert_ne!(text, again, "equal payloads cannot be told to be equal");
        for wrong in
            ["", "AAAA", "no base64!", &text[1..], &format!("{text}A"), &text[..text.len() - 4]]
        {
            assert_eq!(open(&sealer, Purpose::State, &ann, wrong), None, "`{wrong}`");
        }
        for at in 0..text.len() {
            let mut changed = text.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            // The last character has bits that no byte takes; base64 refuses those too.
            assert_eq!(open(&sealer, Purpose::State, &ann, &changed), None, "at {at}");
        }
    }

    #[test]
    fn what_waits_for_a_person_is_good_for_a_time() {
        let sealer = Sealer::new(&stored(1));
        let ann = Principal::new("ann");
        let state = sealer.seal_at(Purpose::State, &ann, b"x", noon());
        let cursor = sealer.seal_at(Purpose::Cursor, &ann, b"x", noon());
        assert!(sealer.open_at(Purpose::State, &ann, &state, noon() + DAY / 48).is_some());
        assert!(sealer.open_at(Purpose::State, &ann, &state, noon() + DAY).is_none());
        assert!(sealer.open_at(Purpose::Cursor, &ann, &cursor, noon() + DAY).is_some());
    }

    #[test]
    fn the_key_before_opens_until_it_ends() {
        let ann = Principal::new("ann");
        let text = Sealer::new(&stored(1)).seal_at(Purpose::Task, &ann, b"x", noon());
        let rotated = Sealer::new(&stored(1).rotate(Key::from_random([2; 32]), noon(), DAY));
        assert!(rotated.open_at(Purpose::Task, &ann, &text, noon()).is_some());
        assert!(rotated.open_at(Purpose::Task, &ann, &text, noon() + 2 * DAY).is_none());
        let new = rotated.seal_at(Purpose::Task, &ann, b"x", noon());
        assert!(Sealer::new(&stored(1)).open_at(Purpose::Task, &ann, &new, noon()).is_none());
    }
}
