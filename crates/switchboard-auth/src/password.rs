//! Hashes of passwords: argon2id for those made here, bcrypt for those that were made elsewhere.
//!
//! Checking one is meant to be slow, so it happens beside the runtime, two at a time: a flood of
//! logins then takes two threads and not the daemon. A name that nobody has costs the same, because
//! a hash of the same kind is computed for it and thrown away.

use std::collections::hash_map::RandomState;
use std::fmt;
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Algorithm, Argon2, Params, PasswordHasher as _, PasswordVerifier as _, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use tokio::sync::Semaphore;

/// A hash that can be checked in bounded time and memory.
#[derive(Clone)]
pub struct StoredHash {
    text: Arc<str>,
    recipe: Recipe,
}

/// How a hash is computed, which is what it costs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Recipe {
    Argon2id { memory_kib: u32, passes: u32, lanes: u32 },
    Bcrypt { cost: u32 },
}

/// Why something is no hash to check passwords with. Never quotes it.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoHash {
    #[error("it is neither a bcrypt hash (`$2b$…`) nor an argon2id hash (`$argon2id$…`)")]
    Unknown,
    #[error("it is damaged")]
    Damaged,
    #[error("checking it would take longer or more memory than a login may")]
    TooCostly,
}

/// Too many are waiting to have a password checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("too many are logging in; try again in a moment")]
pub struct Busy;

/// Checks passwords, two at a time.
pub(crate) struct Passwords {
    turns: Semaphore,
    waiting: Semaphore,
    /// The kinds of hash that users have: what an unknown name costs.
    recipes: Mutex<Vec<Recipe>>,
    /// Makes the same unknown name cost the same each time, in a way nobody outside can foresee.
    seed: RandomState,
}

/// Passwords that are checked at once: half of a small machine, and its memory twice 19 MiB.
const TURNS: usize = 2;

/// Logins that wait for their turn. At 50 ms each the last waits for less than two seconds.
const WAITING: usize = 64;

/// Longest password. What is longer is none (ASVS 5.0, 6.2.9 asks for at least 64).
const LONGEST: usize = 1024;

/// OWASP's Password Storage Cheat Sheet, which are the defaults of the library as well.
const OURS: Recipe = Recipe::Argon2id {
    memory_kib: Params::DEFAULT_M_COST,
    passes: Params::DEFAULT_T_COST,
    lanes: Params::DEFAULT_P_COST,
};

/// Kinds of hash that are told apart for unknown names; a list of users has one or two.
const RECIPES: usize = 8;

impl StoredHash {
    /// # Errors
    ///
    /// [`NoHash`] says what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, NoHash> {
        let recipe = Recipe::of(text)?;
        if !recipe.is_affordable() {
            return Err(NoHash::TooCostly);
        }
        Ok(Self { text: text.into(), recipe })
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What says which password it is of, and nothing about it: another one has another salt, and so
    /// has the same one that is set again.
    pub(crate) fn epoch(&self) -> String {
        crate::key::Digest::of(self.text.as_bytes()).hex()[..32].to_owned()
    }

    fn verify(&self, password: &[u8]) -> bool {
        match self.recipe {
            Recipe::Argon2id { .. } => PasswordHash::new(&self.text)
                .is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok()),
            // Who made the hash took the first 72 bytes, as bcrypt always has.
            Recipe::Bcrypt { .. } => bcrypt::verify(password, &self.text).unwrap_or(false),
        }
    }
}

impl fmt::Debug for StoredHash {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "StoredHash({:?})", self.recipe)
    }
}

impl Recipe {
    fn of(text: &str) -> Result<Self, NoHash> {
        if text.starts_with("$argon2id$") {
            let hash = PasswordHash::new(text).map_err(|_| NoHash::Damaged)?;
            let params = Params::try_from(&hash).map_err(|_| NoHash::Damaged)?;
            if hash.hash.is_none() || hash.salt.is_none() {
                return Err(NoHash::Damaged);
            }
            let (memory_kib, passes) = (params.m_cost(), params.t_cost());
            return Ok(Self::Argon2id { memory_kib, passes, lanes: params.p_cost() });
        }
        if ["$2a$", "$2b$", "$2y$"].iter().any(|start| text.starts_with(start)) {
            let parts: bcrypt::HashParts = text.parse().map_err(|_| NoHash::Damaged)?;
            return Ok(Self::Bcrypt { cost: parts.get_cost() });
        }
        Err(NoHash::Unknown)
    }

    /// 256 MiB and ten passes, and the second that bcrypt takes at 14, are far above what is in use.
    fn is_affordable(self) -> bool {
        match self {
            Self::Argon2id { memory_kib, passes, lanes } => {
                memory_kib <= 256 * 1024 && passes <= 10 && lanes <= 16
            }
            Self::Bcrypt { cost } => cost <= 14,
        }
    }

    /// A hash of this kind that no password has.
    fn dummy(self) -> StoredHash {
        let text = match self {
            Self::Argon2id { memory_kib, passes, lanes } => {
                let (salt, output) =
                    (STANDARD_NO_PAD.encode([7; 16]), STANDARD_NO_PAD.encode([7; 32]));
                format!("$argon2id$v=19$m={memory_kib},t={passes},p={lanes}${salt}${output}")
            }
            Self::Bcrypt { cost } => format!("$2b${cost:02}${}", ".".repeat(53)),
        };
        StoredHash { text: text.into(), recipe: self }
    }
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Semaphore::new(TURNS),
            waiting: Semaphore::new(WAITING),
            recipes: Mutex::new(Vec::new()),
            seed: RandomState::new(),
        }
    }

    /// Notes that a user has a hash of this kind.
    pub(crate) fn note(&self, hash: &StoredHash) {
        let mut recipes = self.recipes.lock().unwrap_or_else(PoisonError::into_inner);
        if recipes.len() < RECIPES && !recipes.contains(&hash.recipe) {
            recipes.push(hash.recipe);
        }
    }

    /// Whether it is the password of the user of this name; `None` is a name that nobody has.
    pub(crate) async fn verify(
        &self,
        username: &str,
        hash: Option<&StoredHash>,
        password: &str,
    ) -> Result<bool, Busy> {
        if LONGEST < password.len() {
            return Ok(false);
        }
        let is_known = hash.is_some();
        let hash = hash.cloned().unwrap_or_else(|| self.dummy(username));
        let password = password.to_owned();
        let fits = self.beside(move || hash.verify(password.as_bytes())).await?;
        Ok(fits && is_known)
    }

    /// The hash of a new password.
    pub(crate) async fn hash(&self, password: &str) -> Result<StoredHash, Busy> {
        let password = password.to_owned();
        let hash = self.beside(move || hash_now(&password)).await?;
        self.note(&hash);
        Ok(hash)
    }

    fn dummy(&self, username: &str) -> StoredHash {
        let recipes = self.recipes.lock().unwrap_or_else(PoisonError::into_inner);
        let at = self.seed.hash_one(username) % (recipes.len().max(1) as u64);
        recipes.get(at as usize).copied().unwrap_or(OURS).dummy()
    }

    async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let _place = self.waiting.try_acquire().map_err(|_| Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| Busy)?;
        // Where the caller goes away, the work goes on without a turn; it began while there was one.
        tokio::task::spawn_blocking(work).await.map_err(|_| Busy)
    }
}

/// Hashes a password here and now, which takes 20 to 50 ms.
pub(crate) fn hash_now(password: &str) -> StoredHash {
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash = argon2.hash_password(password.as_bytes()).expect("a salt and memory for it");
    StoredHash { text: hash.to_string().into(), recipe: OURS }
}

/// The same for a password that the configuration has: with a salt that is the same after each start,
/// so that what goes by the hash ([`Identity::epoch`](crate::tokens::Identity)) is that of the
/// password. It is kept nowhere.
pub(crate) fn hash_configured(username: &str, password: &str) -> StoredHash {
    let salt = crate::key::Digest::of(format!("switchboard {username}").as_bytes()).bytes();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::default());
    let hash: PasswordHash = argon2
        .hash_password_with_salt(password.as_bytes(), &salt[..16])
        .expect("a salt and memory for it");
    StoredHash { text: hash.to_string().into(), recipe: OURS }
}

/// Whether a new password is one that may be chosen: long enough, and none that daemons come with
/// (NIST SP 800-63B-4, section 3.1.1.2).
pub(crate) fn is_acceptable(password: &str) -> bool {
    const KNOWN: &[&str] = &["admin123", "password", "changeme", "12345678", "password123"];
    (8..=LONGEST).contains(&password.len())
        && !KNOWN.contains(&password.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests;
