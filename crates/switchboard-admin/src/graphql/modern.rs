//! Queries of the modern surface.

use async_graphql::{Context, Object, Result, SimpleObject};
use switchboard_core::store::{Query, Test, tables};
use switchboard_core::{Area, Kind};

use crate::access::Right;
use crate::desk::{CallFilter, FunctionFilter};
use crate::explained::{ExplainWish, Explained};
use crate::fault::Fault;
use crate::graphql::connection::{Connection, after, cursor, of_all, of_page, of_rows};
use crate::graphql::desk;
use crate::graphql::loader::{ServerNode, warm_functions, warm_modules, warm_servers};
use crate::graphql::older::omits_large;
use crate::moment::Moment;
use crate::operations::{Facts, Tool};
use crate::page::{limit, weight};
use crate::record::{
    Bundle, BundleVersion, Call, Function, Key, Limit, Module, PolicyDocument, Setting, User,
};

#[derive(Default)]
pub(crate) struct ModernQuery;

/// Whoever sent the request.
#[derive(SimpleObject)]
struct Me {
    tenant: String,
    subject: String,
    name: Option<String>,
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    /// How it proved who it is.
    method: String,
    expires_at: Option<Moment>,
}

/// Whether a policy would be taken.
#[derive(SimpleObject)]
struct PolicyCheck {
    ok: bool,
    /// Why not.
    message: Option<String>,
}

#[Object]
#[expect(clippy::too_many_arguments, reason = "each filter of a list is an argument of its field")]
impl ModernQuery {
    async fn me(&self, context: &Context<'_>) -> Me {
        let principal = &desk(context).access.principal;
        let texts = |texts: &[std::sync::Arc<str>]| texts.iter().map(ToString::to_string).collect();
        Me {
            tenant: principal.tenant.to_string(),
            subject: principal.subject.to_string(),
            name: principal.standing.name.as_ref().map(ToString::to_string),
            roles: texts(&principal.standing.roles),
            scopes: principal.standing.scopes.as_deref().map(texts),
            method: principal.standing.method.as_str().to_owned(),
            expires_at: principal.standing.expires.map(Moment::at),
        }
    }

    async fn daemon(&self, context: &Context<'_>) -> Result<Option<Facts>> {
        let desk = desk(context);
        desk.access.require(Right::Inspect(Area::Operations))?;
        Ok(Some(desk.ports.operations.facts()))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn functions(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
        mcp_type: Option<String>,
        module_name: Option<String>,
        description: Option<String>,
        status: Option<i64>,
    ) -> Result<Option<Connection<Function>>> {
        let is_first = behind.is_none();
        let query = after(context, first, behind.as_deref())?.query(false)?;
        let filter = FunctionFilter {
            mcp_type,
            module_name,
            description,
            status,
            ..FunctionFilter::default()
        };
        let listed = desk(context).functions(filter, query).await?;
        warm_functions(context, &listed.rows).await;
        let tenant = desk(context).tenant();
        Ok(Some(of_rows(&listed, is_first, |row| Function::of(tenant, row))))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn modules(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
        package_name: Option<String>,
    ) -> Result<Option<Connection<Module>>> {
        let is_first = behind.is_none();
        let mut query = after(context, first, behind.as_deref())?.query(false)?;
        if let Some(package) = package_name {
            query = query.only("package_name", Test::Is(package.into()));
        }
        let listed = desk(context).rows(&tables::MODULES, &query).await?;
        warm_modules(context, &listed.rows).await;
        let tenant = desk(context).tenant();
        Ok(Some(of_rows(&listed, is_first, |row| Module::of(tenant, row))))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn settings(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<Setting>>> {
        let is_first = behind.is_none();
        let query = after(context, first, behind.as_deref())?.query(false)?;
        let listed = desk(context).rows(&tables::SETTINGS, &query).await?;
        let tenant = desk(context).tenant();
        Ok(Some(of_rows(&listed, is_first, |row| Setting::of(tenant, row))))
    }

    /// Calls, the latest first.
    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn calls(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
        name: Option<String>,
        mcp_type: Option<String>,
        status: Option<String>,
        subject: Option<String>,
        upstream: Option<String>,
        updated_after: Option<Moment>,
        updated_before: Option<Moment>,
    ) -> Result<Option<Connection<Call>>> {
        let is_first = behind.is_none();
        let query = after(context, first, behind.as_deref())?.query(true)?;
        let look = context.look_ahead();
        let is_left_out =
            omits_large(&look.field("edges").field("node")) && omits_large(&look.field("nodes"));
        let query = Query { omits_large: is_left_out, ..query };
        let filter =
            CallFilter { mcp_type, name, status, subject, upstream, updated_after, updated_before };
        let listed = desk(context).calls(filter, query).await?;
        let tenant = desk(context).tenant();
        Ok(Some(of_rows(&listed, is_first, |row| Call::of(tenant, row))))
    }

    /// The servers of the configuration file and those of the store.
    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn servers(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<Connection<ServerNode>>> {
        let desk = desk(context);
        desk.access.require(Right::Inspect(Area::Servers))?;
        let states = desk.ports.operations.servers(desk.tenant()).await;
        warm_servers(context, &states).await;
        let nodes = states.into_iter().map(|state| (state.name.clone(), ServerNode { state }));
        Ok(Some(of_all(nodes.collect(), first, after.as_deref())?))
    }

    /// The tools of all servers, or of one.
    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn tools(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
        server: Option<String>,
    ) -> Result<Option<Connection<Tool>>> {
        let desk = desk(context);
        desk.access.require(Right::Inspect(Area::Servers))?;
        let offers = desk.ports.operations.offers(desk.tenant()).await;
        let tools = offers
            .into_iter()
            .filter(|offer| offer.kind == Kind::Tools)
            .filter(|offer| server.as_ref().is_none_or(|server| offer.server == *server))
            .map(|offer| (offer.exposed.clone(), Tool::from(offer)));
        Ok(Some(of_all(tools.collect(), first, after.as_deref())?))
    }

    /// Who can log in to the tenant: its keys, then its users.
    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn principals(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        after: Option<String>,
    ) -> Result<Option<Connection<crate::desk::Known>>> {
        let is_first = after.is_none();
        let (known, has_more) =
            desk(context).principals(cursor(after.as_deref())?, limit(first)?).await?;
        let page = known.into_iter().map(|known| (known.subject.clone(), known)).collect();
        Ok(Some(of_page(page, is_first, has_more)))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn users(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<User>>> {
        let (query, is_first) = documents(context, first, behind.as_deref())?;
        let listed = desk(context).rows(&tables::USERS, &query).await?;
        Ok(Some(of_rows(&listed, is_first, |row| User::from(row))))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn keys(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<Key>>> {
        let (query, is_first) = documents(context, first, behind.as_deref())?;
        let listed = desk(context).rows(&tables::KEYS, &query).await?;
        Ok(Some(of_rows(&listed, is_first, |row| Key::from(row))))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn policies(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<PolicyDocument>>> {
        let (query, is_first) = documents(context, first, behind.as_deref())?;
        let listed = desk(context).rows(&tables::POLICIES, &query).await?;
        Ok(Some(of_rows(&listed, is_first, |row| PolicyDocument::from(row))))
    }

    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn limits(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<Limit>>> {
        let (query, is_first) = documents(context, first, behind.as_deref())?;
        let listed = desk(context).rows(&tables::LIMITS, &query).await?;
        Ok(Some(of_rows(&listed, is_first, |row| Limit::from(row))))
    }

    /// Bundles that were pushed.
    #[graphql(complexity = "weight(first, child_complexity)")]
    async fn bundles(
        &self,
        context: &Context<'_>,
        first: Option<i32>,
        #[graphql(name = "after")] behind: Option<String>,
    ) -> Result<Option<Connection<Bundle>>> {
        let (query, is_first) = documents(context, first, behind.as_deref())?;
        let listed = desk(context).rows(&tables::BUNDLES, &query).await?;
        Ok(Some(of_rows(&listed, is_first, |row| Bundle::from(row))))
    }

    /// The versions that are kept of a bundle, those first that were pushed last.
    async fn bundle_versions(
        &self,
        context: &Context<'_>,
        name: String,
    ) -> Result<Option<Vec<BundleVersion>>> {
        Ok(Some(desk(context).bundle_versions(&name).await?))
    }

    /// The tenants that something is kept of; to whoever does not run the daemon, the own one.
    async fn tenants(&self, context: &Context<'_>) -> Result<Option<Vec<String>>> {
        Ok(Some(desk(context).tenants().await?))
    }

    /// What somebody may do, and why. To name a key or a user needs the rights to inspect keys and
    /// to inspect users as well.
    async fn explain(
        &self,
        context: &Context<'_>,
        input: ExplainWish,
    ) -> Result<Option<Explained>> {
        Ok(Some(desk(context).explain(input).await?))
    }

    /// Whether a policy would be taken, without keeping it.
    async fn check_policy(
        &self,
        context: &Context<'_>,
        text: String,
    ) -> Result<Option<PolicyCheck>> {
        match desk(context).check_policy(&text) {
            Ok(()) => Ok(Some(PolicyCheck { ok: true, message: None })),
            Err(Fault::Invalid(message)) => {
                Ok(Some(PolicyCheck { ok: false, message: Some(message) }))
            }
            Err(fault) => Err(fault.into()),
        }
    }
}

fn documents(
    context: &Context<'_>,
    first: Option<i32>,
    behind: Option<&str>,
) -> Result<(Query, bool), Fault> {
    let is_first = behind.is_none();
    Ok((after(context, first, behind)?.query(false)?, is_first))
}
