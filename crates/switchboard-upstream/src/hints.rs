//! What a server says of its tools that tells whether a call may be made twice.

use std::collections::HashSet;

use arc_swap::ArcSwap;
use switchboard_core::{Item, Lists, Request};
use switchboard_mcp::{Members, Method};

/// The tools, by the server's own names, that change nothing, or nothing more when they are called
/// again with the same arguments (2025-03-26, "ToolAnnotations": `readOnlyHint`,
/// `idempotentHint`). Hints, as their name says: to be believed of a server that is trusted.
#[derive(Default)]
pub(crate) struct Hints(ArcSwap<HashSet<String>>);

impl Hints {
    pub(crate) fn learn(&self, lists: Option<&Lists>) {
        let tools = lists.map(|lists| &lists.tools[..]).unwrap_or_default();
        let repeatable = tools.iter().filter(|tool| is_repeatable(tool));
        self.0.store(repeatable.map(|tool| tool.key.clone()).collect::<HashSet<_>>().into());
    }

    /// Whether `request` is a call of one of them.
    pub(crate) fn cover(&self, request: &Request) -> bool {
        request.method == Method::ToolsCall
            && request.name.as_ref().is_some_and(|tool| self.0.load().contains(tool))
    }
}

fn is_repeatable(tool: &Item) -> bool {
    let says = || {
        let members = tool.json.members().ok()?;
        let hints = Members::parse(members.get("annotations")?).ok()?;
        let hint = |name: &str| hints.read::<bool>(name).unwrap_or(false);
        Some(hint("readOnlyHint") || hint("idempotentHint"))
    };
    says().unwrap_or(false)
}
