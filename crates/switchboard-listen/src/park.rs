//! Requests of 2026-07-28, whose servers may ask something of a client that takes no requests.
//!
//! A server of the older revisions asks while it works. The call that it works for then goes on in
//! a task of its own, *parked*: its client's request is answered `input_required`, and the retry,
//! which brings the answers, resumes it (2026-07-28, "Multi round-trip requests"). The
//! `requestState` between the two is sealed to the principal, names the round, and is good once.

mod client;
mod table;

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Peer, Principal, Purpose};
use switchboard_mcp::{Answers, InputRequired, Json, Method, RpcError, code, fingerprint};
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::TaskTracker;

use crate::front::{Asked, Caller, Front, invalid};
use crate::outlet::Outlet;
use crate::park::client::{News, StatelessClient};
use crate::park::table::{Parked, Taken, Ticket};

pub(crate) use table::Parking;

/// How long more questions are waited for after the first: servers that ask several things ask
/// them one after another without waiting, and a round for each would ask a person each time.
const WINDOW: Duration = Duration::from_millis(25);

type Call = Pin<Box<dyn Future<Output = Result<Json, RpcError>> + Send>>;

/// A call, and whoever waits for it. Dropping it gives the call up.
struct Exchange {
    call: Call,
    client: Arc<StatelessClient>,
    /// What was asked, which every retry has to ask again.
    method: Method,
    params: Option<Json>,
    /// Random once it is parked, and never known to anybody but in sealed texts.
    id: [u8; 16],
    /// How often the client has been asked for input.
    round: u32,
}

/// Asks the gateway for a client of 2026-07-28. What the server reports on the way goes to `out`;
/// without it the client hears of nothing.
///
/// # Cancel safety
///
/// Dropping the future cancels the request. A call that is parked is not dropped with the request
/// that it was parked for: that has been answered.
pub(crate) async fn ask(
    front: &Arc<Front>,
    caller: Caller,
    mut asked: Asked,
    out: Option<mpsc::Sender<Vec<u8>>>,
) -> Result<Json, RpcError> {
    // A parked call takes no place among the requests under way: it has a limit of its own.
    let _slot = asked.slot.take();
    let token = asked.envelope.progress_token.clone();
    let outlet = out.map(|out| Outlet::new(out, token, caller.version, Arc::clone(&front.meter)));
    let may_ask =
        matches!(asked.method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead);
    if may_ask
        && asked.is_retry
        && let Some(retry) = retry(front, &caller.principal, &asked)?
    {
        return Box::pin(resume(front, caller, asked, retry, outlet)).await;
    }
    let client = Arc::new(StatelessClient::new(may_ask));
    let _attached = client.attach(&caller, outlet);
    if may_ask && caller.capabilities.can_be_asked() {
        let principal = caller.principal.clone();
        let exchange = Exchange::begin(front, caller, asked, Arc::clone(&client));
        return Box::pin(exchange.wait(front, &principal)).await;
    }
    let peer = Arc::clone(&client) as Arc<dyn Peer>;
    tokio::select! {
        error = client.refused() => Err(error),
        outcome = front.ask(caller, asked, Some(peer)) => client.judge(outcome),
    }
}

/// What a retry brings for a call that is parked here; `None` where its state is of another kind.
fn retry(
    front: &Front,
    principal: &Principal,
    asked: &Asked,
) -> Result<Option<(Ticket, Answers)>, RpcError> {
    let Some(params) = &asked.params else { return Ok(None) };
    let answers = Answers::read(params).map_err(|error| invalid(error.to_string()))?;
    let Some(answers) = answers else { return Ok(None) };
    let sealed = answers.state.as_deref();
    let opened = sealed.and_then(|s| front.gateway.seal().open(Purpose::Parked, principal, s));
    let ticket = opened.and_then(|payload| Ticket::read(&payload));
    Ok(ticket.map(|ticket| (ticket, answers)))
}

/// Goes on with the call that is parked under the ticket.
async fn resume(
    front: &Arc<Front>,
    caller: Caller,
    asked: Asked,
    (ticket, answers): (Ticket, Answers),
    outlet: Option<Outlet>,
) -> Result<Json, RpcError> {
    let unknown =
        || invalid("`requestState` is not of this request, was used before, or is no longer good");
    let principal = &caller.principal;
    let (method, params) = front.parking.asked(&ticket, principal).ok_or_else(unknown)?;
    let print = |method: &Method, params: Option<&Json>| {
        fingerprint(method, params).map_err(|error| invalid(error.to_string()))
    };
    if print(&method, params.as_ref())? != print(&asked.method, asked.params.as_ref())? {
        return Err(unknown());
    }
    if let Some((key, _)) = answers.responses.iter().find(|(_, answer)| answer.members().is_err()) {
        return Err(invalid(format!("`inputResponses`: `{key}` must be an object")));
    }
    match front.parking.take(&ticket, principal, answers.responses).ok_or_else(unknown)? {
        Taken::Incomplete(questions) => {
            // The state is still good: nothing was answered (2026-07-28, "Missing responses").
            let wanted = InputRequired { requests: questions, state: answers.state };
            Ok(front.own_result(wanted.encode()))
        }
        Taken::Resumed(exchange) => {
            let _attached = exchange.client.attach(&caller, outlet);
            exchange.wait(front, principal).await
        }
    }
}

impl Exchange {
    fn begin(
        front: &Arc<Front>,
        caller: Caller,
        asked: Asked,
        client: Arc<StatelessClient>,
    ) -> Self {
        let (method, params) = (asked.method.clone(), asked.params.clone());
        let (front, peer) = (Arc::clone(front), Arc::clone(&client) as Arc<dyn Peer>);
        let call = Box::pin(async move { front.ask(caller, asked, Some(peer)).await });
        Self { call, client, method, params, id: [0; 16], round: 0 }
    }

    /// Waits for the answer, or for the next round of questions.
    async fn wait(mut self, front: &Arc<Front>, principal: &Principal) -> Result<Json, RpcError> {
        loop {
            let news = tokio::select! {
                biased;
                news = self.client.news() => news,
                outcome = &mut self.call => return self.client.judge(outcome),
            };
            if let News::Refused(error) = news {
                return Err(error);
            }
            tokio::select! {
                biased;
                outcome = &mut self.call => return self.client.judge(outcome),
                () = tokio::time::sleep(WINDOW) => {}
            }
            // The server may have taken its question back.
            if self.client.has_questions() {
                return self.park(front, principal);
            }
        }
    }

    /// Leaves the call to go on by itself, and tells the client what is wanted of it.
    fn park(mut self, front: &Arc<Front>, principal: &Principal) -> Result<Json, RpcError> {
        if self.round == 0 {
            getrandom::fill(&mut self.id).expect("the system has a source of randomness");
            self.call = detached(&front.tasks, self.call);
        }
        self.round += 1;
        let requests = self.client.show();
        let ticket = Ticket { id: self.id, round: self.round };
        let seal = front.gateway.seal();
        let state = seal.seal(Purpose::Parked, principal, &ticket.payload());
        let wanted = InputRequired { requests, state: Some(state) };
        front.parking.put(front, Parked::new(self, principal.clone())).map_err(|reason| {
            let data = serde_json::json!({ "reason": "busy", "retry": true });
            RpcError::new(code::INTERNAL, reason).with_data(&data)
        })?;
        Ok(front.own_result(wanted.encode()))
    }
}

/// The call in a task of its own, which ends when nobody waits for it any more.
fn detached(tasks: &TaskTracker, call: Call) -> Call {
    let (mut sender, outcome) = oneshot::channel();
    tasks.spawn(async move {
        let outcome = tokio::select! {
            outcome = call => outcome,
            () = sender.closed() => return,
        };
        // Parked: whoever retries finds it.
        let _ = sender.send(outcome);
    });
    Box::pin(async move {
        outcome.await.unwrap_or_else(|_| {
            Err(RpcError::new(code::INTERNAL, "the call ended without an answer"))
        })
    })
}
