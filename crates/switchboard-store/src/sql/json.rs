//! JSON as text, in which a number stays what it was.

use std::io::{self, Write};

use serde::Serialize as _;
use serde_json::Value;
use serde_json::ser::{CompactFormatter, Formatter, Serializer};

/// From here on floats are written with an exponent, and below it as `1000.0`.
const EXPONENT: f64 = 1e16;

/// The first that no integer of JSON reaches that `serde_json` reads as one.
const INTEGERS: f64 = 18_446_744_073_709_551_616.0;

/// The text of a value as a database is given it.
///
/// PostgreSQL keeps numbers of `jsonb` as decimals and gives 1e17 back as 100000000000000000: an
/// integer, which it was not. Written as 100000000000000000.0, it keeps its point.
pub(super) fn text(value: &Value) -> String {
    let mut text = Vec::new();
    let mut serializer = Serializer::with_formatter(&mut text, Decimal(CompactFormatter));
    value.serialize(&mut serializer).expect("a value is written to memory");
    String::from_utf8(text).expect("JSON is UTF-8")
}

struct Decimal(CompactFormatter);

impl Formatter for Decimal {
    fn write_f64<W: ?Sized + Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        if (EXPONENT..=INTEGERS).contains(&value.abs()) {
            return write!(writer, "{value:.1}");
        }
        self.0.write_f64(writer, value)
    }
}
