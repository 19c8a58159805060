//! The arguments of tools that their server wants repeated in headers (2026-07-28, "Streamable
//! HTTP", custom headers), as its tools were last listed.

use std::collections::HashMap;

use arc_swap::ArcSwap;
use switchboard_core::{Item, Lists, Request};
use switchboard_mcp::{Method, ParamHeaders};

/// By the server's own names of its tools; those without such arguments are left out.
#[derive(Default)]
pub(crate) struct ToolHeaders(ArcSwap<HashMap<String, ParamHeaders>>);

impl ToolHeaders {
    /// Takes the tools as they are listed now.
    pub(crate) fn learn(&self, lists: &Lists) {
        let marked = |item: &Item| {
            let headers = ParamHeaders::read(&item.json).ok().flatten()?;
            Some((item.key.clone(), headers))
        };
        self.0.store(lists.tools.iter().filter_map(marked).collect::<HashMap<_, _>>().into());
    }

    /// The headers that `request` must have, if it is a call, with their values.
    pub(crate) fn of(&self, request: &Request) -> Vec<(String, String)> {
        let headers = self.0.load();
        if request.method != Method::ToolsCall || headers.is_empty() {
            return Vec::new();
        }
        let Some(tool) = request.name.as_ref().and_then(|name| headers.get(name)) else {
            return Vec::new();
        };
        let members = request.params.as_ref().and_then(|params| params.members().ok());
        tool.expected(members.and_then(|members| members.get("arguments")))
    }
}
