//! Subscriptions: what happens while somebody watches.

use async_graphql::{Context, Result, SimpleObject, Subscription as Object};
use futures_util::stream::{BoxStream, StreamExt as _};
use switchboard_core::Area;

use crate::access::Right;
use crate::fault::Fault;
use crate::graphql::desk;
use crate::live::{Event, Live};
use crate::operations::ServerState;
use crate::record::Call;

pub(crate) struct Subscription;

/// Something that is managed changed.
#[derive(SimpleObject)]
struct Change {
    /// `functions`, `servers`, `settings`, `keys`, …
    area: String,
}

type Items<T> = BoxStream<'static, Result<T>>;

#[Object]
impl Subscription {
    /// Calls as they are recorded, and again when their records change.
    async fn calls(
        &self,
        context: &Context<'_>,
        name: Option<String>,
        status: Option<String>,
    ) -> Result<Items<Call>> {
        let tenant = desk(context).tenant().clone();
        let pick = move |event: &Event| {
            let Event::Call(row) = event else { return None };
            let is_wanted = |wanted: &Option<String>, column| {
                wanted.as_deref().is_none_or(|wanted| row.text(column) == Some(wanted))
            };
            let fits = is_wanted(&name, "name") && is_wanted(&status, "status");
            fits.then(|| Call::of(&tenant, row))
        };
        items(live(context).watch(desk(context), Right::Inspect(Area::History), pick))
    }

    /// Servers whenever they are in another state.
    async fn server_states(
        &self,
        context: &Context<'_>,
        name: Option<String>,
    ) -> Result<Items<ServerState>> {
        let pick = move |event: &Event| match event {
            Event::Server(state) => {
                name.as_ref().is_none_or(|name| state.name == *name).then(|| state.clone())
            }
            _ => None,
        };
        items(live(context).watch(desk(context), Right::Inspect(Area::Servers), pick))
    }

    /// Changes of what is managed, in the areas that the principal may inspect.
    async fn events(&self, context: &Context<'_>) -> Result<Items<Change>> {
        let access = desk(context).access.clone();
        let pick = move |event: &Event| match event {
            Event::Changed(area) if access.has(Right::Inspect(*area)) => {
                Some(Change { area: area.as_str().to_owned() })
            }
            _ => None,
        };
        items(live(context).watch(desk(context), Right::Inspect(Area::Operations), pick))
    }
}

fn live<'a>(context: &Context<'a>) -> &'a Live {
    context.data_unchecked()
}

fn items<T: Send + 'static>(
    stream: Result<BoxStream<'static, Result<T, Fault>>, Fault>,
) -> Result<Items<T>> {
    Ok(stream?.map(|item| item.map_err(Into::into)).boxed())
}
