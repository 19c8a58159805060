//! Requests that take several rounds because their server has to ask the client first
//! (2026-07-28, "Multi round-trip requests").
//!
//! A server of that revision answers `input_required` and forgets the request; whoever asked asks
//! again with the answers. A client of the same revision does that itself, and all we do is seal
//! the server's `requestState` together with the server's name, so that it is good only for who got
//! it, and what the user answers reaches nobody but who asked. For an older client, which knows
//! questions as requests on its session, we go the rounds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use switchboard_mcp::{
    Answers, Era, InputRequest, InputRequired, Json, Method, Needle, Object, ProtocolVersion,
    RpcError, Uncovered, code, fingerprint, renumber, url_elicitations, with_answers,
    without_answers,
};

use crate::error::Error;
use crate::peer::{Context, Peer, Request, Response};
use crate::seal::{Purpose, Seal};

/// Most rounds of one request; SDKs give up after 8 to 10.
const ROUNDS: usize = 10;

/// The wait before a request is sent again to a server that only asks for patience; doubled each
/// time, so that all rounds together take two minutes.
const PATIENCE: Duration = Duration::from_millis(250);

static INPUT_RESPONSES: Needle = Needle::new("\"inputResponses\"");
static REQUEST_STATE: Needle = Needle::new("\"requestState\"");

/// Asks `peer`, the server called `upstream`, and does what it wants done before it answers.
///
/// # Errors
///
/// Also [`Error::Invalid`] where the request brings answers to what another server asked.
pub(crate) async fn ask(
    (upstream, peer): (&str, &dyn Peer),
    context: &Context,
    mut request: Request,
    seal: &dyn Seal,
) -> Result<Response, Error> {
    let seal = StateSeal { seal, upstream, context };
    let mut asker = None;
    if context.version.era() == Era::Modern {
        asker = seal.take_off(&mut request)?;
    }
    let original = request.clone();
    let mut pause = PATIENCE;
    for _ in 0..ROUNDS {
        // Only where something is kept at one of several endpoints is the context another.
        let pinned = asker.take().map(|endpoint| context.at(Some(&endpoint)));
        let response = match peer.request(pinned.as_ref().unwrap_or(context), request).await {
            Err(Error::Server { error, version }) => {
                return refused(&original, error, version, &seal);
            }
            answer => answer?,
        };
        let Some(wanted) = input_required(&response)? else { return Ok(response) };
        if let Some(missing) = uncovered(context, &wanted.requests) {
            return refuse(&original.method, context, missing.to_client());
        }
        if context.version.era() == Era::Modern {
            let result = seal.put_on(&original, &response, &wanted)?;
            return Ok(Response { result, ..response });
        }
        let answers = match answers(context, &wanted).await {
            Ok(answers) => answers,
            Err(error) => return refuse(&original.method, context, error),
        };
        if answers.responses.is_empty() {
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let params = with_answers(original.params.as_ref(), &answers)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        request = Request { params: Some(params), ..original.clone() };
        if let Some(trail) = &context.trail {
            trail.again();
        }
        asker = response.endpoint.map(|endpoint| endpoint.to_string());
    }
    let error = RpcError::new(
        code::INTERNAL,
        format!("the server asked for input {ROUNDS} times and did not come to an end"),
    );
    refuse(&original.method, context, error)
}

fn input_required(response: &Response) -> Result<Option<InputRequired>, Error> {
    // Nearly all results do without, and a search is cheaper than a parse.
    static INPUT_REQUIRED: Needle = Needle::new("\"input_required\"");
    if response.version.era() == Era::Legacy || !INPUT_REQUIRED.is_in(&response.result) {
        return Ok(None);
    }
    InputRequired::read(&response.result).map_err(|error| malformed(&error.to_string()))
}

fn uncovered(context: &Context, questions: &[InputRequest]) -> Option<Uncovered> {
    let check = |question: &InputRequest| {
        context.capabilities.check(&question.method, question.params.as_ref()).err()
    };
    questions.iter().find_map(check)
}

/// What the client gets where the server, of revision `from`, refuses.
///
/// Servers of 2025-11-25 refuse until the user has been somewhere; a client of 2026-07-28 is asked
/// to send the user there, and its retry is the same request again.
fn refused(
    request: &Request,
    error: RpcError,
    from: ProtocolVersion,
    seal: &StateSeal<'_>,
) -> Result<Response, Error> {
    let context = seal.context;
    let is_modern = context.version.era() == Era::Modern;
    if let Some(requests) = url_elicitations(&error).filter(|_| is_modern && may_ask(request)) {
        if let Some(missing) = uncovered(context, &requests) {
            return Err(Error::Refused(missing.to_client()));
        }
        let state = Some(seal.close(request, None, Retry::Anew)?);
        let result = InputRequired { requests, state }.encode();
        return Ok(Response::new(result, ProtocolVersion::MODERN));
    }
    let for_the_model = match error.code {
        code::URL_ELICITATION_REQUIRED => context.version < ProtocolVersion::V2025_11_25,
        code::MISSING_CAPABILITY => from.era() == Era::Modern && !is_modern,
        _ => false,
    };
    match for_the_model && request.method == Method::ToolsCall {
        true => Ok(failed_tool(context, &renumber(error, from, context.version, &request.method))),
        false => Err(Error::Server { error, version: from }),
    }
}

/// Whether the request is one that may be answered by asking for input.
fn may_ask(request: &Request) -> bool {
    matches!(request.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

/// Puts every question to the client at once, as the servers that ask them expect.
pub(crate) async fn answers(
    context: &Context,
    wanted: &InputRequired,
) -> Result<Answers, RpcError> {
    let asked = wanted.requests.iter().map(|question| answer(context, question));
    let mut responses = Vec::with_capacity(wanted.requests.len());
    for (question, answer) in wanted.requests.iter().zip(join_all(asked).await) {
        responses.push((question.key.clone(), answer?));
    }
    Ok(Answers { responses, state: wanted.state.clone() })
}

async fn answer(context: &Context, question: &InputRequest) -> Result<Json, RpcError> {
    let client = context.client.as_ref().map(Arc::clone).ok_or_else(|| {
        RpcError::new(code::INTERNAL, format!("nobody is there to answer `{}`", question.method))
    })?;
    let request =
        Request { method: question.method.clone(), params: question.params.clone(), name: None };
    let answer = client.request(context, request).await;
    answer.map(|answer| answer.result).map_err(|error| {
        RpcError::new(
            code::INTERNAL,
            format!("the client did not answer `{}`: {error}", question.method),
        )
    })
}

/// What a client gets whose server cannot be given what it asks for. A tool that could not get its
/// input is one that failed, which the model should see; anything else is an error.
fn refuse(method: &Method, context: &Context, error: RpcError) -> Result<Response, Error> {
    if *method != Method::ToolsCall || context.version.era() == Era::Modern {
        return Err(Error::Server { error, version: ProtocolVersion::MODERN });
    }
    Ok(failed_tool(context, &error))
}

fn failed_tool(context: &Context, error: &RpcError) -> Response {
    let text = serde_json::json!({
        "content": [{ "type": "text", "text": error.message }],
        "isError": true,
    });
    Response::new(Json::encode(&text), context.version)
}

/// Whose questions a request answers.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Answering {
    /// It brings no answers.
    Nobody,
    /// It brings answers and no state, so there is no telling.
    Unknown,
    /// Those of this upstream.
    Upstream(String),
}

impl Answering {
    /// Reads it off a request that may go to one of several servers.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where the state is not one of ours, not of this request, or too old.
    pub(crate) fn read(
        context: &Context,
        request: &Request,
        seal: &dyn Seal,
    ) -> Result<Self, Error> {
        // Older revisions have no such members, so they mean nothing there.
        if context.version.era() == Era::Legacy {
            return Ok(Self::Nobody);
        }
        let Some((_, text)) = brought(request)? else {
            let answers = mentions(request, &INPUT_RESPONSES);
            return Ok(if answers { Self::Unknown } else { Self::Nobody });
        };
        // Who is asked makes no difference to whether a state is good.
        let opened = StateSeal { seal, upstream: "", context }.open(request, &text)?;
        Ok(Self::Upstream(opened.upstream))
    }
}

/// The request with no answers in it, for a server that may not be the one that asked.
pub(crate) fn without_brought(request: Request) -> Result<Request, Error> {
    let Some(params) = &request.params else { return Ok(request) };
    let params = without_answers(params).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Request { params: Some(params), ..request })
}

/// What a client gets that answers a server which is gone, or which its request does not lead to
/// any more, say after a reload.
pub(crate) fn moved(upstream: &str) -> Error {
    Error::Invalid(format!(
        "`requestState` is of the server `{upstream}`, to which this request does not lead any \
         more; send it again without `requestState` and `inputResponses`"
    ))
}

type Responses = Vec<(String, Json)>;

/// The answers and the state of a request that brings a state.
fn brought(request: &Request) -> Result<Option<(Responses, String)>, Error> {
    let Some(params) = request.params.as_ref().filter(|_| mentions(request, &REQUEST_STATE)) else {
        return Ok(None);
    };
    let answers = Answers::read(params).map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(answers.and_then(|answers| Some((answers.responses, answers.state?))))
}

/// Nearly all requests do without, and a search is cheaper than a parse.
fn mentions(request: &Request, member: &Needle) -> bool {
    request.params.as_ref().is_some_and(|params| member.is_in(params))
}

/// What is sealed besides the digest of the request.
#[derive(Deserialize, Serialize)]
struct Kept {
    /// Who asked, and which of its endpoints where there are several.
    upstream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    retry: Retry,
}

/// What the retry of a request has to be.
#[derive(Deserialize, Serialize)]
enum Retry {
    /// One that brings the answers, and the `requestState` of its server where that gave one.
    Answered(Option<String>),
    /// The request as it was: its server knows of no rounds.
    Anew,
}

/// Seals states of one server: to the principal, to the server, to the request, and for a time.
struct StateSeal<'a> {
    seal: &'a dyn Seal,
    upstream: &'a str,
    context: &'a Context,
}

impl StateSeal<'_> {
    /// The result with a state of ours in place of the server's: also where it gave none, because
    /// the answers have to find the way back to it.
    fn put_on(
        &self,
        request: &Request,
        response: &Response,
        wanted: &InputRequired,
    ) -> Result<Json, Error> {
        let (result, asker) = (&response.result, response.endpoint.as_deref());
        let text = self.close(request, asker, Retry::Answered(wanted.state.clone()))?;
        let members = result.members().map_err(|error| malformed(&error.to_string()))?;
        let mut out = Vec::with_capacity(result.as_bytes().len() + text.len() + 24);
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter().filter(|(name, _)| *name != "requestState") {
            object.raw(name, value.get().as_bytes());
        }
        object.text("requestState", &text);
        object.close();
        Ok(Json::written(out))
    }

    /// Puts the server's own state back into a request that brings ours; gives the endpoint that
    /// asked.
    fn take_off(&self, request: &mut Request) -> Result<Option<String>, Error> {
        // Answers without a state are the client's own idea, for whoever has the name: every
        // question goes out with a state, which the client has to bring back.
        let Some((responses, text)) = brought(request)? else { return Ok(None) };
        let Kept { upstream, endpoint, retry } = self.open(request, &text)?;
        if upstream != self.upstream {
            return Err(moved(&upstream));
        }
        let answers = match retry {
            Retry::Answered(state) => Answers { responses, state },
            Retry::Anew => Answers::default(),
        };
        let params = with_answers(request.params.as_ref(), &answers)
            .map_err(|error| Error::Invalid(error.to_string()))?;
        request.params = Some(params);
        Ok(endpoint)
    }

    fn close(
        &self,
        request: &Request,
        endpoint: Option<&str>,
        retry: Retry,
    ) -> Result<String, Error> {
        let kept = Kept {
            upstream: self.upstream.to_owned(),
            endpoint: endpoint.map(str::to_owned),
            retry,
        };
        let mut payload = digest(request)?;
        payload.extend_from_slice(Json::encode(&kept).as_bytes());
        Ok(self.seal.seal(Purpose::State, &self.context.principal, &payload))
    }

    fn open(&self, request: &Request, text: &str) -> Result<Kept, Error> {
        let digest = digest(request)?;
        let payload = self.seal.open(Purpose::State, &self.context.principal, text);
        let kept = payload.as_deref().and_then(|payload| payload.strip_prefix(&digest[..]));
        kept.and_then(|kept| serde_json::from_slice(kept).ok()).ok_or_else(|| {
            Error::Invalid("`requestState` is not one of ours, or no longer good".to_owned())
        })
    }
}

/// Tells a request from every other, however its client writes its members.
fn digest(request: &Request) -> Result<Vec<u8>, Error> {
    let text = fingerprint(&request.method, request.params.as_ref())
        .map_err(|error| Error::Invalid(error.to_string()))?;
    Ok(Sha256::digest(text).to_vec())
}

fn malformed(cause: &str) -> Error {
    Error::Refused(RpcError::new(
        code::INTERNAL,
        format!("the server's `input_required` is malformed: {cause}"),
    ))
}

#[cfg(test)]
mod tests;
