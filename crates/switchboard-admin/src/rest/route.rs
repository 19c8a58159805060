//! A row of the table: what is asked how, and what answers.

use futures_util::future::BoxFuture;
use http::{Method, StatusCode};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::access::Right;
use crate::desk::{Desk, Version};
use crate::fault::Fault;
use crate::page::{After, Cursor};

pub(super) struct Route {
    pub method: Method,
    /// Below `/api/v1`; `{name}` stands for one segment.
    pub path: &'static str,
    pub right: Right,
    pub summary: &'static str,
    pub query: Vec<Parameter>,
    /// Whether what it is about has versions, named by `ETag` and `If-Match`.
    pub has_versions: bool,
    pub success: StatusCode,
    /// How many bytes its body may have.
    pub body_limit: usize,
    pub request: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub response: Option<fn(&mut SchemaGenerator) -> Schema>,
    pub handler: Handler,
}

/// The largest body: as with GraphQL.
const BODY_BYTES: usize = 4 << 20;

/// The largest one with files in it: the largest archive of a bundle, in base64.
const LARGE_BODY_BYTES: usize = 1_400 << 20;

type Handler = Box<dyn Fn(Desk, Call) -> BoxFuture<'static, Result<Reply, Fault>> + Send + Sync>;

/// A parameter of the query string.
#[derive(Clone, Copy)]
pub(super) struct Parameter {
    pub name: &'static str,
    pub about: &'static str,
}

/// The parameters of every list.
pub(super) const PAGED: [Parameter; 2] = [
    Parameter {
        name: "limit",
        about: "How many there are to be at most: 1 to 1000, 100 if absent.",
    },
    Parameter { name: "after", about: "`next` of the page before." },
];

/// What a handler gets.
pub(super) struct Call {
    /// What stands for the names of the path, in their order.
    pub parts: Vec<String>,
    pub query: Vec<(String, String)>,
    pub body: Value,
    pub version: Version,
}

/// What a handler gives.
pub(super) struct Answer<T> {
    pub value: T,
    pub version: Option<i64>,
    /// The key of what was made, for `Location`.
    pub made: Option<String>,
}

/// The same, written.
pub(super) struct Reply {
    pub value: Option<Value>,
    pub version: Option<i64>,
    pub made: Option<String>,
}

/// A page of a list.
#[derive(Deserialize, JsonSchema, Serialize)]
pub(super) struct Page<T> {
    pub items: Vec<T>,
    /// What to give as `after` to get the next page; null at the end.
    pub next: Option<String>,
}

impl<T> Answer<T> {
    pub(super) fn of(value: T) -> Self {
        Self { value, version: None, made: None }
    }
}

impl Call {
    pub(super) fn part(&self) -> &str {
        self.parts.first().map(String::as_str).unwrap_or_default()
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let own = self.query.iter().find(|(own, _)| own == name);
        own.map(|(_, value)| value.clone())
    }

    pub(super) fn number<T: std::str::FromStr>(&self, name: &str) -> Result<Option<T>, Fault> {
        let number = |text: String| text.parse().ok();
        match self.text(name).map(number) {
            None => Ok(None),
            Some(Some(number)) => Ok(Some(number)),
            Some(None) => Err(Fault::Invalid(format!("`{name}` is no number of the sort"))),
        }
    }

    pub(super) fn page(&self) -> Result<After, Fault> {
        use async_graphql::connection::CursorType as _;
        let cursor = self.text("after").as_deref().map(Cursor::decode_cursor).transpose()?;
        Ok(After { cursor, size: self.number("limit")?, counts: false })
    }
}

impl Route {
    /// One that reads.
    pub(super) fn get<R, W>(
        path: &'static str,
        right: Right,
        summary: &'static str,
        handler: impl Fn(Desk, Call) -> W + Send + Sync + 'static,
    ) -> Self
    where
        R: Serialize + JsonSchema,
        W: Future<Output = Result<Answer<R>, Fault>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |desk, call| {
            let answer = handler(desk, call);
            Box::pin(async move { write(answer.await?) })
        });
        Self::new((Method::GET, path), right, summary, handler).answers::<R>()
    }

    /// One that takes a body. A request without one has `null`, which a type may read or not.
    pub(super) fn with_body<B, R, W>(
        (method, path): (Method, &'static str),
        right: Right,
        summary: &'static str,
        handler: impl Fn(Desk, Call, B) -> W + Send + Sync + 'static,
    ) -> Self
    where
        B: DeserializeOwned + JsonSchema,
        R: Serialize + JsonSchema,
        W: Future<Output = Result<Answer<R>, Fault>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |desk, mut call| {
            let body = serde_json::from_value(std::mem::take(&mut call.body))
                .map_err(|error| Fault::Invalid(format!("the body: {error}")));
            let answer = body.map(|body| handler(desk, call, body));
            Box::pin(async move { write(answer?.await?) })
        });
        let route = Self::new((method, path), right, summary, handler).answers::<R>();
        Self { request: Some(|generator| generator.subschema_for::<B>()), ..route }
    }

    pub(super) fn delete<W>(
        path: &'static str,
        right: Right,
        summary: &'static str,
        handler: impl Fn(Desk, Call) -> W + Send + Sync + 'static,
    ) -> Self
    where
        W: Future<Output = Result<(), Fault>> + Send + 'static,
    {
        let handler: Handler = Box::new(move |desk, call| {
            let done = handler(desk, call);
            Box::pin(async move {
                done.await?;
                Ok(Reply { value: None, version: None, made: None })
            })
        });
        let route = Self::new((Method::DELETE, path), right, summary, handler);
        Self { success: StatusCode::NO_CONTENT, ..route }
    }

    fn new(
        (method, path): (Method, &'static str),
        right: Right,
        summary: &'static str,
        handler: Handler,
    ) -> Self {
        Self {
            method,
            path,
            right,
            summary,
            query: Vec::new(),
            has_versions: false,
            success: StatusCode::OK,
            body_limit: BODY_BYTES,
            request: None,
            response: None,
            handler,
        }
    }

    fn answers<R: JsonSchema>(self) -> Self {
        Self { response: Some(|generator| generator.subschema_for::<R>()), ..self }
    }

    /// With these parameters, beside those of a list.
    pub(super) fn paged(mut self, filters: &[(&'static str, &'static str)]) -> Self {
        self.query.extend(PAGED);
        let filters = filters.iter().map(|(name, about)| Parameter { name, about });
        self.query.extend(filters);
        self
    }

    pub(super) fn versioned(self) -> Self {
        Self { has_versions: true, ..self }
    }

    /// One whose body has files in it. What listeners let in is for them to say.
    pub(super) fn large(self) -> Self {
        Self { body_limit: LARGE_BODY_BYTES, ..self }
    }

    /// One that makes something under an id of our own.
    pub(super) fn making(self) -> Self {
        Self { success: StatusCode::CREATED, ..self }
    }

    /// What stands for the names of the path, where the path is of this route.
    pub(super) fn matches(&self, path: &str) -> Option<Vec<String>> {
        let mut parts = Vec::new();
        let mut own = self.path.split('/');
        for segment in path.split('/') {
            match own.next()? {
                name if name.starts_with('{') => parts.push(decoded(segment)?),
                word if word == segment => {}
                _ => return None,
            }
        }
        own.next().is_none().then_some(parts)
    }

    /// A parameter that nobody reads is a mistake: a filter that was misspelt shows everything.
    pub(super) fn check_query(&self, call: &Call) -> Result<(), Fault> {
        let is_known = |name: &str| self.query.iter().any(|parameter| parameter.name == name);
        match call.query.iter().find(|(name, _)| !is_known(name)) {
            Some((name, _)) => Err(Fault::Invalid(format!("there is no parameter `{name}`"))),
            None => Ok(()),
        }
    }
}

fn write<R: Serialize>(answer: Answer<R>) -> Result<Reply, Fault> {
    let value = serde_json::to_value(answer.value).map_err(|error| Fault::internal(&error))?;
    Ok(Reply { value: Some(value), version: answer.version, made: answer.made })
}

/// A segment of a path as text; `None` where it is empty or no text.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let [first, behind @ ..] = rest {
        rest = behind;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let digits = std::str::from_utf8(behind.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &behind[2..];
    }
    String::from_utf8(bytes).ok().filter(|text| !text.is_empty())
}

/// Text as a segment of a path (RFC 3986, section 3.3).
pub(super) fn encoded(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}
