//! Servers and their tools, keys, users, policies, limits, and the tenants that there are.

use http::Method;
use schemars::JsonSchema;
use serde::Serialize;
use switchboard_core::store::tables;
use switchboard_core::{Area, Kind};

use crate::access::Right::{Inspect, Manage};
use crate::desk::TenantWish;
use crate::explained::ExplainWish;
use crate::fault::Fault;
use crate::operations::{KeyWish, Rotation, ServerState, Tool};
use crate::record::{
    Key, Limit, LimitWish, PolicyDocument, PolicyWish, Server, ServerWish, User, UserWish,
};
use crate::rest::route::{Answer, Route};
use crate::rest::table::{Nothing, found, page, versioned};

/// A key that was just made.
#[derive(JsonSchema, Serialize)]
struct MadeKey {
    key: Key,
    /// What its holder presents. It is not kept and not shown again.
    text: String,
}

/// How many lists were read.
#[derive(JsonSchema, Serialize)]
struct Read {
    tools: usize,
    resources: usize,
    prompts: usize,
}

pub(super) fn routes() -> Vec<Route> {
    let mut routes = servers();
    routes.extend(keys());
    routes.extend(users());
    routes.extend(policies());
    routes.extend(limits());
    routes.extend(tenants());
    routes
}

fn servers() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Servers), Manage(Area::Servers));
    vec![
        Route::get("/servers", sees, "All servers and how they are.", |desk, _| async move {
            let servers = desk.ports.operations.servers(desk.tenant()).await;
            Ok::<_, Fault>(Answer::of(servers))
        }),
        Route::get("/servers/{name}", sees, "A server of the store.", |desk, call| async move {
            let row = desk.row(&tables::SERVERS, call.part()).await?;
            let row = found(row, "server", call.part())?;
            Ok(versioned(Server::from(&row), |server| server.version))
        })
        .versioned(),
        Route::with_body(
            (Method::PUT, "/servers/{name}"),
            may,
            "Makes a server, or replaces it.",
            |desk, call, wish: ServerWish| async move {
                let server = desk.put_server(call.part(), wish, call.version).await?;
                Ok(versioned(server, |server| server.version))
            },
        )
        .versioned(),
        Route::delete("/servers/{name}", may, "Deletes a server.", |desk, call| async move {
            desk.delete_document(&tables::SERVERS, call.part(), call.version).await
        })
        .versioned(),
        Route::get("/servers/{name}/state", sees, "How a server is.", |desk, call| async move {
            let servers = desk.ports.operations.servers(desk.tenant()).await;
            let own = servers.into_iter().find(|server: &ServerState| server.name == call.part());
            found(own, "server", call.part()).map(Answer::of)
        }),
        Route::with_body(
            (Method::POST, "/servers/{name}/refresh"),
            may,
            "Reads the lists of a server again.",
            |desk, call, _: Nothing| async move {
                let name = Some(call.part());
                let facts = desk.ports.operations.refresh(desk.tenant(), name).await?;
                let (tools, resources) = (facts.tools, facts.resources);
                Ok(Answer::of(Read { tools, resources, prompts: facts.prompts }))
            },
        ),
        Route::get("/tools", sees, "The tools of all servers.", |desk, _| async move {
            let offers = desk.ports.operations.offers(desk.tenant()).await;
            let tools = offers.into_iter().filter(|offer| offer.kind == Kind::Tools);
            Ok::<_, Fault>(Answer::of(tools.map(Tool::from).collect::<Vec<_>>()))
        }),
    ]
}

fn keys() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Keys), Manage(Area::Keys));
    vec![
        Route::get("/keys", sees, "Keys, by id.", |desk, call| async move {
            let listed = desk.rows(&tables::KEYS, &call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| Key::from(row)))
        })
        .paged(&[]),
        Route::get("/keys/{id}", sees, "A key.", |desk, call| async move {
            let row = desk.row(&tables::KEYS, call.part()).await?;
            Ok(Answer::of(Key::from(&found(row, "key", call.part())?)))
        }),
        Route::with_body(
            (Method::POST, "/keys"),
            may,
            "Makes a key, whose text is shown this once.",
            |desk, _, wish: KeyWish| async move {
                let (key, text) = desk.make_key(wish).await?;
                let made = Some(key.id.clone());
                Ok(Answer { made, ..Answer::of(MadeKey { key, text }) })
            },
        )
        .making(),
        Route::with_body(
            (Method::POST, "/keys/{id}/rotate"),
            may,
            "Makes another text for a key, which is shown this once.",
            |desk, call, wish: Rotation| async move {
                let (key, text) = desk.rotate_key(call.part(), wish).await?;
                Ok(Answer::of(MadeKey { key, text }))
            },
        ),
        Route::delete("/keys/{id}", may, "Revokes a key.", |desk, call| async move {
            desk.revoke_key(call.part()).await
        }),
    ]
}

fn users() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Users), Manage(Area::Users));
    vec![
        Route::get("/users", sees, "Users, by name.", |desk, call| async move {
            let listed = desk.rows(&tables::USERS, &call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| User::from(row)))
        })
        .paged(&[]),
        Route::get("/users/{name}", sees, "A user.", |desk, call| async move {
            let row = desk.row(&tables::USERS, call.part()).await?;
            Ok(Answer::of(User::from(&found(row, "user", call.part())?)))
        }),
        Route::with_body(
            (Method::PATCH, "/users/{name}"),
            may,
            "Makes a user, or changes what is named of it.",
            |desk, call, wish: UserWish| async move {
                desk.put_user(call.part(), wish).await.map(Answer::of)
            },
        ),
        Route::delete("/users/{name}", may, "Deletes a user.", |desk, call| async move {
            desk.remove_user(call.part()).await
        }),
    ]
}

fn policies() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Policies), Manage(Area::Policies));
    vec![
        Route::get("/policies", sees, "Policies, by id.", |desk, call| async move {
            let listed = desk.rows(&tables::POLICIES, &call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| PolicyDocument::from(row)))
        })
        .paged(&[]),
        Route::get("/policies/{id}", sees, "A policy.", |desk, call| async move {
            let row = desk.row(&tables::POLICIES, call.part()).await?;
            let policy = PolicyDocument::from(&found(row, "policy", call.part())?);
            Ok(versioned(policy, |policy| policy.version))
        })
        .versioned(),
        Route::with_body(
            (Method::PUT, "/policies/{id}"),
            may,
            "Makes a policy, or replaces it.",
            |desk, call, wish: PolicyWish| async move {
                let policy = desk.put_policy(call.part(), wish, call.version).await?;
                Ok(versioned(policy, |policy| policy.version))
            },
        )
        .versioned(),
        Route::delete("/policies/{id}", may, "Deletes a policy.", |desk, call| async move {
            desk.delete_document(&tables::POLICIES, call.part(), call.version).await
        })
        .versioned(),
        Route::with_body(
            (Method::POST, "/explain"),
            sees,
            "Says what somebody may do, and why. To name a key or a user needs the rights to inspect \
             keys and to inspect users as well.",
            |desk, _, wish: ExplainWish| async move { desk.explain(wish).await.map(Answer::of) },
        ),
    ]
}

fn limits() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Limits), Manage(Area::Limits));
    vec![
        Route::get("/limits", sees, "Limits, by id.", |desk, call| async move {
            let listed = desk.rows(&tables::LIMITS, &call.page()?.query(false)?).await?;
            Ok(page(&listed, |row| Limit::from(row)))
        })
        .paged(&[]),
        Route::get("/limits/{id}", sees, "A limit.", |desk, call| async move {
            let row = desk.row(&tables::LIMITS, call.part()).await?;
            let limit = Limit::from(&found(row, "limit", call.part())?);
            Ok(versioned(limit, |limit| limit.version))
        })
        .versioned(),
        Route::with_body(
            (Method::PUT, "/limits/{id}"),
            may,
            "Makes a limit, or replaces it.",
            |desk, call, wish: LimitWish| async move {
                let limit = desk.put_limit(call.part(), wish, call.version).await?;
                Ok(versioned(limit, |limit| limit.version))
            },
        )
        .versioned(),
        Route::delete("/limits/{id}", may, "Deletes a limit.", |desk, call| async move {
            desk.delete_document(&tables::LIMITS, call.part(), call.version).await
        })
        .versioned(),
    ]
}

fn tenants() -> Vec<Route> {
    let (sees, may) = (Inspect(Area::Tenants), Manage(Area::Tenants));
    vec![
        Route::get(
            "/tenants",
            sees,
            "The tenants that something is kept of; to whoever does not run the daemon, the own one.",
            |desk, _| async move { desk.tenants().await.map(Answer::of) },
        ),
        Route::with_body(
            (Method::POST, "/tenants"),
            may,
            "Makes a tenant, which only whoever runs the daemon can do.",
            |desk, _, wish: TenantWish| async move {
                let tenant = desk.make_tenant(wish).await?;
                Ok(Answer { made: Some(tenant.name.clone()), ..Answer::of(tenant) })
            },
        )
        .making(),
        Route::delete(
            "/tenants/{name}",
            may,
            "Ends what serves a tenant and deletes everything that is kept of it. To delete another \
             than the own one is for whoever runs the daemon.",
            |desk, call| async move { desk.remove_tenant(call.part()).await },
        ),
    ]
}
