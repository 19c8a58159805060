//! Requests that a guest sends: to hosts that are granted, at addresses that the guard has judged.
//!
//! Each has a connection of its own. Redirects are the guest's to follow, and then judged anew. The task
//! that drives a connection is started by `wasmtime-wasi-http` and ends with the instance.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::uri::PathAndQuery;
use http::{Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use switchboard_egress::{EgressError, Guard, Stream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use wasmtime_wasi_http::p2::bindings::http::types::ErrorCode;
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpHooks};

use crate::call::Terms;
use crate::grants::{Denied, wanted};
use crate::host::{Level, Outgoing};
use crate::scope::{Current, Scope};

mod paced;

use paced::Paced;

/// The head of an answer. Servers send a few KiB; hyper wants 8 KiB at the least.
const HEAD_BYTES: usize = 64 << 10;

/// Header lines of an answer.
const HEADERS: usize = 200;

/// What is taken of a request at once and waits on our side, for as many requests as a guest can hold.
const CHUNK_BYTES: usize = 64 << 10;

/// How long a guest waits for a connection, or for the first byte of an answer, that asks for nothing
/// shorter. Its deadline is what usually ends it.
const PATIENCE: Duration = Duration::from_secs(600);

type Driver = Pin<Box<http1::Connection<TokioIo<Stream>, WasiBody>>>;
type Worker = Box<dyn Future<Output = Result<(), Error>> + Send>;

/// The requests of one instance.
pub(crate) struct Requests {
    current: Current,
    terms: Arc<Terms>,
    guard: Guard,
    places: Arc<Semaphore>,
}

impl Requests {
    pub(crate) fn new(current: Current, terms: Arc<Terms>, guard: Guard) -> Self {
        let places = Arc::new(Semaphore::new(terms.limits.requests));
        Self { current, terms, guard, places }
    }

    /// What can be said before anything is waited for.
    fn admitted(&self, uri: &Uri) -> Result<(Arc<Scope>, OwnedSemaphorePermit), Error> {
        let scope = self.current.scope().ok_or(Error::HttpRequestDenied)?;
        if !self.terms.grants.covers(uri) {
            scope.deny(Denied::Host(wanted(uri)));
            return Err(Error::HttpRequestDenied);
        }
        let place = Arc::clone(&self.places).try_acquire_owned();
        Ok((scope, place.map_err(|_| Error::ConnectionLimitReached)?))
    }
}

impl WasiHttpHooks for Requests {
    fn send_request(
        &mut self,
        request: Request<WasiBody>,
        options: Option<RequestOptions>,
        _: Worker,
    ) -> Box<dyn Future<Output = Result<(Response<WasiBody>, Worker), Error>> + Send> {
        let admitted = self.admitted(request.uri());
        let guard = self.guard.clone();
        Box::new(async move {
            let (scope, place) = admitted?;
            exchange(&guard, &scope, request, options.unwrap_or_default(), place).await
        })
    }

    fn p2_outgoing_body_chunk_size(&mut self) -> usize {
        CHUNK_BYTES
    }

    // The ones that come with the trait write into our log whatever a server does.
    fn p2_error_from_hyper(&mut self, _: &hyper::Error) -> ErrorCode {
        ErrorCode::HttpProtocolError
    }

    fn p2_error_from_connect(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::ConnectionRefused
    }

    fn p2_error_from_tls(&mut self, _: &std::io::Error) -> ErrorCode {
        ErrorCode::TlsProtocolError
    }
}

async fn exchange(
    guard: &Guard,
    scope: &Scope,
    request: Request<WasiBody>,
    options: RequestOptions,
    place: OwnedSemaphorePermit,
) -> Result<(Response<WasiBody>, Worker), Error> {
    let outgoing = Outgoing { method: request.method().clone(), uri: request.uri().clone() };
    let trust = scope.host.admit(&outgoing).await.map_err(|why| {
        scope.note(
            Level::Warn,
            &format!("a request to {} was refused: {why}", wanted(&outgoing.uri)),
        );
        Error::HttpRequestDenied
    })?;
    let stream =
        timeout(options.connect_timeout.unwrap_or(PATIENCE), guard.connect(&outgoing.uri, trust));
    let stream = stream.await.map_err(|_| Error::ConnectionTimeout)?.map_err(|error| {
        scope.note(Level::Warn, &error.to_string());
        unreachable(&error)
    })?;
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES)
        .max_headers(HEADERS)
        .handshake::<_, WasiBody>(TokioIo::new(stream))
        .await?;
    let mut connection: Option<Driver> = Some(Box::pin(connection));
    let answer = driven(&mut connection, sender.send_request(addressed(request)?));
    let answer = timeout(options.first_byte_timeout.unwrap_or(PATIENCE), answer)
        .await
        .map_err(|_| Error::ConnectionReadTimeout)??;
    let pause = options.between_bytes_timeout;
    let answer = answer.map(|body| Paced::new(body, pause, place).boxed_unsync());
    let worker = async move {
        match connection {
            Some(connection) => connection.await.map_err(Error::Hyper),
            None => Ok(()),
        }
    };
    Ok((answer, Box::new(worker)))
}

/// The request as it goes over the wire: with a relative target. The host stands in its header.
fn addressed(mut request: Request<WasiBody>) -> Result<Request<WasiBody>, Error> {
    let path = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = path.parse().map_err(|_| Error::HttpRequestUriInvalid)?;
    Ok(request)
}

/// Waits for `step` while the connection does its work; takes it away when it is done with it.
async fn driven<T>(connection: &mut Option<Driver>, step: impl Future<Output = T>) -> T {
    let mut step = pin!(step);
    std::future::poll_fn(|context| {
        if let Poll::Ready(done) = step.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if connection
            .as_mut()
            .is_some_and(|connection| connection.as_mut().poll(context).is_ready())
        {
            *connection = None;
        }
        // What the connection just read may be what the step waits for.
        step.as_mut().poll(context)
    })
    .await
}

fn unreachable(error: &EgressError) -> Error {
    match error {
        EgressError::Blocked { .. } | EgressError::Insecure { .. } => {
            Error::DestinationIpProhibited
        }
        EgressError::Unresolved { .. } => Error::DestinationNotFound,
        EgressError::Tls { .. } => Error::TlsProtocolError,
        EgressError::Address { .. } => Error::HttpRequestUriInvalid,
        _ => Error::ConnectionRefused,
    }
}
