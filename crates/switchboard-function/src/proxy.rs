//! The one door to the network that a bundle has: an HTTP proxy on this machine's loopback, which lets
//! through what was granted, to addresses that were judged.
//!
//! `CONNECT` (RFC 9110, 9.3.6) for everything with TLS, and requests with a whole address (RFC 9112,
//! 3.2.2) for the rest. Each bundle has one of its own, which knows it by a word that it alone was told.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_egress::{Guard, Trust};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::host::HostRule;

/// Lives as long as somebody has it.
pub(crate) struct Proxy {
    port: u16,
    word: String,
    _end: DropGuard,
}

/// What connections have in common.
struct Rules {
    name: String,
    hosts: Vec<HostRule>,
    guard: Guard,
    /// What `Proxy-Authorization` has to say.
    expected: String,
}

/// Connections of a bundle at once.
const CONNECTIONS: usize = 64;

/// The first lines of a request.
const HEAD: usize = 16 << 10;

/// How long they may take.
const HEAD_TIME: Duration = Duration::from_secs(10);

impl Proxy {
    /// A proxy for the bundle `name`, which may connect to `hosts`.
    ///
    /// # Errors
    ///
    /// No port is free, or there is no randomness.
    pub(crate) async fn start(
        name: &str,
        hosts: Vec<HostRule>,
        guard: Guard,
        tasks: &TaskTracker,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let port = listener.local_addr()?.port();
        let mut bytes = [0; 24];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let word: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let expected = format!("Basic {}", STANDARD.encode(format!("bundle:{word}")));
        let rules = Arc::new(Rules { name: name.to_owned(), hosts, guard, expected });
        let over = CancellationToken::new();
        tasks.spawn(accept(listener, rules, (over.clone(), tasks.clone())));
        Ok(Self { port, word, _end: over.drop_guard() })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// As programs are told of it.
    pub(crate) fn address(&self) -> String {
        format!("http://bundle:{}@127.0.0.1:{}", self.word, self.port)
    }
}

async fn accept(
    listener: TcpListener,
    rules: Arc<Rules>,
    (over, tasks): (CancellationToken, TaskTracker),
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = over.cancelled() => return,
        };
        let Ok((stream, _)) = accepted else {
            // Out of descriptors, mostly: it passes.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let (rules, over) = (Arc::clone(&rules), over.clone());
        tasks.spawn(async move {
            let _place = place;
            tokio::select! {
                () = serve(stream, &rules) => {}
                () = over.cancelled() => {}
            }
        });
    }
}

/// One connection, one request: what follows it is between the two ends.
async fn serve(mut stream: TcpStream, rules: &Rules) {
    let head = tokio::time::timeout(HEAD_TIME, read_head(&mut stream)).await;
    let Ok(Ok((head, rest))) = head else { return };
    let refusal = match Asked::read(&head, rules) {
        Err(refusal) => refusal,
        Ok(asked) => match connect(&asked, rules).await {
            Err(refusal) => refusal,
            Ok(far) => return relay(stream, far, (&asked, &rest)).await,
        },
    };
    let Refusal { status, why } = refusal;
    tracing::debug!(bundle = rules.name, status, why, "a connection was refused");
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n{why}",
        why.len()
    );
    // Whoever asked may be gone.
    let _ = stream.write_all(answer.as_bytes()).await;
}

struct Refusal {
    status: &'static str,
    why: String,
}

impl Refusal {
    fn forbidden(why: String) -> Self {
        Self { status: "403 Forbidden", why }
    }

    fn malformed(why: &str) -> Self {
        Self { status: "400 Bad Request", why: why.to_owned() }
    }
}

/// Everything up to the empty line, and what came behind it.
async fn read_head(stream: &mut TcpStream) -> io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(1 << 10);
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            let head = String::from_utf8(bytes).map_err(io::Error::other)?;
            return Ok((head, rest));
        }
        if bytes.len() > HEAD || stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

/// Where somebody wants to connect to.
struct Asked {
    host: String,
    port: u16,
    /// What the other end is sent first; nothing where it is told that it has a connection.
    opening: Option<String>,
}

impl Asked {
    fn read(head: &str, rules: &Rules) -> Result<Self, Refusal> {
        let (first, headers) = head.split_once("\r\n").unwrap_or((head, ""));
        let mut words = first.split(' ');
        let (method, target) = (words.next().unwrap_or(""), words.next().unwrap_or(""));
        let lines = || headers.split("\r\n").filter(|line| !line.is_empty());
        let value = |name: &str| {
            let mut found = lines().filter_map(|line| line.split_once(':'));
            found.find(|(own, _)| own.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
        };
        if value("Proxy-Authorization") != Some(&*rules.expected) {
            let why = "this proxy is for one bundle".to_owned();
            return Err(Refusal { status: "407 Proxy Authentication Required", why });
        }
        if method == "CONNECT" {
            let (host, port) = authority(target, None)?;
            return Ok(Self { host, port, opening: None });
        }
        let rest = target.strip_prefix("http://");
        let rest = rest.ok_or_else(|| Refusal::malformed("the address is not a whole one"))?;
        let slash = rest.find('/').unwrap_or(rest.len());
        let (host, port) = authority(&rest[..slash], Some(80))?;
        let path = if slash == rest.len() { "/" } else { &rest[slash..] };
        let kept = lines().filter(|line| {
            let name = line.split(':').next().unwrap_or_default();
            let dropped = ["proxy-authorization", "proxy-connection", "connection"];
            !dropped.iter().any(|own| name.eq_ignore_ascii_case(own))
        });
        let kept: String = kept.map(|line| format!("{line}\r\n")).collect();
        // One request on the connection: the next may be for another host.
        let opening = format!("{method} {path} HTTP/1.1\r\n{kept}Connection: close\r\n\r\n");
        Ok(Self { host, port, opening: Some(opening) })
    }
}

fn authority(text: &str, usual: Option<u16>) -> Result<(String, u16), Refusal> {
    let malformed = || Refusal::malformed("the host is malformed");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| malformed())?),
        None => (text, usual.ok_or_else(malformed)?),
    };
    if host.is_empty() || host.contains(['@', '[', ']', '/']) {
        return Err(malformed());
    }
    Ok((host.to_owned(), port))
}

async fn connect(asked: &Asked, rules: &Rules) -> Result<switchboard_egress::Stream, Refusal> {
    let Asked { host, port, .. } = asked;
    if !rules.hosts.iter().any(|rule| rule.allows(host, *port)) {
        let why = format!("the bundle may not connect to {host}:{port}; `grants.hosts` allows it");
        return Err(Refusal::forbidden(why));
    }
    let unreached = |error: switchboard_egress::EgressError| Refusal {
        status: "502 Bad Gateway",
        why: error.to_string(),
    };
    let trust = Trust::Configured;
    let pinned = rules.guard.resolve(host, *port, trust).await.map_err(unreached)?;
    rules.guard.connect_pinned(&pinned, false).await.map_err(unreached)
}

async fn relay(
    mut near: TcpStream,
    mut far: switchboard_egress::Stream,
    (asked, rest): (&Asked, &[u8]),
) {
    let relaying = async {
        match &asked.opening {
            None => near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?,
            Some(opening) => far.write_all(opening.as_bytes()).await?,
        }
        far.write_all(rest).await?;
        tokio::io::copy_bidirectional(&mut near, &mut far).await
    };
    // How a connection ends is told to both by its end.
    let _ = relaying.await;
}
