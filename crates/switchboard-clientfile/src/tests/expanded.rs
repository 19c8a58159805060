//! Variables, as each owner of a file expands them.

use std::path::Path;

use super::env;
use crate::{Dialect, Expansion};

#[track_caller]
fn check(dialect: Dialect<'_>, text: &str, expected: &str) {
    let env = env(&[("A", "1"), ("EMPTY", ""), ("LOOP", "${A}")]);
    let expansion = Expansion { env: &env, home: Path::new("/home/ann"), dialect };
    let mut unset = Vec::new();
    let mut actual = expansion
        .expand(text, &mut unset)
        .unwrap_or_else(|placeholder| format!("only the client: {placeholder}"));
    if !unset.is_empty() {
        actual += &format!(" (unset: {})", unset.join(" "));
    }
    assert_eq!(actual, expected, "{dialect:?} {text}");
}

#[test]
fn each_owner_has_its_own_variables() {
    let editor = Dialect::Editor { workspace: Some(Path::new("/src/app")) };
    let nowhere = Dialect::Editor { workspace: None };
    for (dialect, text, expected) in [
        (Dialect::Claude, "x${A}y", "x1y"),
        (Dialect::Claude, "${A:-2}${B:-2}${EMPTY:-2}", "12"),
        (Dialect::Claude, "${B:-}", ""),
        (Dialect::Claude, "${B:-https://h/x}", "https://h/x"),
        (Dialect::Claude, "${B}", "${B} (unset: B)"),
        (Dialect::Claude, "$A ${env:A} ${1} ${a-b} $", "$A ${env:A} ${1} ${a-b} $"),
        (Dialect::Claude, "${LOOP}", "${A}"),
        (Dialect::Claude, "${A", "${A"),
        (Dialect::Claude, "größe ${A} €", "größe 1 €"),
        (Dialect::Gemini, "$A-${A}", "1-1"),
        (Dialect::Gemini, "$A_ $B ${B}", "$A_ $B ${B} (unset: A_ B B)"),
        (Dialect::Gemini, "$ $$A 5$", "$ $1 5$"),
        (editor, "${env:A}${env:B}", "1 (unset: B)"),
        (
            editor,
            "${userHome}|${workspaceFolder}|${workspaceFolderBasename}|${/}",
            "/home/ann|/src/app|app|/",
        ),
        (editor, "${A} $A ${unknown}", "${A} $A ${unknown}"),
        (editor, "k=${input:key}", "only the client: ${input:key}"),
        (nowhere, "${workspaceFolder}/x", "only the client: ${workspaceFolder}"),
        (Dialect::Windsurf, "${env:A} ${A} ${env:B}", "1 ${A} ${env:B} (unset: B)"),
        (Dialect::Windsurf, "${file:/run/key}", "only the client: ${file:/run/key}"),
        (Dialect::Literal, "$A ${A} ${env:A}", "$A ${A} ${env:A}"),
        (Dialect::Plain, "${A} ${env:A} ${B:-2} ${userHome} $A", "1 1 2 /home/ann $A"),
        (Dialect::Plain, "${env:-x} ${input:-y} ${input:k}", "only the client: ${input:k}"),
        (Dialect::Plain, "${env:-x} ${input:-y}", "x y"),
    ] {
        check(dialect, text, expected);
    }
}

#[test]
fn tilde_is_home_only_in_front() {
    let env = env(&[]);
    let expansion = Expansion { env: &env, home: Path::new("/home/ann"), dialect: Dialect::Plain };
    for (text, expected) in [
        ("~", "/home/ann"),
        ("~/x", "/home/ann/x"),
        ("~bob/x", "~bob/x"),
        ("x~/y", "x~/y"),
        ("", ""),
    ] {
        assert_eq!(expansion.tilde(text.to_owned()), expected);
    }
}

#[test]
fn owner_is_known_by_the_path() {
    for (path, expected) in [
        ("/home/ann/.cursor/mcp.json", Dialect::Editor { workspace: None }),
        ("/home/ann/.claude.json", Dialect::Claude),
        ("/src/app/.mcp.json", Dialect::Claude),
        ("/home/ann/.gemini/settings.json", Dialect::Gemini),
        ("/home/ann/.codeium/windsurf/mcp_config.json", Dialect::Windsurf),
        ("/x/Claude/claude_desktop_config.json", Dialect::Literal),
        ("/home/ann/servers/mcp.json", Dialect::Plain),
    ] {
        assert_eq!(Dialect::owning(Path::new(path)), expected, "{path}");
    }
}
