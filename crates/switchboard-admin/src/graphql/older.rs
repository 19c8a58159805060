//! Queries of the older engine, under their own names.

mod mutation;

use async_graphql::{Context, Object, Result};
use switchboard_core::store::{Query, Test, tables};

pub(super) use mutation::OlderMutation;

use crate::desk::{CallFilter, FunctionFilter};
use crate::graphql::desk;
use crate::graphql::loader::{warm_functions, warm_modules};
use crate::graphql::payload::{CallList, FunctionList, ModuleList, SettingList};
use crate::moment::Moment;
use crate::page::{Numbered, weight};
use crate::record::{Call, Function, Module, Setting};

#[derive(Default)]
pub(crate) struct OlderQuery;

#[Object]
#[expect(
    clippy::too_many_arguments,
    unused_variables,
    reason = "the arguments of these fields are those of the older engine, also where they had no \
              effect"
)]
impl OlderQuery {
    /// Says that the daemon is there.
    async fn ping(&self, context: &Context<'_>) -> String {
        // As it was there: the time of day.
        format!("Hello at {}!!", &desk(context).now().as_str()[11..19])
    }

    async fn mcp_function(&self, context: &Context<'_>, name: String) -> Result<Option<Function>> {
        Ok(desk(context).function(&name).await?)
    }

    /// Functions by page, those whose description has the given text in it.
    #[graphql(complexity = "weight(limit, child_complexity)")]
    async fn mcp_function_list(
        &self,
        context: &Context<'_>,
        page_number: Option<i32>,
        limit: Option<i32>,
        mcp_type: Option<String>,
        description: Option<String>,
        module_name: Option<String>,
        class_name: Option<String>,
        function_name: Option<String>,
        status: Option<i64>,
    ) -> Result<Option<FunctionList>> {
        let page = Numbered::new(page_number, limit)?;
        let filter = FunctionFilter {
            mcp_type,
            description,
            module_name,
            class_name,
            function_name,
            status,
        };
        let listed = desk(context).functions(filter, numbered(context, page)).await?;
        warm_functions(context, &listed.rows).await;
        let tenant = desk(context).tenant();
        Ok(Some(FunctionList {
            page_size: Some(page.size.into()),
            page_number: Some(page.number.into()),
            total: listed.total,
            mcp_function_list: Some(listed.rows.iter().map(|r| Function::of(tenant, r)).collect()),
        }))
    }

    async fn mcp_function_call(
        &self,
        context: &Context<'_>,
        mcp_function_call_uuid: String,
    ) -> Result<Option<Call>> {
        Ok(desk(context).call(&mcp_function_call_uuid).await?)
    }

    /// Calls by page, those that changed last first; of one `mcpType` or `name`, without a bound on
    /// `updatedAt`, in the order of their ids.
    #[graphql(complexity = "weight(limit, child_complexity)")]
    async fn mcp_function_call_list(
        &self,
        context: &Context<'_>,
        page_number: Option<i32>,
        limit: Option<i32>,
        mcp_type: Option<String>,
        name: Option<String>,
        status: Option<String>,
        updated_at_gt: Option<Moment>,
        updated_at_lt: Option<Moment>,
    ) -> Result<Option<CallList>> {
        let page = Numbered::new(page_number, limit)?;
        let is_bound = updated_at_gt.is_some() || updated_at_lt.is_some();
        // What is of a type or name has an index of its own, in whose order it was there too.
        let is_by_time = is_bound || (mcp_type.is_none() && name.is_none());
        let query = numbered(context, page).by(is_by_time.then_some("updated_at"), is_by_time);
        let items = context.look_ahead().field("mcpFunctionCallList");
        let query = Query { omits_large: omits_large(&items), ..query };
        let filter = CallFilter {
            mcp_type,
            name,
            status,
            updated_after: updated_at_gt,
            updated_before: updated_at_lt,
            ..CallFilter::default()
        };
        let listed = desk(context).calls(filter, query).await?;
        let tenant = desk(context).tenant();
        Ok(Some(CallList {
            page_size: Some(page.size.into()),
            page_number: Some(page.number.into()),
            total: listed.total,
            mcp_function_call_list: Some(listed.rows.iter().map(|r| Call::of(tenant, r)).collect()),
        }))
    }

    async fn mcp_module(
        &self,
        context: &Context<'_>,
        module_name: String,
    ) -> Result<Option<Module>> {
        Ok(desk(context).module(&module_name).await?)
    }

    /// Modules by page. Of the other arguments only `moduleName` ever had an effect.
    #[graphql(complexity = "weight(limit, child_complexity)")]
    async fn mcp_module_list(
        &self,
        context: &Context<'_>,
        page_number: Option<i32>,
        limit: Option<i32>,
        mcp_type: Option<String>,
        description: Option<String>,
        module_name: Option<String>,
        class_name: Option<String>,
        function_name: Option<String>,
    ) -> Result<Option<ModuleList>> {
        let page = Numbered::new(page_number, limit)?;
        let mut query = numbered(context, page);
        if let Some(name) = module_name {
            query = query.only(tables::MODULES.key, Test::Is(name.into()));
        }
        let listed = desk(context).rows(&tables::MODULES, &query).await?;
        warm_modules(context, &listed.rows).await;
        let tenant = desk(context).tenant();
        Ok(Some(ModuleList {
            page_size: Some(page.size.into()),
            page_number: Some(page.number.into()),
            total: listed.total,
            mcp_module_list: Some(listed.rows.iter().map(|r| Module::of(tenant, r)).collect()),
        }))
    }

    async fn mcp_setting(
        &self,
        context: &Context<'_>,
        setting_id: String,
    ) -> Result<Option<Setting>> {
        Ok(desk(context).setting(&setting_id).await?)
    }

    /// Settings by page, those whose id has the given text in it.
    #[graphql(complexity = "weight(limit, child_complexity)")]
    async fn mcp_setting_list(
        &self,
        context: &Context<'_>,
        page_number: Option<i32>,
        limit: Option<i32>,
        setting_id: Option<String>,
    ) -> Result<Option<SettingList>> {
        let page = Numbered::new(page_number, limit)?;
        let mut query = numbered(context, page);
        if let Some(part) = setting_id {
            query = query.only(tables::SETTINGS.key, Test::Contains(part));
        }
        let listed = desk(context).rows(&tables::SETTINGS, &query).await?;
        let tenant = desk(context).tenant();
        Ok(Some(SettingList {
            page_size: Some(page.size.into()),
            page_number: Some(page.number.into()),
            total: listed.total,
            mcp_setting_list: Some(listed.rows.iter().map(|r| Setting::of(tenant, r)).collect()),
        }))
    }
}

/// Whether nothing is asked of calls that may be kept beside their rows.
pub(super) fn omits_large(items: &async_graphql::Lookahead<'_>) -> bool {
    !items.field("content").exists() && !items.field("arguments").exists()
}

/// The query for a page by its number. All are counted only for who asks how many there are: of a
/// million calls that takes longer than the page.
fn numbered(context: &Context<'_>, page: Numbered) -> Query {
    Query { counts: context.look_ahead().field("total").exists(), ..page.query() }
}
