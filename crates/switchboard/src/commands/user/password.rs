//! Passwords, from where nobody else reads along.

use std::io::{self, IsTerminal as _, Read as _, Write as _};
use std::path::PathBuf;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

use crate::context::Context;
use crate::failure::Failure;

/// Where a password comes from.
#[derive(clap::Args, Debug)]
pub(super) struct Given {
    /// A file whose first line is the password, instead of asking or of standard input
    #[arg(long, value_name = "PATH")]
    password_file: Option<PathBuf>,
}

/// Longer than any password that is taken (1,024 characters).
const LIMIT: u64 = 8_192;

impl Given {
    /// Asks twice on a terminal; elsewhere the first line counts.
    pub(super) fn read(&self, context: &Context, name: &str) -> Result<String, Failure> {
        if let Some(path) = &self.password_file {
            let file = std::fs::File::open(path);
            return file.and_then(first_line).map_err(|error| {
                Failure::new("file-io", format!("`{}` cannot be read", path.display()))
                    .with_cause(error)
            });
        }
        if !io::stdin().is_terminal() {
            return first_line(io::stdin().lock()).map_err(unreadable);
        }
        let first = ask(context, &format!("Password of {name}: "))?;
        let second = ask(context, "The same again: ")?;
        if first != second {
            return Err(Failure::usage("the two passwords differ")
                .with_hint("nothing was changed; try again"));
        }
        Ok(first)
    }
}

fn first_line(reader: impl io::Read) -> io::Result<String> {
    let mut text = String::new();
    reader.take(LIMIT).read_to_string(&mut text)?;
    Ok(text.lines().next().unwrap_or_default().to_owned())
}

/// Reads a line without showing it.
fn ask(context: &Context, question: &str) -> Result<String, Failure> {
    let mut stderr = io::stderr();
    // There is a terminal; where this fails, reading does.
    let _ = write!(stderr, "{question}").and_then(|()| stderr.flush());
    let typed = {
        let _hidden = Hidden::new().map_err(unreadable)?;
        typed(io::stdin().lock())
    };
    context.output.note("");
    match typed.map_err(unreadable)? {
        Some(typed) => Ok(typed),
        None => {
            Err(Failure::new("input-failed", "no password was given")
                .with_hint("nothing was changed"))
        }
    }
}

/// What is typed up to the end of the line; `None` where it is given up. The terminal passes keys on
/// as they are pressed, so that giving up leaves it as it was.
fn typed(reader: impl io::BufRead) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    for byte in reader.bytes() {
        match byte? {
            b'\r' | b'\n' => return Ok(Some(String::from_utf8_lossy(&line).into_owned())),
            // ^C, and ^D on an empty line.
            3 => return Ok(None),
            4 if line.is_empty() => return Ok(None),
            // ^U
            21 => line.clear(),
            8 | 127 => {
                // A character is all of its bytes.
                while line.pop().is_some_and(|byte| byte & 0xC0 == 0x80) {}
            }
            byte if (line.len() as u64) < LIMIT => line.push(byte),
            _ => {}
        }
    }
    Ok(None)
}

/// Keeps the terminal from showing what is typed, until it is dropped.
struct Hidden(Termios);

impl Hidden {
    fn new() -> io::Result<Self> {
        let shown = tcgetattr(io::stdin())?;
        let mut hidden = shown.clone();
        hidden.local_modes -= LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
        tcsetattr(io::stdin(), OptionalActions::Flush, &hidden)?;
        Ok(Self(shown))
    }
}

impl Drop for Hidden {
    fn drop(&mut self) {
        // A terminal that is gone needs no restoring.
        let _ = tcsetattr(io::stdin(), OptionalActions::Flush, &self.0);
    }
}

fn unreadable(error: impl std::fmt::Display) -> Failure {
    Failure::new("input-failed", "the password cannot be read").with_cause(error)
}

#[cfg(test)]
mod tests {
    use super::{first_line, typed};

    #[track_caller]
    fn check(keys: &[u8], expected: Option<&str>) {
        assert_eq!(typed(keys).unwrap().as_deref(), expected, "{keys:?}");
    }

    #[test]
    fn what_is_typed_can_be_corrected_and_given_up() {
        check(b"secret\n", Some("secret"));
        check(b"secrex\x7ft\r", Some("secret"));
        check("é\u{7f}e\n".as_bytes(), Some("e"));
        check(b"wrong\x15right\n", Some("right"));
        check(b"sec\x03", None);
        check(b"\x04", None);
        check(b"half", None);
    }

    #[test]
    fn the_first_line_is_the_password() {
        assert_eq!(first_line(&b"a b \r\nmore\n"[..]).unwrap(), "a b ");
        assert_eq!(first_line(&b"alone"[..]).unwrap(), "alone");
    }
}
