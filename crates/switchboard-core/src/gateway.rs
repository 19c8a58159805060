//! The way of a request through the middle: look at the snapshot, find the peer, ask it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use switchboard_mcp::{
    Era, Hint, Json, Method, ParamHeaders, ProtocolVersion, RpcError, Scope, code,
    rewrite_error_uris, rewrite_uris, with_uri,
};
use tokio::sync::{broadcast, watch};

use crate::access::{Access, Thing};
use crate::arguments::arguments;
use crate::catalog::{Catalog, Route};
use crate::error::Error;
use crate::extension::{self, Addressee, Pages, addressee};
use crate::limit::Limits;
use crate::lists::Kind;
use crate::offer::capabilities;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::record::{Recorder, UnderWay, is_recorded};
use crate::rounds::{self, Answering};
use crate::seal::{Purpose, Seal};
use crate::tasks::{self, TaskChanges, Tasks, Told};

/// Answers every MCP request, for all listeners.
pub struct Gateway {
    snapshot: ArcSwap<Snapshot>,
    published: watch::Sender<u64>,
    changes: broadcast::Sender<Change>,
    seal: Arc<dyn Seal>,
    tasks: Tasks,
    recorder: Option<Arc<dyn Recorder>>,
    limits: Arc<Limits>,
}

/// What a request consults, fixed for as long as the request lasts.
///
/// A reload or a new list builds a new one; requests under way finish on the one they began with.
#[derive(Default)]
pub struct Snapshot {
    pub catalog: Catalog,
    /// How long a list waits for servers that are started for the first time.
    pub list_wait: Duration,
    /// Who may use what is in the catalog.
    pub access: Access,
}

/// Something that clients may have asked to hear of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Change {
    List(Kind),
    /// What is behind the address, as clients know it, is another now.
    Resource(Arc<str>),
}

/// Tells what changed. A receiver that falls behind should take everything as changed.
pub type Changes = broadcast::Receiver<Change>;

/// What the gateway says of itself in `initialize` and `server/discover`.
#[derive(Clone, Debug)]
pub struct Facts {
    pub capabilities: Json,
    pub instructions: Option<String>,
}

/// More changes than this between two reads of a listener are as good as "everything".
const CHANGES_KEPT: usize = 256;

impl Snapshot {
    /// Whether `principal` sees what is listed as `name`, and so may use it with some arguments.
    pub fn shows(&self, kind: Kind, principal: &Principal, name: &str) -> bool {
        let mut listed = self.catalog.find(kind, name);
        listed.any(|listed| self.access.allows(principal, &listed.thing(kind), None))
    }
}

impl Gateway {
    pub fn new(snapshot: Snapshot, seal: Arc<dyn Seal>) -> Self {
        Self {
            tasks: Tasks::new(Arc::clone(&seal)),
            seal,
            snapshot: ArcSwap::from_pointee(snapshot),
            published: watch::Sender::new(0),
            changes: broadcast::Sender::new(CHANGES_KEPT),
            recorder: None,
            limits: Arc::default(),
        }
    }

    /// Has a record kept of calls.
    #[must_use]
    pub fn recorded_by(self, recorder: Arc<dyn Recorder>) -> Self {
        Self { recorder: Some(recorder), ..self }
    }

    /// Asks `limits` for every request that goes to a server. What concerns a call that was let in
    /// (its task, its cancellation) is free, and so are lists, which are kept here.
    #[must_use]
    pub fn with_limits(self, limits: Arc<Limits>) -> Self {
        Self { limits, ..self }
    }

    /// Lets every later request see `snapshot`, and tells the listeners what changed.
    pub fn publish(&self, snapshot: Snapshot) {
        let new = Arc::new(snapshot);
        let old = self.snapshot.swap(Arc::clone(&new));
        self.published.send_modify(|generation| *generation += 1);
        for kind in new.catalog.changed_since(&old.catalog) {
            // No receiver is no error: nobody is connected.
            let _ = self.changes.send(Change::List(kind));
        }
    }

    /// Announces that what clients may use is decided in another way now, so that their lists may
    /// be others.
    pub fn access_changed(&self) {
        for kind in Kind::ALL {
            let _ = self.changes.send(Change::List(kind));
        }
    }

    /// Announces that the resource which `upstream` calls `uri` is another now.
    pub fn resource_updated(&self, upstream: &str, uri: &str) {
        for shown in self.snapshot().catalog.shown_uris(upstream, uri) {
            let _ = self.changes.send(Change::Resource(shown.into()));
        }
    }

    /// The port under which things are sealed that come back from clients.
    /// The time of the wall as limits know it, in seconds since 1970, for what is said beside them.
    pub fn wall(&self) -> u64 {
        self.limits.wall()
    }

    pub fn seal(&self) -> &Arc<dyn Seal> {
        &self.seal
    }

    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    pub fn changes(&self) -> Changes {
        self.changes.subscribe()
    }

    /// What `principal` is told about us by a client of `era`: of servers of which it may use
    /// nothing, nothing.
    pub fn facts(&self, era: Era, principal: &Principal) -> Facts {
        let snapshot = self.snapshot();
        let known = snapshot.catalog.known_to(&snapshot.access, principal);
        let members = || snapshot.catalog.members().iter().zip(&known);
        let lists = || {
            members()
                .filter(|(_, is_known)| **is_known)
                .filter_map(|(m, _)| Some((m, m.lists.as_ref()?)))
        };
        let parts: Vec<_> = lists()
            .filter_map(|(member, lists)| {
                Some(format!("## {}\n\n{}", member.name, lists.instructions.as_ref()?.trim()))
            })
            .collect();
        let instructions = (!parts.is_empty()).then(|| parts.join("\n\n"));
        let offers = lists().filter_map(|(_, lists)| lists.offered.as_ref());
        Facts { capabilities: capabilities(offers, era), instructions }
    }

    /// How long a client may keep the list of `kind`, and whom it may show it to.
    pub fn hint(&self, kind: Kind) -> Option<Hint> {
        let snapshot = self.snapshot();
        let hint = snapshot.catalog.hint(kind)?;
        // Where there are policies, a list is what one principal sees of it.
        let is_shared = snapshot.access.policy.is_none();
        Some(if is_shared { hint } else { Hint { scope: Scope::Private, ..hint } })
    }

    /// The headers that repeat arguments of the tool, where it has some and `principal` may see it.
    pub fn param_headers(&self, principal: &Principal, tool: &str) -> Option<ParamHeaders> {
        let snapshot = self.snapshot();
        let headers = snapshot.catalog.param_headers(tool)?;
        snapshot.shows(Kind::Tools, principal, tool).then(|| headers.clone())
    }

    async fn list(
        &self,
        kind: Kind,
        principal: &Principal,
        request: &Request,
    ) -> Result<Response, Error> {
        let snapshot = self.settled().await;
        let cursor = match &request.params {
            None => None,
            Some(params) => {
                let members = params.members().map_err(|e| Error::Invalid(e.to_string()))?;
                match members.get("cursor") {
                    None => None,
                    // Some clients write out what they do not set.
                    Some(unset) if unset.get() == "null" => None,
                    Some(_) => Some(
                        members
                            .read::<String>("cursor")
                            .ok_or_else(|| Error::Invalid("`cursor` must be a string".into()))?,
                    ),
                }
            }
        };
        let unknown = || Error::Invalid("the cursor is not known; start the list again".into());
        let after = match cursor {
            None => None,
            Some(cursor) => {
                let key = self.seal.open(Purpose::Cursor, principal, &cursor);
                let key = key.and_then(|key| String::from_utf8(key).ok()).ok_or_else(unknown)?;
                Some(key.strip_prefix(kind.member()).ok_or_else(unknown)?.to_owned())
            }
        };
        let seal = |last: &str| {
            let payload = format!("{}{last}", kind.member());
            self.seal.seal(Purpose::Cursor, principal, payload.as_bytes())
        };
        let view = snapshot.catalog.view(kind, &snapshot.access, principal);
        let page = snapshot.catalog.page(kind, &view, after.as_deref(), seal);
        let result = page.ok_or_else(unknown)?;
        for member in snapshot.catalog.members() {
            member.peer.listed(kind);
        }
        Ok(Response::new(result, ProtocolVersion::NEWEST_LEGACY))
    }

    /// The snapshot once no server is being asked for the first time, or after the wait.
    pub async fn settled(&self) -> Arc<Snapshot> {
        let mut published = self.published.subscribe();
        let snapshot = self.snapshot();
        if !snapshot.catalog.is_learning() {
            return snapshot;
        }
        let learnt = async {
            while self.snapshot().catalog.is_learning() && published.changed().await.is_ok() {}
        };
        // A time-out is the normal end where a server hangs: the others are listed.
        let _ = tokio::time::timeout(snapshot.list_wait, learnt).await;
        self.snapshot()
    }

    async fn named(
        &self,
        kind: Kind,
        context: &Context,
        request: Request,
    ) -> Result<Response, Error> {
        let name = request.name.as_deref().unwrap_or_default();
        let snapshot = self.snapshot();
        let route = snapshot.catalog.route(kind, name)?;
        let thing = snapshot.catalog.thing(kind, &route, name);
        admit(&snapshot.access, &context.principal, &thing, request.params.as_ref())?;
        note(context, &snapshot.catalog, &route);
        let tool = (kind == Kind::Tools).then_some(&*route.own_name);
        let pass = self.limits.admit(context, snapshot.catalog.upstream(&route), tool).await?;
        pass.carried(request.params.as_ref());
        let method = request.method.clone();
        let shown = request.name.clone().unwrap_or_default();
        let request = Request { name: Some(route.own_name.clone()), ..request };
        let response = if kind == Kind::Tools {
            let server = snapshot.catalog.server(&route, &shown);
            self.tasks.call(server, context, request).await?
        } else {
            let server = (snapshot.catalog.upstream(&route), &*route.peer);
            rounds::ask(server, context, request, &*self.seal).await?
        };
        pass.carried(Some(&response.result));
        let result = snapshot.catalog.readdressed(&route, &method, response.result);
        Ok(Response { result, ..response })
    }

    /// Asks the servers that may have the resource, one after another: only a server knows what
    /// its templates mean.
    async fn resource(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let uri = request.name.clone().unwrap_or_default();
        let snapshot = self.snapshot();
        let mut refusal = Error::NotFound { what: "resource", name: uri.clone() };
        let (mut routes, request) = self.resource_routes(&snapshot, context, request)?;
        let (pages, request) = Pages::open(&*self.seal, context, request)?;
        routes.retain(|route| pages.are_of(snapshot.catalog.upstream(route)));
        let Some(first) = routes.first() else { return Err(refusal) };
        // One request, however many servers are tried for it.
        let pass = self.limits.admit(context, snapshot.catalog.upstream(first), None).await?;
        pass.carried(request.params.as_ref());
        for route in routes {
            let own = &route.own_name;
            // Back to the address that the client asked with.
            let asked = |of: &str| (of == own && *own != uri).then(|| uri.clone());
            let method = request.method.clone();
            let request = Request { name: Some(own.clone()), ..request.clone() };
            let server = (snapshot.catalog.upstream(&route), &*route.peer);
            note(context, &snapshot.catalog, &route);
            match rounds::ask(server, context, request, &*self.seal).await {
                Ok(response) => {
                    pass.carried(Some(&response.result));
                    let mut result = response.result;
                    if method == Method::DirectoryRead {
                        let access = &snapshot.access;
                        result = extension::usable(access, context, server.0, "resources", result);
                    }
                    let result = snapshot.catalog.readdressed(&route, &method, result);
                    let result = rewrite_uris(&method, result, asked);
                    let result = extension::qualified(&uri, &method, result);
                    let result = pages.sealed(&method, server.0, result);
                    return Ok(Response { result, ..response });
                }
                // The likeliest are asked first, so what the first one says is worth most.
                Err(Error::Server { error, version }) => {
                    if !matches!(refusal, Error::Server { .. }) {
                        let mut error = rewrite_error_uris(error, asked);
                        if error.code == code::RESOURCE_NOT_FOUND {
                            error = with_uri(error, &uri);
                        }
                        refusal = Error::Server { error, version };
                    }
                }
                Err(error @ Error::NoSuchMethod(_)) => {
                    if matches!(refusal, Error::NotFound { .. }) {
                        refusal = error;
                    }
                }
                // What a server that answers says of the resource is worth more.
                Err(error @ (Error::Unavailable { .. } | Error::Declined { .. }))
                    if !matches!(refusal, Error::Server { .. }) =>
                {
                    refusal = error;
                }
                Err(Error::Unavailable { .. } | Error::Declined { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(refusal)
    }

    /// Lets go of a resource at every server that may have taken the subscription: which of them did
    /// is theirs to know, since by now another may be the first to ask for the address. It costs
    /// nothing, and no policy is asked: what was watched before one changed must be let go of
    /// afterwards.
    async fn unsubscribe(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let uri = request.name.as_deref().unwrap_or_default();
        let snapshot = self.snapshot();
        let mut answer = Err(Error::NotFound { what: "resource", name: uri.to_owned() });
        if !snapshot.access.admits(&context.principal) {
            return answer;
        }
        for Route { peer, own_name, .. } in snapshot.catalog.subscription_routes(uri) {
            let request = Request { name: Some(own_name), ..request.clone() };
            let one = peer.request(context, request).await;
            if answer.is_err() {
                answer = one;
            }
        }
        answer
    }

    /// Who may be asked for a resource, and with what: what the user answered is for the server
    /// that asked, and for none of the others that may be tried for the address. Those that may not
    /// be asked are as if they did not have it.
    fn resource_routes(
        &self,
        Snapshot { catalog, access, .. }: &Snapshot,
        context: &Context,
        request: Request,
    ) -> Result<(Vec<Route>, Request), Error> {
        let uri = request.name.as_deref().unwrap_or_default();
        let principal = &context.principal;
        let mut routes = catalog.resource_routes(uri);
        routes.retain(|route| {
            access.allows(principal, &catalog.thing(Kind::Resources, route, uri), None)
        });
        match Answering::read(context, &request, &*self.seal)? {
            Answering::Upstream(asker) => {
                routes.retain(|route| catalog.upstream(route) == asker);
                if routes.is_empty() {
                    return Err(rounds::moved(&asker));
                }
                Ok((routes, request))
            }
            // Whoever wants to know something asks again.
            Answering::Unknown if routes.len() > 1 => {
                Ok((routes, rounds::without_brought(request)?))
            }
            Answering::Unknown | Answering::Nobody => Ok((routes, request)),
        }
    }

    async fn task(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let snapshot = self.snapshot();
        let method = request.method.clone();
        // As if the server had gone where nothing of it may be used any more.
        let known = snapshot.catalog.known_to(&snapshot.access, &context.principal);
        let server = |name: &str| snapshot.catalog.server_named(name, &known);
        let Told { response, upstream } = self.tasks.about(server, context, request).await?;
        let result = match upstream {
            Some(upstream) => snapshot.catalog.readdressed_of(&upstream, &method, response.result),
            None => response.result,
        };
        Ok(Response { result, ..response })
    }

    /// Follows the task that this client knows as `id`: what comes out is the task as it is now,
    /// and then each time it is another, until it has ended or its server does not know it any
    /// more. It is what `tasks/get` gives, without `_meta`, so that it can be the parameters of a
    /// [notification](switchboard_mcp::TaskGeneration::notification). Dropping it ends it.
    ///
    /// # Errors
    ///
    /// What the client gets where it did not declare tasks, where the id is not one of its own,
    /// and where its principal follows too many already.
    pub fn follow_task(self: &Arc<Self>, context: Context, id: &str) -> Result<TaskChanges, Error> {
        let place = self.tasks.follow(&context, id)?;
        let gateway = Arc::clone(self) as Arc<dyn Peer>;
        Ok(tasks::changes(gateway, context, id.to_owned(), place))
    }

    async fn extension(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let unknown = || Error::NoSuchMethod(request.method.to_string());
        let snapshot = self.snapshot();
        match addressee(request.method.as_str()) {
            Addressee::All(list) => {
                extension::list(&snapshot, list, &*self.seal, context, &request).await
            }
            Addressee::Address(member) => {
                let members = request.params.as_ref().and_then(|params| params.members().ok());
                let uri = members.and_then(|members| members.read::<String>(member));
                let uri =
                    uri.ok_or_else(|| Error::Invalid(format!("`{member}` must be a string")))?;
                self.resource(context, Request { name: Some(uri), ..request }).await
            }
            Addressee::Sole => {
                let member = extension::sole(&snapshot.catalog).ok_or_else(unknown)?;
                if !snapshot.access.reaches(&context.principal, &member.name) {
                    return Err(unknown());
                }
                let _pass = self.limits.admit(context, &member.name, None).await?;
                member.peer.request(context, request).await
            }
        }
    }

    async fn complete(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let name = request.name.clone().unwrap_or_default();
        let snapshot = self.snapshot();
        let Snapshot { catalog, access, .. } = &*snapshot;
        let may_use = |kind: Kind, route: &Route| {
            access.allows(&context.principal, &catalog.thing(kind, route, &name), None)
        };
        let route = match catalog.route(Kind::Prompts, &name) {
            Ok(route) => Some(route).filter(|route| may_use(Kind::Prompts, route)),
            Err(_) => {
                let mut routes = catalog.resource_routes(&name).into_iter();
                routes.find(|route| may_use(Kind::Templates, route))
            }
        };
        let Some(route) = route else {
            return Err(Error::NotFound { what: "prompt or resource template", name });
        };
        let _pass = self.limits.admit(context, snapshot.catalog.upstream(&route), None).await?;
        let Route { peer, own_name, .. } = route;
        peer.request(context, Request { name: Some(own_name), ..request }).await
    }
}

/// Notes for the record of a call, if one is kept, that it goes along `route`.
fn note(context: &Context, catalog: &Catalog, route: &Route) {
    if let Some(trail) = &context.trail {
        trail.goes_to(&catalog.upstream_name(route));
    }
}

/// Lets `principal` use `thing` with the arguments in `params`.
///
/// # Errors
///
/// What it gets for a name that there is not, where it may not see the thing either. Where it may,
/// there is nothing to hide, and whoever chose the arguments can choose others.
fn admit(
    access: &Access,
    principal: &Principal,
    thing: &Thing<'_>,
    params: Option<&Json>,
) -> Result<(), Error> {
    if !access.allows(principal, thing, None) {
        let name = thing.shown_name.to_owned();
        return Err(Error::NotFound { what: thing.kind.noun(), name });
    }
    if !access.looks_at_arguments() {
        return Ok(());
    }
    if access.allows(principal, thing, Some(&arguments(params)?)) {
        return Ok(());
    }
    let message = format!("`{}` may not be used with these arguments", thing.shown_name);
    let data = serde_json::json!({ "reason": "denied", "retry": false });
    Err(Error::Refused(RpcError::new(code::INVALID_PARAMS, message).with_data(&data)))
}

#[async_trait]
impl Peer for Gateway {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let recorder = self.recorder.as_deref().filter(|_| is_recorded(&request.method));
        let Some(recorder) = recorder else { return self.answer(context, request).await };
        let (under_way, context) = UnderWay::begin(recorder, context, &request);
        let outcome = self.answer(&context, request).await;
        under_way.end(&outcome);
        outcome
    }
}

impl Gateway {
    async fn answer(&self, context: &Context, request: Request) -> Result<Response, Error> {
        match request.method {
            Method::ToolsCall => self.named(Kind::Tools, context, request).await,
            Method::PromptsGet => self.named(Kind::Prompts, context, request).await,
            Method::ResourcesRead | Method::Subscribe => self.resource(context, request).await,
            Method::Unsubscribe => self.unsubscribe(context, request).await,
            Method::Complete => self.complete(context, request).await,
            Method::ToolsList => self.list(Kind::Tools, &context.principal, &request).await,
            Method::PromptsList => self.list(Kind::Prompts, &context.principal, &request).await,
            Method::ResourcesList => self.list(Kind::Resources, &context.principal, &request).await,
            Method::TemplatesList => self.list(Kind::Templates, &context.principal, &request).await,
            Method::TasksGet
            | Method::TasksResult
            | Method::TasksUpdate
            | Method::TasksCancel
            | Method::TasksList => self.task(context, request).await,
            // Between neighbours, or for clients to answer: never passed on.
            Method::Initialize
            | Method::Discover
            | Method::Ping
            | Method::SetLevel
            | Method::Listen
            | Method::CreateMessage
            | Method::Elicit
            | Method::RootsList => Err(Error::NoSuchMethod(request.method.to_string())),
            _ => self.extension(context, request).await,
        }
    }
}

#[cfg(test)]
mod tests;
