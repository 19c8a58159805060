//! What people and programs log in with. The daemon makes it, for it alone knows the hashes.
//!
//! Nobody gives what they do not have: whoever may manage keys and users, and is no administrator,
//! makes no administrators, takes over none by giving them another password, and takes none away. What
//! a credential is limited to, whatever its roles, limits what is made with it: scopes, and the end of
//! a key.

use std::time::Duration;

use switchboard_core::store::{Listed, Query, Row, Table, tables};
use switchboard_core::{ADMIN, Area, LoginMethod, OWNER};

use crate::access::Right;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::live::Event;
use crate::moment::Moment;
use crate::operations::{KeyWish, LoginChange, LoginChanged, Rotation, UserChange};
use crate::page::Cursor;
use crate::record::{Key, User, UserWish};

/// Somebody or something that can log in.
#[derive(Clone, Debug, async_graphql::SimpleObject)]
#[graphql(name = "PrincipalEntry")]
pub(crate) struct Known {
    /// `key:ID` or `user:NAME`.
    pub subject: String,
    pub name: Option<String>,
    pub roles: Vec<String>,
}

/// How long the text before stays good where nobody says it, as that of the key of the instance
/// (`auth.rotate_grace`): until its programs have the new one.
const GRACE: Duration = Duration::from_secs(24 * 60 * 60);

impl Desk {
    /// A new key; its id and its text, which is not to be had again.
    pub(crate) async fn make_key(&self, wish: KeyWish) -> Result<(Key, String), Fault> {
        self.access.require(Right::Manage(Area::Keys))?;
        if wish.name.is_empty() {
            return Err(Fault::invalid("a key needs a name"));
        }
        self.may_grant(&wish.roles)?;
        self.may_reach(wish.scopes.as_deref())?;
        self.may_last(wish.expires_at.as_ref())?;
        if wish.subject.is_some() && !self.grants_all() {
            return Err(Fault::Forbidden("make keys that act as somebody else".to_owned()));
        }
        match self.change_login(LoginChange::MakeKey(wish)).await? {
            LoginChanged::KeyMade { id, text } => {
                Ok((Key::from(&self.written(&tables::KEYS, &id).await?), text))
            }
            LoginChanged::Done => Err(Fault::internal(&"a key was made, and there is none")),
        }
    }

    /// Another text for a key, not to be had again. Whoever gets it has what the key may do, as with one
    /// that they make.
    pub(crate) async fn rotate_key(
        &self,
        id: &str,
        wish: Rotation,
    ) -> Result<(Key, String), Fault> {
        self.access.require(Right::Manage(Area::Keys))?;
        let missing = || Fault::NotFound { what: "key", key: id.to_owned() };
        let kept = self.kept_login(&tables::KEYS, id).await?.ok_or_else(missing)?;
        let kept = Key::from(&kept);
        self.may_grant(&kept.roles)?;
        self.may_reach(kept.scopes.as_deref())?;
        self.may_last(kept.expires_at.as_ref())?;
        let is_itself = kept.subject.is_none_or(|subject| subject == format!("key:{id}"));
        if !is_itself && !self.grants_all() {
            return Err(Fault::Forbidden("rotate keys that act as somebody else".to_owned()));
        }
        let grace = wish.grace_seconds.map_or(GRACE, |it| Duration::from_secs(it.into()));
        match self.change_login(LoginChange::RotateKey { id: id.to_owned(), grace }).await? {
            LoginChanged::KeyMade { id, text } => {
                Ok((Key::from(&self.written(&tables::KEYS, &id).await?), text))
            }
            LoginChanged::Done => Err(Fault::internal(&"a key was rotated, and has no text")),
        }
    }

    pub(crate) async fn revoke_key(&self, id: &str) -> Result<(), Fault> {
        self.access.require(Right::Manage(Area::Keys))?;
        let kept = self.kept_login(&tables::KEYS, id).await?;
        self.may_grant(&kept.map(|row| Key::from(&row).roles).unwrap_or_default())?;
        self.change_login(LoginChange::RevokeKey { id: id.to_owned() }).await.map(drop)
    }

    pub(crate) async fn put_user(&self, name: &str, wish: UserWish) -> Result<User, Fault> {
        self.access.require(Right::Manage(Area::Users))?;
        if name.is_empty() {
            return Err(Fault::invalid("a user needs a name"));
        }
        let UserWish { password, roles, scopes } = wish;
        self.may_grant(roles.as_deref().unwrap_or_default())?;
        let kept = self.kept_login(&tables::USERS, name).await?.map(|row| User::from(&row));
        let (kept_roles, kept_scopes) =
            kept.map(|user| (user.roles, user.scopes)).unwrap_or_default();
        self.may_grant(&kept_roles)?;
        // What is not said stays.
        self.may_reach(scopes.as_deref().or(kept_scopes.as_deref()))?;
        if password.is_some() {
            self.may_last(None)?;
        }
        let change = UserChange { name: name.to_owned(), password, roles, scopes };
        self.change_login(LoginChange::PutUser(change)).await?;
        Ok(User::from(&self.written(&tables::USERS, name).await?))
    }

    pub(crate) async fn remove_user(&self, name: &str) -> Result<(), Fault> {
        self.access.require(Right::Manage(Area::Users))?;
        let kept = self.kept_login(&tables::USERS, name).await?;
        self.may_grant(&kept.map(|row| User::from(&row).roles).unwrap_or_default())?;
        self.change_login(LoginChange::RemoveUser { name: name.to_owned() }).await.map(drop)
    }

    /// All who can log in to the tenant: its keys, then its users. Those of an identity provider are
    /// known to that alone.
    pub(crate) async fn principals(
        &self,
        after: Option<Cursor>,
        limit: u32,
    ) -> Result<(Vec<Known>, bool), Fault> {
        self.access.require(Right::Inspect(Area::Keys))?;
        self.access.require(Right::Inspect(Area::Users))?;
        let place = after.map(|cursor| cursor.0);
        let is_among_users = place.as_deref().is_some_and(|place| place.starts_with("user:"));
        let mut known = Vec::new();
        if !is_among_users {
            let key = place.as_deref().and_then(|place| place.strip_prefix("key:"));
            let listed = self.rows(&tables::KEYS, &behind(key, limit)).await?;
            known.extend(listed.rows.iter().map(|row| {
                let key = Key::from(row);
                Known { subject: format!("key:{}", key.id), name: key.name, roles: key.roles }
            }));
            if listed.has_more {
                return Ok((known, true));
            }
        }
        let user = place.as_deref().and_then(|place| place.strip_prefix("user:"));
        // One more than fits tells whether there are more behind a page that keys have filled.
        let room = limit - u32::try_from(known.len()).unwrap_or(limit);
        let Listed { rows, has_more, .. } =
            self.rows(&tables::USERS, &behind(user, room.max(1))).await?;
        let fitting = usize::try_from(room).unwrap_or_default();
        let has_more = has_more || fitting < rows.len();
        known.extend(rows.iter().take(fitting).map(|row| {
            let user = User::from(row);
            Known {
                subject: format!("user:{}", user.name),
                name: Some(user.name),
                roles: user.roles,
            }
        }));
        Ok((known, has_more))
    }

    /// Whether the principal may give these roles to somebody.
    fn may_grant(&self, roles: &[String]) -> Result<(), Fault> {
        let may = |role: &String| match role.as_str() {
            // What runs the daemon is said by its configuration, and by nobody here.
            OWNER => false,
            role => self.grants_all() || self.access.principal.has_role(role),
        };
        match roles.iter().find(|role| !may(role)) {
            Some(role) => Err(Fault::Forbidden(format!("give the role `{role}`"))),
            None => Ok(()),
        }
    }

    /// Whether the principal may make a credential that is limited to these scopes, or to none.
    fn may_reach(&self, scopes: Option<&[String]>) -> Result<(), Fault> {
        let own = self.access.principal.standing.scopes.as_deref();
        if switchboard_core::scopes::includes(own, scopes) {
            return Ok(());
        }
        let own: Vec<_> = own.unwrap_or_default().iter().map(|scope| &**scope).collect();
        Err(Fault::Forbidden(format!(
            "reach further than the own credential, which is limited to `{}`",
            own.join("`, `")
        )))
    }

    /// Whether the principal may make a credential that ends then, or never. Tokens end too, but
    /// whoever has one gets the next; a key that ends is one that somebody wanted to end.
    fn may_last(&self, until: Option<&Moment>) -> Result<(), Fault> {
        let standing = &self.access.principal.standing;
        let Some(own) = standing.expires.filter(|_| standing.method == LoginMethod::ApiKey) else {
            return Ok(());
        };
        if until.and_then(Moment::time).is_some_and(|until| until <= own) {
            return Ok(());
        }
        let own = Moment::at(own);
        Err(Fault::Forbidden(format!(
            "make what lasts longer than the own key, which ends at {}",
            own.as_str()
        )))
    }

    async fn kept_login(&self, table: &'static Table, key: &str) -> Result<Option<Row>, Fault> {
        if key.is_empty() {
            return Ok(None);
        }
        Ok(self.ports.store.read(table, self.tenant(), &[key]).await?.pop())
    }

    fn grants_all(&self) -> bool {
        let principal = &self.access.principal;
        principal.is_owner() || principal.has_role(ADMIN)
    }

    async fn change_login(&self, change: LoginChange) -> Result<LoginChanged, Fault> {
        let area = match &change {
            LoginChange::MakeKey(_)
            | LoginChange::RevokeKey { .. }
            | LoginChange::RotateKey { .. } => Area::Keys,
            LoginChange::PutUser(_) | LoginChange::RemoveUser { .. } => Area::Users,
        };
        let changed = self.ports.operations.login(self.tenant(), self.subject(), change).await?;
        self.live.announce(self.tenant(), Event::Changed(area));
        Ok(changed)
    }
}

fn behind(key: Option<&str>, limit: u32) -> Query {
    let after = key.map(|key| switchboard_core::store::Mark {
        value: serde_json::Value::Null,
        key: key.to_owned(),
    });
    Query { after, ..Query::first(limit) }
}
