//! Types of the older engine that are no rows: lists and answers of mutations, by the names that
//! they had there.

use async_graphql::SimpleObject;

use crate::desk::Stats;
use crate::moment::Moment;
use crate::record::{Call, Function, Module, Setting};

#[derive(SimpleObject)]
#[graphql(name = "MCPFunctionListType")]
pub(super) struct FunctionList {
    pub page_size: Option<i64>,
    pub page_number: Option<i64>,
    /// How many there are on all pages.
    pub total: Option<u64>,
    pub mcp_function_list: Option<Vec<Function>>,
}

#[derive(SimpleObject)]
#[graphql(name = "MCPFunctionCallListType")]
pub(super) struct CallList {
    pub page_size: Option<i64>,
    pub page_number: Option<i64>,
    /// How many there are on all pages.
    pub total: Option<u64>,
    pub mcp_function_call_list: Option<Vec<Call>>,
}

#[derive(SimpleObject)]
#[graphql(name = "MCPModuleListType")]
pub(super) struct ModuleList {
    pub page_size: Option<i64>,
    pub page_number: Option<i64>,
    /// How many there are on all pages.
    pub total: Option<u64>,
    pub mcp_module_list: Option<Vec<Module>>,
}

#[derive(SimpleObject)]
#[graphql(name = "MCPSettingListType")]
pub(super) struct SettingList {
    pub page_size: Option<i64>,
    pub page_number: Option<i64>,
    /// How many there are on all pages.
    pub total: Option<u64>,
    pub mcp_setting_list: Option<Vec<Setting>>,
}

#[derive(SimpleObject)]
pub(super) struct InsertUpdateMcpFunction {
    pub mcp_function: Option<Function>,
}

#[derive(SimpleObject)]
pub(super) struct InsertUpdateMcpFunctionCall {
    pub mcp_function_call: Option<Call>,
}

#[derive(SimpleObject)]
pub(super) struct InsertUpdateMcpModule {
    pub mcp_module: Option<Module>,
}

#[derive(SimpleObject)]
pub(super) struct InsertUpdateMcpSetting {
    pub mcp_setting: Option<Setting>,
}

#[derive(SimpleObject)]
pub(super) struct DeleteMcpFunction {
    pub ok: Option<bool>,
}

#[derive(SimpleObject)]
pub(super) struct DeleteMcpFunctionCall {
    pub ok: Option<bool>,
}

#[derive(SimpleObject)]
pub(super) struct DeleteMcpModule {
    pub ok: Option<bool>,
}

#[derive(SimpleObject)]
pub(super) struct DeleteMcpSetting {
    pub ok: Option<bool>,
}

#[derive(SimpleObject)]
pub(super) struct LoadMcpConfiguration {
    pub ok: Option<bool>,
    pub message: Option<String>,
    pub stats: Option<Stats>,
}

#[derive(SimpleObject)]
pub(super) struct GenerateMcpPackageUploadUrl {
    pub ok: bool,
    pub message: Option<String>,
    pub upload_url: Option<String>,
    #[graphql(name = "s3Key")]
    pub s3_key: Option<String>,
    pub expires_at: Option<Moment>,
}

#[derive(SimpleObject)]
pub(super) struct ProcessMcpPackage {
    pub ok: bool,
    pub message: Option<String>,
    pub stats: Option<Stats>,
}

#[derive(SimpleObject)]
pub(super) struct SyncExternalMcpServer {
    pub ok: bool,
    pub message: Option<String>,
    pub stats: Option<Stats>,
}
