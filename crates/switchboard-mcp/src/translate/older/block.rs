//! One block of content that a client does not know, as one that it does.

use crate::json::{Json, Members, Object, Raw};
use crate::version::ProtocolVersion;

/// The block for a client of revision `to`; `None` where it can stay. `index` tells it from its
/// neighbours.
pub(super) fn lower(raw: Raw<'_>, index: usize, to: ProtocolVersion) -> Option<Vec<u8>> {
    let members = Members::parse(raw).ok()?;
    match members.read::<String>("type")?.as_str() {
        "resource_link" if to < ProtocolVersion::V2025_06_18 => Some(link(&members)),
        "audio" if to < ProtocolVersion::V2025_03_26 => Some(audio(&members, index)),
        _ => None,
    }
}

/// A text block.
pub(super) fn text(text: &str) -> String {
    format!(r#"{{"type":"text","text":{}}}"#, Json::encode(&text))
}

/// A link, as a text that says where it leads.
fn link(members: &Members<'_>) -> Vec<u8> {
    let read = |name: &str| members.read::<String>(name);
    let name = read("title").or_else(|| read("name")).unwrap_or_default();
    let uri = read("uri").unwrap_or_default();
    let text = if name.is_empty() { uri } else { format!("{name}: {uri}") };
    write(members, "text", |object| {
        object.text("text", &text);
    })
}

/// A sound, as an embedded resource: clients can offer those for saving. Its address only has to
/// differ from its neighbours': there is nothing to read behind it.
fn audio(members: &Members<'_>, index: usize) -> Vec<u8> {
    let data = members.get("data").filter(|data| data.get().starts_with('"'));
    let Some(data) = data else {
        return write(members, "text", |object| {
            object.text("text", "(a sound without data)");
        });
    };
    let kind = members.read::<String>("mimeType");
    write(members, "resource", |object| {
        let mut resource = Object::open(object.member("resource"));
        resource.text("uri", &format!("embedded:audio/{index}"));
        if let Some(kind) = &kind {
            resource.text("mimeType", kind);
        }
        resource.raw("blob", data.get().as_bytes());
        resource.close();
    })
}

/// A block of another type, with what every block may have.
fn write(members: &Members<'_>, kind: &str, content: impl FnOnce(&mut Object<'_>)) -> Vec<u8> {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.text("type", kind);
    content(&mut object);
    for name in ["annotations", "_meta"] {
        if let Some(value) = members.get(name) {
            object.raw(name, value.get().as_bytes());
        }
    }
    object.close();
    out
}
