//! The bundle's own imports, as `wit/bundle.wit` has them.

use bytes::Bytes;

use crate::bindings::switchboard::bundle::key_value::{Error, Page};
use crate::bindings::switchboard::bundle::{key_value, log, outcome, progress, settings};
use crate::grants::Denied;
use crate::host::{KeyValue, KeyValueError, Level, Stored};
use crate::state::State;

/// Longest key. DynamoDB has 1,024 bytes for all parts of one, and the store adds its own.
const KEY_BYTES: usize = 512;

/// Longest value. These are for a few values; a megabyte is a cache of somebody else's answer.
const VALUE_BYTES: usize = 1 << 20;

impl outcome::Host for State {}

impl progress::Host for State {
    fn report(&mut self, done: f64, total: Option<f64>, message: Option<String>) {
        if let Some(scope) = self.current.scope() {
            scope.progress(done, total, message);
        }
    }
}

impl log::Host for State {
    fn write(&mut self, level: log::Level, text: String) {
        let level = match level {
            log::Level::Debug => Level::Debug,
            log::Level::Info => Level::Info,
            log::Level::Warn => Level::Warn,
            log::Level::Error => Level::Error,
        };
        if let Some(scope) = self.current.scope() {
            scope.log(level, &text);
        }
    }
}

impl settings::Host for State {
    fn get(&mut self) -> String {
        self.terms.settings.clone()
    }
}

impl key_value::Host for State {
    async fn get(&mut self, key: String) -> Result<Option<Vec<u8>>, Error> {
        short(&key)?;
        match self.stored(KeyValue::Get { key }).await? {
            Stored::Value(value) => Ok(value.map(Vec::from)),
            Stored::Done | Stored::Keys { .. } => Err(confused()),
        }
    }

    async fn set(&mut self, key: String, value: Vec<u8>) -> Result<(), Error> {
        short(&key)?;
        if value.len() > VALUE_BYTES {
            return Err(Error::TooLarge(format!("a value has at most {VALUE_BYTES} bytes")));
        }
        self.stored(KeyValue::Set { key, value: Bytes::from(value) }).await.map(drop)
    }

    async fn delete(&mut self, key: String) -> Result<(), Error> {
        short(&key)?;
        self.stored(KeyValue::Delete { key }).await.map(drop)
    }

    async fn list_keys(&mut self, prefix: String, after: Option<String>) -> Result<Page, Error> {
        short(&prefix)?;
        after.as_deref().map_or(Ok(()), short)?;
        match self.stored(KeyValue::List { prefix, after }).await? {
            Stored::Keys { keys, more } => Ok(Page { keys, more }),
            Stored::Done | Stored::Value(_) => Err(confused()),
        }
    }
}

impl State {
    async fn stored(&mut self, operation: KeyValue) -> Result<Stored, Error> {
        let Some(scope) = self.current.scope() else { return Err(confused()) };
        if !self.terms.grants.key_value {
            scope.deny(Denied::KeyValue);
            return Err(Error::NotGranted);
        }
        scope.host.key_value(operation).await.map_err(|error| match error {
            KeyValueError::TooLarge(why) => Error::TooLarge(why),
            KeyValueError::Unavailable(why) => Error::Unavailable(why),
        })
    }
}

fn short(key: &str) -> Result<(), Error> {
    if key.len() > KEY_BYTES {
        return Err(Error::TooLarge(format!("a key has at most {KEY_BYTES} bytes")));
    }
    Ok(())
}

/// The host answered another question than it was asked.
fn confused() -> Error {
    Error::Unavailable("the store gave no answer".to_owned())
}
