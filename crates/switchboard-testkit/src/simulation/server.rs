//! Servers inside the process that misbehave as their [`Character`] has it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::book::Book;
use super::character::{Character, Faults};
use super::dice::Dice;
use super::job;
use super::token::Token;
use super::wire::{Incoming, answer, notification};

/// All servers of a run, by name.
pub struct Servers {
    book: Arc<Book>,
    characters: Mutex<BTreeMap<String, Character>>,
    dice: Mutex<Dice>,
    dialled: AtomicU64,
}

/// One conversation, as the task that holds it and the jobs for its calls share it.
pub(super) struct Shared {
    /// The server and the number of the conversation.
    pub(super) name: String,
    pub(super) upstream: String,
    pub(super) character: Character,
    pub(super) book: Arc<Book>,
    dice: Mutex<Dice>,
    say: mpsc::Sender<Say>,
    pub(super) open: Mutex<BTreeMap<String, Arc<Call>>>,
    /// Questions that the client has not answered.
    pub(super) asked: Mutex<BTreeMap<u64, oneshot::Sender<Value>>>,
    next_question: AtomicU64,
    /// How often its tools changed.
    generation: AtomicU64,
    /// Open `subscriptions/listen`, with what each names.
    listening: Mutex<BTreeMap<String, Value>>,
    subscribed: Mutex<BTreeSet<String>>,
}

/// A request for which a job works.
pub(super) struct Call {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) params: Value,
    pub(super) token: Option<Token>,
    progress: Mutex<CallProgress>,
}

#[derive(Default)]
struct CallProgress {
    is_answered: bool,
    /// Nothing may be said about it any more.
    is_mute: bool,
    /// A question about it is open.
    is_asking: bool,
    cancelled: Option<Instant>,
}

pub(super) enum Say {
    Line(String),
    /// Something about a call, as long as it is open.
    About(Arc<Call>, String),
    /// The answer of a call, or one more.
    Answer(Arc<Call>, String),
}

enum Step {
    Heard(String),
    Say(Say),
    Finished,
}

/// The conversation has ended.
struct Ended;

/// Messages that wait to be written; a job waits beyond that.
const SAYINGS: usize = 64;

/// How long a server goes on with what was cancelled, at most: beyond it whoever reads may take
/// what it says for something else (`GRACE` of the upstreams).
const DEAFNESS: Duration = Duration::from_secs(5);

impl Servers {
    pub fn new(book: &Arc<Book>, dice: Dice) -> Arc<Self> {
        Arc::new(Self {
            book: Arc::clone(book),
            characters: Mutex::default(),
            dice: Mutex::new(dice),
            dialled: AtomicU64::new(0),
        })
    }

    /// Makes the next conversations with `name` those of such a server.
    pub fn set(&self, name: &str, character: Character) {
        self.characters.lock().unwrap().insert(name.to_owned(), character);
    }

    /// Begins a conversation with the server.
    ///
    /// # Errors
    ///
    /// There is none, as it likes.
    pub fn dial(&self, name: &str) -> io::Result<DuplexStream> {
        let character = self.characters.lock().unwrap().get(name).copied();
        let mut character = character.ok_or(io::ErrorKind::NotFound)?;
        if self.book.is_calm() {
            character.faults = Faults::default();
        }
        let mut dice = self.dice.lock().unwrap().fork();
        let number = self.dialled.fetch_add(1, Ordering::Relaxed) + 1;
        if dice.chance(character.faults.absent) {
            self.book.note(|| format!("{name} is absent"));
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        // Small ones fill up, so that whoever writes waits.
        let (near, far) = tokio::io::duplex(dice.pick(&[256, 4096, 1 << 16]));
        let (say, sayings) = mpsc::channel(SAYINGS);
        let shared = Arc::new(Shared {
            name: format!("{name}#{number}"),
            upstream: name.to_owned(),
            character,
            book: Arc::clone(&self.book),
            dice: Mutex::new(dice),
            say,
            open: Mutex::default(),
            asked: Mutex::default(),
            next_question: AtomicU64::new(0),
            generation: AtomicU64::new(number % 3),
            listening: Mutex::default(),
            subscribed: Mutex::default(),
        });
        self.book.tasks.spawn(run(shared, sayings, far));
        Ok(near)
    }
}

/// Holds a conversation to its end.
async fn run(shared: Arc<Shared>, mut sayings: mpsc::Receiver<Say>, stream: DuplexStream) {
    let (reader, mut writer) = tokio::io::split(stream);
    let mut incoming = Incoming::new(reader);
    // Dropped with the conversation, and the jobs with it.
    let mut jobs = JoinSet::new();
    if shared.starts(&mut incoming).await.is_err() {
        return shared.book.note(|| format!("{} never starts", shared.name));
    }
    loop {
        let step = tokio::select! {
            // What is said takes into account what was heard.
            biased;
            line = incoming.next() => match line {
                Some(line) => Step::Heard(line),
                None => break,
            },
            Some(say) = sayings.recv() => Step::Say(say),
            Some(_) = jobs.join_next(), if !jobs.is_empty() => Step::Finished,
        };
        let outcome = match step {
            Step::Heard(line) => shared.hear(&line, &mut jobs),
            Step::Say(say) => shared.write(say, &mut writer).await,
            Step::Finished => Ok(()),
        };
        if outcome.is_err() {
            return shared.book.note(|| format!("{} crashes", shared.name));
        }
        shared.freeze().await;
    }
    shared.book.note(|| format!("{} is left", shared.name));
}

impl Shared {
    /// What goes wrong now.
    pub(super) fn faults(&self) -> Faults {
        if self.book.is_calm() { Faults::default() } else { self.character.faults }
    }

    pub(super) fn chance(&self, per_mille: u32) -> bool {
        self.dice.lock().unwrap().chance(per_mille)
    }

    pub(super) fn draw<T>(&self, draw: impl FnOnce(&mut Dice) -> T) -> T {
        draw(&mut self.dice.lock().unwrap())
    }

    async fn starts(&self, incoming: &mut Incoming<impl AsyncRead + Unpin>) -> Result<(), Ended> {
        let faults = self.faults();
        if self.chance(faults.dies_at_once) {
            return Err(Ended);
        }
        if self.chance(faults.hangs_at_start) {
            while incoming.next().await.is_some() {}
            return Err(Ended);
        }
        if self.chance(faults.starts_slowly) {
            let wait = self.draw(|dice| dice.milliseconds(500, 12_000));
            tokio::time::sleep(wait).await;
        }
        Ok(())
    }

    async fn freeze(&self) {
        if !self.chance(self.faults().freezes) {
            return;
        }
        self.book.note(|| format!("{} freezes", self.name));
        let wait = self.draw(|dice| dice.milliseconds(1_000, 30_000));
        let _ = tokio::time::timeout(wait, self.book.calmed()).await;
        // Meanwhile calls may have been given up long ago, and their cancellations lie in the pipe.
        self.open.lock().unwrap().values().for_each(|call| call.mute());
    }

    fn hear(self: &Arc<Self>, line: &str, jobs: &mut JoinSet<()>) -> Result<(), Ended> {
        self.book.note(|| format!("{} < {line}", self.name));
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            self.book.wrong(format!("{} was sent what is no message: {line}", self.name));
            return Ok(());
        };
        if self.chance(self.faults().crashes) {
            return Err(Ended);
        }
        let id = message.get("id").map(Value::to_string);
        match (message["method"].as_str(), id) {
            (Some(_), Some(id)) => self.asked(id, &message, jobs),
            (Some("notifications/cancelled"), None) => {
                self.cancelled(&message["params"]["requestId"].to_string());
            }
            (Some(_), None) => {}
            (None, Some(id)) => {
                let id = id.parse().unwrap_or(u64::MAX);
                if let Some(question) = self.asked.lock().unwrap().remove(&id) {
                    // The job may be done with it.
                    let _ = question.send(message);
                }
            }
            (None, None) => self.book.wrong(format!("{} was sent {line}", self.name)),
        }
        Ok(())
    }

    fn cancelled(&self, id: &str) {
        self.listening.lock().unwrap().remove(id);
        let call = self.open.lock().unwrap().get(id).cloned();
        if let Some(call) = call {
            call.progress.lock().unwrap().cancelled = Some(Instant::now());
            if let Some(token) = call.token {
                self.book.give_up(token);
            }
        }
    }

    fn asked(self: &Arc<Self>, id: String, message: &Value, jobs: &mut JoinSet<()>) {
        let call = Arc::new(Call {
            id: id.clone(),
            method: message["method"].as_str().unwrap_or_default().to_owned(),
            params: message["params"].clone(),
            token: Token::all(&message["params"].to_string()).first().copied(),
            progress: Mutex::default(),
        });
        let is_new = self.open.lock().unwrap().insert(id.clone(), Arc::clone(&call)).is_none();
        if !is_new {
            self.book.wrong(format!("{} was asked twice under the id {id}", self.name));
        }
        if call.method == "subscriptions/listen" && self.character.is_modern() {
            let this = Arc::clone(self);
            // Not here: who reads must not wait for what is said.
            jobs.spawn(async move { this.listen(&id, &call.params["notifications"]).await });
            return;
        }
        jobs.spawn(job::run(Arc::clone(self), call));
    }

    async fn listen(&self, id: &str, wanted: &Value) {
        self.listening.lock().unwrap().insert(id.to_owned(), wanted.clone());
        let params = tagged(id, json!({ "notifications": wanted }));
        let line = notification("notifications/subscriptions/acknowledged", &params);
        self.say(Say::Line(line)).await;
    }

    pub(super) fn subscribe(&self, uri: &str, is_wanted: bool) {
        let mut subscribed = self.subscribed.lock().unwrap();
        if is_wanted {
            subscribed.insert(uri.to_owned());
        } else {
            subscribed.remove(uri);
        }
    }

    pub(super) async fn say(&self, say: Say) {
        // Nobody is left to be told when the conversation has ended.
        let _ = self.say.send(say).await;
    }

    pub(super) fn question(&self) -> u64 {
        self.next_question.fetch_add(1, Ordering::Relaxed)
    }

    /// The names of its tools.
    pub(super) fn tools(&self) -> Vec<String> {
        let extra = self.generation.load(Ordering::Relaxed) % 3;
        let extra = (0..extra).map(|number| format!("extra{number}"));
        std::iter::once("echo".to_owned()).chain(extra).collect()
    }

    /// Says that its tools changed, so many times; they do each time.
    pub(super) async fn storm(&self, times: u64) {
        for _ in 0..times {
            self.generation.fetch_add(1, Ordering::Relaxed);
            self.announce("notifications/tools/list_changed", &json!({})).await;
        }
    }

    /// Says that a resource somebody wants to hear of is another now.
    pub(super) async fn update(&self) {
        let mut wanted = self.subscribed.lock().unwrap().clone();
        for named in self.listening.lock().unwrap().values() {
            let uris = named["resourceSubscriptions"].as_array().into_iter().flatten();
            wanted.extend(uris.filter_map(|uri| uri.as_str().map(str::to_owned)));
        }
        for uri in wanted {
            self.announce("notifications/resources/updated", &json!({ "uri": uri })).await;
        }
    }

    async fn announce(&self, method: &str, params: &Value) {
        if !self.character.is_modern() {
            return self.say(Say::Line(notification(method, params))).await;
        }
        let listening: Vec<_> = self.listening.lock().unwrap().keys().cloned().collect();
        for id in listening {
            let line = notification(method, &tagged(&id, params.clone()));
            self.say(Say::Line(line)).await;
        }
    }

    async fn write(&self, say: Say, writer: &mut (impl AsyncWrite + Unpin)) -> Result<(), Ended> {
        let line = match say {
            Say::Line(line) => line,
            Say::About(call, line) if call.may_be_spoken_of() => line,
            Say::About(..) => return Ok(()),
            Say::Answer(call, line) => {
                call.progress.lock().unwrap().is_answered = true;
                self.open.lock().unwrap().remove(&call.id);
                line
            }
        };
        let faults = self.faults();
        if self.chance(faults.garbage) {
            let garbage = self.draw(|dice| dice.pick(GARBAGE));
            write(writer, garbage).await?;
        }
        self.book.note(|| format!("{} > {line}", self.name));
        let bytes = [line.as_bytes(), b"\n"].concat();
        let middle = self.draw(|dice| dice.below(bytes.len() as u64));
        let (first, rest) = bytes.split_at(usize::try_from(middle).unwrap());
        if self.chance(faults.crashes) {
            write(writer, first).await?;
            return Err(Ended);
        }
        if self.chance(faults.fragments) {
            write(writer, first).await?;
            tokio::time::sleep(self.draw(|dice| dice.milliseconds(1, 200))).await;
            return write(writer, rest).await;
        }
        write(writer, &bytes).await
    }

    /// An answer to nothing: of an id that was never used, of another kind, or of none.
    pub(super) async fn stray(&self) {
        let id = self.draw(|dice| dice.pick(&["4000000000", "-1", "\"x\"", "null", "1.5"]));
        let result = json!({ "content": [{ "type": "text", "text": "POISON" }] });
        self.say(Say::Line(answer(id, "result", &result))).await;
    }

    /// Another call that is open, and about which nothing is asked: what is answered asks nothing
    /// any more, says a rule by which whoever has to guess whose a question is does so.
    pub(super) fn other(&self, than: &Call) -> Option<Arc<Call>> {
        let open = self.open.lock().unwrap();
        let is_settled = |call: &Call| !call.progress.lock().unwrap().is_asking;
        let others: Vec<_> = open
            .values()
            .filter(|call| call.id != than.id && call.token.is_some() && is_settled(call))
            .cloned()
            .collect();
        let which = self.draw(|dice| dice.below(others.len() as u64));
        others.into_iter().nth(usize::try_from(which).unwrap())
    }
}

impl Call {
    pub(super) fn mute(&self) {
        self.progress.lock().unwrap().is_mute = true;
    }

    pub(super) fn asks(&self, is_asking: bool) {
        self.progress.lock().unwrap().is_asking = is_asking;
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.progress.lock().unwrap().cancelled.is_some()
    }

    pub(super) fn may_be_spoken_of(&self) -> bool {
        let progress = self.progress.lock().unwrap();
        let is_late = progress.cancelled.is_some_and(|at| at.elapsed() > DEAFNESS);
        !progress.is_answered && !progress.is_mute && !is_late
    }
}

fn tagged(id: &str, mut params: Value) -> Value {
    let id: Value = serde_json::from_str(id).unwrap();
    params["_meta"] = json!({ "io.modelcontextprotocol/subscriptionId": id });
    params
}

async fn write(writer: &mut (impl AsyncWrite + Unpin), bytes: &[u8]) -> Result<(), Ended> {
    writer.write_all(bytes).await.map_err(|_| Ended)
}

/// Lines that are no messages.
const GARBAGE: &[&[u8]] = &[
    b"Listening on stdio\n",
    b"\n",
    b"\r\n",
    b"{\"jsonrpc\":\"2.0\",\n",
    b"[]\n",
    b"{}\n",
    b"null\n",
    b"\xff\xfe\x00\n",
    b"{\"jsonrpc\":\"2.0\",\"method\":7}\n",
    b"{\"jsonrpc\":\"1.0\",\"id\":{},\"result\":{}}\n",
    b"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}]\n",
];
