//! Arguments that a request repeats in headers: `x-mcp-header` in the schema of a tool, and
//! `Mcp-Param-*` (2026-07-28, "Streamable HTTP", custom headers).
//!
//! A server marks properties of a tool's `inputSchema`, so that whoever stands between can route
//! by an argument without reading the body. What the header says counts for nobody here; it is
//! compared with the body, and worked out anew from the body for the next hop.

use crate::error::{RpcError, code};
use crate::header::{decode_header, encode_header};
use crate::json::{Entries, Json, Malformed, Needle, Raw};

/// The arguments of one tool that have headers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ParamHeaders(Vec<ParamHeader>);

#[derive(Clone, Debug, Eq, PartialEq)]
struct ParamHeader {
    /// In lower case.
    name: String,
    /// The members that lead to the argument, from the outermost on; never empty.
    path: Vec<String>,
}

/// The tool marks arguments in a way that the specification forbids: clients must leave such a
/// tool out of the list, and keep the others.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct InvalidParamHeader {
    /// The property, as `outer.inner`, or `inputSchema`.
    place: String,
    problem: String,
}

const ANNOTATION: &str = "x-mcp-header";
const PREFIX: &str = "mcp-param-";

/// Most headers of one tool: HTTP servers commonly accept a hundred header lines in all (hyper's
/// limit), and each of these is looked up in the arguments of each call.
const HEADER_LIMIT: usize = 64;

impl ParamHeaders {
    /// Reads the item of `tools/list`; `None` for a tool without marked arguments, which costs one
    /// search.
    ///
    /// # Errors
    ///
    /// [`InvalidParamHeader`] says which mark is wrong.
    pub fn read(tool: &Json) -> Result<Option<Self>, InvalidParamHeader> {
        if !mentions(tool.as_str()) {
            return Ok(None);
        }
        let Ok(members) = tool.members() else { return Ok(None) };
        let Some(schema) = members.get("inputSchema") else { return Ok(None) };
        let mut reader = Reader { path: Vec::new(), found: Vec::new() };
        reader.schema(schema, true)?;
        Ok((!reader.found.is_empty()).then_some(Self(reader.found)))
    }

    /// The names of the headers, in lower case.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|header| &*header.name)
    }

    /// The headers that a call with these `arguments` has, with their encoded values: those whose
    /// argument is there and not null. Arguments that are no object, or that are of a type which
    /// no header carries, have none; the server refuses them.
    pub fn expected(&self, arguments: Option<Raw<'_>>) -> Vec<(String, String)> {
        let value = |header: &ParamHeader| {
            let text = header.text(arguments?).ok().flatten()?;
            Some((header.name.clone(), encode_header(&text).into_owned()))
        };
        self.0.iter().filter_map(value).collect()
    }

    /// Compares the headers of a request with its `arguments`. `received` may hold other headers,
    /// also of the prefix: those pass (2026-07-28, "intermediaries").
    ///
    /// # Errors
    ///
    /// What the client gets: -32020 where the two do not say the same.
    pub fn check<'h>(
        &self,
        arguments: Option<Raw<'_>>,
        received: impl IntoIterator<Item = (&'h str, &'h [u8])>,
    ) -> Result<(), RpcError> {
        let own = |(name, value): (&'h str, &'h [u8])| {
            let header = self.0.iter().find(|header| header.name.eq_ignore_ascii_case(name))?;
            Some((header, value))
        };
        let received: Vec<_> = received.into_iter().filter_map(own).collect();
        for header in &self.0 {
            let mut values =
                received.iter().filter(|(other, _)| other == &header).map(|(_, value)| *value);
            let value = values.next();
            if values.next().is_some() {
                return Err(header.mismatch("is there twice"));
            }
            let expected = match arguments {
                None => None,
                Some(arguments) => header.text(arguments).map_err(|error| {
                    RpcError::new(code::INVALID_PARAMS, format!("`arguments`: {error}"))
                })?,
            };
            header.compare(value, expected.as_deref())?;
        }
        Ok(())
    }
}

impl ParamHeader {
    /// The argument as a header says it, before encoding.
    fn text(&self, arguments: Raw<'_>) -> Result<Option<String>, Malformed> {
        let mut value = arguments;
        for member in &self.path {
            // An argument that is not an object has no members; the server says so.
            if !value.get().starts_with('{') {
                return Ok(None);
            }
            let Some(inner) = Entries::parse(value)?.get(member) else { return Ok(None) };
            value = inner;
        }
        Ok(scalar(value))
    }

    fn compare(&self, value: Option<&[u8]>, expected: Option<&str>) -> Result<(), RpcError> {
        let (value, expected) = match (value, expected) {
            (None, None) => return Ok(()),
            (None, Some(_)) => {
                return Err(self.mismatch("is missing, and the argument is in the body"));
            }
            (Some(_), None) => {
                let message = "is there, and the body has no argument that a header can repeat";
                return Err(self.mismatch(message));
            }
            (Some(value), Some(expected)) => (value, expected),
        };
        let text = std::str::from_utf8(value).ok().and_then(decode_header);
        match text {
            None => Err(self.mismatch("is marked as base64 and is not, or is not text")),
            Some(text) if text == expected => Ok(()),
            Some(_) => Err(self.mismatch("does not say what the body says")),
        }
    }

    /// Values are left out: whoever reads the error may not be who may read the argument.
    fn mismatch(&self, problem: &str) -> RpcError {
        let argument = self.path.join(".");
        let message = format!("the header `{}` of argument `{argument}` {problem}", self.name);
        RpcError::new(code::HEADER_MISMATCH, message)
    }
}

/// A string as it is, a boolean as `true` or `false`, an integer in decimal digits; `None` for
/// null and for what no marked property may be.
fn scalar(value: Raw<'_>) -> Option<String> {
    let text = value.get();
    match text.as_bytes()[0] {
        b'"' => serde_json::from_str(text).ok(),
        b't' | b'f' => Some(text.to_owned()),
        b'-' | b'0'..=b'9' => integer(text).map(|number| number.to_string()),
        _ => None,
    }
}

/// The integers that every JSON parser reads alike (2026-07-28: within ±(2^53 − 1)), also written
/// as `7.0` or `7e0`.
fn integer(text: &str) -> Option<i64> {
    const LARGEST: i64 = (1 << 53) - 1;
    let number = text.parse().ok().or_else(|| {
        let number: f64 = text.parse().ok()?;
        // Beyond the range the conversion saturates, and the range is checked below.
        (number.fract() == 0.0).then_some(number as i64)
    })?;
    (-LARGEST..=LARGEST).contains(&number).then_some(number)
}

/// Walks a schema for marks, and refuses those that stand where no header can be made of them.
struct Reader {
    path: Vec<String>,
    found: Vec<ParamHeader>,
}

impl Reader {
    /// `reachable`: the path from the root leads over `properties` alone.
    fn schema(&mut self, raw: Raw<'_>, reachable: bool) -> Result<(), InvalidParamHeader> {
        if !mentions(raw.get()) {
            return Ok(());
        }
        match raw.get().as_bytes()[0] {
            b'{' => {}
            b'[' => {
                let items: Vec<Raw<'_>> = self.part(serde_json::from_str(raw.get()))?;
                return items.into_iter().try_for_each(|item| self.schema(item, false));
            }
            _ => return Ok(()),
        }
        let keywords = self.part(Entries::parse(raw))?;
        for (keyword, value) in keywords.iter() {
            match keyword {
                ANNOTATION => self.mark(value, &keywords, reachable)?,
                "properties" => self.named(value, reachable)?,
                "$defs" | "definitions" | "dependentSchemas" | "patternProperties" => {
                    self.named(value, false)?;
                }
                // Values and names, not schemas.
                "default" | "const" | "enum" | "examples" | "required" | "dependentRequired" => {}
                _ => self.schema(value, false)?,
            }
        }
        Ok(())
    }

    /// The schemas in an object whose member names are not keywords.
    fn named(&mut self, raw: Raw<'_>, reachable: bool) -> Result<(), InvalidParamHeader> {
        if !mentions(raw.get()) || !raw.get().starts_with('{') {
            return Ok(());
        }
        for (name, schema) in self.part(Entries::parse(raw))?.iter() {
            self.path.push(name.to_owned());
            self.schema(schema, reachable)?;
            self.path.pop();
        }
        Ok(())
    }

    fn mark(
        &mut self,
        value: Raw<'_>,
        keywords: &Entries<'_>,
        reachable: bool,
    ) -> Result<(), InvalidParamHeader> {
        if !reachable || self.path.is_empty() {
            return self.invalid("only a property that is always at one place can have a header");
        }
        let Ok(suffix) = serde_json::from_str::<String>(value.get()) else {
            return self.invalid(format!("`{ANNOTATION}` must be a string"));
        };
        if suffix.is_empty() || !suffix.bytes().all(is_token) {
            return self.invalid(format!("`{ANNOTATION}` must be a name that HTTP allows"));
        }
        let kind = keywords.get("type").map(Raw::get);
        if !matches!(kind, Some("\"string\"" | "\"integer\"" | "\"boolean\"")) {
            return self.invalid("only a string, an integer or a boolean can have a header");
        }
        let name = format!("{PREFIX}{}", suffix.to_ascii_lowercase());
        if self.found.iter().any(|other| other.name == name) {
            return self.invalid(format!("another property has the header `{name}` too"));
        }
        if self.found.len() == HEADER_LIMIT {
            return self.invalid(format!("more than {HEADER_LIMIT} properties have a header"));
        }
        self.found.push(ParamHeader { name, path: self.path.clone() });
        Ok(())
    }

    fn part<T, E: std::fmt::Display>(&self, read: Result<T, E>) -> Result<T, InvalidParamHeader> {
        read.or_else(|error| self.invalid(error.to_string()))
    }

    fn invalid<T>(&self, problem: impl Into<String>) -> Result<T, InvalidParamHeader> {
        let place =
            if self.path.is_empty() { "inputSchema".to_owned() } else { self.path.join(".") };
        Err(InvalidParamHeader { place, problem: problem.into() })
    }
}

/// Whether there can be a mark in this text. A name may be written with escapes, all of which
/// begin alike for the letters of this one.
fn mentions(text: &str) -> bool {
    static NAMES: [Needle; 2] = [Needle::new(ANNOTATION), Needle::new("\\u00")];
    NAMES.iter().any(|name| name.is_in_text(text.as_bytes()))
}

/// RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests;
