//! What we declare as a client where it is not the client of a call that declares.
//!
//! Both are said once for all clients, so they hold what can be carried for any of them. What the
//! client of a call did not declare itself is refused when its server asks for it.

/// Extensions of which what a server offers is passed on untouched, so that it need not hide any of
/// it: apps, which only the client's host has to understand, and skills. A host of apps names what
/// it shows (2026-07-28, "MCP Apps"); this is the one type that there is.
macro_rules! passed_on {
    () => {
        concat!(
            r#""io.modelcontextprotocol/ui":{"mimeTypes":["text/html;profile=mcp-app"]},"#,
            r#""io.modelcontextprotocol/skills":{}"#
        )
    };
}

/// The capabilities in `initialize`. Not `roots.listChanged`: no server hears of the roots of one
/// client outside of its calls.
pub(crate) const IN_SESSIONS: &str = concat!(
    r#"{"sampling":{"context":{},"tools":{}},"elicitation":{"form":{},"url":{}},"roots":{},"#,
    r#""extensions":{"#,
    passed_on!(),
    "}}"
);

/// The capabilities in requests of our own to servers of 2026-07-28, such as `tools/list`. Nothing
/// can be asked back there, and the tasks of that revision are ours to wait for.
pub(crate) const IN_OWN_REQUESTS: &str =
    concat!(r#"{"extensions":{"#, passed_on!(), r#","io.modelcontextprotocol/tasks":{}}}"#);
