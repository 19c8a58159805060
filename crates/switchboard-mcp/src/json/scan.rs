//! JSON, walked through without being decoded.
//!
//! A message is walked through several times on its way: once to see that it is JSON, and again
//! wherever somebody looks into it. The first walk checks everything; those after it go over text
//! that is known to be JSON and only look for the end of each value. With a general parser these
//! walks took a quarter of the processor time of a call.
//!
//! Functions take a text and a place in it, and give the place after what they passed over.

use std::borrow::Cow;

use super::DEPTH_LIMIT;

/// Why a text is not JSON that we take. Where and how, `serde_json` says.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fault {
    Syntax,
    Depth,
}

type Outcome<T = usize> = Result<T, Fault>;

/// Checks that `text` is one JSON value, with or without spaces around it.
pub(super) fn check(text: &str) -> Outcome<()> {
    let text = text.as_bytes();
    let at = check_value(text, space(text, 0), 0)?;
    end(text, at)
}

/// The members of an object, one after another: the name as it is meant, the value as it stands.
pub(super) struct Walk<'a> {
    text: &'a str,
    /// After the bracket or the last value.
    at: usize,
    /// Whether values are checked, or known to be JSON.
    checks: bool,
    /// No member has come before.
    first: bool,
}

impl<'a> Walk<'a> {
    /// Walks through text that nobody has looked at yet. `None` where it is no object.
    pub(super) fn unchecked(text: &'a str) -> Option<Self> {
        Self::new(text, true)
    }

    /// Walks through text that has been checked.
    pub(super) fn checked(text: &'a str) -> Option<Self> {
        Self::new(text, false)
    }

    fn new(text: &'a str, checks: bool) -> Option<Self> {
        let at = expect(text.as_bytes(), space(text.as_bytes(), 0), b'{').ok()?;
        Some(Self { text, at, checks, first: true })
    }

    /// The next member; `None` after the last, if nothing follows the object.
    pub(super) fn next(&mut self) -> Outcome<Option<(Cow<'a, str>, &'a str)>> {
        let text = self.text.as_bytes();
        let mut at = space(text, self.at);
        if text.get(at) == Some(&b'}') {
            return end(text, at + 1).map(|()| None);
        }
        if !std::mem::take(&mut self.first) {
            at = space(text, expect(text, at, b',')?);
        }
        let (name_end, is_plain) = string(text, at)?;
        let name = &self.text[at..name_end];
        let start = colon(text, name_end)?;
        self.at = if self.checks { check_value(text, start, 1)? } else { skip(text, start)? };
        let name = match is_plain {
            true => Cow::Borrowed(&name[1..name.len() - 1]),
            false => Cow::Owned(serde_json::from_str(name).map_err(|_| Fault::Syntax)?),
        };
        Ok(Some((name, &self.text[start..self.at])))
    }
}

/// What is open around a value: a bit for each level, set for an object.
struct Nesting {
    levels: u128,
    depth: usize,
    /// Levels around what is walked through.
    outside: usize,
}

impl Nesting {
    fn open(&mut self, is_object: bool) -> Outcome<()> {
        if self.depth + self.outside == DEPTH_LIMIT {
            return Err(Fault::Depth);
        }
        self.levels = self.levels << 1 | u128::from(is_object);
        self.depth += 1;
        Ok(())
    }

    fn close(&mut self) {
        self.levels >>= 1;
        self.depth -= 1;
    }

    fn is_in_object(&self) -> bool {
        self.levels & 1 == 1
    }
}

/// Passes over one value, in which everything is checked.
fn check_value(text: &[u8], mut at: usize, outside: usize) -> Outcome {
    let mut nesting = Nesting { levels: 0, depth: 0, outside };
    loop {
        at = match peek(text, at)? {
            b'"' => string(text, at)?.0,
            opening @ (b'{' | b'[') => {
                nesting.open(opening == b'{')?;
                at = space(text, at + 1);
                if peek(text, at)? != opening + 2 {
                    at = check_name(text, at, &nesting)?;
                    continue;
                }
                nesting.close();
                at + 1
            }
            b't' => word(text, at, b"true")?,
            b'f' => word(text, at, b"false")?,
            b'n' => word(text, at, b"null")?,
            _ => number(text, at)?,
        };
        // The ends of what it stands in, or what leads to the next one.
        loop {
            if nesting.depth == 0 {
                return Ok(at);
            }
            at = space(text, at);
            if peek(text, at)? == b',' {
                at = check_name(text, space(text, at + 1), &nesting)?;
                break;
            }
            at = expect(text, at, if nesting.is_in_object() { b'}' } else { b']' })?;
            nesting.close();
        }
    }
}

/// Passes over the name before a value, where it stands in an object.
fn check_name(text: &[u8], at: usize, nesting: &Nesting) -> Outcome {
    if nesting.is_in_object() { colon(text, string(text, at)?.0) } else { Ok(at) }
}

/// Passes over one value of text that is known to be JSON.
fn skip(text: &[u8], mut at: usize) -> Outcome {
    let mut depth = 0_usize;
    loop {
        at = match peek(text, at)? {
            b'"' => skip_string(text, at + 1)?,
            b'{' | b'[' => {
                depth += 1;
                at + 1
            }
            b'}' | b']' if depth > 0 => {
                depth -= 1;
                at + 1
            }
            // Part of a number or a word, or between values.
            _ if depth > 0 => {
                at += 1;
                continue;
            }
            _ => skip_word(text, at)?,
        };
        if depth == 0 {
            return Ok(at);
        }
    }
}

fn skip_string(text: &[u8], mut at: usize) -> Outcome {
    loop {
        at += plain(text.get(at..).ok_or(Fault::Syntax)?);
        if peek(text, at)? == b'"' {
            return Ok(at + 1);
        }
        at += 2;
    }
}

/// Passes over a number, `true`, `false` or `null`.
fn skip_word(text: &[u8], at: usize) -> Outcome {
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
    let length = text[at..].iter().position(|byte| !is_word(byte)).unwrap_or(text.len() - at);
    if length > 0 { Ok(at + length) } else { Err(Fault::Syntax) }
}

fn peek(text: &[u8], at: usize) -> Outcome<u8> {
    text.get(at).copied().ok_or(Fault::Syntax)
}

fn expect(text: &[u8], at: usize, byte: u8) -> Outcome {
    if text.get(at) == Some(&byte) { Ok(at + 1) } else { Err(Fault::Syntax) }
}

fn space(text: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\n' | b'\r' | b'\t') = text.get(at) {
        at += 1;
    }
    at
}

fn colon(text: &[u8], at: usize) -> Outcome {
    Ok(space(text, expect(text, space(text, at), b':')?))
}

fn end(text: &[u8], at: usize) -> Outcome<()> {
    if space(text, at) == text.len() { Ok(()) } else { Err(Fault::Syntax) }
}

fn word(text: &[u8], at: usize, word: &[u8]) -> Outcome {
    if text[at..].starts_with(word) { Ok(at + word.len()) } else { Err(Fault::Syntax) }
}

/// Passes over a number (RFC 8259, section 6).
fn number(text: &[u8], at: usize) -> Outcome {
    let has = |at: usize, bytes: &[u8]| text.get(at).is_some_and(|byte| bytes.contains(byte));
    let mut at = at + usize::from(has(at, b"-"));
    at = if has(at, b"0") { at + 1 } else { digits(text, at)? };
    if has(at, b".") {
        at = digits(text, at + 1)?;
    }
    if has(at, b"eE") {
        at = digits(text, at + 1 + usize::from(has(at + 1, b"+-")))?;
    }
    Ok(at)
}

fn digits(text: &[u8], start: usize) -> Outcome {
    let mut at = start;
    while text.get(at).is_some_and(u8::is_ascii_digit) {
        at += 1;
    }
    if start < at { Ok(at) } else { Err(Fault::Syntax) }
}

/// Passes over a string; also whether it stands for itself, without escapes.
fn string(text: &[u8], at: usize) -> Outcome<(usize, bool)> {
    let mut at = expect(text, at, b'"')?;
    let mut is_plain = true;
    loop {
        at += plain(&text[at..]);
        match peek(text, at)? {
            b'"' => return Ok((at + 1, is_plain)),
            b'\\' => {
                is_plain = false;
                at = escape(text, at)?;
            }
            // A control character.
            _ => return Err(Fault::Syntax),
        }
    }
}

fn escape(text: &[u8], at: usize) -> Outcome {
    match &text[at + 1..] {
        [b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't', ..] => Ok(at + 2),
        [b'u', a, b, c, d, ..] if [a, b, c, d].iter().all(|x| x.is_ascii_hexdigit()) => Ok(at + 6),
        _ => Err(Fault::Syntax),
    }
}

/// How many bytes at the start of `text` stand for themselves in a string: none is a quote, a
/// backslash or a control character.
pub(super) fn plain(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(eight) = text[at..].first_chunk() {
        let special = special(u64::from_le_bytes(*eight));
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    text[at..].iter().position(is_special).map_or(text.len(), |more| at + more)
}

/// Eight bytes at once: the high bit of each that does not stand for itself. The lowest such bit is
/// right; those above it may be set by what was borrowed from below.
fn special(word: u64) -> u64 {
    const EACH: u64 = 0x0101_0101_0101_0101;
    let is_zero = |word: u64| word.wrapping_sub(EACH) & !word;
    let quote = is_zero(word ^ (EACH * u64::from(b'"')));
    let backslash = is_zero(word ^ (EACH * u64::from(b'\\')));
    let control = word.wrapping_sub(EACH * 0x20) & !word;
    (quote | backslash | control) & (EACH << 7)
}
