//! Everything that is printed.
//!
//! Data goes to standard output, everything else to standard error. With `--json` the data is the
//! same value as JSON. Colour carries no meaning of its own.

mod progress;
mod table;

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};
use serde::Serialize;

pub(crate) use self::progress::Progress;
pub(crate) use self::table::Table;
use crate::exit::Exit;
use crate::failure::Failure;

pub(crate) const STRONG: Style = Style::new().bold();
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const WARN: Style = AnsiColor::Yellow.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();

/// `text` in a style; the style is taken out again where colour is off.
pub(crate) fn paint(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A number of things: `1 server`, `2 servers`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Colour {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    Always,
    Never,
}

/// The way to standard output and standard error.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: ColorChoice,
}

impl Output {
    pub(crate) fn new(json: bool, colour: Colour) -> Self {
        let colour = match colour {
            Colour::Auto => ColorChoice::Auto,
            Colour::Always => ColorChoice::Always,
            Colour::Never => ColorChoice::Never,
        };
        Self { json, colour }
    }

    /// Prints `value` as JSON, or what `text` makes of it for people.
    pub(crate) fn show<T: Serialize>(
        &self,
        value: &T,
        text: impl FnOnce(&T) -> String,
    ) -> Result<(), Failure> {
        if !self.json {
            return self.data(&text(value));
        }
        let json = serde_json::to_string_pretty(value).expect("our own types are JSON");
        self.data(&json)
    }

    /// Prints data and a line end, if it has none.
    pub(crate) fn data(&self, text: &str) -> Result<(), Failure> {
        let mut stream = AutoStream::new(io::stdout().lock(), self.colour);
        write_line(&mut stream, text).map_err(|error| match error.kind() {
            // The reader (`| head`) has seen enough; that is nothing to tell anybody.
            io::ErrorKind::BrokenPipe => Failure::new("output-failed", "nobody reads the output")
                .with_exit(Exit::OutputClosed),
            _ => Failure::new("output-failed", "the output cannot be written").with_cause(error),
        })
    }

    /// Tells the person something that is not data.
    pub(crate) fn note(&self, text: &str) {
        let mut stream = AutoStream::new(io::stderr().lock(), self.colour);
        // There is nobody left to tell that nobody can be told.
        let _ = write_line(&mut stream, text);
    }

    /// Shows that something takes a while, on a terminal only.
    pub(crate) fn progress(&self, text: &str) -> Progress {
        Progress::new(text, io::stderr().is_terminal() && !self.json)
    }

    /// How many characters a line on standard output has; `None` if it is no terminal.
    pub(crate) fn width(&self) -> Option<u16> {
        let stdout = io::stdout();
        if self.json || !stdout.is_terminal() {
            return None;
        }
        let size = rustix::termios::tcgetwinsize(stdout).ok()?;
        Some(size.ws_col).filter(|columns| *columns > 0)
    }

    /// Whether there is a person to ask.
    pub(crate) fn is_interactive(&self) -> bool {
        io::stdin().is_terminal() && io::stderr().is_terminal() && !self.json
    }

    /// Asks a question that is answered with yes or no; an empty answer is `default`.
    pub(crate) fn confirm(&self, question: &str, default: bool) -> Result<bool, Failure> {
        let choices = if default { "[Y/n]" } else { "[y/N]" };
        loop {
            {
                let mut stream = AutoStream::new(io::stderr().lock(), self.colour);
                let _ = write!(stream, "{question} {choices} ");
                let _ = stream.flush();
            }
            let mut answer = String::new();
            let read = io::stdin().read_line(&mut answer);
            let read = read.map_err(|error| {
                Failure::new("input-failed", "the answer cannot be read").with_cause(error)
            })?;
            match answer.trim().to_ascii_lowercase().as_str() {
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                "" => return Ok(default && read > 0),
                _ => self.note("Please answer y or n."),
            }
        }
    }

    /// Prints why the command failed.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.exit == Exit::OutputClosed {
            return;
        }
        if self.json {
            #[derive(Serialize)]
            struct Wrapped<'a> {
                error: &'a Failure,
            }
            let json = serde_json::to_string(&Wrapped { error: failure });
            self.note(&json.expect("our own types are JSON"));
        } else {
            self.note(&render(failure));
        }
    }
}

fn write_line(stream: &mut impl Write, text: &str) -> io::Result<()> {
    stream.write_all(text.as_bytes())?;
    if !text.ends_with('\n') {
        stream.write_all(b"\n")?;
    }
    stream.flush()
}

/// A failure in the shape of the Rust compiler's errors, mistakes first.
fn render(failure: &Failure) -> String {
    let mut text = String::new();
    for mistake in &failure.details.mistakes {
        let _infallible = writeln!(text, "{}\n", mistake.coloured);
    }
    let head = paint(BAD, &format!("error[{}]", failure.code));
    let _infallible = write!(text, "{head}: {}", failure.message);
    let parts =
        [("place", &failure.details.place), ("cause", &failure.cause), ("hint", &failure.hint)];
    for (label, part) in parts {
        if let Some(part) = part {
            let indented = part.trim_end().replace('\n', &format!("\n{:width$}", "", width = 8));
            let _infallible = write!(text, "\n {}: {indented}", paint(STRONG, label));
        }
    }
    text
}

#[cfg(test)]
mod tests;
