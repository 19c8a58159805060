//! What the exit code says.

use std::fmt::Write as _;
use std::process::ExitCode;

/// The codes that scripts can rely on; `docs/guide/exit-codes.md` is for people.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Exit {
    Ok = 0,
    Failed = 1,
    /// What clap uses, too.
    Usage = 2,
    NotRunning = 3,
    Configuration = 4,
    ToolFailed = 5,
    Timeout = 6,
    /// 128 + SIGPIPE, as of a program that the signal ended.
    OutputClosed = 141,
}

impl Exit {
    pub(crate) const ALL: [(Self, &'static str); 8] = [
        (Self::Ok, "it worked"),
        (Self::Failed, "it failed, or something is unhealthy"),
        (Self::Usage, "the command line is wrong"),
        (Self::NotRunning, "no daemon is running"),
        (Self::Configuration, "the configuration is wrong"),
        (Self::ToolFailed, "the tool ran and reported a failure"),
        (Self::Timeout, "it took too long"),
        (Self::OutputClosed, "nobody reads the output any more"),
    ];

    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// All codes, for the end of `--help`.
    pub(crate) fn help() -> String {
        let mut text = String::new();
        for (exit, meaning) in Self::ALL {
            let _infallible = writeln!(text, "  {:>3}  {meaning}", exit.code());
        }
        text
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        exit.code().into()
    }
}

#[cfg(test)]
mod tests {
    use super::Exit;

    #[test]
    fn the_guide_lists_every_code_with_the_same_words() {
        let guide = include_str!("../../../docs/guide/exit-codes.md");
        for (exit, meaning) in Exit::ALL {
            let row = format!("| {} | {meaning} |", exit.code());
            assert!(guide.contains(&row), "no row `{row}`");
        }
    }
}
