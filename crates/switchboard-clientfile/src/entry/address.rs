//! Program or address: what an entry means, and where it contradicts itself.

use super::keys::Kind;
use super::wrong::{Wrong, short, wrong};
use crate::server::bare_url;

/// An address, the key it stands under, and the transport that key implies.
pub(super) struct Address {
    pub(super) key: &'static str,
    pub(super) url: String,
    pub(super) implied: Option<Kind>,
}

impl Address {
    pub(super) fn check(&self) -> Result<(), Wrong> {
        let Self { key, url, .. } = self;
        let scheme = url.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => Ok(()),
            _ => Err(wrong(
                &[key],
                format!("`{key}` (`{}`) is not an http or https address", bare_url(url)),
                "write it in full, as in `https://example.com/mcp`",
            )),
        }
    }
}

/// Which transport an entry means. `type`, given as written and as understood, decides; without it
/// the fields do.
pub(super) fn kind(
    written: Option<(&str, Kind)>,
    command: Option<&str>,
    address: Option<&Address>,
) -> Result<Kind, Wrong> {
    match (written, command, address) {
        (_, Some(command), Some(Address { key, url, .. })) => Err(wrong(
            &[],
            format!("has both `command` (`{}`) and `{key}` (`{}`)", short(command), bare_url(url)),
            "keep `command` for a program to start, or the address of a running server",
        )),
        (Some((written, Kind::Stdio)), None, address) => {
            let only = address
                .map(|address| format!(", only `{}` (`{}`)", address.key, bare_url(&address.url)));
            Err(wrong(
                &["type"],
                format!(
                    "`type` is `{written}`, but there is no `command`{}",
                    only.unwrap_or_default()
                ),
                "write the `command` to start, or change `type` to `http` for a running server",
            ))
        }
        (Some((written, Kind::Http | Kind::Sse)), command, None) => {
            let only = command.map(|command| format!(", only `command` (`{}`)", short(command)));
            Err(wrong(
                &["type"],
                format!("`type` is `{written}`, but there is no `url`{}", only.unwrap_or_default()),
                "write the `url` of the server, or change `type` to `stdio` for a program to start",
            ))
        }
        (None, None, None) => Err(wrong(
            &[],
            "has neither `command` nor `url`".to_owned(),
            "write `command` for a program to start, or `url` for a running server",
        )),
        (Some((_, kind)), ..) => Ok(kind),
        (None, Some(_), None) => Ok(Kind::Stdio),
        (None, None, Some(Address { url, implied, .. })) => {
            Ok(implied.unwrap_or(if url.contains("/sse") { Kind::Sse } else { Kind::Http }))
        }
    }
}
