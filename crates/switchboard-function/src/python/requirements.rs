//! What a file of requirements may say: packages, each in one version and by its hashes.
//!
//! `pip` reads much more than that in such a file: options that take the place of ours, other files,
//! addresses of sources, to build which is to run their code.

/// Says what is wrong with a file.
///
/// # Errors
///
/// The first line that is more than a package with its hashes.
pub(super) fn check(text: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| "its requirements are no UTF-8".to_owned())?;
    // A line goes on where it ends with a backslash.
    let joined = text.replace("\r\n", "\n").replace("\\\n", " ");
    for line in joined.lines() {
        let line = without_comment(line).trim();
        if !line.is_empty() && !is_package(line) {
            let line: String = line.chars().filter(|it| !it.is_control()).take(120).collect();
            return Err(format!(
                "its requirements have `{line}`: each line is `NAME==VERSION --hash=sha256:…`, and \
                 nothing else is read"
            ));
        }
    }
    Ok(())
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

fn is_package(line: &str) -> bool {
    let Some(hashes) = line.find(" --hash=") else { return false };
    let (package, hashes) = line.split_at(hashes);
    let (package, marker) = package.split_once(';').unwrap_or((package, ""));
    let Some((name, version)) = package.split_once("==") else { return false };
    let (name, extras) = match name.trim().split_once('[') {
        Some((name, extras)) => (name.trim(), extras.strip_suffix(']').unwrap_or("?")),
        None => (name.trim(), ""),
    };
    let is_name = |text: &str| {
        let plain = |it: char| it.is_ascii_alphanumeric() || "-_.".contains(it);
        text.starts_with(|it: char| it.is_ascii_alphanumeric()) && text.chars().all(plain)
    };
    let is_version = |it: char| it.is_ascii_alphanumeric() || "._+!".contains(it);
    let version = version.trim();
    let plain = |it: char| it.is_ascii_alphanumeric() || " \t_.'\"<>=!()".contains(it);
    is_name(name)
        && extras.split(',').all(|extra| extras.is_empty() || is_name(extra.trim()))
        && !version.is_empty()
        && version.chars().all(is_version)
        && marker.chars().all(plain)
        && hashes.split_whitespace().all(is_hash)
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
    use super::check;

    #[test]
    fn packages_with_hashes_are_all_there_is() {
        let hash = format!("--hash=sha256:{}", "0a".repeat(32));
        for good in [
            String::new(),
            "# by pip-compile\n\n".to_owned(),
            format!("sixty==1.0 {hash}"),
            format!("Sixty_x.y == 1.0.post1+local \\\n    {hash} \\\r\n    {hash}  # via other\n"),
            format!("a[b, c]==1!2 ; python_version >= '3.9' and (os_name == \"posix\") {hash}"),
        ] {
            assert_eq!(check(good.as_bytes()), Ok(()), "{good}");
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
            "sixty==1.0 --hash=md5:0a".to_owned(),
            format!("sixty==${{SECRET}} {hash}"),
        ] {
            assert!(check(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
