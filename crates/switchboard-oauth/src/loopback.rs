//! The redirect of a browser to this machine (RFC 8252, section 7.3).
//!
//! For the minutes of one login a socket on `127.0.0.1` waits for one request with our `state`.
//! Everything else that knocks there (other pages in the browser, other users of the machine) gets
//! a refusal and changes nothing.

use std::convert::Infallible;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::callback::{self, Expected, Wrong};
use crate::error::OauthError;

/// How long one connection may stay. Browsers open one in advance and leave it silent.
const CONNECTION_TIME: Duration = Duration::from_secs(10);

/// Connections at once; a browser opens six at most.
const CONNECTIONS: usize = 16;

/// Longest request head. A redirect has the code, the state and the issuer, and cookies of
/// everything else on this machine.
const HEAD_LIMIT: usize = 64 * 1024;

pub(crate) const PATH: &str = "/callback";

pub(crate) struct Listener {
    socket: TcpListener,
    port: u16,
}

struct Waiting {
    expected: Expected,
    /// What a browser that was sent here says in `Host`.
    host: String,
    /// One answer is taken, and none after it.
    done: Mutex<bool>,
}

type Answer = Result<String, OauthError>;

pub(crate) fn redirect_uri(port: u16) -> String {
    format!("http://127.0.0.1:{port}{PATH}")
}

impl Listener {
    /// Any free port if `port` is `None`.
    pub(crate) async fn bind(port: Option<u16>) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, port.unwrap_or(0))).await?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Waits for the code, for as long as the future lives.
    pub(crate) async fn code(&self, expected: Expected) -> Answer {
        let host = format!("127.0.0.1:{}", self.port);
        let waiting = Arc::new(Waiting { expected, host, done: Mutex::new(false) });
        let (answers, mut answer) = mpsc::channel(1);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                Some(answer) = answer.recv() => return answer,
                Some(_) = connections.join_next() => {}
                accepted = self.socket.accept(), if connections.len() < CONNECTIONS => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve(stream, Arc::clone(&waiting), answers.clone()));
                    }
                    // No descriptors left, or a connection that ended while it waited.
                    Err(_) => sleep(Duration::from_millis(100)).await,
                }
            }
        }
    }
}

/// Answers one request; the answer to our question is passed on when the page is out.
async fn serve(stream: TcpStream, waiting: Arc<Waiting>, answers: mpsc::Sender<Answer>) {
    let taken = Arc::new(Mutex::new(None));
    let place = Arc::clone(&taken);
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, page) = waiting.answer(&request);
        if answer.is_some() {
            *place.lock().expect("no one panics holding it") = answer;
        }
        async { Ok::<_, Infallible>(page) }
    });
    let connection = http1::Builder::new()
        .keep_alive(false)
        .max_buf_size(HEAD_LIMIT)
        .serve_connection(TokioIo::new(stream), service);
    // A browser that goes before it read the page has brought the code all the same.
    let _ = timeout(CONNECTION_TIME, connection).await;
    let answer = taken.lock().expect("no one panics holding it").take();
    if let Some(answer) = answer {
        let _ = answers.send(answer).await;
    }
}

impl Waiting {
    fn answer<T>(&self, request: &Request<T>) -> (Option<Answer>, Response<Full<Bytes>>) {
        let host = request.headers().get(HOST);
        if host.is_none_or(|host| host != self.host.as_str()) {
            return (None, page(StatusCode::FORBIDDEN, "This is not the address of a website."));
        }
        if request.uri().path() != PATH {
            return (None, page(StatusCode::NOT_FOUND, "There is nothing here."));
        }
        if request.method() != Method::GET {
            return (None, page(StatusCode::METHOD_NOT_ALLOWED, "There is nothing here."));
        }
        let mut done = self.done.lock().expect("no one panics holding it");
        if *done {
            return (None, page(StatusCode::GONE, "This login is over."));
        }
        match callback::read(request.uri().query().unwrap_or_default(), &self.expected) {
            Err(Wrong::Stray) => {
                let text = "This is not the answer to the login that is waiting.";
                (None, page(StatusCode::BAD_REQUEST, text))
            }
            Err(Wrong::Final(error)) => {
                *done = true;
                let text = "The login failed. The terminal says why.";
                (Some(Err(error)), page(StatusCode::BAD_REQUEST, text))
            }
            Ok(code) => {
                *done = true;
                let text = "You may close this window and go back to the terminal.";
                (Some(Ok(code)), page(StatusCode::OK, text))
            }
        }
    }
}

/// A page with nothing in it that came from outside.
fn page(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let body =
        format!("<!doctype html><meta charset=utf-8><title>Switchboard</title><p>{text}</p>\n");
    let mut page = Response::new(Full::new(Bytes::from(body)));
    *page.status_mut() = status;
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (CACHE_CONTROL, "no-store"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        page.headers_mut().insert(name, http::HeaderValue::from_static(value));
    }
    page
}
