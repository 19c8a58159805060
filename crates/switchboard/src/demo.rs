//! The demonstration server: a real MCP server with harmless things in it.
//!
//! It is served by the same listeners as the daemon, so it speaks every revision, over standard
//! input and output or over HTTP.

mod offer;

use std::sync::Arc;

use async_trait::async_trait;
use switchboard_auth::Sealer;
use switchboard_core::{
    Admitted, Catalog, Context, Credentials, Denied, Error, Filter, Gateway, Login, Member, Peer,
    Prefix, Principal, Request, Response, Snapshot,
};
use switchboard_listen::http::{BindError, FrontDesk, HttpConfig, HttpListener, Operations, Route};
use switchboard_listen::{Front, lines, stdio};
use switchboard_mcp::{Method, ProtocolVersion};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Serves standard input and output until the client closes them.
pub(crate) async fn serve_stdio() {
    let (stdin, stdout) = stdio::standard();
    let limits = lines::Limits::default();
    lines::serve(front(), Principal::new("anyone"), limits, stdin, stdout).await;
}

/// Serves HTTP on a port of 127.0.0.1; `on_ready` gets the address.
pub(crate) async fn serve_http(port: u16, on_ready: impl FnOnce(String)) -> Result<(), BindError> {
    let config = HttpConfig { port, ..HttpConfig::default() };
    let listener = HttpListener::bind(&config).await?;
    on_ready(format!("http://{}/mcp", listener.address()));
    let stop = CancellationToken::new();
    let desk = FrontDesk::new(front(), Arc::new(Anyone), Arc::new(Uncounted));
    listener.serve(config, desk, stop).await;
    Ok(())
}

fn front() -> Arc<Front> {
    let member = Member {
        name: "demo".into(),
        prefix: Prefix::new("").expect("empty is a prefix"),
        filter: Filter::default(),
        peer: Arc::new(Demo),
        lists: Some(Arc::new(offer::lists())),
        learning: false,
    };
    let catalog = Catalog::build(vec![member]);
    let gateway =
        Gateway::new(Snapshot { catalog, ..Snapshot::default() }, Arc::new(Sealer::random()));
    Arc::new(Front::new(Arc::new(gateway), TaskTracker::new(), CancellationToken::new()))
}

/// Answers for the tools, the resource and the prompt of [`offer`].
struct Demo;

#[async_trait]
impl Peer for Demo {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let name = request.name.as_deref().unwrap_or_default();
        let result = match request.method {
            Method::ToolsCall => offer::call(context, name, request.params.as_ref()).await?,
            Method::PromptsGet => offer::prompt(request.params.as_ref())?,
            Method::ResourcesRead => offer::resource(name)?,
            other => return Err(Error::NoSuchMethod(other.to_string())),
        };
        Ok(Response::new(result, ProtocolVersion::NEWEST_LEGACY))
    }
}

/// There is nothing to protect here, and only this machine can ask.
struct Anyone;

impl Login for Anyone {
    fn admit(&self, _: Credentials<'_>) -> Result<Admitted, Denied> {
        Ok(Admitted::for_good(Principal::new("anyone")))
    }
}

struct Uncounted;

impl Operations for Uncounted {
    fn health(&self) -> (bool, String) {
        (true, "{\"status\":\"ok\"}".to_owned())
    }

    fn metrics(&self) -> (String, &'static str) {
        (String::new(), "text/plain")
    }

    fn answered(&self, _: Route, _: u16) {}

    fn rejected(&self, _: &'static str) {}
}
