//! Those who watch what happens: GraphQL's subscriptions and the activity feed.
//!
//! Whoever knows of something tells it here. Nearly always nobody watches, and then nothing is
//! made of it: that is looked at first.

use std::sync::{Arc, OnceLock};

use switchboard_admin::{Activity, Admin, Event, Whose};
use switchboard_core::store::Row;
use switchboard_core::{Area, Call, Recorder, Tenant};
use switchboard_history::{Audience, History, Shown, Veil};
use switchboard_mcp::Method;

use crate::records::Catalogs;

/// The management surface, as somebody to tell things.
pub(crate) struct Watchers {
    /// Known once there are listeners; before that nobody can watch.
    admin: OnceLock<Arc<Admin>>,
    veil: Veil,
    catalogs: Arc<Catalogs>,
}

impl Watchers {
    pub(crate) fn new(veil: Veil, catalogs: Arc<Catalogs>) -> Self {
        Self { admin: OnceLock::new(), veil, catalogs }
    }

    pub(crate) fn attend(&self, admin: &Arc<Admin>) {
        let _ = self.admin.set(Arc::clone(admin));
    }

    /// Whether anybody subscribed to what happens in `tenant`.
    pub(crate) fn are_there(&self, tenant: &Tenant) -> bool {
        self.admin.get().is_some_and(|admin| admin.is_watched(tenant))
    }

    pub(crate) fn announce(&self, tenant: &Tenant, event: Event) {
        if let Some(admin) = self.admin.get() {
            admin.announce(tenant, event);
        }
    }

    /// Something of `area` is managed in another way now.
    pub(crate) fn changed(&self, tenant: &Tenant, area: Area) {
        self.announce(tenant, Event::Changed(area));
    }

    /// Shows a call to those who watch what its principal does.
    fn show(self: &Arc<Self>, call: &Call) {
        let Some(admin) = self.admin.get() else { return };
        let (tenant, subject) = (&call.principal.tenant, &*call.principal.subject);
        if call.is_shown || !admin.follows(tenant, subject) {
            return;
        }
        let sight = self.veil.sight(call);
        let (own, of_tenant) = (Arc::clone(self), tenant.clone());
        let (method, name) = (call.method.clone(), call.name.clone());
        let scopes = call.principal.standing.scopes.as_deref();
        admin.publish(Whose { tenant, subject, scopes }, sight.weight(), move || {
            let schema = own.catalogs.about(&of_tenant, &method, &name).schema;
            activity(&method, own.veil.show(&sight, schema.as_ref()))
        });
    }

    /// Shows a request and its answer that came as messages, on the path of the feed.
    pub(crate) fn show_messages(
        self: &Arc<Self>,
        whose: Whose<'_>,
        method: Method,
        messages: (impl AsRef<[u8]> + Send + 'static, impl AsRef<[u8]> + Send + 'static),
    ) {
        let Some(admin) = self.admin.get() else { return };
        let (request, answer) = messages;
        let weight = request.as_ref().len() + answer.as_ref().len();
        let (own, of_tenant) = (Arc::clone(self), whose.tenant.clone());
        admin.publish(whose, weight, move || {
            let (request, answer) = (request.as_ref(), answer.as_ref());
            let name = serde_json::from_slice::<serde_json::Value>(request).ok();
            let name = name.as_ref().and_then(|it| it.pointer("/params/name")?.as_str());
            let schema = name.and_then(|name| own.catalogs.about(&of_tenant, &method, name).schema);
            activity(&method, own.veil.show_messages(request, answer, schema.as_ref()))
        });
    }
}

fn activity(method: &Method, shown: Shown) -> Activity {
    let Shown { request, response, notes } = shown;
    Activity { method: method.to_string(), request, response, notes }
}

/// Told of records once they are written, so that what is announced can be read.
impl Audience for Watchers {
    fn is_there(&self, tenant: &Tenant) -> bool {
        self.are_there(tenant)
    }

    fn written(&self, tenant: &Tenant, row: &Row) {
        self.announce(tenant, Event::Call(row.clone()));
    }
}

/// Everybody who takes note of calls.
pub(crate) struct Witnesses {
    pub history: Option<Arc<History>>,
    pub watchers: Arc<Watchers>,
}

impl Recorder for Witnesses {
    fn record(&self, call: Call) {
        self.watchers.show(&call);
        if let Some(history) = &self.history {
            history.record(call);
        }
    }
}
