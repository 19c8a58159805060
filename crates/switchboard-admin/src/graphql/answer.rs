//! Answers of GraphQL: errors typed, whole or as a stream of events.
//!
//! The stream is that of the protocol GraphQL over SSE in "distinct connections mode"
//! (<https://github.com/graphql/graphql-over-http/blob/main/rfcs/GraphQLOverSSE.md>): `next` for each
//! result, then `complete`.

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use async_graphql::extensions::{Extension, ExtensionContext, ExtensionFactory, NextValidation};
use async_graphql::{
    ErrorExtensionValues, Name, PathSegment, Response as GraphResponse, ServerError,
    ValidationResult, Value,
};
use bytes::Bytes;
use futures_util::poll;
use futures_util::stream::{BoxStream, StreamExt as _, once, unfold};
use http::{Response, StatusCode};
use serde_json::json;

use crate::body::{self, Body};
use crate::fault::Fault;
use crate::graphql::asked::Unread;

/// After so long without a result a comment is sent, so that what is between us and the client does
/// not take the connection for dead. The older engine's feed took as long.
const SILENCE: Duration = Duration::from_secs(15);

/// Refuses what weighs more than this.
pub(super) struct Weighing(pub usize);

impl ExtensionFactory for Weighing {
    fn create(&self) -> Arc<dyn Extension> {
        Arc::new(Self(self.0))
    }
}

#[async_trait::async_trait]
impl Extension for Weighing {
    async fn validation(
        &self,
        context: &ExtensionContext<'_>,
        next: NextValidation<'_>,
    ) -> Result<ValidationResult, Vec<ServerError>> {
        let result = next.run(context).await?;
        if self.0 < result.complexity {
            let text =
                format!("the query weighs {}, and {} is the most", result.complexity, self.0);
            return Err(vec![server_error(Fault::TooMuch(text))]);
        }
        Ok(result)
    }
}

/// The answer to a request that was executed, however that went.
pub(super) fn whole(response: GraphResponse) -> Response<Body> {
    body::json(StatusCode::OK, &typed(response))
}

/// The answer to a request that GraphQL's rules refuse.
pub(super) fn refused(fault: &Fault, streams: bool) -> Response<Body> {
    let response = GraphResponse::from_errors(vec![server_error(fault.clone())]);
    if streams { stream(once(async { response }).boxed(), false) } else { whole(response) }
}

/// The answer to what is no request of GraphQL.
pub(super) fn unread(unread: &Unread) -> Response<Body> {
    let error = json!({"message": unread.message, "extensions": {"code": "BAD_REQUEST"}});
    body::json(unread.status, &json!({ "errors": [error] }))
}

/// A comment, which clients skip.
const COMMENT: &[u8] = b":\n\n";

/// The answer as events. One of which the results are still to happen (`is_live`) begins with a
/// comment once it listens: whoever has read it misses nothing that is done afterwards.
pub(super) fn stream(
    responses: BoxStream<'static, GraphResponse>,
    is_live: bool,
) -> Response<Body> {
    let next = async |state: Option<(BoxStream<'static, GraphResponse>, bool)>| {
        let (mut responses, is_new) = state?;
        let found = if is_new {
            match poll!(responses.next()) {
                Poll::Ready(found) => Ok(found),
                Poll::Pending => Err(()),
            }
        } else {
            tokio::time::timeout(SILENCE, responses.next()).await.map_err(drop)
        };
        match found {
            Err(()) => Some((Bytes::from_static(COMMENT), Some((responses, false)))),
            Ok(None) => Some((Bytes::from_static(b"event: complete\ndata:\n\n"), None)),
            Ok(Some(response)) => {
                let text = serde_json::to_string(&typed(response)).unwrap_or_default();
                let event = Bytes::from(format!("event: next\ndata: {text}\n\n"));
                Some((event, Some((responses, false))))
            }
        }
    };
    body::events(unfold(Some((responses, is_live)), next))
}

/// With a code in every error. Those of ours carry their [`Fault`]; all others are of the library,
/// about the text of the query or a value in it.
fn typed(mut response: GraphResponse) -> GraphResponse {
    for error in &mut response.errors {
        let code = match error.source::<Fault>() {
            Some(fault) => fault.code(),
            None if error.path.is_empty() => "GRAPHQL_VALIDATION_FAILED",
            None => "INVALID",
        };
        error.extensions.get_or_insert_with(ErrorExtensionValues::default).set("code", code);
        set_null(&mut response.data, &error.path);
    }
    response
}

/// Sets a field that failed to null, where the library left it out (GraphQL, September 2025, section
/// 6.4.4). All fields of ours that can fail may be null.
fn set_null(data: &mut Value, path: &[PathSegment]) {
    match (data, path) {
        (Value::Object(fields), [PathSegment::Field(name)]) => {
            fields.entry(Name::new(name)).or_insert(Value::Null);
        }
        (Value::Object(fields), [PathSegment::Field(name), rest @ ..]) => {
            if let Some(field) = fields.get_mut(name.as_str()) {
                set_null(field, rest);
            }
        }
        (Value::List(items), [PathSegment::Index(place), rest @ ..]) => {
            if let Some(item) = items.get_mut(*place) {
                set_null(item, rest);
            }
        }
        _ => {}
    }
}

fn server_error(fault: Fault) -> ServerError {
    let mut error = ServerError::new(fault.to_string(), None);
    error.source = Some(Arc::new(fault));
    error
}
