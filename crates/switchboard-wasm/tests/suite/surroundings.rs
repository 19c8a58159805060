//! What calls in these tests are made with.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_egress::{EgressSettings, Guard, Trust};
use switchboard_wasm::{
    Answer, Ask, Call, Denied, Engine, EngineSettings, Grants, Host, KeyValue, KeyValueError,
    Limits, Outgoing, Program, Report, Reuse, Source, Stored, Terms, WasmError,
};

/// Keeps what it is told.
#[derive(Default)]
pub(crate) struct Ear {
    reports: Mutex<Vec<Report>>,
    values: Mutex<BTreeMap<String, Bytes>>,
    refuses: bool,
}

impl Ear {
    pub(crate) fn reports(&self) -> Vec<Report> {
        self.reports.lock().unwrap().clone()
    }

    pub(crate) fn denied(&self) -> Vec<Denied> {
        let denied = |report| if let Report::Denied(denied) = report { Some(denied) } else { None };
        self.reports().into_iter().filter_map(denied).collect()
    }

    pub(crate) fn lines(&self, source: Source) -> Vec<String> {
        let line = |report| match report {
            Report::Log(line) if line.source == source => Some(line.text),
            _ => None,
        };
        self.reports().into_iter().filter_map(line).collect()
    }
}

#[async_trait]
impl Host for Ear {
    fn report(&self, report: Report) {
        self.reports.lock().unwrap().push(report);
    }

    async fn key_value(&self, operation: KeyValue) -> Result<Stored, KeyValueError> {
        let mut values = self.values.lock().unwrap();
        Ok(match operation {
            KeyValue::Get { key } => Stored::Value(values.get(&key).cloned()),
            KeyValue::Set { key, .. } if key.starts_with("full") => {
                return Err(KeyValueError::TooLarge("no more than this".to_owned()));
            }
            KeyValue::Set { key, value } => {
                values.insert(key, value);
                Stored::Done
            }
            KeyValue::Delete { key } => {
                values.remove(&key);
                Stored::Done
            }
            KeyValue::List { prefix, after } => {
                let after = after.unwrap_or_default();
                let keys = values.keys().filter(|key| key.starts_with(&prefix) && **key > after);
                Stored::Keys { keys: keys.cloned().collect(), more: false }
            }
        })
    }

    async fn admit(&self, _: &Outgoing) -> Result<Trust, String> {
        if self.refuses { Err("not today".to_owned()) } else { Ok(Trust::ToldOnLoopback) }
    }
}

pub(crate) fn engine() -> Engine {
    engine_with(|_| {})
}

pub(crate) fn engine_with(change: impl FnOnce(&mut EngineSettings)) -> Engine {
    let mut settings =
        EngineSettings { instances: NonZeroU32::new(8).unwrap(), ..EngineSettings::default() };
    change(&mut settings);
    Engine::new(settings, Guard::new(&EgressSettings::default()).unwrap()).unwrap()
}

pub(crate) async fn load(engine: &Engine, bytes: Vec<u8>) -> Program {
    engine.load(bytes.into(), None).await.unwrap_or_else(|error| panic!("{error}"))
}

/// One call of a tool, with what it reports.
pub(crate) struct Asked {
    pub(crate) terms: Arc<Terms>,
    pub(crate) ear: Arc<Ear>,
}

impl Asked {
    pub(crate) fn on(terms: Terms) -> Self {
        Self { terms: Arc::new(terms), ear: Arc::default() }
    }

    pub(crate) fn granted(grants: Grants) -> Self {
        Self::on(Terms { grants, ..Terms::default() })
    }

    /// Short enough for guests that do not end by themselves.
    pub(crate) fn within(milliseconds: u64) -> Self {
        let limits = Limits { deadline: Duration::from_millis(milliseconds), ..Limits::default() };
        Self::on(Terms { limits, ..Terms::default() })
    }

    pub(crate) fn reusing(calls: u32) -> Self {
        Self::on(Terms { reuse: Reuse::Calls(NonZeroU32::new(calls).unwrap()), ..Terms::default() })
    }

    pub(crate) async fn tool(
        &self,
        program: &Program,
        arguments: &str,
    ) -> Result<String, WasmError> {
        let ask = Ask::Tool { name: "do".to_owned(), arguments: arguments.to_owned() };
        self.ask(program, ask).await
    }

    pub(crate) async fn ask(&self, program: &Program, ask: Ask) -> Result<String, WasmError> {
        let call = Call {
            ask,
            terms: Arc::clone(&self.terms),
            host: Arc::clone(&self.ear) as Arc<dyn Host>,
            now: SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123),
        };
        let answer: Answer = program.call(call).await?;
        Ok(answer.json.get().to_owned())
    }
}

/// A call on default terms.
pub(crate) async fn call(program: &Program, arguments: &str) -> Result<String, WasmError> {
    Asked::on(Terms::default()).tool(program, arguments).await
}
