//! The features of the protocol, each as a check of what a client sees of a [`Reference`].
//!
//! The same checks run with nothing in between, which shows that they are right, and through a
//! gateway, where every pair of revisions has to give what the two can express. What cannot be is
//! on a list with the sentence that forbids it ([`Impossible`]).

mod asking;
mod cell;
mod content;
mod impossible;
mod lists;
mod notices;
mod tasks;

use std::pin::Pin;

use serde_json::{Value, json};

use crate::client::{Client, Trouble};
use crate::reference::Reference;

pub use cell::{Cell, Totals, Verdict, Visit};
pub use impossible::Impossible;

/// Where a check takes place.
pub struct Scene<'a> {
    pub server: &'a Reference,
    /// What stands before the names of the server's tools and prompts.
    pub prefix: &'a str,
    /// Tells this cell's calls from all others in the server's journal.
    pub tag: &'a str,
}

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<(), Trouble>> + Send + 'a>>;

pub struct Feature {
    pub name: &'static str,
    pub check: for<'a> fn(&'a mut Client, &'a Scene<'a>) -> Outcome<'a>,
}

macro_rules! features {
    ($($name:literal => $check:path),+ $(,)?) => {
        /// All features, in the order in which one client tries them.
        pub const FEATURES: &[Feature] = &[$(
            Feature { name: $name, check: |client, scene| Box::pin($check(client, scene)) },
        )+];
    };
}

features! {
    "list" => lists::tools,
    "pagination" => lists::pages,
    "apps" => lists::apps,
    "resource-list" => lists::resources,
    "templates" => lists::templates,
    "prompt-list" => lists::prompts,
    "call" => content::call,
    "unknown-members" => content::unknown_members,
    "meta" => content::meta,
    "trace-context" => content::trace,
    "content-kinds" => content::kinds,
    "audio" => content::audio,
    "resource-link" => content::link,
    "structured" => content::structured,
    "structured-scalar" => content::scalar,
    "is-error" => content::is_error,
    "own-error" => content::own_error,
    "unknown-tool" => content::unknown_tool,
    "unknown-method" => content::unknown_method,
    "big-result" => content::big,
    "resource-read" => content::resource,
    "resource-missing" => content::missing,
    "prompt-get" => content::prompt,
    "completion" => content::completion,
    "ping" => content::ping,
    "extension-method" => content::extension,
    "progress" => notices::progress,
    "cancel" => notices::cancel,
    "log-level" => notices::log,
    "list-changed" => notices::list_changed,
    "resource-updated" => notices::resource_updated,
    "elicit-form" => asking::form,
    "elicit-url" => asking::url,
    "sampling" => asking::sampling,
    "sampling-tools" => asking::sampling_tools,
    "roots" => asking::roots,
    "rounds" => asking::rounds,
    "prompt-asks" => asking::prompt,
    "resource-asks" => asking::resource,
    "no-capability" => asking::no_capability,
    "tasks" => tasks::tasks,
    "task-cancel" => tasks::cancel,
    "task-followed" => tasks::followed,
}

impl Scene<'_> {
    fn name(&self, own: &str) -> String {
        format!("{}{own}", self.prefix)
    }

    fn uri(&self, own: &str) -> String {
        format!("test://{}/{own}", self.server.name())
    }

    /// The parameters of a call of a tool.
    fn call(&self, tool: &str) -> Value {
        json!({ "name": self.name(tool), "arguments": { "tag": self.tag } })
    }
}

fn same(what: &str, got: &Value, expected: &Value) -> Result<(), Trouble> {
    if got == expected {
        return Ok(());
    }
    Err(Trouble::Wrong(format!("{what}: {got}, expected {expected}")))
}

fn holds(what: impl Into<String>, is_so: bool) -> Result<(), Trouble> {
    if is_so { Ok(()) } else { Err(Trouble::Wrong(what.into())) }
}

/// The result of a tool, or the refusal that it is: a tool that could not ask its client says so.
fn succeeded(result: Value) -> Result<Value, Trouble> {
    if result["isError"] != true {
        return Ok(result);
    }
    let message = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    Err(Trouble::Refused { code: 0, message, data: Value::Null })
}
