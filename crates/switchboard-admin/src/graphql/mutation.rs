//! Mutations of the modern surface.

use async_graphql::{Context, Object, Result, SimpleObject};
use switchboard_core::Area;
use switchboard_core::store::tables;

use crate::access::Right;
use crate::desk::{KnownTenant, TenantWish, Upload, Version};
use crate::graphql::desk;
use crate::moment::Moment;
use crate::operations::{KeyWish, Rotation};
use crate::record::{
    Bundle, BundleWish, Key, Limit, LimitWish, PolicyDocument, PolicyWish, RollbackWish, Server,
    ServerWish, User, UserWish,
};

#[derive(Default)]
pub(crate) struct ModernMutation;

/// A new key.
#[derive(SimpleObject)]
struct MadeKey {
    key: Key,
    /// What its holder presents. It is not kept and not shown again.
    text: String,
}

/// Where an archive can be uploaded.
#[derive(SimpleObject)]
struct BundleUpload {
    /// To which the archive is sent with `PUT`, as `application/zip`.
    url: String,
    /// What to give as `upload` afterwards.
    key: String,
    expires_at: Moment,
}

/// What is cached of a tenant.
#[derive(SimpleObject)]
struct CacheCounts {
    tools: u64,
    resources: u64,
    prompts: u64,
    modules: u64,
}

#[Object]
impl ModernMutation {
    /// Makes a server, or changes the version of it that was seen.
    async fn put_server(
        &self,
        context: &Context<'_>,
        name: String,
        input: ServerWish,
        version: Option<i64>,
    ) -> Result<Option<Server>> {
        Ok(Some(desk(context).put_server(&name, input, Version::seen(version)).await?))
    }

    async fn delete_server(
        &self,
        context: &Context<'_>,
        name: String,
        version: Option<i64>,
    ) -> Result<Option<bool>> {
        let desk = desk(context);
        desk.delete_document(&tables::SERVERS, &name, Version::seen(version)).await?;
        Ok(Some(true))
    }

    /// Makes a bundle, or has it served in another version or with another definition. What cannot be
    /// served is refused, and what is served stays.
    async fn put_bundle(
        &self,
        context: &Context<'_>,
        name: String,
        input: BundleWish,
        version: Option<i64>,
    ) -> Result<Option<Bundle>> {
        Ok(Some(desk(context).put_bundle(&name, input, Version::seen(version)).await?))
    }

    /// Has an older version of a bundle served again.
    async fn roll_back_bundle(
        &self,
        context: &Context<'_>,
        name: String,
        input: Option<RollbackWish>,
        version: Option<i64>,
    ) -> Result<Option<Bundle>> {
        let (wish, version) = (input.unwrap_or_default(), Version::seen(version));
        Ok(Some(desk(context).roll_back(&name, wish, version).await?))
    }

    /// Deletes a bundle and its versions.
    async fn delete_bundle(
        &self,
        context: &Context<'_>,
        name: String,
        version: Option<i64>,
    ) -> Result<Option<bool>> {
        desk(context).remove_bundle(&name, Version::seen(version)).await?;
        Ok(Some(true))
    }

    /// An address for the archive of a bundle that is too large for a request.
    async fn create_bundle_upload(
        &self,
        context: &Context<'_>,
        name: String,
    ) -> Result<Option<BundleUpload>> {
        let Upload { url, key, expires } = desk(context).bundle_upload(&name).await?;
        Ok(Some(BundleUpload { url, key, expires_at: expires }))
    }

    /// Reads the lists of all servers again, or of one.
    async fn refresh_servers(
        &self,
        context: &Context<'_>,
        name: Option<String>,
    ) -> Result<Option<CacheCounts>> {
        let desk = desk(context);
        desk.access.require(Right::Manage(Area::Servers))?;
        let facts = desk.ports.operations.refresh(desk.tenant(), name.as_deref()).await;
        let facts = facts.map_err(crate::fault::Fault::from)?;
        let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
        Ok(Some(CacheCounts {
            tools: count(facts.tools),
            resources: count(facts.resources),
            prompts: count(facts.prompts),
            modules: count(facts.modules),
        }))
    }

    /// Forgets what is cached of the tenant.
    async fn purge_cache(&self, context: &Context<'_>) -> Result<Option<bool>> {
        let desk = desk(context);
        desk.access.require(Right::Manage(Area::Cache))?;
        desk.ports.operations.purge(Some(desk.tenant())).await;
        Ok(Some(true))
    }

    async fn create_key(&self, context: &Context<'_>, input: KeyWish) -> Result<Option<MadeKey>> {
        let (key, text) = desk(context).make_key(input).await?;
        Ok(Some(MadeKey { key, text }))
    }

    /// Makes another text for a key, which is shown this once.
    async fn rotate_key(
        &self,
        context: &Context<'_>,
        id: String,
        input: Option<Rotation>,
    ) -> Result<Option<MadeKey>> {
        let (key, text) = desk(context).rotate_key(&id, input.unwrap_or_default()).await?;
        Ok(Some(MadeKey { key, text }))
    }

    async fn revoke_key(&self, context: &Context<'_>, id: String) -> Result<Option<bool>> {
        desk(context).revoke_key(&id).await?;
        Ok(Some(true))
    }

    /// Makes or changes a user; what is not named stays.
    async fn put_user(
        &self,
        context: &Context<'_>,
        name: String,
        input: UserWish,
    ) -> Result<Option<User>> {
        Ok(Some(desk(context).put_user(&name, input).await?))
    }

    async fn delete_user(&self, context: &Context<'_>, name: String) -> Result<Option<bool>> {
        desk(context).remove_user(&name).await?;
        Ok(Some(true))
    }

    /// Makes a tenant, which only whoever runs the daemon can do.
    async fn create_tenant(
        &self,
        context: &Context<'_>,
        input: TenantWish,
    ) -> Result<Option<KnownTenant>> {
        Ok(Some(desk(context).make_tenant(input).await?))
    }

    /// Ends what serves a tenant and deletes everything that is kept of it.
    async fn delete_tenant(&self, context: &Context<'_>, name: String) -> Result<Option<bool>> {
        desk(context).remove_tenant(&name).await?;
        Ok(Some(true))
    }

    /// Makes a policy, or changes the version of it that was seen.
    async fn put_policy(
        &self,
        context: &Context<'_>,
        id: String,
        input: PolicyWish,
        version: Option<i64>,
    ) -> Result<Option<PolicyDocument>> {
        Ok(Some(desk(context).put_policy(&id, input, Version::seen(version)).await?))
    }

    async fn delete_policy(
        &self,
        context: &Context<'_>,
        id: String,
        version: Option<i64>,
    ) -> Result<Option<bool>> {
        let desk = desk(context);
        desk.delete_document(&tables::POLICIES, &id, Version::seen(version)).await?;
        Ok(Some(true))
    }

    /// Makes a limit, or changes the version of it that was seen.
    async fn put_limit(
        &self,
        context: &Context<'_>,
        id: String,
        input: LimitWish,
        version: Option<i64>,
    ) -> Result<Option<Limit>> {
        Ok(Some(desk(context).put_limit(&id, input, Version::seen(version)).await?))
    }

    async fn delete_limit(
        &self,
        context: &Context<'_>,
        id: String,
        version: Option<i64>,
    ) -> Result<Option<bool>> {
        let desk = desk(context);
        desk.delete_document(&tables::LIMITS, &id, Version::seen(version)).await?;
        Ok(Some(true))
    }
}
