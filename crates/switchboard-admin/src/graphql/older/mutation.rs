//! Mutations of the older engine, under their own names.

use async_graphql::{Context, Object, Result};
use serde_json::{Map, Value};
use switchboard_core::store::tables;

use crate::desk::{Extent, External, Load, Stats};
use crate::fault::Fault;
use crate::graphql::desk;
use crate::graphql::payload::{
    DeleteMcpFunction, DeleteMcpFunctionCall, DeleteMcpModule, DeleteMcpSetting,
    GenerateMcpPackageUploadUrl, InsertUpdateMcpFunction, InsertUpdateMcpFunctionCall,
    InsertUpdateMcpModule, InsertUpdateMcpSetting, LoadMcpConfiguration, ProcessMcpPackage,
    SyncExternalMcpServer,
};
use crate::record::{CallWish, Class, FunctionWish, ModuleWish, SettingWish};
use crate::scalar::JsonCamelCase;

#[derive(Default)]
pub(crate) struct OlderMutation;

#[Object]
#[expect(
    clippy::too_many_arguments,
    unused_variables,
    reason = "the arguments of these fields are those of the older engine; what became of a value \
              that is large, and code in packages, is not the caller's to say any more"
)]
impl OlderMutation {
    /// Makes or changes a function; what is not named stays.
    async fn insert_update_mcp_function(
        &self,
        context: &Context<'_>,
        name: String,
        mcp_type: String,
        description: Option<String>,
        data: Option<JsonCamelCase>,
        annotations: Option<String>,
        module_name: Option<String>,
        class_name: Option<String>,
        function_name: Option<String>,
        return_type: Option<String>,
        is_async: Option<bool>,
        status: Option<i64>,
        updated_by: String,
    ) -> Result<Option<InsertUpdateMcpFunction>> {
        let wish = FunctionWish {
            mcp_type: Some(mcp_type),
            description,
            data,
            annotations,
            module_name,
            class_name,
            function_name,
            return_type,
            is_async,
            status,
        };
        let desk = desk(context);
        let function = desk.put_function(&name, wish, Extent::Partly, Some(updated_by)).await?;
        Ok(Some(InsertUpdateMcpFunction { mcp_function: Some(function) }))
    }

    async fn delete_mcp_function(
        &self,
        context: &Context<'_>,
        name: String,
    ) -> Result<Option<DeleteMcpFunction>> {
        desk(context).delete(&tables::FUNCTIONS, &name).await?;
        Ok(Some(DeleteMcpFunction { ok: Some(true) }))
    }

    /// Makes the record of a call, or changes the one of the id.
    async fn insert_update_mcp_function_call(
        &self,
        context: &Context<'_>,
        mcp_function_call_uuid: Option<String>,
        name: Option<String>,
        mcp_type: Option<String>,
        arguments: Option<JsonCamelCase>,
        #[graphql(name = "contentInS3", desc = "Has no effect: the store decides.")]
        content_in_s3: Option<bool>,
        content: Option<String>,
        status: Option<String>,
        notes: Option<String>,
        time_spent: Option<i64>,
        updated_by: String,
    ) -> Result<Option<InsertUpdateMcpFunctionCall>> {
        let wish = CallWish { name, mcp_type, arguments, content, status, notes, time_spent };
        let id = mcp_function_call_uuid.as_deref();
        let call = desk(context).put_call(id, wish, Some(updated_by)).await?;
        Ok(Some(InsertUpdateMcpFunctionCall { mcp_function_call: Some(call) }))
    }

    async fn delete_mcp_function_call(
        &self,
        context: &Context<'_>,
        mcp_function_call_uuid: String,
    ) -> Result<Option<DeleteMcpFunctionCall>> {
        desk(context).delete(&tables::CALLS, &mcp_function_call_uuid).await?;
        Ok(Some(DeleteMcpFunctionCall { ok: Some(true) }))
    }

    /// Makes or changes a module; what is not named stays.
    async fn insert_update_mcp_module(
        &self,
        context: &Context<'_>,
        module_name: String,
        package_name: String,
        classes: Option<Vec<JsonCamelCase>>,
        source: Option<String>,
        updated_by: String,
    ) -> Result<Option<InsertUpdateMcpModule>> {
        let classes: Option<Result<Vec<_>, Fault>> =
            classes.map(|classes| classes.into_iter().map(Class::read).collect());
        let wish =
            ModuleWish { package_name: Some(package_name), classes: classes.transpose()?, source };
        let desk = desk(context);
        let module = desk.put_module(&module_name, wish, Extent::Partly, Some(updated_by)).await?;
        Ok(Some(InsertUpdateMcpModule { mcp_module: Some(module) }))
    }

    async fn delete_mcp_module(
        &self,
        context: &Context<'_>,
        module_name: String,
    ) -> Result<Option<DeleteMcpModule>> {
        desk(context).delete(&tables::MODULES, &module_name).await?;
        Ok(Some(DeleteMcpModule { ok: Some(true) }))
    }

    /// Makes a setting, or changes the one of the id.
    async fn insert_update_mcp_setting(
        &self,
        context: &Context<'_>,
        setting_id: Option<String>,
        setting: Option<JsonCamelCase>,
        updated_by: String,
    ) -> Result<Option<InsertUpdateMcpSetting>> {
        let (id, wish) = (setting_id.as_deref(), SettingWish { setting });
        let desk = desk(context);
        let setting = desk.put_setting(id, wish, Extent::Partly, Some(updated_by)).await?;
        Ok(Some(InsertUpdateMcpSetting { mcp_setting: Some(setting) }))
    }

    async fn delete_mcp_setting(
        &self,
        context: &Context<'_>,
        setting_id: String,
    ) -> Result<Option<DeleteMcpSetting>> {
        desk(context).delete(&tables::SETTINGS, &setting_id).await?;
        Ok(Some(DeleteMcpSetting { ok: Some(true) }))
    }

    /// Writes the functions, modules and settings of a manifest: the one that is sent, or that of the
    /// package that is sent or of that name, which is served. `variables` override values of settings
    /// that the manifest has.
    async fn load_mcp_configuration(
        &self,
        context: &Context<'_>,
        package_name: Option<String>,
        module_name: Option<String>,
        source: Option<String>,
        mcp_configuration: Option<JsonCamelCase>,
        variables: Option<JsonCamelCase>,
        package_base64: Option<String>,
        updated_by: Option<String>,
    ) -> Result<Option<LoadMcpConfiguration>> {
        let loaded = async {
            let load = Load {
                module: module_name,
                package: package_name,
                source,
                manifest: mcp_configuration.map(|manifest| manifest.0),
                variables: members("variables", variables)?,
                by: updated_by,
                keeps_settings: false,
            };
            desk(context).load(load, package_base64).await
        };
        let Told { ok, message, stats } = Told::of(loaded.await, "loaded")?;
        Ok(Some(LoadMcpConfiguration { ok: Some(ok), message, stats }))
    }

    /// An address to which a package can be uploaded with PUT.
    async fn generate_mcp_package_upload_url(
        &self,
        context: &Context<'_>,
        package_name: String,
    ) -> Result<Option<GenerateMcpPackageUploadUrl>> {
        let upload = desk(context).upload(&package_name).await?;
        Ok(Some(GenerateMcpPackageUploadUrl {
            ok: true,
            message: Some("PUT the package there as `application/zip`".to_owned()),
            upload_url: Some(upload.url),
            s3_key: Some(upload.key),
            expires_at: Some(upload.expires),
        }))
    }

    /// Loads and serves a package that was uploaded.
    async fn process_mcp_package(
        &self,
        context: &Context<'_>,
        #[graphql(name = "s3Key")] s3_key: String,
        module_name: String,
        package_name: String,
        source: Option<String>,
        variables: Option<JsonCamelCase>,
        updated_by: Option<String>,
    ) -> Result<Option<ProcessMcpPackage>> {
        let processed = async {
            let load = Load {
                module: Some(module_name),
                package: Some(package_name),
                source,
                manifest: None,
                variables: members("variables", variables)?,
                by: updated_by,
                keeps_settings: false,
            };
            desk(context).process(&s3_key, load).await
        };
        let Told { ok, message, stats } = Told::of(processed.await, "loaded")?;
        Ok(Some(ProcessMcpPackage { ok, message, stats }))
    }

    /// Registers a server of streamable HTTP for the tenant and writes its tools as functions; those
    /// that it has no longer are deleted.
    async fn sync_external_mcp_server(
        &self,
        context: &Context<'_>,
        server_name: String,
        base_url: String,
        bearer_token: Option<String>,
        headers: Option<JsonCamelCase>,
        name_prefix: Option<String>,
        updated_by: Option<String>,
    ) -> Result<Option<SyncExternalMcpServer>> {
        let synchronized = async {
            let external = External {
                name: server_name,
                url: base_url,
                bearer: bearer_token,
                headers: members("headers", headers)?,
                prefix: name_prefix,
                by: updated_by,
            };
            desk(context).sync(external).await
        };
        let Told { ok, message, stats } = Told::of(synchronized.await, "synchronized")?;
        Ok(Some(SyncExternalMcpServer { ok, message, stats }))
    }
}

/// What became of it, as clients of the older engine expect it: there, what goes wrong with these is
/// said by `ok` and `message`.
struct Told {
    ok: bool,
    message: Option<String>,
    stats: Option<Stats>,
}

impl Told {
    /// # Errors
    ///
    /// [`Fault::Forbidden`]: the older engine forbade nothing, and nobody is to take that for a
    /// manifest that is wrong.
    fn of(outcome: Result<Stats, Fault>, verb: &str) -> Result<Self, Fault> {
        match outcome {
            Ok(stats) => {
                Ok(Self { ok: true, message: Some(said(verb, stats)), stats: Some(stats) })
            }
            Err(forbidden @ Fault::Forbidden(_)) => Err(forbidden),
            Err(fault) => Ok(Self { ok: false, message: Some(fault.to_string()), stats: None }),
        }
    }
}

fn members(name: &str, value: Option<JsonCamelCase>) -> Result<Map<String, Value>, Fault> {
    match value.map(|value| value.0) {
        None | Some(Value::Null) => Ok(Map::new()),
        Some(Value::Object(members)) => Ok(members),
        Some(_) => Err(Fault::Invalid(format!("`{name}` is not an object"))),
    }
}

fn said(verb: &str, stats: Stats) -> String {
    let Stats { tools, resources, prompts, modules, settings } = stats;
    format!(
        "{verb}: {tools} tools, {resources} resources, {prompts} prompts, {modules} modules, \
         {settings} settings"
    )
}
