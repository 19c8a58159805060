//! The configuration file: what is wrong in it is pointed at within it, a secret in it is never
//! shown, and what is in effect reads back from what `show` writes.
//!
//! An input is the file and, after a NUL, variables of the environment, one `NAME=value` a line.

use std::collections::BTreeMap;

use switchboard_config::{ByteSize, Diagnostic, Excerpt, Loader, Place, TimeSpan};

use crate::sample::Sample;

const PREFIX: &str = "APP_";

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    units(text);
    let (file, variables) = text.split_once('\0').unwrap_or((text, ""));
    let variables = variables.lines().filter_map(|line| line.split_once('='));
    let variables: BTreeMap<String, String> =
        variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let loader = Loader::new()
        .file("/etc/app/config.toml".into(), file.to_owned())
        .environment(variables, PREFIX, &["APP_CONFIG"], &[("PORT", "listen.port")])
        .read_with(|_| Ok("from a file\n".to_owned()));
    match loader.load::<Sample>() {
        Ok(loaded) => reads_back(&loaded.value, &loaded.settings.show()),
        Err(diagnostics) => {
            assert!(!diagnostics.is_empty(), "refused for no reason");
            for diagnostic in &diagnostics {
                points_into(file, diagnostic);
                keeps_secret(file, diagnostic);
            }
        }
    }
}

fn reads_back(value: &Sample, shown: &str) {
    let file = Loader::new().file("/etc/app/shown.toml".into(), shown.to_owned());
    let again = file.load::<Sample>().unwrap_or_else(|problems| {
        let problems: Vec<_> = problems.iter().map(ToString::to_string).collect();
        panic!("`show` wrote what does not load: {}\n{shown}", problems.join("\n"))
    });
    let json = |value: &Sample| serde_json::to_value(value).expect("a configuration is JSON");
    assert_eq!(json(&again.value), json(value), "by way of\n{shown}");
}

fn points_into(file: &str, diagnostic: &Diagnostic) {
    let rendered = diagnostic.render(false);
    assert!(!rendered.contains('\0') && !rendered.contains('\x1b'), "{rendered:?}");
    let Some(Place::File { line, column, excerpt, .. }) = diagnostic.place.as_deref() else {
        return;
    };
    let lines: Vec<&str> = file.split('\n').collect();
    assert!((1..=lines.len()).contains(line), "line {line} of {}", lines.len());
    let end = lines[line - 1].chars().count() + 1;
    assert!((1..=end).contains(column), "column {column} of {end}");
    let Excerpt { text, start, width } = excerpt;
    let length = text.chars().count();
    assert!(*width > 0 && *start <= length, "{excerpt:?}");
    assert!(start + width <= length.max(start + 1), "{excerpt:?}");
    assert!(length <= 102, "{length} characters are no excerpt");
}

/// What stands as a plain text behind `api_key` at the top, in a file that is TOML, and nowhere else
/// in it.
fn keeps_secret(file: &str, diagnostic: &Diagnostic) {
    let line = file.lines().take_while(|line| !line.trim_start().starts_with('['));
    let mut secrets = line.filter_map(|line| line.strip_prefix("api_key = \"")?.strip_suffix('"'));
    let Some(secret) = secrets.next() else { return };
    let is_plain = secret.len() >= 8 && secret.bytes().all(|byte| byte.is_ascii_alphanumeric());
    if is_plain && file.matches(secret).count() == 1 {
        assert!(!diagnostic.render(true).contains(secret), "{diagnostic}");
        assert!(!format!("{diagnostic:?}").contains(secret), "{diagnostic:?}");
    }
}

/// A size or a time that can be read is printed so that it reads back.
fn units(text: &str) {
    if let Ok(size) = text.parse::<ByteSize>() {
        assert_eq!(size.to_string().parse::<ByteSize>(), Ok(size), "{text}");
    }
    if let Ok(span) = text.parse::<TimeSpan>() {
        assert_eq!(span.to_string().parse::<TimeSpan>(), Ok(span), "{text}");
    }
}
