//! The key of the instance: from its file or the configuration, and another one for it.

use std::time::{Duration, SystemTime};

use switchboard_auth::{Key, KeyFile, Keys};
use switchboard_client::control::Reply;
use switchboard_core::{Area, Tenant};

use crate::clock::now;
use crate::config::Config;
use crate::daemon::Daemon;
use crate::paths::Paths;
use crate::problem::StartProblem;

pub(crate) async fn keys(config: &Config, paths: &Paths) -> Result<Keys, StartProblem> {
    if let Some(configured) = &config.auth.api_key {
        let key = Key::configured(configured.expose()).map_err(key_problem)?;
        return Ok(Keys::only(&key));
    }
    let file = KeyFile::new(paths.key());
    let opened = tokio::task::spawn_blocking(move || file.open_or_create()).await;
    let opened = opened.expect("opening does not panic").map_err(key_problem)?;
    if let switchboard_auth::Origin::Repaired { mode } = opened.origin {
        tracing::warn!(
            was = format!("{mode:o}"),
            "others could read the key file; its mode is 0600 now"
        );
    }
    Ok(opened.stored.keys())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn key_problem(error: switchboard_auth::KeyError) -> StartProblem {
    StartProblem::new(error.code(), error.to_string()).hint(error.hint())
}

impl Daemon {
    pub(crate) async fn rotate_key(&self, grace_seconds: u64) -> Result<Reply, StartProblem> {
        let _alone = self.change().await?;
        if self.config.lock().expect("no one panics holding it").auth.api_key.is_some() {
            return Err(StartProblem::new(
                "key-configured",
                "the key comes from the configuration",
            )
            .hint("change `auth.api_key` there, then `switchboard reload`"));
        }
        let file = KeyFile::new(self.paths.key());
        let grace = Duration::from_secs(grace_seconds);
        let rotated = tokio::task::spawn_blocking(move || file.rotate(now(), grace)).await;
        let rotated = rotated.expect("rotating does not panic").map_err(key_problem)?;
        self.login.replace(rotated.stored.keys());
        self.middle.watchers.changed(&Tenant::default(), Area::Keys);
        let until =
            rotated.previous_expires.and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok());
        Ok(Reply::Key {
            key: rotated.stored.key().expose().to_owned(),
            previous_valid_until: until.map(|until| until.as_secs()),
        })
    }
}
