//! An MCP client for the daemon's own socket.
//!
//! It speaks 2026-07-28, where each request stands alone, so there is nothing to open and nothing to
//! keep. It offers no capability: a tool that wants to ask the person back is told so by the daemon.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use switchboard_mcp::{Frame, Incoming, Json, Method, Naming, ProtocolVersion, Raw, WireId};
use tokio::time::timeout;

use crate::error::ClientError;
use crate::wire::Wire;

/// A connection over which one request is made at a time.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
    /// Required members of `_meta` (2026-07-28, "`_meta`").
    envelope: Vec<(&'static str, Cow<'static, str>)>,
    last_id: u64,
    limit: Duration,
}

/// A tool as its server describes it. The texts are the server's: untrusted.
#[derive(Clone, Debug, Deserialize)]
pub struct Tool {
    pub name: String,
    #[serde(default)]
    pub title: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(rename = "inputSchema")]
    pub input_schema: serde_json::Value,
    /// The whole description, as it came.
    #[serde(skip, default = "Json::null")]
    pub json: Json,
}

/// What a tool answered.
#[derive(Clone, Debug)]
pub struct CallResult {
    /// With `content` and perhaps `structuredContent`, as it came.
    pub result: Json,
    /// The tool ran and failed.
    pub is_error: bool,
}

/// What a server says about a call under way.
#[derive(Clone, Debug, Deserialize)]
pub struct Progress {
    pub progress: f64,
    #[serde(default)]
    pub total: Option<f64>,
    #[serde(default)]
    pub message: Option<String>,
}

/// How long a request may take unless the caller says otherwise: what the official SDKs wait.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);

/// Most pages of a list; a daemon that always has one more is broken.
const PAGE_LIMIT: usize = 1_000;

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotRunning`] also when a daemon that was killed left its socket behind.
    pub async fn connect(path: &Path) -> Result<Self, ClientError> {
        let version = serde_json::Value::from(ProtocolVersion::MODERN.as_str()).to_string();
        let info =
            serde_json::json!({ "name": "switchboard", "version": env!("CARGO_PKG_VERSION") });
        let envelope = vec![
            ("io.modelcontextprotocol/protocolVersion", version.into()),
            ("io.modelcontextprotocol/clientCapabilities", "{}".into()),
            ("io.modelcontextprotocol/clientInfo", info.to_string().into()),
        ];
        Ok(Self { wire: Wire::connect(path).await?, envelope, last_id: 0, limit: REQUEST_LIMIT })
    }

    /// Lets each request take as long as `limit`.
    #[must_use]
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// All tools, in the daemon's order.
    ///
    /// # Errors
    ///
    /// [`ClientError`]; nothing has been changed.
    pub async fn list_tools(&mut self) -> Result<Vec<Tool>, ClientError> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Page<'a> {
            #[serde(borrow)]
            tools: Vec<Raw<'a>>,
            next_cursor: Option<String>,
        }
        const DOING: &str = "understand the list of tools";
        let mut tools = Vec::new();
        let mut cursor = None;
        for _ in 0..PAGE_LIMIT {
            let params =
                cursor.map(|cursor: String| Json::encode(&serde_json::json!({ "cursor": cursor })));
            let result = self.request(&Method::ToolsList, params.as_ref(), None).await?;
            let page: Page<'_> =
                result.view().map_err(|error| ClientError::nonsense(DOING, error))?;
            for raw in page.tools {
                let json = result.part(raw);
                let tool: Tool =
                    json.view().map_err(|error| ClientError::nonsense(DOING, error))?;
                tools.push(Tool { json, ..tool });
            }
            cursor = page.next_cursor;
            if cursor.is_none() {
                return Ok(tools);
            }
        }
        Err(ClientError::nonsense(DOING, format!("it has more than {PAGE_LIMIT} pages")))
    }

    /// Calls a tool; `arguments` is an object. `progress` hears what the server says meanwhile.
    ///
    /// # Errors
    ///
    /// [`ClientError`]. That the tool ran and failed is an answer.
    pub async fn call(
        &mut self,
        name: &str,
        arguments: &Json,
        progress: Option<&mut (dyn FnMut(Progress) + Send)>,
    ) -> Result<CallResult, ClientError> {
        let mut params = Vec::new();
        let mut object = switchboard_mcp::Object::open(&mut params);
        object.text("name", name).raw("arguments", arguments.as_bytes());
        object.close();
        let params = Json::written(params);
        let result = self.request(&Method::ToolsCall, Some(&params), progress).await?;
        let members = result
            .members()
            .map_err(|error| ClientError::nonsense("understand the answer of the tool", error))?;
        let is_error = members.read("isError").unwrap_or(false);
        match members.read("resultType") {
            None | Some("complete") => Ok(CallResult { is_error, result: result.clone() }),
            Some(other) => {
                let error = format!("its type is `{other}`, which was not offered");
                Err(ClientError::nonsense("use the answer of the tool", error))
            }
        }
    }

    async fn request(
        &mut self,
        method: &Method,
        params: Option<&Json>,
        progress: Option<&mut (dyn FnMut(Progress) + Send)>,
    ) -> Result<Json, ClientError> {
        let limit = self.limit;
        let answered = self.exchange(method, params, progress);
        timeout(limit, answered).await.unwrap_or(Err(ClientError::Slow(limit)))
    }

    /// Sends a request and reads until its answer; what else arrives was for a request given up.
    async fn exchange(
        &mut self,
        method: &Method,
        params: Option<&Json>,
        mut progress: Option<&mut (dyn FnMut(Progress) + Send)>,
    ) -> Result<Json, ClientError> {
        self.last_id += 1;
        let id = self.last_id;
        let frame = Frame {
            id: Some(WireId(id)),
            method,
            params,
            naming: Naming::Same,
            envelope: &self.envelope,
            progress: progress.is_some(),
        };
        let line =
            frame.encode().map_err(|error| ClientError::nonsense("write the request", error))?;
        self.wire.send(&line).await?;
        loop {
            let line = self.wire.receive().await?;
            let line = line.ok_or_else(|| ClientError::ended("get an answer"))?;
            let message = Incoming::decode(line).map_err(|error| {
                ClientError::nonsense("understand the daemon's answer", error.error)
            })?;
            match message {
                Incoming::Response { id: Some(answered), outcome }
                    if answered.as_number() == Some(id) =>
                {
                    return outcome.map_err(ClientError::Refused);
                }
                // Without an id it is about a line the daemon could not read, and we sent one line.
                Incoming::Response { id: None, outcome: Err(error) } => {
                    return Err(ClientError::Refused(error));
                }
                Incoming::Notification { method: Method::Progress, params: Some(params) } => {
                    if let (Some(progress), Some(report)) =
                        (progress.as_mut(), progress_of(&params, id))
                    {
                        progress(report);
                    }
                }
                Incoming::Notification { .. }
                | Incoming::Response { .. }
                | Incoming::Request { .. } => {}
            }
        }
    }
}

/// What `params` of a progress notification say about request `id`.
fn progress_of(params: &Json, id: u64) -> Option<Progress> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Token {
        progress_token: u64,
    }
    let token: Token = params.view().ok()?;
    (token.progress_token == id).then(|| params.view().ok())?
}

#[cfg(test)]
mod tests;
