//! Who may call, as the configuration has it now; another can take its place while it is asked.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::path::PathBuf;
use std::sync::Arc;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use switchboard_auth::{Auth, AuthConfig, Clock, Parts};
use switchboard_core::store::Store;
use switchboard_core::{Admitted, Credentials, Denied, Login};
use switchboard_egress::Guard;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::clock::now;
use crate::outside::owner;
use crate::problem::StartProblem;

/// Everything about who is calling.
pub(crate) struct Identity {
    current: ArcSwap<Current>,
    surroundings: Surroundings,
    /// Another has taken the place of the current one.
    replaced: Notify,
}

/// What holds now.
pub(crate) struct Current {
    pub auth: Auth,
    pub config: AuthConfig,
    /// What the users file had in it.
    people: Option<u64>,
}

/// What stays the same whatever the configuration says.
#[derive(Clone)]
pub(crate) struct Surroundings {
    pub store: Arc<dyn Store>,
    pub guard: Guard,
    pub tasks: TaskTracker,
    /// Knows the key of the instance.
    pub instance: Arc<dyn Login>,
    /// Where the secret for tokens is kept where none is configured.
    pub secret_file: PathBuf,
}

impl Identity {
    /// # Errors
    ///
    /// [`StartProblem`] for what the configuration has wrong, and for files that cannot be used.
    pub(crate) async fn new(
        config: AuthConfig,
        surroundings: Surroundings,
    ) -> Result<Self, StartProblem> {
        let people = people(&config);
        let current = surroundings.current(config, people).await?;
        Ok(Self { current: ArcSwap::from_pointee(current), surroundings, replaced: Notify::new() })
    }

    pub(crate) fn current(&self) -> Arc<Current> {
        self.current.load_full()
    }

    /// What is to hold instead, with another configuration or other people in the users file; `None`
    /// where it would be the same.
    ///
    /// # Errors
    ///
    /// [`StartProblem`]; nothing is changed then.
    pub(crate) async fn prepare(
        &self,
        config: AuthConfig,
    ) -> Result<Option<Current>, StartProblem> {
        let (current, people) = (self.current(), people(&config));
        if current.config == config && current.people == people {
            return Ok(None);
        }
        self.surroundings.current(config, people).await.map(Some)
    }

    /// Lets `next` decide from now on. What was opened with keys and tokens ends: whoever is still
    /// let in comes again.
    pub(crate) async fn replace(&self, next: Current) {
        let before = self.current.swap(Arc::new(next));
        self.replaced.notify_one();
        before.auth.close();
        // When its keys were used last is written.
        before.auth.tend().await;
    }

    /// Looks after what is known, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        loop {
            let current = self.current();
            tokio::select! {
                () = current.auth.follow() => {}
                () = self.replaced.notified() => {}
            }
        }
    }
}

impl Surroundings {
    async fn current(
        &self,
        config: AuthConfig,
        people: Option<u64>,
    ) -> Result<Current, StartProblem> {
        let parts = Parts {
            store: Arc::clone(&self.store),
            guard: self.guard.clone(),
            clock: Clock::new(now),
            tasks: self.tasks.clone(),
            owner: owner(),
            instance: Arc::clone(&self.instance),
            secret_file: self.secret_file.clone(),
        };
        let made = tokio::task::spawn_blocking(move || {
            Auth::new(&config, parts).map(|auth| Current { auth, config, people })
        });
        let made = made.await.expect("putting it together does not panic");
        let current = made.map_err(|error| {
            let problem = StartProblem::new("auth-unusable", error.to_string());
            match error.reason() {
                Some(reason) => problem.because(reason),
                None => problem,
            }
        })?;
        // Before anybody is let in: what was taken back.
        current.auth.tend().await;
        Ok(current)
    }
}

#[async_trait]
impl Login for Identity {
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied> {
        self.current.load().auth.logins.admit(credentials)
    }

    async fn learn(&self, credentials: Credentials<'_>) {
        self.current().auth.logins.learn(credentials).await;
    }
}

/// What tells one content of the users file from another; a file that cannot be read is refused
/// where it is read.
fn people(config: &AuthConfig) -> Option<u64> {
    let bytes = std::fs::read(config.users.file.as_ref()?).ok()?;
    let mut hasher = DefaultHasher::new();
    bytes.hash(&mut hasher);
    Some(hasher.finish())
}
