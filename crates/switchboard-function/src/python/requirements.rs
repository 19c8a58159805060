//! What a file of requirements may say: packages, each in one version and by its hashes.
//!
//! `pip` reads much more than that in such a file: options that take the place of ours, other files,
//! addresses of sources, to build which is to run their code.

/// What a file says, written anew: `pip` is to read nothing that was not read here. It has ends of lines
/// of its own, encodings that a comment declares, and variables that it fills in.
///
/// # Errors
///
/// The first line that is more than a package with its hashes.
pub(super) fn read(text: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(text).map_err(|_| "its requirements are no UTF-8".to_owned())?;
    // A line goes on where it ends with a backslash.
    let joined = text.replace("\r\n", "\n").replace("\\\n", " ");
    let mut read = String::new();
    for line in joined.lines() {
        let line = without_comment(line).trim();
        if line.is_empty() {
            continue;
        }
        let Some(package) = package(line) else {
            let line: String = line.chars().filter(|it| !it.is_control()).take(120).collect();
            return Err(format!(
                "its requirements have `{line}`: each line is `NAME==VERSION --hash=sha256:…`, and \
                 nothing else is read"
            ));
        };
        read.push_str(&package);
        read.push('\n');
    }
    Ok(read)
}

/// A comment begins a line, or stands behind a blank.
fn without_comment(line: &str) -> &str {
    let mut before = ' ';
    for (at, character) in line.char_indices() {
        if character == '#' && before.is_whitespace() {
            return &line[..at];
        }
        before = character;
    }
    line
}

/// A line in our own words; `None` where it says more than a package in a version, with its hashes.
fn package(line: &str) -> Option<String> {
    let (package, hashes) = line.split_at(line.find(" --hash=")?);
    let (package, marker) = package.split_once(';').unwrap_or((package, ""));
    let (name, version) = package.split_once("==")?;
    let (name, extras) = match name.trim().split_once('[') {
        Some((name, extras)) => (name.trim(), extras.strip_suffix(']')?),
        None => (name.trim(), ""),
    };
    let is_name = |text: &str| {
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        text.starts_with(|it: char| it.is_ascii_alphanumeric()) && text.chars().all(plain)
    };
    let is_version = |it: char| it.is_ascii_alphanumeric() || "._+!".contains(it);
    let is_marker = |it: char| it.is_ascii_alphanumeric() || " _.'\"<>=!()".contains(it);
    let extras: Vec<&str> = extras.split(',').map(str::trim).filter(|it| !it.is_empty()).collect();
    let (version, marker) = (version.trim(), marker.trim());
    let hashes: Vec<&str> = hashes.split_whitespace().collect();
    let is_good = is_name(name)
        && extras.iter().all(|extra| is_name(extra))
        && !version.is_empty()
        && version.chars().all(is_version)
        && marker.chars().all(is_marker)
        && hashes.iter().all(|hash| is_hash(hash));
    let extras = if extras.is_empty() { String::new() } else { format!("[{}]", extras.join(",")) };
    let marker = if marker.is_empty() { String::new() } else { format!(" ; {marker}") };
    is_good.then(|| format!("{name}{extras}=={version}{marker} {}", hashes.join(" ")))
}

fn is_hash(word: &str) -> bool {
    let digits = |name: &str| word.strip_prefix("--hash=")?.strip_prefix(name)?.strip_prefix(':');
    let is_hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|it| it.is_ascii_hexdigit())
    };
    [("sha256", 64), ("sha384", 96), ("sha512", 128)]
        .into_iter()
        .any(|(name, length)| digits(name).is_some_and(|digits| is_hex(digits, length)))
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn packages_with_hashes_are_all_there_is() {
        let hash = format!("--hash=sha256:{}", "0a".repeat(32));
        for (text, expected) in [
            (String::new(), String::new()),
            ("# by pip-compile\n\n".to_owned(), String::new()),
            (format!("sixty==1.0 {hash}"), format!("sixty==1.0 {hash}\n")),
            (
                format!(
                    "Sixty_x.y == 1.0.post1+local \\\n    {hash} \\\r\n    {hash}  # via other\n"
                ),
                format!("Sixty_x.y==1.0.post1+local {hash} {hash}\n"),
            ),
            (
                format!("a[b, c]==1!2 ; os_name >= '3.9' and (x == \"posix\") {hash}"),
                format!("a[b,c]==1!2 ; os_name >= '3.9' and (x == \"posix\") {hash}\n"),
            ),
            // What `pip` would take for the end of the comment, or of the line, is not passed on.
            (
                format!("# x\x0c--no-binary :all:\n# y\u{2028}-r z\nsixty==1.0 {hash}"),
                format!("sixty==1.0 {hash}\n"),
            ),
            ("# -*- coding: utf-7 -*-\n# +AAo---no-binary :all:".to_owned(), String::new()),
        ] {
            assert_eq!(read(text.as_bytes()).as_deref(), Ok(&*expected), "{text}");
        }
        for bad in [
            "sixty==1.0".to_owned(),
            format!("sixty>=1.0 {hash}"),
            format!("evil @ https://x.example/evil-1.tar.gz {hash}"),
            format!("https://x.example/evil-1.tar.gz {hash}"),
            format!("sixty==1.0 {hash} --no-binary :all:"),
            format!("sixty==1.0 --config-settings=x=y {hash}"),
            "--no-binary :all:".to_owned(),
            "--index-url http://169.254.169.254/".to_owned(),
            "-r /etc/passwd".to_owned(),
            format!("-e . {hash}"),
            format!("./local==1.0 {hash}"),
            format!("sixty==1.0 {hash}\n-r other.txt"),
            format!("sixty==1.0 \\\n--no-binary=x {hash}"),
            format!("sixty==1.0 ; a == 'b'\x0b--no-binary :all: {hash}"),
            format!("\u{feff}sixty==1.0 {hash}"),
            "sixty==1.0 --hash=md5:0a".to_owned(),
            format!("sixty==${{SECRET}} {hash}"),
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
