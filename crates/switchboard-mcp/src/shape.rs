//! Strings at known places of a text, replaced where they stand.
//!
//! Addresses and task ids are scattered over results at places that the protocol names. They are
//! replaced by cutting the text there and nowhere else: whitespace, order and the spelling of
//! everything beside them stay.

use std::ops::Range;

use crate::json::{Json, Members, Raw};

/// Where in an object there are strings to replace. Where a list stands instead of the object or
/// string, the same holds for each of its items.
pub(crate) struct Shape {
    /// Members that are such strings.
    pub texts: &'static [&'static str],
    /// Members with objects that have some inside.
    pub inside: &'static [(&'static str, &'static Self)],
}

impl Shape {
    /// The shape of a leaf.
    pub(crate) const fn texts(texts: &'static [&'static str]) -> Self {
        Self { texts, inside: &[] }
    }

    pub(crate) const fn inside(inside: &'static [(&'static str, &'static Self)]) -> Self {
        Self { texts: &[], inside }
    }
}

/// `whole` with the strings at `shape` replaced by what `map` makes of them; `None` from `map`
/// leaves one as it is, and so does anything that is not of the shape: what we cannot read there
/// is not an address or id of the protocol.
pub(crate) fn replace(
    whole: Json,
    shape: &Shape,
    map: &mut dyn FnMut(&str) -> Option<String>,
) -> Json {
    let mut splice = Splice { base: whole.as_bytes().as_ptr() as usize, edits: Vec::new() };
    if let Ok(raw) = whole.view::<Raw<'_>>() {
        splice.walk(raw, shape, map);
    }
    match splice.apply(whole.as_bytes()) {
        Some(text) => Json::written(text),
        None => whole,
    }
}

struct Splice {
    /// Where the whole text begins in memory; parts of it know where they begin.
    base: usize,
    edits: Vec<(Range<usize>, Vec<u8>)>,
}

impl Splice {
    fn walk(&mut self, raw: Raw<'_>, shape: &Shape, map: &mut dyn FnMut(&str) -> Option<String>) {
        if raw.get().starts_with('[') {
            // A list in a list is not of any shape, and going into it would read the text of the
            // inner one again for each list around it.
            for item in items(raw) {
                self.object(item, shape, map);
            }
        } else {
            self.object(raw, shape, map);
        }
    }

    fn object(&mut self, raw: Raw<'_>, shape: &Shape, map: &mut dyn FnMut(&str) -> Option<String>) {
        let Ok(members) = Members::parse(raw) else { return };
        for (name, value) in members.iter() {
            if shape.texts.contains(&name) {
                self.text(value, map);
            }
            if let Some((_, inner)) = shape.inside.iter().find(|(inside, _)| *inside == name) {
                self.walk(value, inner, map);
            }
        }
    }

    fn text(&mut self, raw: Raw<'_>, map: &mut dyn FnMut(&str) -> Option<String>) {
        if raw.get().starts_with('[') {
            for item in items(raw) {
                self.string(item, map);
            }
        } else {
            self.string(raw, map);
        }
    }

    fn string(&mut self, raw: Raw<'_>, map: &mut dyn FnMut(&str) -> Option<String>) {
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else { return };
        let Some(new) = map(&text).filter(|new| *new != text) else { return };
        let start = raw.get().as_ptr() as usize - self.base;
        let mut written = Vec::with_capacity(new.len() + 2);
        Json::write_string(&mut written, &new);
        self.edits.push((start..start + raw.get().len(), written));
    }

    /// The text with the edits, which were found from front to back and do not overlap.
    fn apply(self, whole: &[u8]) -> Option<Vec<u8>> {
        if self.edits.is_empty() {
            return None;
        }
        let grown: usize = self.edits.iter().map(|(_, new)| new.len()).sum();
        let mut out = Vec::with_capacity(whole.len() + grown);
        let mut at = 0;
        for (range, new) in self.edits {
            out.extend_from_slice(&whole[at..range.start]);
            out.extend_from_slice(&new);
            at = range.end;
        }
        out.extend_from_slice(&whole[at..]);
        Some(out)
    }
}

fn items(raw: Raw<'_>) -> Vec<Raw<'_>> {
    serde_json::from_str(raw.get()).unwrap_or_default()
}
