//! People with passwords: in a file, or in the table `USERS`.
//!
//! The file is that of the daemon engine before us, a JSON array of `{"username",
//! "password_hash" | "hashed_password", "roles"}`, and may also say `tenant` and `scopes`. A name of
//! the file is not looked for in the store of its tenant.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use switchboard_core::scopes::{self, NoScope};
use switchboard_core::store::tables::USERS;
use switchboard_core::store::{Change, Mark, Query, Row, Store, StoreError};
use switchboard_core::{ADMIN, OWNER, Tenant};

use crate::clock::{Clock, column};
use crate::named::Named;
use crate::password::{Busy, NoHash, Passwords, StoredHash, hash_configured, is_acceptable};
use crate::reach::Reach;
use crate::tokens::{Identity, Tokens};

/// Everybody who has a password.
pub struct Users {
    listed: HashMap<String, User>,
    store: Arc<dyn Store>,
    tokens: Arc<Tokens>,
    pub(crate) passwords: Passwords,
    clock: Clock,
}

/// Somebody with a password.
#[derive(Clone, Debug)]
pub(crate) struct User {
    pub(crate) identity: Identity,
    pub(crate) hash: StoredHash,
}

/// Somebody to be put into the store.
pub struct NewUser {
    pub username: String,
    pub password: String,
    pub roles: Vec<String>,
    pub scopes: Option<Vec<String>>,
}

/// What is to be another with a user of the store.
#[derive(Default)]
pub struct Changed {
    pub password: Option<String>,
    pub roles: Option<Vec<String>>,
    pub scopes: Option<Vec<String>>,
}

/// A user of the store, as shown.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ShownUser {
    pub username: String,
    pub roles: Vec<String>,
    pub scopes: Option<Vec<String>>,
}

/// Why the users file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum UsersFileError {
    #[error("cannot read the users file `{}`", path.display())]
    Io {
        path: PathBuf,
        #[source]
        cause: std::io::Error,
    },
    #[error("the users file `{}` is not a JSON array of users: {cause}", path.display())]
    Shape { path: PathBuf, cause: serde_json::Error },
    #[error("user {position} of the users file `{}`: {why}", path.display())]
    User { path: PathBuf, position: usize, why: String },
}

/// Why a user was not put into the store.
#[derive(Debug, thiserror::Error)]
pub enum UserError {
    #[error("{0}")]
    Invalid(&'static str),
    #[error(transparent)]
    Scope(#[from] NoScope),
    #[error("there is no user `{0}`")]
    Missing(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Busy(#[from] Busy),
}

/// Longest name.
pub(crate) const NAME: usize = 200;

/// Largest users file: some ten thousand people, for whom there is the store.
const FILE_LIMIT: u64 = 4 << 20;

#[derive(Deserialize, Serialize)]
struct Entry {
    username: String,
    #[serde(alias = "hashed_password")]
    password_hash: String,
    #[serde(default)]
    roles: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    scopes: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
}

impl Entry {
    fn user(self, reach: &Reach) -> Result<User, String> {
        let reach = match &self.tenant {
            Some(tenant) => Reach::parse(tenant).map_err(|error| error.to_string())?,
            None => reach.clone(),
        };
        if !is_name(&self.username) {
            return Err("`username` has to have 1 to 200 characters".to_owned());
        }
        if let Some(scopes) = &self.scopes {
            scopes::check(scopes).map_err(|error| error.to_string())?;
        }
        let hash = StoredHash::parse(&self.password_hash).map_err(|why: NoHash| {
            format!("the hash of `{}` is of no use: {why}", self.username)
        })?;
        let (username, roles, scopes) = (self.username, self.roles, self.scopes);
        let epoch = hash.epoch();
        Ok(User { identity: Identity { username, roles, scopes, reach, epoch }, hash })
    }
}

impl Users {
    pub(crate) fn new(store: Arc<dyn Store>, tokens: Arc<Tokens>, clock: Clock) -> Self {
        Self { listed: HashMap::new(), store, tokens, passwords: Passwords::new(), clock }
    }

    /// Adds an administrator whose password the configuration has.
    ///
    /// # Errors
    ///
    /// [`UserError::Invalid`] where the password is one that everybody knows.
    pub(crate) fn add_admin(
        &mut self,
        username: &str,
        password: &str,
        reach: &Reach,
    ) -> Result<(), UserError> {
        check_admin(username, password)?;
        let hash = hash_configured(username, password);
        let identity = Identity {
            username: username.to_owned(),
            roles: vec![ADMIN.to_owned()],
            scopes: None,
            reach: reach.clone(),
            epoch: hash.epoch(),
        };
        self.add(User { identity, hash });
        Ok(())
    }

    pub(crate) fn add(&mut self, user: User) {
        self.passwords.note(&user.hash);
        self.listed.insert(user.identity.username.clone(), user);
    }

    /// The user of the file whom somebody who addresses `tenant` means: one of that tenant. All log in
    /// at the root path, which the engine before us has alone.
    fn listed(&self, tenant: &Tenant, name: &str) -> Option<&User> {
        let user = self.listed.get(name)?;
        (tenant.is_default() || user.identity.reach.at(tenant).is_some()).then_some(user)
    }

    /// Where guesses at a name are counted: wherever it is addressed, a user is one.
    pub(crate) fn home(&self, tenant: &Tenant, name: &str) -> Tenant {
        let listed = self.listed(tenant, name);
        listed.map_or_else(|| tenant.clone(), |user| user.identity.reach.home())
    }

    /// The user of this name, as somebody who addresses `tenant` means it.
    pub(crate) async fn find(
        &self,
        tenant: &Tenant,
        name: &str,
    ) -> Result<Option<User>, StoreError> {
        // The store is asked in any case: otherwise the time of the answer would tell which names
        // are in the file.
        let rows = self.store.read(&USERS, tenant, &[name]).await;
        if let Some(user) = self.listed(tenant, name) {
            return Ok(Some(user.clone()));
        }
        let rows = rows?;
        let user = rows.first().and_then(|row| stored(row, tenant));
        if let Some(user) = &user {
            self.passwords.note(&user.hash);
        }
        Ok(user)
    }

    /// The user of this name, as a token of theirs would show them.
    pub(crate) async fn named(
        &self,
        tenant: &Tenant,
        name: &str,
    ) -> Result<Option<Named>, StoreError> {
        let user = self.find(tenant, name).await?;
        let identity = user.map(|user| user.identity);
        let identity = identity.filter(|identity| identity.reach.at(tenant).is_some());
        let principal = identity.map(|identity| identity.principal(tenant));
        Ok(principal.map(|principal| Named { principal, ended: None }))
    }

    /// Puts a user into the store of `tenant`, or another password and other roles to one.
    ///
    /// # Errors
    ///
    /// [`UserError`]; nothing was changed.
    pub async fn put(&self, tenant: &Tenant, new: NewUser, by: &str) -> Result<(), UserError> {
        if !is_name(&new.username) || self.listed(tenant, &new.username).is_some() {
            return Err(UserError::Invalid(
                "a user needs a name of 1 to 200 characters that is not in the users file",
            ));
        }
        let entry = Entry {
            password_hash: self.hashed(&new.password).await?,
            username: new.username,
            roles: new.roles,
            scopes: new.scopes,
            tenant: None,
        };
        let row = self.row(&entry, by)?;
        self.store.write(&USERS, tenant, vec![Change::Merge(row)]).await?;
        self.end_tokens(tenant, &entry.username, Some(&entry.password_hash)).await
    }

    /// Ends what was issued to a user before the password that has this hash; everything where there
    /// is no user any more.
    async fn end_tokens(
        &self,
        tenant: &Tenant,
        name: &str,
        hash: Option<&str>,
    ) -> Result<(), UserError> {
        let epoch = hash.and_then(|hash| StoredHash::parse(hash).ok()).map(|hash| hash.epoch());
        let ended = self.tokens.renew(tenant, name, &epoch.unwrap_or_default()).await;
        if let Err(error) = &ended {
            tracing::warn!(%tenant, name, %error, "other daemons let in with tokens of a former password until they end");
        }
        Ok(ended?)
    }

    async fn hashed(&self, password: &str) -> Result<String, UserError> {
        if !is_acceptable(password) {
            return Err(UserError::Invalid(
                "a password needs 8 to 1024 characters, and may not be one that everybody knows",
            ));
        }
        Ok(self.passwords.hash(password).await?.as_str().to_owned())
    }

    fn row(&self, entry: &Entry, by: &str) -> Result<Row, UserError> {
        if entry.roles.iter().any(|role| !is_name(role) || role == OWNER) {
            return Err(UserError::Invalid("no user has an empty role, or the role `owner`"));
        }
        if let Some(scopes) = &entry.scopes {
            scopes::check(scopes)?;
        }
        let now = column(self.clock.now());
        Ok(Row::new(&entry.username)
            .with("body", serde_json::to_value(entry).expect("texts"))
            .with("updated_by", by)
            .with("updated_at", now))
    }

    /// Changes what is said of a user in the store of `tenant`; what is not said stays. Another
    /// password ends all tokens.
    ///
    /// # Errors
    ///
    /// [`UserError::Missing`] where there is none. Nothing was changed, unless it is
    /// [`UserError::Store`] and the password is another already.
    pub async fn change(
        &self,
        tenant: &Tenant,
        name: &str,
        change: &Changed,
        by: &str,
    ) -> Result<(), UserError> {
        let missing = || UserError::Missing(name.to_owned());
        let rows = self.store.read(&USERS, tenant, &[name]).await?;
        let body = rows.first().and_then(|row| row.get("body")).cloned().ok_or_else(missing)?;
        let Ok(mut entry) = serde_json::from_value::<Entry>(body) else { return Err(missing()) };
        if let Some(password) = &change.password {
            entry.password_hash = self.hashed(password).await?;
        }
        entry.roles = change.roles.clone().unwrap_or(entry.roles);
        entry.scopes = change.scopes.clone().or(entry.scopes);
        let row = self.row(&entry, by)?;
        match self.store.write(&USERS, tenant, vec![Change::Update(row)]).await {
            Err(StoreError::Missing { .. }) => return Err(missing()),
            outcome => outcome?,
        }
        if change.password.is_none() {
            return Ok(());
        }
        self.end_tokens(tenant, name, Some(&entry.password_hash)).await
    }

    /// The users in the store of `tenant`: up to `limit` after the one of the name `after`.
    ///
    /// # Errors
    ///
    /// [`UserError::Store`].
    pub async fn list(
        &self,
        tenant: &Tenant,
        after: Option<&str>,
        limit: u32,
    ) -> Result<Vec<ShownUser>, UserError> {
        let after = after.map(|name| Mark { value: serde_json::Value::Null, key: name.to_owned() });
        let query = Query { after, ..Query::first(limit) };
        let listed = self.store.list(&USERS, tenant, &query).await?;
        let users = listed.rows.iter().filter_map(|row| stored(row, tenant));
        let shown = users.map(|User { identity, .. }| ShownUser {
            username: identity.username,
            roles: identity.roles,
            scopes: identity.scopes,
        });
        Ok(shown.collect())
    }

    /// Deletes a user from the store, and ends all tokens: also whoever gets the name afterwards is
    /// somebody else.
    ///
    /// # Errors
    ///
    /// [`UserError::Missing`] where there is none.
    pub async fn delete(&self, tenant: &Tenant, name: &str) -> Result<(), UserError> {
        match self.store.write(&USERS, tenant, vec![Change::Delete(name.to_owned())]).await {
            Err(StoreError::Missing { .. }) => return Err(UserError::Missing(name.to_owned())),
            other => other?,
        }
        self.end_tokens(tenant, name, None).await
    }
}

/// The users of a file; those that name no tenant have `reach`.
pub(crate) fn listed(path: &Path, reach: &Reach) -> Result<Vec<User>, UsersFileError> {
    let io = |cause| UsersFileError::Io { path: path.to_owned(), cause };
    let length = std::fs::metadata(path).map_err(io)?.len();
    if FILE_LIMIT < length {
        return Err(io(std::io::Error::other("it is larger than 4 MiB")));
    }
    let bytes = std::fs::read(path).map_err(io)?;
    let shape = |cause| UsersFileError::Shape { path: path.to_owned(), cause };
    let entries: Vec<Entry> = serde_json::from_slice(&bytes).map_err(shape)?;
    let (mut users, mut names) = (Vec::new(), HashSet::new());
    for (index, entry) in entries.into_iter().enumerate() {
        let (position, path) = (index + 1, path.to_owned());
        let user = match entry.user(reach) {
            Ok(user) => user,
            Err(why) => return Err(UsersFileError::User { path, position, why }),
        };
        let name = &user.identity.username;
        if !names.insert(name.clone()) {
            let why = format!("`{name}` is there already");
            return Err(UsersFileError::User { path, position, why });
        }
        users.push(user);
    }
    Ok(users)
}

/// What an administrator of the configuration has to have.
pub(crate) fn check_admin(username: &str, password: &str) -> Result<(), UserError> {
    if !is_name(username) {
        return Err(UserError::Invalid("the name of the administrator is empty or too long"));
    }
    if !is_acceptable(password) {
        return Err(UserError::Invalid(
            "the password of the administrator has fewer than 8 characters, or is one that \
             daemons come with",
        ));
    }
    Ok(())
}

/// A user of the store belongs to the tenant whose store it is, whatever its row says.
fn stored(row: &Row, tenant: &Tenant) -> Option<User> {
    let entry: Entry = serde_json::from_value(row.get("body")?.clone()).ok()?;
    let reach = Reach::One(tenant.clone());
    let user = Entry { tenant: None, ..entry }.user(&reach);
    user.ok().filter(|user| user.identity.username == row.key)
}

fn is_name(name: &str) -> bool {
    (1..=NAME).contains(&name.len()) && !name.chars().any(char::is_control)
}
