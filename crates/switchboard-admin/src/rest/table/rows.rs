//! Functions, modules, settings and calls.

use http::Method;
use switchboard_core::Area;
use switchboard_core::store::{Test, tables};

use crate::access::Right::{Inspect, Manage};
use crate::desk::{CallFilter, Extent, FunctionFilter};
use crate::fault::Fault;
use crate::moment::Moment;
use crate::record::{
    Call as CallRecord, CallWish, Function, FunctionWish, Module, ModuleWish, Setting, SettingWish,
};
use crate::rest::route::{Answer, Call, Route};
use crate::rest::table::{found, page};

pub(super) fn routes() -> Vec<Route> {
    let mut routes = functions();
    routes.extend(modules());
    routes.extend(settings());
    routes.extend(calls());
    routes
}

fn functions() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Functions), Manage(Area::Functions));
    vec![
        Route::get("/functions", sees, "Functions, by name.", |desk, call| async move {
            let filter = FunctionFilter {
                mcp_type: call.text("mcpType"),
                description: call.text("description"),
                module_name: call.text("moduleName"),
                class_name: call.text("className"),
                function_name: call.text("functionName"),
                status: call.number("status")?,
            };
            let listed = desk.functions(filter, call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| Function::of(desk.tenant(), row)))
        })
        .paged(&[
            ("mcpType", "`tool`, `resource` or `prompt`."),
            ("description", "Text in the description."),
            ("moduleName", "Of this module."),
            ("className", "Of this class."),
            ("functionName", "With this name in its module."),
            ("status", "1 for those that are enabled, 0 for the others."),
        ]),
        Route::get("/functions/{name}", sees, "A function.", |desk, call| async move {
            let function = desk.function(call.part()).await?;
            found(function, "function", call.part()).map(Answer::of)
        }),
        Route::with_body(
            (Method::PUT, "/functions/{name}"),
            may,
            "Makes a function, or replaces it.",
            |desk, call, wish: FunctionWish| async move {
                let function = desk.put_function(call.part(), wish, Extent::Whole, None);
                function.await.map(Answer::of)
            },
        ),
        Route::with_body(
            (Method::PATCH, "/functions/{name}"),
            may,
            "Makes a function, or changes what is named of it.",
            |desk, call, wish: FunctionWish| async move {
                let function = desk.put_function(call.part(), wish, Extent::Partly, None);
                function.await.map(Answer::of)
            },
        ),
        Route::delete("/functions/{name}", may, "Deletes a function.", |desk, call| async move {
            desk.delete(&tables::FUNCTIONS, call.part()).await
        }),
    ]
}

fn modules() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Functions), Manage(Area::Functions));
    vec![
        Route::get("/modules", sees, "Modules, by name.", |desk, call| async move {
            let mut query = call.page()?.query(false)?;
            if let Some(package) = call.text("packageName") {
                query = query.only("package_name", Test::Is(package.into()));
            }
            let listed = desk.rows(&tables::MODULES, &query).await?;
            Ok(page(&listed, |row| Module::of(desk.tenant(), row)))
        })
        .paged(&[("packageName", "Of this package.")]),
        Route::get("/modules/{name}", sees, "A module.", |desk, call| async move {
            let module = desk.module(call.part()).await?;
            found(module, "module", call.part()).map(Answer::of)
        }),
        Route::with_body(
            (Method::PUT, "/modules/{name}"),
            may,
            "Makes a module, or replaces it.",
            |desk, call, wish: ModuleWish| async move {
                desk.put_module(call.part(), wish, Extent::Whole, None).await.map(Answer::of)
            },
        ),
        Route::with_body(
            (Method::PATCH, "/modules/{name}"),
            may,
            "Makes a module, or changes what is named of it.",
            |desk, call, wish: ModuleWish| async move {
                desk.put_module(call.part(), wish, Extent::Partly, None).await.map(Answer::of)
            },
        ),
        Route::delete("/modules/{name}", may, "Deletes a module.", |desk, call| async move {
            desk.delete(&tables::MODULES, call.part()).await
        }),
    ]
}

fn settings() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Settings), Manage(Area::Settings));
    vec![
        Route::get("/settings", sees, "Settings, by id.", |desk, call| async move {
            let listed = desk.rows(&tables::SETTINGS, &call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| Setting::of(desk.tenant(), row)))
        })
        .paged(&[]),
        Route::get("/settings/{id}", sees, "A setting.", |desk, call| async move {
            let setting = desk.setting(call.part()).await?;
            found(setting, "setting", call.part()).map(Answer::of)
        }),
        Route::with_body(
            (Method::POST, "/settings"),
            may,
            "Makes a setting.",
            |desk, _, wish: SettingWish| async move {
                let value = desk.put_setting(None, wish, Extent::Whole, None).await?;
                Ok(Answer { made: value.setting_id.clone(), ..Answer::of(value) })
            },
        )
        .making(),
        Route::with_body(
            (Method::PUT, "/settings/{id}"),
            may,
            "Replaces a setting.",
            |desk, call, wish: SettingWish| async move {
                let setting = desk.put_setting(Some(call.part()), wish, Extent::Whole, None);
                setting.await.map(Answer::of)
            },
        ),
        Route::delete("/settings/{id}", may, "Deletes a setting.", |desk, call| async move {
            desk.delete(&tables::SETTINGS, call.part()).await
        }),
    ]
}

fn calls() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::History), Manage(Area::History));
    vec![
        Route::get("/calls", sees, "Calls, the latest first.", |desk, call| async move {
            let filter = CallFilter {
                mcp_type: call.text("mcpType"),
                name: call.text("name"),
                status: call.text("status"),
                subject: call.text("subject"),
                upstream: call.text("upstream"),
                updated_after: moment(&call, "updatedAfter")?,
                updated_before: moment(&call, "updatedBefore")?,
            };
            let listed = desk.calls(filter, call.page()?.query(true)?).await?;
            Ok(page(&listed, |row| CallRecord::of(desk.tenant(), row)))
        })
        .paged(&[
            ("mcpType", "`tool`, `resource` or `prompt`."),
            ("name", "Of this function."),
            ("status", "`initial`, `in_process`, `completed` or `failed`."),
            ("subject", "By this principal."),
            ("upstream", "At this server."),
            ("updatedAfter", "Changed later than this time."),
            ("updatedBefore", "Changed earlier than this time."),
        ]),
        Route::get("/calls/{id}", sees, "A call.", |desk, call| async move {
            found(desk.call(call.part()).await?, "call", call.part()).map(Answer::of)
        }),
        Route::with_body(
            (Method::POST, "/calls"),
            may,
            "Makes the record of a call.",
            |desk, _, wish: CallWish| async move {
                let value = desk.put_call(None, wish, None).await?;
                Ok(Answer { made: value.mcp_function_call_uuid.clone(), ..Answer::of(value) })
            },
        )
        .making(),
        Route::with_body(
            (Method::PATCH, "/calls/{id}"),
            may,
            "Changes what is named of the record of a call.",
            |desk, call, wish: CallWish| async move {
                desk.put_call(Some(call.part()), wish, None).await.map(Answer::of)
            },
        ),
        Route::delete(
            "/calls/{id}",
            may,
            "Deletes the record of a call.",
            |desk, call| async move { desk.delete(&tables::CALLS, call.part()).await },
        ),
    ]
}

fn moment(call: &Call, name: &str) -> Result<Option<Moment>, Fault> {
    let Some(text) = call.text(name) else { return Ok(None) };
    let moment = Moment::parse(&text);
    moment.map(Some).ok_or_else(|| Fault::Invalid(format!("`{name}` is no time of RFC 3339")))
}
