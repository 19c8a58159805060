//! What a GraphQL request asks.

use async_graphql::parser::parse_query;
use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, OperationType};
use async_graphql::{Name, Request as GraphRequest, Variables};
use bytes::Bytes;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::body::is_of;
use crate::fault::Fault;
use crate::graphql::shape::{self, Excess};

/// The largest body: manifests come as variables.
const BODY_BYTES: usize = 4 * 1024 * 1024;

/// The largest text of a query. Those of programs have a few kilobytes.
const QUERY_BYTES: usize = 64 * 1024;

#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    query: String,
    #[serde(default, alias = "operationName")]
    operation_name: Option<String>,
    #[serde(default)]
    variables: Option<Map<String, Value>>,
}

/// Why a request is none of GraphQL.
#[derive(Debug)]
pub(super) struct Unread {
    pub status: StatusCode,
    pub message: &'static str,
}

impl Unread {
    pub(super) fn new(status: StatusCode, message: &'static str) -> Self {
        Self { status, message }
    }
}

impl Asked {
    /// Reads a request. A body has to be said to be JSON: no page of a stranger can make a browser
    /// send that without asking first (CORS, "simple requests").
    pub(super) fn read(request: &Request<Bytes>) -> Result<Self, Unread> {
        match *request.method() {
            Method::GET => Self::of_query(request.uri().query().unwrap_or_default()),
            Method::POST => Self::of_body(request),
            _ => {
                Err(Unread::new(StatusCode::METHOD_NOT_ALLOWED, "GraphQL is asked by POST or GET"))
            }
        }
    }

    fn of_body(request: &Request<Bytes>) -> Result<Self, Unread> {
        if !is_of(request.headers(), "application/json") {
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Unread::new(status, "the body has to be `application/json`"));
        }
        if BODY_BYTES < request.body().len() {
            return Err(Unread::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large"));
        }
        serde_json::from_slice(request.body()).map_err(|_| {
            let text = "the body has to be an object with `query`, `variables`, `operation_name`";
            Unread::new(StatusCode::BAD_REQUEST, text)
        })
    }

    fn of_query(text: &str) -> Result<Self, Unread> {
        let mut asked = Self { query: String::new(), operation_name: None, variables: None };
        for (name, value) in form_urlencoded::parse(text.as_bytes()) {
            match &*name {
                "query" => asked.query = value.into_owned(),
                "operationName" | "operation_name" => {
                    asked.operation_name = Some(value.into_owned());
                }
                "variables" => {
                    let status = StatusCode::BAD_REQUEST;
                    asked.variables = serde_json::from_str(&value)
                        .map_err(|_| Unread::new(status, "`variables` has to be a JSON object"))?;
                }
                _ => {}
            }
        }
        if asked.query.is_empty() {
            return Err(Unread::new(StatusCode::BAD_REQUEST, "`query` is missing"));
        }
        Ok(asked)
    }

    /// Parses and measures it: what the library is to execute, and of which sort it is.
    pub(super) fn prepare(
        self,
        may_introspect: bool,
    ) -> Result<(GraphRequest, OperationType), Fault> {
        if QUERY_BYTES < self.query.len() {
            return Err(Excess::Text.into());
        }
        // The parser calls itself for every bracket: how many there are is counted before.
        shape::check_nesting(&self.query)?;
        let document = parse_query(&self.query)
            .map_err(|error| Fault::Invalid(format!("the query cannot be read: {error}")))?;
        let introspects = shape::check(&document)?;
        if introspects && !may_introspect {
            return Err(Fault::Forbidden("inspect operations, to introspect".to_owned()));
        }
        let kind = kind(&document, self.operation_name.as_deref())?;
        let variables = Variables::from_json(Value::Object(self.variables.unwrap_or_default()));
        let mut request = GraphRequest::new(self.query).variables(variables);
        request.operation_name = self.operation_name;
        request.set_parsed_query(document);
        Ok((request, kind))
    }
}

fn kind(document: &ExecutableDocument, name: Option<&str>) -> Result<OperationType, Fault> {
    match (&document.operations, name) {
        (DocumentOperations::Single(operation), None) => Ok(operation.node.ty),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get(&Name::new(name))
            .map(|operation| operation.node.ty)
            .ok_or_else(|| Fault::Invalid(format!("there is no operation `{name}`"))),
        // A client that names an operation without a name means the only one that there is.
        (DocumentOperations::Single(operation), Some("")) => Ok(operation.node.ty),
        (DocumentOperations::Single(_), Some(name)) => {
            Err(Fault::Invalid(format!("there is no operation `{name}`")))
        }
        (DocumentOperations::Multiple(operations), None) => match operations.values().next() {
            Some(operation) if operations.len() == 1 => Ok(operation.node.ty),
            _ => Err(Fault::invalid("there are several operations; `operationName` says which")),
        },
    }
}
