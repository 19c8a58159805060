//! What people are told when a configuration is wrong.
//!
//! Five separate things: a code to look up, what is wrong, where, why, and what to do.

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::path::PathBuf;

/// One mistake in the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What kind of mistake this is; one of [`code::ALL`] when it comes from this crate.
    pub code: &'static str,
    /// What is wrong: a lowercase fragment without a full stop.
    pub message: String,
    /// Where the value or key was given; `None` when the mistake is that something is nowhere.
    /// Boxed to keep a `Result` with a diagnostic in it small.
    pub place: Option<Box<Place>>,
    /// Why, when something outside the configuration had a part in it.
    pub cause: Option<String>,
    /// What to do next.
    pub hint: Option<String>,
}

/// Where a value was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In a file; line and column count from one, columns in characters.
    File { path: PathBuf, line: usize, column: usize, excerpt: Excerpt },
    /// In an environment variable.
    Environment { name: String },
    /// In a flag of the command line.
    Flag { name: String },
}

/// A line of a file, with a part of it to point at. Secrets in the line are already hidden.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    pub text: String,
    /// The first character to underline, counted from zero.
    pub start: usize,
    /// How many characters to underline, at least one.
    pub width: usize,
}

/// The codes this crate uses. Each wants a page in the documentation.
pub mod code {
    /// The file is not TOML.
    pub const SYNTAX: &str = "config-syntax";
    /// A key that means nothing where it stands.
    pub const UNKNOWN_KEY: &str = "config-unknown-key";
    /// An environment variable with our prefix that sets nothing.
    pub const UNKNOWN_VARIABLE: &str = "config-unknown-variable";
    /// A string where an integer belongs, and the like.
    pub const WRONG_TYPE: &str = "config-wrong-type";
    /// The right type, but more or less than is allowed.
    pub const OUT_OF_RANGE: &str = "config-out-of-range";
    /// The right type, but not one of the values that mean something.
    pub const INVALID_VALUE: &str = "config-invalid-value";
    /// A key without which the rest makes no sense.
    pub const MISSING_KEY: &str = "config-missing-key";
    /// A `${env:…}` or `${file:…}` that leads nowhere.
    pub const MISSING_SECRET: &str = "config-missing-secret";

    /// All of them, for the test that each is documented.
    pub const ALL: &[&str] = &[
        SYNTAX,
        UNKNOWN_KEY,
        UNKNOWN_VARIABLE,
        WRONG_TYPE,
        OUT_OF_RANGE,
        INVALID_VALUE,
        MISSING_KEY,
        MISSING_SECRET,
    ];
}

impl Diagnostic {
    /// Makes a diagnostic of a code and a message; the rest is filled in with the `with_` functions.
    pub fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), place: None, cause: None, hint: None }
    }

    /// Says where.
    #[must_use]
    pub fn with_place(self, place: impl Into<Option<Place>>) -> Self {
        Self { place: place.into().map(Box::new), ..self }
    }

    /// Says why.
    #[must_use]
    pub fn with_cause(self, cause: impl Into<String>) -> Self {
        Self { cause: Some(cause.into()), ..self }
    }

    /// Says what to do.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    /// The diagnostic for a terminal, in the shape of the Rust compiler's, without a final line end.
    ///
    /// Colour carries no meaning of its own: the text is the same without.
    pub fn render(&self, colour: bool) -> String {
        let paint = if colour { Paint::ANSI } else { Paint::NONE };
        let mut text = format!(
            "{}error[{}]{}: {}{}{}",
            paint.error,
            self.code,
            paint.reset,
            paint.strong,
            printable(&self.message),
            paint.reset
        );
        let margin = match self.place.as_deref() {
            Some(Place::File { line, .. }) => line.to_string().len(),
            _ => 1,
        };
        if let Some(place) = &self.place {
            let _infallible = render_place(&mut text, place, margin, &paint);
        }
        for (label, note) in [("cause", &self.cause), ("hint", &self.hint)] {
            if let Some(note) = note {
                let (frame, reset, note) = (paint.frame, paint.reset, printable(note));
                let _infallible = write!(text, "\n{:margin$} {frame}={reset} {label}: {note}", "");
            }
        }
        text
    }
}

fn render_place(text: &mut String, place: &Place, margin: usize, paint: &Paint) -> fmt::Result {
    let Paint { error, frame, reset, .. } = paint;
    let shown = place.to_string();
    write!(text, "\n{:margin$}{frame}-->{reset} {}", "", printable(&shown))?;
    if let Place::File { line, excerpt, .. } = place {
        let Excerpt { text: content, start, width } = excerpt;
        write!(text, "\n{:margin$} {frame}|{reset}", "")?;
        write!(text, "\n{frame}{line} |{reset} {content}")?;
        write!(text, "\n{:margin$} {frame}|{reset} ", "")?;
        write!(text, "{:start$}{error}{:^<width$}{reset}", "", "")?;
    }
    Ok(())
}

/// Keeps the terminal unharmed: the names of keys and variables may contain escape sequences.
fn printable(text: &str) -> Cow<'_, str> {
    let harms = |c: char| c.is_control() && c != '\n';
    if !text.contains(harms) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace(harms, "\u{fffd}"))
}

/// The escape sequences in use, or none.
struct Paint {
    error: &'static str,
    strong: &'static str,
    frame: &'static str,
    reset: &'static str,
}

impl Paint {
    const ANSI: Self =
        Self { error: "\x1b[1;31m", strong: "\x1b[1m", frame: "\x1b[1;34m", reset: "\x1b[0m" };
    const NONE: Self = Self { error: "", strong: "", frame: "", reset: "" };
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostic {}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column, .. } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Environment { name } => write!(f, "environment variable {name}"),
            Self::Flag { name } => write!(f, "flag {name}"),
        }
    }
}
