//! The faulty server over streamable HTTP: a thread for each connection, and bytes by hand, because
//! a library would not write what is wrong.

use std::collections::HashMap;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{Fault, Plan, Random};
use super::{GARBAGE, LEAK_BYTES, REORDER_MILLIS, STRANGE, answer, fault};

/// A running server; stops when dropped.
pub struct Web {
    inner: Arc<Inner>,
    address: SocketAddr,
}

struct Inner {
    plan: Plan,
    random: Mutex<Random>,
    /// How often it crashed, which names the sessions of today.
    crashes: AtomicU64,
    over: AtomicBool,
    numbers: AtomicU64,
    open: Mutex<HashMap<u64, TcpStream>>,
    leaked: Mutex<Vec<Vec<u8>>>,
}

/// One request: its method, the session it names, and its body.
struct Asked {
    method: String,
    session: Option<String>,
    body: Vec<u8>,
}

impl Web {
    pub fn start(plan: Plan) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let inner = Arc::new(Inner {
            random: Mutex::new(Random::new(plan.seed)),
            plan,
            crashes: AtomicU64::new(0),
            over: AtomicBool::new(false),
            numbers: AtomicU64::new(0),
            open: Mutex::default(),
            leaked: Mutex::default(),
        });
        let accepting = Arc::clone(&inner);
        thread::spawn(move || accepting.accept(&listener));
        if let Some(time) = inner.plan.crash_every {
            let crashing = Arc::clone(&inner);
            thread::spawn(move || {
                while !crashing.over.load(Ordering::Relaxed) {
                    thread::sleep(time);
                    crashing.crash();
                }
            });
        }
        Self { inner, address }
    }

    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Cuts all connections and forgets all sessions, as a process does that crashes and is back.
    pub fn crash(&self) {
        self.inner.crash();
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        self.inner.over.store(true, Ordering::Relaxed);
        self.inner.crash();
        // Wakes the thread that accepts.
        let _ = TcpStream::connect(self.address);
    }
}

impl Inner {
    fn accept(self: &Arc<Self>, listener: &TcpListener) {
        for stream in listener.incoming() {
            if self.over.load(Ordering::Relaxed) {
                return;
            }
            let Ok(stream) = stream else { continue };
            let inner = Arc::clone(self);
            thread::spawn(move || inner.connection(&stream));
        }
    }

    fn connection(&self, stream: &TcpStream) {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        if let Ok(copy) = stream.try_clone() {
            self.open.lock().unwrap().insert(number, copy);
        }
        let _ = stream.set_nodelay(true);
        let mut reader = BufReader::new(stream);
        // The other side hung up, or this side crashed.
        while let Ok(Some(asked)) = read(&mut reader) {
            if self.respond(&asked, stream).is_err() {
                break;
            }
        }
        let _ = stream.shutdown(Shutdown::Both);
        self.open.lock().unwrap().remove(&number);
    }

    fn crash(&self) {
        self.crashes.fetch_add(1, Ordering::Relaxed);
        for stream in self.open.lock().unwrap().values() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn session(&self) -> String {
        format!("s{}", self.crashes.load(Ordering::Relaxed))
    }

    fn respond(&self, asked: &Asked, stream: &TcpStream) -> io::Result<()> {
        match asked.method.as_str() {
            "POST" => {}
            "DELETE" => return whole(stream, "204 No Content", "", ""),
            _ => return whole(stream, "405 Method Not Allowed", "", ""),
        }
        let message: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        let opens = message["method"] == "initialize" || message["method"] == "server/discover";
        if !opens && asked.session.as_ref() != Some(&self.session()) {
            return whole(stream, "404 Not Found", "", "");
        }
        let Some(answer) = answer(&message) else {
            return whole(stream, "202 Accepted", "", "");
        };
        let (met, wait) = {
            let mut random = self.random.lock().unwrap();
            let met = fault(&self.plan, &message, &mut random);
            let mut wait = Duration::ZERO;
            if message["method"] == "tools/call" {
                wait = self.plan.wait(&mut random);
            }
            if met == Some(Fault::Reorder) {
                wait += Duration::from_millis(1 + random.below(REORDER_MILLIS));
            }
            (met, wait)
        };
        thread::sleep(wait);
        let session = match message["method"] == "initialize" {
            true => format!("Mcp-Session-Id: {}\r\n", self.session()),
            false => String::new(),
        };
        self.say(stream, &session, answer, met)
    }

    fn say(
        &self,
        mut stream: &TcpStream,
        headers: &str,
        mut answer: Value,
        met: Option<Fault>,
    ) -> io::Result<()> {
        if met == Some(Fault::WrongId) {
            answer["id"] = json!(STRANGE);
        }
        let text = answer.to_string();
        let ended = || Err(io::ErrorKind::ConnectionAborted.into());
        match met {
            None | Some(Fault::Reorder | Fault::WrongId) => json_body(stream, headers, &text),
            Some(Fault::Drop) => ended(),
            Some(Fault::Garbage) => json_body(stream, headers, GARBAGE),
            Some(Fault::HalfLine) => json_body(stream, headers, &text[..text.len() / 2]),
            Some(Fault::Duplicate) => {
                whole(stream, "200 OK", EVENTS, &format!("data: {text}\n\ndata: {text}\n\n"))
            }
            Some(Fault::Endless) => {
                let head = format!("HTTP/1.1 200 OK\r\n{EVENTS}Connection: close\r\n\r\ndata: ");
                stream.write_all(head.as_bytes())?;
                loop {
                    stream.write_all(&[b'x'; 1 << 16])?;
                }
            }
            Some(Fault::Leak) => {
                self.leaked.lock().unwrap().push(vec![1; LEAK_BYTES]);
                json_body(stream, headers, &text)
            }
            Some(Fault::Hang) => {
                // Until the other side has had enough.
                let _ = io::copy(&mut stream, &mut io::sink());
                ended()
            }
            Some(Fault::CrashBefore) => {
                self.crash();
                ended()
            }
            Some(Fault::CrashMid) => {
                let head =
                    format!("HTTP/1.1 200 OK\r\n{JSON}Content-Length: {}\r\n\r\n", text.len());
                stream.write_all(format!("{head}{}", &text[..text.len() / 2]).as_bytes())?;
                self.crash();
                ended()
            }
            Some(Fault::CrashAfter) => {
                json_body(stream, headers, &text)?;
                self.crash();
                ended()
            }
        }
    }
}

const JSON: &str = "Content-Type: application/json\r\n";
const EVENTS: &str = "Content-Type: text/event-stream\r\n";

fn json_body(stream: &TcpStream, headers: &str, body: &str) -> io::Result<()> {
    whole(stream, "200 OK", &format!("{JSON}{headers}"), body)
}

fn whole(mut stream: &TcpStream, status: &str, headers: &str, body: &str) -> io::Result<()> {
    let length = body.len();
    let text = format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\n\r\n{body}");
    stream.write_all(text.as_bytes())
}

/// The next request, or `None` at the end of the connection.
fn read(reader: &mut BufReader<&TcpStream>) -> io::Result<Option<Asked>> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    let method = line.split(' ').next().unwrap_or_default().to_owned();
    let (mut session, mut length) = (None, 0);
    loop {
        line.clear();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        match name.to_ascii_lowercase().as_str() {
            "mcp-session-id" => session = Some(value.trim().to_owned()),
            "content-length" => length = value.trim().parse().map_err(io::Error::other)?,
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(Asked { method, session, body }))
}
