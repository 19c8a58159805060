//! Where in the file a key stands, for mistakes that show only after the file has been read.

use std::path::Path;

use switchboard_config::{Excerpt, Place};

/// The line of `key`, such as `http.host` or `upstream.git`, if the file writes it in one of the
/// usual ways: as a table, in its table, or dotted. Only the key is shown; its value may be secret.
pub(crate) fn find(file: &Path, key: &str) -> Option<Place> {
    let text = std::fs::read_to_string(file).ok()?;
    let mut table = String::new();
    for (index, line) in text.lines().enumerate() {
        let start = line.len() - line.trim_start().len();
        let trimmed = line.trim();
        let (name, shown) = match trimmed.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((header, _)) => {
                table = plain(header);
                (table.clone(), header.len() + 2)
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

/// A dotted key without quotes and blanks.
fn plain(key: &str) -> String {
    key.split('.').map(|part| part.trim().trim_matches(['"', '\''])).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use switchboard_config::Place;

    use super::find;

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
}
