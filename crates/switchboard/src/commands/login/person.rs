//! The person at the terminal: is told where to go, and may paste where the browser ended.

use std::collections::BTreeMap;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::json;
use switchboard_oauth::{LoginUi, Prompt, WebUrl};
use tokio::sync::mpsc;

use crate::context::Context;
use crate::output::Output;
use crate::untrusted;

pub(super) struct Person {
    output: Output,
    json: bool,
    /// Whether an address is opened as well as printed.
    opens: bool,
    /// What is typed; `None` where nobody types.
    typed: Option<tokio::sync::Mutex<mpsc::Receiver<String>>>,
    /// The thread that reads is started once there is something to paste.
    lines: Mutex<Option<mpsc::Sender<String>>>,
}

/// Lines that wait to be looked at; whoever types faster than we look waits.
const LINES: usize = 4;

impl Person {
    pub(super) fn new(context: &Context, no_browser: bool) -> Self {
        let (sender, receiver) = mpsc::channel(LINES);
        let types = io::stdin().is_terminal();
        Self {
            output: context.output.clone(),
            json: context.json,
            opens: !no_browser && has_desktop(&context.variables),
            typed: types.then(|| tokio::sync::Mutex::new(receiver)),
            lines: Mutex::new(types.then_some(sender)),
        }
    }

    /// Prints what a program would look for on standard output: the address.
    fn print(&self, url: &WebUrl, more: serde_json::Value) {
        let mut line = url.to_string();
        if self.json {
            let mut value = json!({ "visit": url.as_str() });
            if let (Some(value), serde_json::Value::Object(more)) = (value.as_object_mut(), more) {
                value.extend(more);
            }
            line = value.to_string();
        }
        // Where nobody reads the address, nobody will agree, and the login says so in its time.
        let _ = self.output.data(&line);
    }

    fn open(&self, url: &WebUrl) {
        if self.opens && url.open() {
            self.output.note("A browser is opened.");
        }
    }
}

/// Whether there is a desktop here, on which a browser could be seen.
fn has_desktop(variables: &BTreeMap<String, String>) -> bool {
    let has = |name: &str| variables.get(name).is_some_and(|value| !value.is_empty());
    let is_remote = has("SSH_CONNECTION") || has("SSH_TTY");
    let shows = has("DISPLAY") || has("WAYLAND_DISPLAY") || has("WSL_DISTRO_NAME");
    !is_remote && (shows || cfg!(target_os = "macos"))
}

#[async_trait]
impl LoginUi for Person {
    fn show(&self, prompt: Prompt<'_>) {
        match prompt {
            Prompt::Visit { url, issuer, scopes } => {
                let (at, scopes) = (untrusted::line(issuer), untrusted::line(&scopes.join(" ")));
                let rights =
                    if scopes.is_empty() { String::new() } else { format!(" to {scopes}") };
                self.output.note(&format!("Visit this address and agree{rights}, at {at}:"));
                self.print(url, json!({ "issuer": at, "scopes": scopes }));
                self.open(url);
                if self.typed.is_some() {
                    self.output.note(
                        "If the browser is on another machine, paste the address at which it ends.",
                    );
                }
            }
            Prompt::Device { url, direct, code, issuer } => {
                let (at, code) = (untrusted::line(issuer), untrusted::line(code));
                self.output.note(&format!("Visit this address on any device, at {at}:"));
                self.print(url, json!({ "issuer": at, "code": code }));
                self.output.note(&format!("and type this code: {code}"));
                self.open(direct.unwrap_or(url));
            }
            Prompt::PasteAgain => {
                self.output.note("That is not the address at which the browser ended. Once more:");
            }
        }
    }

    async fn pasted(&self) -> Option<String> {
        let typed = self.typed.as_ref()?;
        if let Some(lines) = self.lines.lock().expect("no one panics holding it").take() {
            // A thread, because reading a terminal cannot be given up; it ends with the program.
            std::thread::spawn(move || {
                for line in io::stdin().lock().lines().map_while(Result::ok) {
                    if lines.blocking_send(line).is_err() {
                        return;
                    }
                }
            });
        }
        typed.lock().await.recv().await
    }
}

#[cfg(test)]
mod tests {
    use super::has_desktop;

    #[test]
    fn a_browser_is_opened_where_it_can_be_seen() {
        for (variables, expected) in [
            ("DISPLAY=:0", true),
            ("WAYLAND_DISPLAY=wayland-0", true),
            ("DISPLAY=:10 SSH_CONNECTION=x", false),
            ("DISPLAY=", cfg!(target_os = "macos")),
            ("", cfg!(target_os = "macos")),
        ] {
            let pairs = variables.split_whitespace().map(|pair| pair.split_once('=').unwrap());
            let map = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            assert_eq!(has_desktop(&map), expected, "{variables}");
        }
    }
}
