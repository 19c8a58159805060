//! The keys of what is allowed: policies, limits.

use serde_json::json;

use super::{demo, started, tools};
use crate::common::{Home, wait};

/// Calls the demonstration server; `Err` with what was said where that was refused.
fn call(home: &Home, tool: &str) -> Result<(), String> {
    let arguments = json!({ "message": "x", "seconds": 0 }).to_string();
    let output = home.switchboard(&["call", tool, &arguments]).output().unwrap();
    match output.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

pub(super) fn policy() {
    let no_echo = "@id(\"no-echo\")\nforbid (principal, action, resource == Tool::\"demo/echo\");";
    let home = started(&format!("policy.text = '''\n{no_echo}\n'''\n{}", demo("")));
    assert!(!tools(&home).contains("demo__echo") && tools(&home).contains("demo__"));
    // It looks like one that is not there.
    let refused = call(&home, "demo__echo").unwrap_err();
    assert_eq!(refused, call(&home, "demo__none").unwrap_err().replace("none", "echo"));

    // A reload brings it back, and a file takes it away again.
    home.configure(&demo(""));
    home.run(&["reload"]);
    call(&home, "demo__echo").unwrap();
    std::fs::write(home.path("mine.cedar"), no_echo).unwrap();
    home.configure(&format!("policy.files = [\"mine.cedar\"]\n{}", demo("")));
    home.run(&["reload"]);
    call(&home, "demo__echo").unwrap_err();

    // Without those that Switchboard comes with, nothing is allowed that nobody permits.
    let permit = "permit (principal, action, resource == Tool::\"demo/echo\");";
    home.configure(&format!("policy.default = false\npolicy.text = '{permit}'\n{}", demo("")));
    home.run(&["reload"]);
    let tools = tools(&home);
    assert!(tools.contains("demo__echo") && !tools.contains("demo__add"), "{tools}");

    // A mistake is found before it is in force.
    home.configure(&format!("policy.text = \"permit (principal\"\n{}", demo("")));
    let output = home.switchboard(&["reload"]).output().unwrap();
    assert!(!output.status.success());
    call(&home, "demo__echo").unwrap();
}

pub(super) fn limits_flush() {
    let used = |home: &Home| {
        let kept = home.run(&["store", "export"]);
        let mut rows = kept.lines().filter(|line| line.contains("switchboard_usage"));
        let row: Option<serde_json::Value> =
            rows.next_back().map(|row| serde_json::from_str(row).unwrap());
        row.and_then(|row| row["row"]["used"].as_i64()).unwrap_or_default()
    };
    let config = |flush: &str| {
        let rule = "[limits.rule.mine]\nrole = \"owner\"\ncalls_per_day = 100";
        format!("limits.flush = \"{flush}\"\n{rule}\n{}", demo(""))
    };
    for (flush, is_soon) in [("50ms", true), ("1h", false)] {
        let home = started(&config(flush));
        call(&home, "demo__echo").unwrap();
        // The first use of an account is written at once, to learn what others have used.
        wait("the first call to be counted", || used(&home) == 1);
        (0..3).for_each(|_| call(&home, "demo__echo").unwrap());
        if is_soon {
            wait("all calls to be counted", || used(&home) == 4);
        } else {
            assert_eq!(used(&home), 1);
            home.run(&["stop"]);
            assert_eq!(used(&home), 4);
        }
    }
}
