//! Where in the file a key stands, for mistakes that show only after the file has been read.

use std::collections::HashMap;
use std::path::Path;

use switchboard_config::{Excerpt, Place};

/// The line of `key`, such as `http.host` or `upstream.git`, if the file writes it in one of the
/// usual ways: as a table, in its table, or dotted. Only the key is shown; its value may be secret.
pub(crate) fn find(file: &Path, key: &str) -> Option<Place> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut table = String::new();
    let mut elements = HashMap::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        let (name, shown) = match header(trimmed) {
            Some(Header::Table(name)) => {
                table = plain(name);
                (table.clone(), name.len() + 2)
            }
            Some(Header::Element(name)) => {
                let number: &mut usize = elements.entry(plain(name)).or_default();
                table = format!("{}[{number}]", plain(name));
                *number += 1;
                (table.clone(), name.len() + 4)
            }
            None => {
                let Some((left, _)) = trimmed.split_once('=') else { continue };
                let left = left.trim_end();
                let dot = if table.is_empty() { "" } else { "." };
                (format!("{table}{dot}{}", plain(left)), left.len())
            }
        };
        if name == key {
            let excerpt = Excerpt { text: trimmed[..shown].to_owned(), start: 0, width: shown };
            let path = file.to_path_buf();
            return Some(Place::File { path, line: index + 1, column: start + 1, excerpt });
        }
    }
    None
}

/// The line of `key` in the table `table`; or, where that is written in another way, that of the
/// nearest table around it, up to `table`.
pub(crate) fn within(file: &Path, table: &str, key: &str) -> Option<Place> {
    let mut key = key;
    while !key.is_empty() {
        if let Some(place) = find(file, &format!("{table}.{key}")) {
            return Some(place);
        }
        key = key.rfind(['.', '[']).map_or("", |end| &key[..end]);
    }
    find(file, table)
}

enum Header<'l> {
    /// `[table]`
    Table(&'l str),
    /// `[[array]]`
    Element(&'l str),
}

fn header(line: &str) -> Option<Header<'_>> {
    if let Some(rest) = line.strip_prefix("[[") {
        return rest.split_once("]]").map(|(name, _)| Header::Element(name));
    }
    let (name, _) = line.strip_prefix('[')?.split_once(']')?;
    Some(Header::Table(name))
}

/// A dotted key without quotes and blanks.
fn plain(key: &str) -> String {
    key.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use switchboard_config::Place;

    use super::{find, within};

    #[test]
    fn keys_are_found_where_people_write_them() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let text =
            "http.port = 1\n\n[auth]\n  api_key = \"secret\"\n[upstream.\"git\"]\nstdio = { }\n";
        std::fs::write(&file, text).unwrap();
        let at = |key: &str| match find(&file, key) {
            Some(Place::File { line, column, excerpt, .. }) => {
                format!("{line}:{column} {}", excerpt.text)
            }
            _ => "nowhere".to_owned(),
        };
        assert_eq!(at("http.port"), "1:1 http.port");
        assert_eq!(at("auth.api_key"), "4:3 api_key");
        assert_eq!(at("upstream.git"), "5:1 [upstream.\"git\"]");
        assert_eq!(at("upstream.git.stdio"), "6:1 stdio");
        assert_eq!(at("log.level"), "nowhere");
    }

    #[test]
    fn what_is_not_found_shows_at_the_nearest_table_around_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("config.toml");
        let text = "[upstream.x]\nbalance = \"a\"\n[[upstream.x.endpoints]]\nstdio = { }\n\
                    [[upstream.x.endpoints]]\nhttp.url = \"\"\n[upstream.x.pool]\nmin = 1\n";
        std::fs::write(&file, text).unwrap();
        let line = |key: &str| match within(&file, "upstream.x", key) {
            Some(Place::File { line, .. }) => line,
            _ => 0,
        };
        assert_eq!(line("balance"), 2);
        assert_eq!(line("endpoints[0].stdio.command"), 4);
        assert_eq!(line("endpoints[1]"), 5);
        assert_eq!(line("endpoints[1].http.url"), 6);
        assert_eq!(line("pool.min"), 8);
        assert_eq!(line("pool.max"), 7);
        assert_eq!(line("hash_argument"), 1);
        assert_eq!(line(""), 1);
    }
}
