//! A peer in memory that asks back.

use async_trait::async_trait;
use switchboard_core::{Context, Error, Notification, Peer, Request, Response};
use switchboard_mcp::{Json, LogLevel, Method, ProtocolVersion};
use switchboard_testkit::Scripted;

/// Answers as [`Scripted`] does, and has tools of its own: `ask` puts `arguments.params` to the
/// client as a request of `arguments.method` and answers what the client did; `log` says something
/// on each level. Subscriptions are in the journal with their method.
pub(crate) struct Asker(pub Scripted);

#[async_trait]
impl Peer for Asker {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let name = request.name.clone().unwrap_or_default();
        match (&request.method, &*name) {
            (Method::ToolsCall, "ask") => ask(context, &request).await,
            (Method::ToolsCall, "log") => {
                for level in LogLevel::ALL {
                    let text = serde_json::json!({ "level": level.as_str(), "data": "said" });
                    let params = Some(Json::encode(&text));
                    let client = context.client.as_ref().unwrap();
                    client.notify(Notification { method: Method::LogMessage, params });
                }
                self.0.request(context, request).await
            }
            (Method::Subscribe | Method::Unsubscribe, uri) => {
                let name = Some(format!("{} {uri}", request.method));
                self.0.request(context, Request { name, ..request }).await
            }
            (Method::Other(name), _) => Err(Error::NoSuchMethod(name.to_string())),
            _ => self.0.request(context, request).await,
        }
    }
}

async fn ask(context: &Context, request: &Request) -> Result<Response, Error> {
    let arguments = request.params.as_ref().unwrap().members().unwrap();
    let arguments: serde_json::Value = arguments.read("arguments").unwrap();
    let method = Method::from(arguments["method"].as_str().unwrap());
    let params = arguments.get("params").map(Json::encode);
    let covered = context.capabilities.check(&method, params.as_ref());
    covered.map_err(|uncovered| Error::Refused(uncovered.to_server()))?;
    let client = context.client.clone().unwrap();
    let answer = client.request(context, Request { method, params, name: None }).await?;
    let text = format!("{{\"content\":[],\"answer\":{}}}", answer.result);
    let result = Json::parse(text.into()).unwrap();
    Ok(Response::new(result, ProtocolVersion::NEWEST_LEGACY))
}
