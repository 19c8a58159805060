//! Pages of lists: by number, as the older engine had them, and by cursor.

use async_graphql::connection::CursorType;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use switchboard_core::store::{Mark, Query};

use crate::fault::Fault;

/// How many there are in a page where nobody says: what the older engine gave.
const USUAL: i32 = 100;

/// The most in one page. More is refused and not cut short, so that nobody takes a part for the
/// whole.
pub(crate) const MOST: i32 = 1000;

/// A page by its number, from 1.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbered {
    pub number: u32,
    pub size: u32,
}

impl Numbered {
    pub(crate) fn new(number: Option<i32>, size: Option<i32>) -> Result<Self, Fault> {
        let number = u32::try_from(number.unwrap_or(1)).unwrap_or_default();
        if number == 0 {
            return Err(Fault::invalid("pages are numbered from 1"));
        }
        Ok(Self { number, size: limit(size)? })
    }

    pub(crate) fn query(self) -> Query {
        let skip = u64::from(self.number - 1) * u64::from(self.size);
        Query { skip, counts: true, ..Query::first(self.size) }
    }
}

/// A page by where the one before it ended. Cursors are sealed to nothing: what they name is a place
/// in the order of keys, and the tenant is said by the request.
#[derive(Clone, Debug, Default)]
pub(crate) struct After {
    pub cursor: Option<Cursor>,
    pub size: Option<i32>,
    /// Whether all are to be counted.
    pub counts: bool,
}

impl After {
    /// In the order of the keys, or against it.
    pub(crate) fn query(self, descends: bool) -> Result<Query, Fault> {
        let after = self.cursor.map(|cursor| Mark { value: Value::Null, key: cursor.0 });
        let query = Query::first(limit(self.size)?).by(None, descends);
        Ok(Query { after, counts: self.counts, ..query })
    }
}

pub(crate) fn limit(size: Option<i32>) -> Result<u32, Fault> {
    match size.unwrap_or(USUAL) {
        size @ 1..=MOST => Ok(size.unsigned_abs()),
        _ => Err(Fault::Invalid(format!("a page has between 1 and {MOST} items"))),
    }
}

/// How much a list of that size weighs, for the limit on the complexity of a request.
pub(crate) fn weight(size: Option<i32>, child: usize) -> usize {
    usize::try_from(size.unwrap_or(USUAL)).unwrap_or_default().saturating_mul(child.max(1))
}

/// The key of a row, not to be read by clients.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Cursor(pub String);

impl CursorType for Cursor {
    type Error = Fault;

    fn decode_cursor(text: &str) -> Result<Self, Fault> {
        URL_SAFE_NO_PAD
            .decode(text)
            .ok()
            .and_then(|bytes| String::from_utf8(bytes).ok())
            .map(Self)
            .ok_or_else(|| Fault::invalid("this cursor is not one of ours"))
    }

    fn encode_cursor(&self) -> String {
        URL_SAFE_NO_PAD.encode(&self.0)
    }
}
