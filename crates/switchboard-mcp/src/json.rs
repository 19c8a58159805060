//! JSON that stays the text it arrived as.

mod entries;

use std::borrow::Cow;
use std::fmt;

use bytes::Bytes;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

pub(crate) use entries::Entries;

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

impl Malformed {
    pub fn because(message: impl Into<String>) -> Self {
        Self(message.into())
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
        serde_json::from_slice::<&RawValue>(&text).map_err(|error| Malformed(error.to_string()))?;
        check_depth(&text)?;
        Ok(Self(text))
    }

    /// Takes text that is read whole in the next step, which finds what is wrong with it; only
    /// the depth is checked here.
    pub(crate) fn unread(text: Bytes) -> Result<Self, Malformed> {
        check_depth(&text)?;
        Ok(Self(text))
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

    /// Takes a part of `whole` that the parser handed out.
    pub(crate) fn slice(whole: &Bytes, part: &RawValue) -> Self {
        Self(whole.slice_ref(part.get().as_bytes()))
    }

    /// The part of this value that `view` lent out, without copying it.
    pub fn part(&self, part: &RawValue) -> Self {
        Self::slice(&self.0, part)
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
        self.view()
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
        serde_json::to_writer(out, text).expect("writing to memory");
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

/// Walks the brackets outside strings; the text is known to be JSON.
fn check_depth(text: &[u8]) -> Result<(), Malformed> {
    // A text with fewer openings than the limit cannot nest deeper than it.
    let mut depth = 0_usize;
    let mut rest = text;
    while let Some(at) = rest.iter().position(|b| matches!(b, b'"' | b'{' | b'[' | b'}' | b']')) {
        let byte = rest[at];
        rest = &rest[at + 1..];
        match byte {
            b'"' => rest = after_string(rest),
            b'{' | b'[' => depth += 1,
            _ => depth = depth.saturating_sub(1),
        }
        if depth > DEPTH_LIMIT {
            return Err(Malformed(format!("nested deeper than {DEPTH_LIMIT} levels")));
        }
    }
    Ok(())
}

fn after_string(mut text: &[u8]) -> &[u8] {
    while let Some(at) = memchr::memchr2(b'"', b'\\', text) {
        if text[at] == b'"' {
            return &text[at + 1..];
        }
        text = text.get(at + 2..).unwrap_or_default();
    }
    &[]
}

/// The members of one object, in order, values undecoded.
///
/// A name that occurs twice is refused, also in another case: parsers disagree on which one
/// counts, and what policy saw must be what the server gets (compare CVE-2026-27896).
#[derive(Debug, Default)]
pub struct Members<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

impl<'a> Members<'a> {
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.0.iter().map(|(key, value)| (&**key, *value))
    }

    /// The member `name` decoded, or `None` where it is absent or something else.
    pub fn read<T: Deserialize<'a>>(&self, name: &str) -> Option<T> {
        serde_json::from_str(self.get(name)?.get()).ok()
    }

    pub fn parse(raw: &'a RawValue) -> Result<Self, Malformed> {
        serde_json::from_str(raw.get()).map_err(|error| Malformed(error.to_string()))
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members: Vec<(Cow<'de, str>, &'de RawValue)> = Vec::with_capacity(4);
                while let Some(Key(key)) = map.next_key()? {
                    if members.iter().any(|(other, _)| other.eq_ignore_ascii_case(&key)) {
                        return Err(de::Error::custom(format_args!("duplicate member `{key}`")));
                    }
                    if members.len() == MEMBER_LIMIT {
                        return Err(de::Error::custom(format_args!(
                            "an object with more than {MEMBER_LIMIT} members"
                        )));
                    }
                    members.push((key, map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Object)
    }
}

/// Most members of an object that we look into (an envelope, `params`, `_meta`, one listed item).
/// The protocol defines about ten; the comparison above is quadratic.
const MEMBER_LIMIT: usize = 256;

/// A key that borrows from the text where it can; serde's `Cow` always copies here.
struct Key<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Key<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Key<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Key(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

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
