//! JSON that stays the text it arrived as.

mod entries;
mod needle;
mod scan;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer};
use serde_json::value::RawValue;

pub(crate) use entries::Entries;
pub use needle::Needle;

use self::scan::{Fault, Walk};

/// One complete JSON value, as text. Cloning and slicing do not copy.
///
/// A `Json` is only made from text a parser has walked through, so it can be written into another
/// message as it is.
#[derive(Clone, Eq, PartialEq)]
pub struct Json(Bytes);

/// The text is not one JSON value, or not one we accept.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct Malformed(String);

/// The text of one JSON value that is part of another.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Raw<'a>(&'a str);

impl Malformed {
    pub fn because(message: impl Into<String>) -> Self {
        Self(message.into())
    }

    fn new(text: &[u8], fault: Fault) -> Self {
        match fault {
            Fault::Depth => Self(format!("nested deeper than {DEPTH_LIMIT} levels")),
            Fault::Syntax => match serde_json::from_slice::<&RawValue>(text) {
                Err(error) => Self(error.to_string()),
                Ok(_) => Self::because("a name with half a character"),
            },
        }
    }

    fn no_object(text: &str) -> Self {
        let kind = match text.trim_ascii_start().as_bytes().first() {
            Some(b'[') => "sequence",
            Some(b'"') => "string",
            Some(b't' | b'f') => "boolean",
            Some(b'n') => "null",
            _ => "number",
        };
        Self(format!("invalid type: {kind}, expected an object"))
    }
}

impl<'a> Raw<'a> {
    pub fn get(self) -> &'a str {
        self.0
    }
}

impl<'a> From<&'a RawValue> for Raw<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(Self::from)
    }
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// How deep objects and arrays may nest.
///
/// Recursive parsers behind us are commonly limited to 127 (serde_json, which refuses the 128th) or
/// to their stack; a message that would end such a server must not get as far as the server.
pub const DEPTH_LIMIT: usize = 127;

impl Json {
    /// Checks that `text` is one JSON value in UTF-8 and takes it as it is.
    ///
    /// # Errors
    ///
    /// [`Malformed`] with the place, or with the limit that was passed.
    pub fn parse(text: Bytes) -> Result<Self, Malformed> {
        let checked = std::str::from_utf8(&text).map_err(|_| Fault::Syntax).and_then(scan::check);
        checked.map_err(|fault| Malformed::new(&text, fault))?;
        Ok(Self(text))
    }

    /// As [`Self::parse`] for what must be an object, of which the members are handed out on the
    /// same walk, repeated ones too.
    pub(crate) fn parse_object<'t>(
        text: &'t Bytes,
        mut member: impl FnMut(&str, Raw<'t>),
    ) -> Result<Self, Malformed> {
        let refused = |fault| Malformed::new(text, fault);
        let checked = std::str::from_utf8(text).map_err(|_| refused(Fault::Syntax))?;
        let mut walk = Walk::unchecked(checked).ok_or_else(|| Malformed::no_object(checked))?;
        while let Some((name, value)) = walk.next().map_err(refused)? {
            member(&name, Raw(value));
        }
        Ok(Self(text.clone()))
    }

    /// Writes out a value of our own.
    ///
    /// # Panics
    ///
    /// If `value` has a map with keys that are no strings: a mistake in our code, not in input.
    pub fn encode(value: &impl serde::Serialize) -> Self {
        Self(serde_json::to_vec(value).expect("our own types serialise").into())
    }

    /// Takes text that our own code wrote with the functions of this crate.
    pub fn written(text: Vec<u8>) -> Self {
        debug_assert!(serde_json::from_slice::<&RawValue>(&text).is_ok(), "not JSON");
        Self(text.into())
    }

    /// The part of this value that was lent out, without copying it.
    pub fn part<'a>(&self, part: impl Into<Raw<'a>>) -> Self {
        Self(self.0.slice_ref(part.into().get().as_bytes()))
    }

    /// The same in memory of its own: of a slice, the whole message that it was cut from, and the
    /// buffer which that was read into, stay for as long as it does.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self(Bytes::copy_from_slice(&self.0))
    }

    /// Decodes as much as `T` asks for; `T` may borrow from this value.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when the value does not have the shape of `T`.
    pub fn view<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Malformed> {
        serde_json::from_slice(&self.0).map_err(|error| Malformed(error.to_string()))
    }

    /// The members of an object, undecoded.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when this is no object, or one with a member twice.
    pub fn members(&self) -> Result<Members<'_>, Malformed> {
        Members::parse(self.raw())
    }

    /// The whole of it, as a part.
    pub fn raw(&self) -> Raw<'_> {
        Raw(self.as_str())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn into_bytes(self) -> Bytes {
        self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("checked when it was parsed")
    }

    pub fn null() -> Self {
        Self(Bytes::from_static(b"null"))
    }

    pub fn empty_object() -> Self {
        Self(Bytes::from_static(b"{}"))
    }

    /// Writes `text` as a JSON string.
    pub fn write_string(out: &mut Vec<u8>, text: &str) {
        if scan::plain(text.as_bytes()) < text.len() {
            return serde_json::to_writer(out, text).expect("writing to memory");
        }
        out.reserve(text.len() + 2);
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// The members of one object, in order, values undecoded.
///
/// A name that occurs twice is refused, also in another case: parsers disagree on which one
/// counts, and what policy saw must be what the server gets (compare CVE-2026-27896).
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, Raw<'a>)>);

impl<'a> Members<'a> {
    /// The members of the object that `raw` is.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no object, or one with a member twice.
    pub fn parse(raw: impl Into<Raw<'a>>) -> Result<Self, Malformed> {
        let text = raw.into().get();
        let mut walk = Walk::checked(text).ok_or_else(|| Malformed::no_object(text))?;
        let mut members: Vec<(Cow<'a, str>, Raw<'a>)> = Vec::with_capacity(4);
        while let Some((name, value)) =
            walk.next().map_err(|fault| Malformed::new(text.as_bytes(), fault))?
        {
            if members.iter().any(|(other, _)| other.eq_ignore_ascii_case(&name)) {
                return Err(Malformed(format!("duplicate member `{name}`")));
            }
            if members.len() == MEMBER_LIMIT {
                return Err(Malformed(format!("an object with more than {MEMBER_LIMIT} members")));
            }
            members.push((name, Raw(value)));
        }
        Ok(Self(members))
    }

    pub fn get(&self, name: &str) -> Option<Raw<'a>> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, Raw<'a>)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }

    /// The member `name` decoded, or `None` where it is absent or something else.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(Raw::deserialize(deserializer)?).map_err(de::Error::custom)
    }
}

/// Most members of an object that we look into (an envelope, `params`, `_meta`, one listed item).
/// The protocol defines about ten; the comparison above is quadratic.
const MEMBER_LIMIT: usize = 256;

/// Writes an object member by member.
#[derive(Debug)]
pub struct Object<'o> {
    out: &'o mut Vec<u8>,
    empty: bool,
}

impl<'o> Object<'o> {
    pub fn open(out: &'o mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, empty: true }
    }

    /// Writes the name and lends the buffer for the value.
    pub fn member(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.empty {
            self.out.push(b',');
        }
        self.empty = false;
        Json::write_string(self.out, name);
        self.out.push(b':');
        self.out
    }

    pub fn raw(&mut self, name: &str, value: &[u8]) -> &mut Self {
        self.member(name).extend_from_slice(value);
        self
    }

    pub fn text(&mut self, name: &str, value: &str) -> &mut Self {
        Json::write_string(self.member(name), value);
        self
    }

    pub fn close(self) {
        self.out.push(b'}');
    }
}

#[cfg(test)]
mod tests;
