//! GraphQL: the surface of the older engine, and the modern one beside it.
//!
//! A request is read ([`asked`]), measured ([`shape`]) and only then given to the library: what
//! would cost more than its answer is worth is refused before anything is validated. Every resolver
//! goes to the [`Desk`], which decides about rights; errors become typed in one place ([`answer`]).

mod answer;
mod asked;
mod connection;
mod explorer;
mod loader;
mod modern;
mod mutation;
mod older;
mod payload;
mod shape;
mod subscription;

use async_graphql::dataloader::{DataLoader, HashMapCache};
use async_graphql::parser::types::OperationType;
use async_graphql::{Context, MergedObject, Schema};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use switchboard_core::Area;

use crate::access::Right;
use crate::body::{Body, accepts};
use crate::desk::Desk;
use crate::graphql::asked::{Asked, Unread};
use crate::graphql::loader::Rows;
use crate::live::Live;

#[derive(Default, MergedObject)]
pub(crate) struct Query(older::OlderQuery, modern::ModernQuery);

#[derive(Default, MergedObject)]
pub(crate) struct Mutation(older::OlderMutation, mutation::ModernMutation);

pub(crate) struct Graph(Schema<Query, Mutation, subscription::Subscription>);

/// The most that a request may weigh: a page of a thousand functions, with forty fields of each, of
/// its module, its settings and its last call together, weighs 40,000.
const COMPLEXITY: usize = 50_000;

impl Graph {
    pub(crate) fn new(live: Live) -> Self {
        let schema =
            Schema::build(Query::default(), Mutation::default(), subscription::Subscription)
                .data(live)
                // Suggestions would tell the names of fields to those who may not ask for them.
                .disable_suggestions()
                .limit_recursive_depth(shape::NESTING)
                .limit_directives(shape::DIRECTIVES)
                .extension(answer::Weighing(COMPLEXITY))
                .finish();
        Self(schema)
    }

    /// The schema in its own language.
    pub(crate) fn sdl(&self) -> String {
        self.0.sdl()
    }

    pub(crate) async fn respond(&self, desk: Desk, request: Request<Bytes>) -> Response<Body> {
        if request.method() == Method::GET && accepts(&request, "text/html") {
            return explorer::page(&desk);
        }
        let streams = accepts(&request, "text/event-stream");
        let is_get = request.method() == Method::GET;
        let asked = match Asked::read(&request) {
            Ok(asked) => asked,
            Err(unread) => return answer::unread(&unread),
        };
        let prepared = match asked.prepare(desk.access.has(Right::Inspect(Area::Operations))) {
            Ok(prepared) => prepared,
            Err(fault) => return answer::refused(&fault, streams),
        };
        let (request, kind) = prepared;
        if is_get && kind != OperationType::Query {
            return answer::unread(&Unread::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "only queries may be sent with GET",
            ));
        }
        let loader = loader(&desk, kind);
        let request = request.data(desk).data(loader);
        if streams {
            let is_live = kind == OperationType::Subscription;
            return answer::stream(self.0.execute_stream(request), is_live);
        }
        if kind == OperationType::Subscription {
            return answer::unread(&Unread::new(
                StatusCode::NOT_ACCEPTABLE,
                "subscriptions are answered as `text/event-stream`, which `Accept` has to name",
            ));
        }
        answer::whole(self.0.execute(request).await)
    }
}

/// The loader of one request. What it read is good for a query; a mutation has to see what the one
/// before it in the same request wrote.
fn loader(desk: &Desk, kind: OperationType) -> DataLoader<Rows, HashMapCache> {
    let tasks = desk.ports.tasks.clone();
    let spawn = move |load| tasks.spawn(load);
    let loader = DataLoader::with_cache(Rows(desk.clone()), spawn, HashMapCache::default());
    loader.enable_all_cache(kind == OperationType::Query);
    loader
}

/// The desk of a request.
fn desk<'a>(context: &Context<'a>) -> &'a Desk {
    context.data_unchecked()
}

/// The rows that fields of this request are made of.
fn rows<'a>(context: &Context<'a>) -> &'a DataLoader<Rows, HashMapCache> {
    context.data_unchecked()
}
