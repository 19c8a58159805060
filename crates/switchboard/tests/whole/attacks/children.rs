//! What our children get of us, and what they make a terminal show.

use serde_json::Value;

use super::scene::Scene;
use crate::common::succeeded;

/// A server gets an allow-list of variables and its own, and nothing that we hold: not our key, not
/// what the person who started us had in the environment.
#[test]
fn child_environment_leakage() {
    let scene = Scene::hostile("");
    scene.home.run(&["stop"]);
    let mut start = scene.home.switchboard(&["start"]);
    for name in ["AWS_SECRET_ACCESS_KEY", "GITHUB_TOKEN", "SWITCHBOARD_API_KEY", "LD_AUDIT"] {
        start.env(name, "canary-0123456789abcdef0123456789abcdef");
    }
    succeeded("start", &start.output().unwrap());
    scene.home.wait_for("hostile", "ready");
    let result = scene.home.call("hostile__environment", &serde_json::json!({}));
    let text = result["content"][0]["text"].as_str().unwrap();
    assert!(!text.contains("canary") && !text.contains(&scene.key), "{text}");
    let variables: Value = serde_json::from_str(text).unwrap();
    for name in variables.as_object().unwrap().keys() {
        let known = ["PATH", "HOME", "LINE_FILE", "PWD", "TMPDIR", "LANG"].contains(&name.as_str())
            || name.starts_with("SWITCHBOARD_")
            || name.starts_with("LC_");
        assert!(known, "{name} in {text}");
    }
}

/// What a server calls its tools cannot steer a terminal (escape sequences, titles, text that runs
/// the other way).
#[test]
fn hostile_names_rendered_in_a_terminal() {
    let scene = Scene::hostile("");
    for args in [&["tools"][..], &["servers"], &["status"], &["logs"], &["doctor"]] {
        let output = scene.home.switchboard(args).output().unwrap();
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
            assert!(!text.contains(bad), "{args:?}: {text:?}");
        }
    }
    let tools = scene.home.run(&["tools"]);
    assert!(tools.contains("hostile__echo"), "{tools}");
}
