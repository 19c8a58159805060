use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::{EgressError, EgressSettings, Guard, Limits, Resolve, Trust};

/// A server that answers by path, and keeps the heads it was sent.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

/// `{me}` in an answer is the server's own address.
async fn server(answer: impl Fn(&str) -> String + Send + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    let heads = Arc::clone(&seen);
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.windows(4).any(|end| end == b"\r\n\r\n") {
                let mut byte = [0];
                if stream.read_exact(&mut byte).await.is_err() {
                    break;
                }
                head.extend_from_slice(&byte);
            }
            let head = String::from_utf8(head).unwrap();
            let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
            heads.lock().unwrap().push(head);
            let text = answer(&path).replace("{me}", &address.to_string());
            let _ = stream.write_all(text.as_bytes()).await;
        }
    });
    Server { address, seen, _tasks: tasks }
}

fn ok(body: &str) -> String {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

fn redirect(to: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n")
}

fn guard() -> Guard {
    Guard::new(&EgressSettings::default()).unwrap()
}

fn get(address: &str) -> Request<Bytes> {
    Request::get(address).header("authorization", "Bearer canary").body(Bytes::new()).unwrap()
}

/// Follows one redirect from a configured server on this machine; the outcome as text.
async fn redirected(to: &str) -> String {
    let to = to.to_owned();
    let server = server(move |path| match path {
        "/" => redirect(&to),
        "/loop" => redirect("/loop"),
        _ => ok("arrived"),
    })
    .await;
    let address = format!("http://{}/", server.address);
    match guard().fetch(Trust::Configured, get(&address), &Limits::default()).await {
        Ok(response) => format!("{} {:?}", response.status().as_u16(), response.body()),
        Err(error) => error.to_string(),
    }
}

/// Where a redirect leads is judged like what was asked for (Azure MCP, CVE-2026-26118).
#[tokio::test]
async fn ssrf_by_redirect() {
    for (to, expected) in [
        ("/next", "200 b\"arrived\""),
        ("http://{me}/next", "200 b\"arrived\""),
        ("http://169.254.169.254/latest/meta-data/", "the metadata service of a cloud"),
        ("http://[::ffff:169.254.169.254]/", "an IPv4 address inside an IPv6 address"),
        ("http://[fd00:ec2::254]/", "the metadata service of a cloud"),
        ("http://[64:ff9b::a9fe:a9fe]/", "an IPv4 address inside"),
        ("http://10.0.0.1/", "in a private network"),
        ("http://0.0.0.0/", "unspecified"),
        ("http://2130706433:1/", "cannot connect"),
        ("http://2852039166/", "the metadata service of a cloud"),
        ("http://0xa9fea9fe/", "the metadata service of a cloud"),
        ("file:///etc/passwd", "redirects to something that is no address"),
        ("gopher://127.0.0.1/", "https:// or http://"),
        ("//127.0.0.1/next", "redirects to something that is no address"),
        ("next", "redirects to something that is no address"),
        ("http://user@{me}/next", "a user name"),
        ("/loop", "redirects too often"),
    ] {
        let actual = redirected(to).await;
        assert!(actual.contains(expected), "{to}: {actual}");
    }
}

#[tokio::test]
async fn credentials_stay_with_their_origin() {
    let other = server(|_| ok("other")).await;
    let to = format!("http://{}/x", other.address);
    let first = server(move |path| if path == "/" { redirect("/y") } else { redirect(&to) }).await;
    let request = get(&format!("http://{}/", first.address));
    let response = guard().fetch(Trust::Configured, request, &Limits::default()).await.unwrap();
    assert_eq!(response.body(), "other");
    let seen = first.seen.lock().unwrap().clone();
    assert_eq!(seen.iter().filter(|head| head.contains("canary")).count(), 2, "{seen:?}");
    let seen = other.seen.lock().unwrap().clone();
    assert!(seen.iter().all(|head| !head.contains("canary")), "{seen:?}");
    assert!(seen[0].contains(&format!("host: {}", other.address)), "{seen:?}");
}

#[tokio::test]
async fn a_post_is_never_redirected() {
    let server = server(|_| redirect("/other")).await;
    let request = Request::post(format!("http://{}/", server.address)).body("x=1".into()).unwrap();
    let response = guard().fetch(Trust::Configured, request, &Limits::default()).await.unwrap();
    assert_eq!(response.status(), StatusCode::FOUND);
    assert_eq!(server.seen.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn limits_hold() {
    let long = server(|path| match path {
        "/declared" => "HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\nx".to_owned(),
        "/endless" => format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5000)),
        "/head" => format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)),
        "/garbage" => "\0\0\0\r\n\r\n".to_owned(),
        _ => "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nxx".to_owned(),
    })
    .await;
    let limits = Limits { body_bytes: 1000, ..Limits::default() };
    for (path, expected) in [
        ("declared", "longer than 1000 bytes"),
        ("endless", "longer than 1000 bytes"),
        ("head", "broke"),
        ("garbage", "broke"),
        ("short", "broke"),
    ] {
        let request = get(&format!("http://{}/{path}", long.address));
        let answer = guard().fetch(Trust::Configured, request, &limits).await;
        let error = answer.expect_err(path);
        assert!(error.to_string().contains(expected), "{path}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{path}");
    }
}

#[tokio::test]
async fn a_silent_server_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    let limits = Limits { total: Duration::from_millis(50), ..Limits::default() };
    let error = guard().fetch(Trust::Configured, get(&address), &limits).await.unwrap_err();
    assert!(matches!(error, EgressError::TimedOut { .. }), "{error}");
    assert!(error.is_temporary());
}

#[tokio::test]
async fn plain_text_stays_on_this_machine() {
    for (address, trust, expected) in [
        ("http://10.0.0.1/", Trust::Configured, "only https"),
        ("http://8.8.8.8/", Trust::Told, "only https"),
        ("http://127.0.0.1:1/", Trust::Told, "this machine"),
        ("http://127.0.0.1:1/", Trust::ToldOnLoopback, "cannot connect"),
        ("ftp://8.8.8.8/", Trust::Told, "https:// or http://"),
        ("/relative", Trust::Told, "https:// or http://"),
        ("https://a:b@8.8.8.8/", Trust::Told, "a user name"),
        ("https://8.8.8.8:0/", Trust::Told, "port"),
    ] {
        let error = guard().fetch(trust, get(address), &Limits::default()).await.unwrap_err();
        assert!(error.to_string().contains(expected), "{address}: {error}");
    }
}

struct Here;

#[async_trait]
impl Resolve for Here {
    async fn resolve(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(vec![[127, 0, 0, 1].into()])
    }
}

/// One connection over TLS, with a certificate for `host`; whether a fetch gets through.
async fn over_tls(host: &str, trusted: bool) -> Result<StatusCode, EgressError> {
    let made = rcgen::generate_simple_self_signed(["mcp.example".to_owned()]).unwrap();
    let directory = tempfile::tempdir().unwrap();
    let ca_file = directory.path().join("ca.pem");
    std::fs::write(&ca_file, made.cert.pem()).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let Ok(mut stream) = acceptor.accept(stream).await else { return };
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(ok("secure").as_bytes()).await;
        let _ = stream.shutdown().await;
    });
    let settings =
        EgressSettings { ca_file: trusted.then_some(ca_file), ..EgressSettings::default() };
    let guard = Guard::with_resolver(&settings, Box::new(Here))?;
    let request = get(&format!("https://{host}:{port}/"));
    Ok(guard.fetch(Trust::Configured, request, &Limits::default()).await?.status())
}

#[tokio::test]
async fn tls_checks_name_and_authority() {
    assert_eq!(over_tls("mcp.example", true).await.unwrap(), StatusCode::OK);
    let error = over_tls("other.example", true).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
    let error = over_tls("mcp.example", false).await.unwrap_err();
    assert!(matches!(error, EgressError::Tls { .. }), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let empty = directory.path().join("empty.pem");
    std::fs::write(&empty, "nothing").unwrap();
    for path in [empty, directory.path().join("missing.pem")] {
        let settings = EgressSettings { ca_file: Some(path), ..EgressSettings::default() };
        let error = Guard::new(&settings).unwrap_err().to_string();
        assert!(error.contains("egress.ca_file"), "{error}");
    }
}
