//! What a blob may be called.

use switchboard_core::store::StoreError;

/// The longest name, in bytes. A key of S3 has at most 1,024
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>), the configured prefix
/// with it.
const LIMIT: usize = 768;

/// The longest part between slashes, in bytes: `NAME_MAX` of Linux is 255, and a file that is being
/// written has a longer name.
const SEGMENT_LIMIT: usize = 200;

/// Judges a name: segments between slashes, none of them empty or hidden.
///
/// Names are of our own making, but ids of rows are in them, and ids may come from elsewhere. What
/// begins with a dot is refused whole: it covers `.` and `..`, and hidden names are those of files
/// that are being written.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(super) fn check(name: &str) -> Result<(), StoreError> {
    let refuse = |why: &str| {
        Err(StoreError::Invalid(format!("{name:?} cannot be the name of a blob: {why}")))
    };
    if name.len() > LIMIT {
        return refuse("it is too long");
    }
    if name.contains(|character: char| character.is_control() || character == '\\') {
        return refuse("it has control characters or backslashes");
    }
    for segment in name.split('/') {
        if segment.is_empty() {
            return refuse("a segment of it is empty");
        }
        if segment.starts_with('.') {
            return refuse("a segment of it begins with a dot");
        }
        if segment.len() > SEGMENT_LIMIT {
            return refuse("a segment of it is too long");
        }
    }
    Ok(())
}

/// Judges the beginning of names, and gives the directory that all of them are in.
///
/// # Errors
///
/// [`StoreError::Invalid`].
pub(super) fn directory(prefix: &str) -> Result<&str, StoreError> {
    let (directory, rest) = prefix.rsplit_once('/').unwrap_or(("", prefix));
    if prefix.contains('/') {
        check(directory)?;
    }
    if !rest.is_empty() {
        check(rest)?;
    }
    Ok(directory)
}

#[cfg(test)]
mod tests {
    use super::{check, directory};

    #[track_caller]
    fn judged(name: &str, expected: &str) {
        let actual = check(name).map_or_else(|error| error.to_string(), |()| "fine".to_owned());
        assert!(actual.contains(expected), "{actual}");
    }

    #[test]
    fn a_name_leads_nowhere_else() {
        judged("mcp_content/4711.json", "fine");
        judged("größe und mehr/a#b %41.zip", "fine");
        judged("", "is empty");
        judged("/etc/passwd", "is empty");
        judged("a//b", "is empty");
        judged("a/", "is empty");
        judged("a/../b", "begins with a dot");
        judged("..", "begins with a dot");
        judged("./a", "begins with a dot");
        judged(".hidden", "begins with a dot");
        judged("a\\b", "backslashes");
        judged("a\0b", "control characters");
        judged("a\nb", "control characters");
        judged(&"a".repeat(201), "segment of it is too long");
        judged(&"a/".repeat(400), "it is too long");
    }

    #[test]
    fn a_prefix_is_in_a_directory() {
        for (prefix, expected) in
            [("", Ok("")), ("a", Ok("")), ("a/", Ok("a")), ("a/b/c", Ok("a/b")), ("../a", Err(()))]
        {
            assert_eq!(directory(prefix).map_err(drop), expected, "{prefix}");
        }
    }
}
