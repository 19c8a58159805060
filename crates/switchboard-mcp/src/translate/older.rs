//! What a client of an older revision cannot read inside a result, put so that it can.
//!
//! The places are told by their names at the top of a result, which no two results use for
//! different things: `content` and `structuredContent` (`tools/call`), `messages` (`prompts/get`),
//! `tools` (`tools/list`). What is new and harmless, such as titles and icons, stays: older schemas
//! allow members they do not know.

mod block;

use crate::json::{Entries, Json, Malformed, Members, Needle, Object, Raw};
use crate::version::ProtocolVersion::{self, V2025_03_26, V2025_06_18, V2025_11_25};

/// Rewrites `result` for a client of revision `to`. A result with nothing to rewrite, which is
/// nearly every one, costs a few searches and stays as it is.
pub(super) fn lower(
    result: Json,
    from: ProtocolVersion,
    to: ProtocolVersion,
) -> Result<Json, Malformed> {
    let lowering = Lowering { from, to };
    if !lowering.needles().iter().any(|needle| needle.is_in(&result)) {
        return Ok(result);
    }
    let members = result.members()?;
    let structured = members
        .get("structuredContent")
        .filter(|structured| !lowering.keeps_structured(*structured));
    let rewritten: Vec<_> =
        members.iter().map(|(name, value)| lowering.member(name, value, structured)).collect();
    if structured.is_none() && rewritten.iter().all(Option::is_none) {
        return Ok(result);
    }
    let mut out = Vec::with_capacity(result.as_bytes().len());
    let mut object = Object::open(&mut out);
    let becomes_content = structured.filter(|_| members.get("content").is_none());
    for ((name, value), new) in members.iter().zip(&rewritten) {
        // In another case it could be taken for the one that is written below.
        let mimics = becomes_content.is_some() && name.eq_ignore_ascii_case("content");
        if !mimics && (name != "structuredContent" || structured.is_none()) {
            object.raw(name, new.as_deref().unwrap_or(value.get().as_bytes()));
        }
    }
    if let Some(structured) = becomes_content {
        object.raw("content", format!("[{}]", block::text(structured.get())).as_bytes());
    }
    object.close();
    Ok(Json::written(out))
}

/// What older revisions cannot read, the newest first as far as they differ in it.
static NEEDLES: [Needle; 5] = [
    Needle::new("\"outputSchema\""),
    Needle::new("\"structuredContent\""),
    Needle::new("\"execution\""),
    Needle::new("\"resource_link\""),
    Needle::new("\"audio\""),
];

struct Lowering {
    from: ProtocolVersion,
    to: ProtocolVersion,
}

impl Lowering {
    /// What a result contains that has something to rewrite.
    fn needles(&self) -> &'static [Needle] {
        match self.to {
            // Lists may be put together from those of several servers, of whichever revision; they
            // have the newest that a legacy client can have.
            ProtocolVersion::V2026_07_28 => &NEEDLES[2..3],
            V2025_11_25 if self.from <= self.to => &NEEDLES[..1],
            // What a server of its own revision says is what the client would get there too.
            _ if self.from <= self.to => &[],
            V2025_11_25 => &NEEDLES[..2],
            V2025_06_18 => &NEEDLES[..3],
            V2025_03_26 | ProtocolVersion::V2024_11_05 => &NEEDLES,
        }
    }

    /// Structured content came with 2025-06-18, and was an object until 2026-07-28.
    fn keeps_structured(&self, structured: Raw<'_>) -> bool {
        self.to >= ProtocolVersion::V2026_07_28
            || (self.to >= V2025_06_18 && structured.get().starts_with('{'))
    }

    /// The value of a member at the top, where it is to be another.
    fn member(&self, name: &str, value: Raw<'_>, structured: Option<Raw<'_>>) -> Option<Vec<u8>> {
        match name {
            "tools" => each(value, |_, tool| self.tool(tool)),
            "messages" => each(value, |index, message| self.message(index, message)),
            "content" => {
                let blocks = each(value, |index, block| block::lower(block, index, self.to));
                match structured.filter(|_| !has_text(value)) {
                    None => blocks,
                    Some(structured) => {
                        let blocks = blocks.unwrap_or_else(|| value.get().as_bytes().to_vec());
                        append(blocks, &block::text(structured.get()))
                    }
                }
            }
            _ => None,
        }
    }

    fn message(&self, index: usize, raw: Raw<'_>) -> Option<Vec<u8>> {
        let members = Members::parse(raw).ok()?;
        let lowered = block::lower(members.get("content")?, index, self.to)?;
        let mut out = Vec::with_capacity(raw.get().len());
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter() {
            let value = value.get().as_bytes();
            object.raw(name, if name == "content" { &lowered } else { value });
        }
        object.close();
        Some(out)
    }

    fn tool(&self, raw: Raw<'_>) -> Option<Vec<u8>> {
        let members = Members::parse(raw).ok()?;
        let drops = |(name, value): &(&str, Raw<'_>)| match *name {
            // Says how 2025-11-25 makes tasks of calls.
            "execution" => self.to != V2025_11_25,
            "outputSchema" => !self.keeps_output_schema(*value),
            _ => false,
        };
        if !members.iter().any(|member| drops(&member)) {
            return None;
        }
        let mut out = Vec::with_capacity(raw.get().len());
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter().filter(|member| !drops(member)) {
            object.raw(name, value.get().as_bytes());
        }
        object.close();
        Some(out)
    }

    /// Schemas of results came with 2025-06-18, and described objects until 2026-07-28.
    fn keeps_output_schema(&self, schema: Raw<'_>) -> bool {
        let is_object = || {
            let kind = Entries::parse(schema).ok()?.get("type")?;
            Some(serde_json::from_str::<String>(kind.get()).ok()? == "object")
        };
        self.to >= ProtocolVersion::V2026_07_28
            || (self.to >= V2025_06_18 && is_object().unwrap_or(false))
    }
}

/// A list whose items are rewritten where `lower` gives another; `None` where it gives none, or
/// this is no list.
fn each(raw: Raw<'_>, lower: impl Fn(usize, Raw<'_>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let items: Vec<Raw<'_>> = serde_json::from_str(raw.get()).ok()?;
    let lowered: Vec<_> =
        items.iter().enumerate().map(|(index, item)| lower(index, *item)).collect();
    if lowered.iter().all(Option::is_none) {
        return None;
    }
    let mut out = Vec::with_capacity(raw.get().len());
    out.push(b'[');
    for (index, (item, new)) in items.iter().zip(&lowered).enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(new.as_deref().unwrap_or(item.get().as_bytes()));
    }
    out.push(b']');
    Some(out)
}

/// Whether there is a text among the blocks. Servers repeat there what the structured content says,
/// in their own words if not as JSON (2025-06-18, "Structured Content"), for clients without it.
fn has_text(content: Raw<'_>) -> bool {
    let blocks: Vec<Members<'_>> = serde_json::from_str(content.get()).unwrap_or_default();
    blocks.iter().any(|block| block.read::<String>("type").as_deref() == Some("text"))
}

/// Puts one more item at the end of a list; `None` where it is none.
fn append(mut list: Vec<u8>, item: &str) -> Option<Vec<u8>> {
    let end = list.pop();
    if end != Some(b']') {
        return None;
    }
    if list.trim_ascii_end().last() != Some(&b'[') {
        list.push(b',');
    }
    list.extend_from_slice(item.as_bytes());
    list.push(b']');
    Some(list)
}

#[cfg(test)]
mod tests;
