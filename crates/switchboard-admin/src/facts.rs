//! Facts about a tenant and its cache, with the fields of the older engine.

use http::{Response, StatusCode};
use serde_json::{Value, json};
use switchboard_core::{Area, Kind};

use crate::access::Right;
use crate::body::{Body, json as answer};
use crate::desk::Desk;
use crate::fault::Fault;
use crate::feed::Feed;
use crate::live::Event;
use crate::operations::{CacheFacts, Offer};

/// `GET /{endpoint_id}`. Everybody who may enter the tenant may ask; what they see of its tools is
/// what they would see in their list.
pub(crate) async fn tenant(desk: &Desk, feed: &Feed) -> Result<Response<Body>, Fault> {
    let operations = &desk.ports.operations;
    let facts = operations.facts();
    let mut offers = operations.offers(desk.tenant()).await;
    offers.retain(|offer| desk.access.sees(offer));
    let items = |kind: Kind| -> Vec<Value> {
        offers.iter().filter(|offer| offer.kind == kind).map(item).collect()
    };
    let (clients, kept) = feed.counts(desk.tenant());
    Ok(answer(
        StatusCode::OK,
        &json!({
            "server": facts.server,
            "version": facts.version,
            "partition_key": desk.tenant().as_str(),
            "sse_stats": { "total_clients": clients, "message_history_size": kept },
            "tools": items(Kind::Tools),
            "resources": items(Kind::Resources),
            "prompts": items(Kind::Prompts),
        }),
    ))
}

/// An item as it is in the list of its kind, under the name that clients know.
fn item(offer: &Offer) -> Value {
    let mut item = offer.item.clone();
    let name = if offer.kind == Kind::Resources { "uri" } else { "name" };
    if let Value::Object(members) = &mut item {
        members.insert(name.to_owned(), offer.exposed.as_str().into());
    }
    item
}

pub(crate) async fn refresh(desk: &Desk) -> Result<Response<Body>, Fault> {
    desk.access.require(Right::Manage(Area::Cache))?;
    let facts = desk.ports.operations.refresh(desk.tenant(), None).await?;
    Ok(answer(
        StatusCode::OK,
        &json!({
            "status": "success",
            "message": format!("the cache of {} was read again", desk.tenant()),
            "timestamp": desk.now(),
            "cache_stats": stats(desk, facts),
        }),
    ))
}

pub(crate) fn status(desk: &Desk) -> Result<Response<Body>, Fault> {
    desk.access.require(Right::Inspect(Area::Cache))?;
    let cached = desk.ports.operations.cache(desk.tenant());
    let info = cached.map(|facts| {
        let mut info = stats(desk, facts);
        info["module_links_count"] = facts.module_links.into();
        info
    });
    Ok(answer(
        StatusCode::OK,
        &json!({
            "partition_key": desk.tenant().as_str(),
            "is_cached": info.is_some(),
            "timestamp": desk.now(),
            "cache_info": info,
        }),
    ))
}

pub(crate) async fn purge(desk: &Desk) -> Result<Response<Body>, Fault> {
    desk.access.require(Right::Manage(Area::Cache))?;
    desk.ports.operations.purge(Some(desk.tenant())).await;
    desk.live.announce(desk.tenant(), Event::Changed(Area::Cache));
    Ok(answer(
        StatusCode::OK,
        &json!({
            "status": "success",
            "message": format!("the cache of {} was cleared", desk.tenant()),
            "partition_key": desk.tenant().as_str(),
            "timestamp": desk.now(),
        }),
    ))
}

/// `DELETE /admin/cache`: of all tenants, and so for whoever runs the daemon alone.
pub(crate) async fn purge_all(desk: &Desk) -> Result<Response<Body>, Fault> {
    desk.access.require(Right::Manage(Area::Cache))?;
    if !desk.access.principal.is_owner() {
        return Err(Fault::Forbidden("manage the cache of all tenants".to_owned()));
    }
    let cleared = desk.ports.operations.purge(None).await;
    for tenant in &cleared {
        desk.live.announce(tenant, Event::Changed(Area::Cache));
    }
    let cleared: Vec<_> = cleared.iter().map(switchboard_core::Tenant::as_str).collect();
    Ok(answer(
        StatusCode::OK,
        &json!({
            "status": "success",
            "message": "the caches of all tenants were cleared",
            "timestamp": desk.now(),
            "cleared_partitions": cleared,
        }),
    ))
}

fn stats(desk: &Desk, facts: CacheFacts) -> Value {
    json!({
        "partition_key": desk.tenant().as_str(),
        "tools_count": facts.tools,
        "resources_count": facts.resources,
        "prompts_count": facts.prompts,
        "modules_count": facts.modules,
    })
}
