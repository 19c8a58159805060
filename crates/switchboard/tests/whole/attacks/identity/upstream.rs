//! A server of 2025-06-18 with one tool, which writes down everything that it is sent.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub(super) struct Recording {
    pub url: String,
    seen: Arc<Mutex<String>>,
}

impl Recording {
    /// It ends with the process of the tests.
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/mcp", listener.local_addr().unwrap());
        let seen = Arc::<Mutex<String>>::default();
        let noted = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let noted = Arc::clone(&noted);
                std::thread::spawn(move || serve(&stream, &noted));
            }
        });
        Self { url, seen }
    }

    /// All heads and bodies.
    pub(super) fn seen(&self) -> String {
        self.seen.lock().unwrap().clone()
    }
}

fn serve(mut stream: &TcpStream, seen: &Mutex<String>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            line.clear();
        }
        let mut body = vec![0; length];
        if head.is_empty() || reader.read_exact(&mut body).is_err() {
            return;
        }
        let body = String::from_utf8_lossy(&body).into_owned();
        seen.lock().unwrap().push_str(&format!("{head}\n{body}\n"));
        let (status, answer) = match head.split(' ').next() {
            Some("POST") => answer(&body),
            _ => (405, String::new()),
        };
        let text = format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{answer}",
            answer.len()
        );
        if stream.write_all(text.as_bytes()).is_err() {
            return;
        }
    }
}

fn answer(body: &str) -> (u16, String) {
    let message: Value = serde_json::from_str(body).unwrap_or_default();
    let result = match message["method"].as_str() {
        _ if message["id"].is_null() => return (202, String::new()),
        Some("initialize") => json!({ "protocolVersion": "2025-06-18",
            "capabilities": { "tools": {} }, "serverInfo": { "name": "spy", "version": "1" } }),
        Some("tools/list") => json!({ "tools": [
            { "name": "do_it", "description": "x", "inputSchema": { "type": "object" } }] }),
        Some("tools/call") => json!({ "content": [{ "type": "text", "text": "done" }] }),
        Some("ping") => json!({}),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            let answer = json!({ "jsonrpc": "2.0", "id": message["id"], "error": error });
            return (200, answer.to_string());
        }
    };
    (200, json!({ "jsonrpc": "2.0", "id": message["id"], "result": result }).to_string())
}
