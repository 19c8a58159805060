//! Requests to a daemon with any credential, byte by byte, and what comes back.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::common::{Home, PATIENCE};

/// What came back over HTTP.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) status: u16,
    pub(crate) head: String,
    /// As JSON where it is that, otherwise as text.
    pub(crate) body: Value,
}

impl Said {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        let mut found = lines.filter(|(own, _)| own.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value)
    }
}

pub(crate) fn authority(home: &Home) -> String {
    home.address().replace("http://", "").replace("/mcp", "")
}

/// `Authorization` with a token.
pub(crate) fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}\r\n")
}

/// Sends `METHOD PATH` with these headers, and reads to the end.
pub(crate) fn ask(authority: &str, request: &str, headers: &str, body: &str) -> Said {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let kind =
        if headers.contains("Content-Type:") { "" } else { "Content-Type: application/json\r\n" };
    let text = format!(
        "{request} HTTP/1.1\r\nHost: {authority}\r\n{headers}{kind}Connection: close\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // A refusal may come before everything is sent.
    let _ = stream.write_all(text.as_bytes());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0);
    let body = serde_json::from_str(body).unwrap_or_else(|_| Value::String(body.to_owned()));
    Said { status, head: head.to_owned(), body }
}

/// What `GET /me` says to whoever has a token; the status where it is refused.
pub(crate) fn me(authority: &str, tenant: &str, token: &str) -> Result<Value, u16> {
    me_with(authority, tenant, &bearer(token))
}

pub(crate) fn me_with(authority: &str, tenant: &str, headers: &str) -> Result<Value, u16> {
    let path = if tenant == "default" { "/me".to_owned() } else { format!("/{tenant}/me") };
    let said = ask(authority, &format!("GET {path}"), headers, "");
    if said.status == 200 { Ok(said.body) } else { Err(said.status) }
}

/// Posts a form, as those do who log in.
pub(crate) fn form(authority: &str, path: &str, fields: &[(&str, &str)]) -> Said {
    let plain = |text: &str| -> String {
        let escaped = text.bytes().map(|byte| match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        escaped.collect()
    };
    let fields: Vec<_> =
        fields.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
    let kind = "Content-Type: application/x-www-form-urlencoded\r\n";
    ask(authority, &format!("POST {path}"), kind, &fields.join("&"))
}

pub(crate) fn log_in(authority: &str, name: &str, password: &str) -> Said {
    form(authority, "/auth/token", &[("username", name), ("password", password)])
}

/// The token that somebody gets who logs in.
#[track_caller]
pub(crate) fn token(authority: &str, name: &str, password: &str) -> String {
    let said = log_in(authority, name, password);
    assert_eq!(said.status, 200, "{said:?}");
    said.body["access_token"].as_str().unwrap().to_owned()
}

/// Claims with some members changed; null takes one away.
pub(crate) fn patched(claims: &Value, patch: &Value) -> Value {
    let mut claims = claims.clone();
    for (name, value) in patch.as_object().unwrap() {
        match value {
            Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
            value => claims[name] = value.clone(),
        }
    }
    claims
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// A call of the server that stands for Amazon's user pools.
#[track_caller]
pub(crate) fn pools(port: u16, operation: &str, body: &Value) -> Value {
    let headers = format!(
        "Content-Type: application/x-amz-json-1.1\r\n\
         X-Amz-Target: AWSCognitoIdentityProviderService.{operation}\r\n\
         Authorization: AWS4-HMAC-SHA256 \
         Credential=test/20260101/eu-central-1/cognito-idp/aws4_request, SignedHeaders=host, \
         Signature=0\r\n"
    );
    let said = ask(&format!("127.0.0.1:{port}"), "POST /", &headers, &body.to_string());
    assert_eq!(said.status, 200, "{operation}: {said:?}");
    said.body
}

/// A user pool with a client that has a secret, and `ann`, who is one of its group `admin`.
pub(crate) struct Pool {
    pub(crate) id: String,
    pub(crate) client: String,
    pub(crate) secret: String,
}

pub(crate) const POOL_PASSWORD: &str = "Right-password-1!";

impl Pool {
    pub(crate) fn new(port: u16) -> Self {
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let pool = pools(port, "CreateUserPool", &json!({ "PoolName": "people" }));
        let id = text(&pool["UserPool"]["Id"]);
        let client = json!({ "UserPoolId": id, "ClientName": "ours", "GenerateSecret": true });
        let client = pools(port, "CreateUserPoolClient", &client)["UserPoolClient"].clone();
        pools(port, "CreateGroup", &json!({ "UserPoolId": id, "GroupName": "admin" }));
        let member = json!({ "UserPoolId": id, "Username": "ann", "GroupName": "admin",
            "Password": POOL_PASSWORD, "Permanent": true });
        let only = |names: &[&str]| -> Value {
            let members = names.iter().map(|name| ((*name).to_owned(), member[*name].clone()));
            Value::Object(members.collect())
        };
        pools(port, "AdminCreateUser", &only(&["UserPoolId", "Username"]));
        let password = only(&["UserPoolId", "Username", "Password", "Permanent"]);
        pools(port, "AdminSetUserPassword", &password);
        pools(port, "AdminAddUserToGroup", &only(&["UserPoolId", "Username", "GroupName"]));
        Self { id, client: text(&client["ClientId"]), secret: text(&client["ClientSecret"]) }
    }

    pub(crate) fn region(&self) -> &str {
        self.id.split('_').next().unwrap()
    }
}

/// Opens a stream of events, and reads what it begins with.
pub(crate) fn hold(authority: &str, path: &str, credential: &str) -> TcpStream {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\
         Accept: text/event-stream\r\n{credential}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    assert!(head.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&head));
    stream
}

/// A reset is an end as well; only silence is wrong.
#[track_caller]
pub(crate) fn assert_ends(mut stream: TcpStream) {
    let ended = stream.read_to_end(&mut Vec::new());
    let silent = ended.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock);
    assert!(!silent, "it is still open");
}
