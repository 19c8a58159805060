//! The keys that put several upstreams behind one name.

use serde_json::{Value, json};

use super::spread::ask;
use crate::common::{Home, counting, wait};

/// A daemon with the counting server as three upstreams, and `group` beside them.
fn three(group: &str) -> Home {
    let home = Home::new("");
    home.configure(&config(&home, group));
    home.start();
    (1..=3).for_each(|number| home.wait_for(&format!("u{number}"), "ready"));
    home
}

fn config(home: &Home, group: &str) -> String {
    let upstream = |number: usize| {
        let table = counting(&home.path(""), &format!(", WHO = \"{number}\""));
        table.replace("[upstream.counting]", &format!("[upstream.u{number}]\nstart = \"eager\""))
    };
    let upstreams: Vec<_> = (1..=3).map(upstream).collect();
    format!("{}\n{group}", upstreams.join("\n"))
}

fn tools(home: &Home) -> Vec<String> {
    let listed: Value = serde_json::from_str(&home.run(&["tools", "--json"])).unwrap();
    let names = listed.as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

fn who(home: &Home, tool: &str, arguments: &Value) -> String {
    ask(home, "", tool, arguments).unwrap()["who"].as_str().unwrap().to_owned()
}

pub(super) fn members() {
    let group = "[group.both]\nupstreams = [\"u1\", \"u2\"]";
    let home = three(group);
    wait("what they have in common to be shown once", || {
        let tools = tools(&home);
        let has = |name: &str| tools.iter().any(|tool| tool == name);
        has("both__echo") && !has("u1__echo") && !has("u2__echo") && has("u3__echo")
    });
    for _ in 0..8 {
        assert_ne!(who(&home, "both__echo", &json!({})), "3");
    }
    let route = home.run(&["route", "explain", "both__echo"]);
    assert!(route.contains("`echo` of both") && route.contains("u1") && route.contains("u2"));
    assert!(!route.contains("u3"), "{route}");

    // With one of them gone the other has everything to itself.
    let text = config(&home, group);
    home.configure(&text.replace("[upstream.u1]", "[upstream.u1]\ndisabled = true"));
    home.run(&["reload"]);
    assert_eq!(who(&home, "u2__echo", &json!({})), "2");
    home.configure(&text);
    home.run(&["reload"]);
    home.wait_for("u1", "ready");
    wait("both to be there again", || tools(&home).contains(&"both__echo".to_owned()));
}

pub(super) fn prefix() {
    let home = three("[group.both]\nupstreams = [\"u1\", \"u2\"]\nprefix = \"either\"");
    wait("the tools under it", || tools(&home).contains(&"either__echo".to_owned()));
    home.call("either__echo", &json!({}));
}

pub(super) fn balance() {
    let group = "[group.all]\nupstreams = [\"u1\", \"u2\", \"u3\"]\nbalance =";
    let home = three(&format!("{group} \"round_robin\""));
    wait("the group", || tools(&home).contains(&"all__echo".to_owned()));
    let mut seen: Vec<_> = (0..3).map(|_| who(&home, "all__echo", &json!({}))).collect();
    seen.sort();
    assert_eq!(seen, ["1", "2", "3"]);

    let sticky = |more: &str| {
        home.configure(&config(&home, &format!("{group} \"consistent_hash\"{more}")));
        home.run(&["reload"]);
        let argument = |repo: usize| json!({ "repo": format!("repo {repo}") });
        let pair = |repo| [0, 1].map(|_| who(&home, "all__echo", &argument(repo)));
        (0..12).map(pair).collect::<Vec<_>>()
    };
    let each = sticky("\nhash_argument = \"repo\"");
    assert!(each.iter().all(|[one, again]| one == again), "{each:?}");
    assert!(each.iter().any(|one| *one != each[0]), "all repositories at one: {each:?}");
    let each = sticky("");
    assert!(each.iter().all(|one| *one == each[0]), "one principal at several: {each:?}");
}
