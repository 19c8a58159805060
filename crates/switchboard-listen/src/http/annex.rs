//! What is served beside MCP: a management surface, logging in, whatever a daemon has.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::Stream;
use http::{Request, Response, StatusCode};
use http_body_util::Either;
use hyper::body::{Frame, Incoming};
use switchboard_core::{Admitted, Principal, Standing, Tenant};

use crate::bounds::Bounds;
use crate::front::Front;
use crate::http::door::Presented;
use crate::http::message::{Body, Reply, read, refuse};
use crate::http::places::Work;
use crate::http::tenants::{NoFront, Target};
use crate::http::{Route, Service, revoked};

/// Answers what is not MCP.
#[async_trait]
pub trait Annex: Send + Sync {
    /// Who may ask for `path`, from which the tenant's segment was taken.
    fn access(&self, path: &str, of_tenant: bool) -> Access;

    async fn answer(&self, visit: Visit, request: Request<Bytes>) -> Response<AnnexBody>;
}

/// Who may ask for a path.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Access {
    /// Nothing is served there.
    Nobody,
    Anybody,
    /// Whoever proves who they are.
    Principals,
}

/// Who asks, and of which tenant.
pub struct Visit {
    pub tenant: Tenant,
    /// The path without the tenant's segment.
    pub path: String,
    /// `None` where anybody may ask.
    pub caller: Option<Admitted>,
    /// What serves the tenant; `None` where anybody may ask, and where there is no such tenant yet.
    pub front: Option<Arc<Front>>,
    /// What it shares with all other clients, where it calls a server.
    pub bounds: Bounds,
}

/// What an annex answers with.
pub enum AnnexBody {
    Whole(Bytes),
    /// Piece by piece, for as long as the caller takes it. Ends when the credential does.
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

/// Nothing is served beside MCP.
pub struct NoAnnex;

#[async_trait]
impl Annex for NoAnnex {
    fn access(&self, _: &str, _: bool) -> Access {
        Access::Nobody
    }

    async fn answer(&self, _: Visit, _: Request<Bytes>) -> Response<AnnexBody> {
        let mut response = Response::new(AnnexBody::Whole(Bytes::new()));
        *response.status_mut() = StatusCode::NOT_FOUND;
        response
    }
}

impl Service {
    /// Asks the annex, for whoever may.
    pub(crate) async fn annex(
        self: &Arc<Self>,
        target: Target,
        request: Request<Incoming>,
        work: &mut Work,
    ) -> Reply {
        let path = request.uri().path()[target.prefix..].to_owned();
        match self.annex.access(&path, target.prefix > 0) {
            // What there is not is no business of strangers either.
            Access::Nobody => {
                self.admit(Presented::of(&request, &target.tenant)).await?;
                Err(nothing())
            }
            Access::Anybody => {
                // All of them are one, so that they cannot keep everybody else out.
                self.seat(work, &anybody())?;
                let visit = self.visitor(target.tenant, path);
                self.visit(visit, request).await
            }
            Access::Principals => {
                let caller = self.admit(Presented::of(&request, &target.tenant)).await?;
                self.check_rate(Route::Annex, &caller.principal)?;
                self.seat(work, &caller.principal)?;
                // A tenant comes to be by what is managed of it.
                let front = match self.of(&target.tenant).await {
                    Ok(service) => Some(Arc::clone(&service.front)),
                    Err(NoFront::Unknown) => None,
                    Err(why) => return Err(why.into()),
                };
                let over = caller.revoked.clone();
                let visit = self.visitor(target.tenant, path);
                let visit = Visit { caller: Some(caller), front, ..visit };
                Ok(revoked::bound(self.visit(visit, request).await?, over))
            }
        }
    }

    fn visitor(&self, tenant: Tenant, path: String) -> Visit {
        Visit { tenant, path, caller: None, front: None, bounds: self.bounds.clone() }
    }

    async fn visit(&self, visit: Visit, request: Request<Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let body = read(&head.headers, body, &self.config).await?;
        let response = self.annex.answer(visit, Request::from_parts(head, body)).await;
        Ok(response.map(|body| match body {
            AnnexBody::Whole(bytes) => Either::Left(bytes.into()),
            AnnexBody::Stream(stream) => {
                use futures_util::StreamExt as _;
                let frames = stream.map(|bytes| Ok(Frame::data(bytes)));
                Body::Right(http_body_util::StreamBody::new(Box::pin(frames)))
            }
        }))
    }
}

/// Who has not shown who they are.
fn anybody() -> Principal {
    Principal::of(Tenant::default(), "anybody", Standing::default())
}

/// The answer to whoever asks for what is not there.
pub(crate) fn nothing() -> crate::http::message::Refused {
    refuse(
        StatusCode::NOT_FOUND,
        "nothing is served here; MCP is at /mcp, /sse and /ws, and /health and /metrics are for \
         operators",
    )
    .into()
}
