//! Resource addresses under which two servers' resources can be told apart.
//!
//! A URI is passed through as it is while one server has it: clients and tool results compare and
//! store URIs. Where a second server lists the same one, that server's is shown as
//! `switchboard://SERVER/PERCENT-ENCODED`, which can be read back without a table. Slashes stay as
//! they are: what is named relative to a resource is then found beside it at the same server, and
//! the address of a skill still ends in `NAME/SKILL.md`, as its extension wants.

use std::fmt::Write as _;

const SCHEME: &str = "switchboard://";

/// The address of `uri` at `upstream` where the plain URI belongs to another upstream.
pub(crate) fn qualify(upstream: &str, uri: &str) -> String {
    let mut out = format!("{SCHEME}{upstream}/");
    for byte in uri.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            write!(out, "%{byte:02X}").expect("writing to memory");
        }
    }
    out
}

/// The upstream and its own URI, if `uri` is one of ours.
pub(crate) fn unqualify(uri: &str) -> Option<(&str, String)> {
    let (upstream, encoded) = uri.strip_prefix(SCHEME)?.split_once('/')?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first != b'%' {
            bytes.push(first);
            rest = tail;
            continue;
        }
        let hex = std::str::from_utf8(tail.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(hex, 16).ok()?);
        rest = &tail[2..];
    }
    Some((upstream, String::from_utf8(bytes).ok()?))
}

/// Whether somebody who subscribed to `wanted` is to hear that the resource at `updated` is another
/// now: it is the same, or a part of it (2025-11-25, "Resources", `notifications/resources/updated`:
/// "may be a sub-resource of the one that the client actually subscribed to").
///
/// A part begins where a path segment, a query or a fragment does: `file:///ab` is no part of
/// `file:///a`.
pub fn covers(wanted: &str, updated: &str) -> bool {
    match (unqualify(wanted), unqualify(updated)) {
        (None, None) => has_part(wanted, updated),
        (Some((server, wanted)), Some((other, updated))) => {
            server == other && has_part(&wanted, &updated)
        }
        _ => false,
    }
}

fn has_part(whole: &str, uri: &str) -> bool {
    let Some(rest) = uri.strip_prefix(whole) else {
        return false;
    };
    rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '?', '#'])
}

/// Whether `uri` can come from the RFC 6570 `template`, judged by its literal parts in order.
///
/// A server decides for itself what its template means; this only picks which server to ask.
pub(crate) fn template_may_match(template: &str, uri: &str) -> bool {
    let mut rest = uri;
    let mut parts = template.split('{');
    let start = parts.next().unwrap_or_default();
    let Some(after) = rest.strip_prefix(start) else {
        return false;
    };
    rest = after;
    let mut has_variable = false;
    for part in parts {
        has_variable = true;
        let literal = part.split_once('}').map_or("", |(_, literal)| literal);
        let Some(at) = rest.find(literal) else {
            return false;
        };
        rest = &rest[at + literal.len()..];
    }
    has_variable || rest.is_empty()
}

#[cfg(test)]
mod tests {
    use super::{covers, qualify, template_may_match, unqualify};

    #[test]
    fn a_qualified_uri_reads_back() {
        for uri in ["file:///a b/ü?x=1#y", "demo://resource/1", "", "a%2Fb"] {
            let qualified = qualify("git", uri);
            assert_eq!(unqualify(&qualified), Some(("git", uri.to_owned())), "{qualified}");
        }
        assert_eq!(unqualify("file:///x"), None);
        assert_eq!(unqualify("switchboard://git/%zz"), None);
        // As they were written before slashes stayed.
        assert_eq!(unqualify("switchboard://git/a%3A%2F%2Fx"), Some(("git", "a://x".to_owned())));
        assert_eq!(qualify("git", "skill://x/SKILL.md"), "switchboard://git/skill%3A//x/SKILL.md");
    }

    #[test]
    fn whoever_wants_a_resource_hears_of_its_parts() {
        let cases = [
            ("file:///a", "file:///a", true),
            ("file:///a", "file:///a/b/c", true),
            ("file:///a/", "file:///a/b", true),
            ("file:///a", "file:///a?line=1", true),
            ("file:///a", "file:///a#top", true),
            ("file:///a", "file:///ab", false),
            ("file:///a/b", "file:///a", false),
            ("", "file:///a", false),
            ("switchboard://git/file%3A///a", "switchboard://git/file%3A///a/b", true),
            ("switchboard://git/file%3A%2F%2F%2Fa", "switchboard://git/file%3A///a%3Fx", true),
            ("switchboard://git/file%3A///a", "switchboard://git/file%3A///ab", false),
            ("switchboard://git/file%3A///a", "switchboard://fs/file%3A///a/b", false),
            ("switchboard://git/file%3A///a", "file:///a/b", false),
        ];
        for (wanted, updated, expected) in cases {
            assert_eq!(covers(wanted, updated), expected, "{wanted} {updated}");
        }
    }

    #[test]
    fn templates_are_told_by_their_literal_parts() {
        let cases = [
            ("demo://item/{id}", "demo://item/7", true),
            ("demo://item/{id}/text", "demo://item/7/text", true),
            ("demo://item/{id}/text", "demo://item/7/blob", false),
            ("file:///{+path}", "file:///a/b", true),
            ("demo://item/{id}", "other://item/7", false),
            ("demo://fixed", "demo://fixed", true),
            ("demo://fixed", "demo://fixed/more", false),
        ];
        for (template, uri, expected) in cases {
            assert_eq!(template_may_match(template, uri), expected, "{template} {uri}");
        }
    }
}
