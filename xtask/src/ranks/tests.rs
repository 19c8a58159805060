use super::*;

/// `crate -> dependency`, `crate ~> dev-dependency`, one arrow to a line; names without `switchboard`
/// in them come from a registry. Dependencies with an owner are added, so that a case says only what
/// it is about.
fn check(graph: &str, expected: &[&str]) {
    let mut found = violations(&parse(graph));
    found.retain(|violation| !violation.contains("any more"));
    assert_eq!(found, expected, "{graph}");
}

fn parse(graph: &str) -> Vec<Package> {
    let mut packages: BTreeMap<&str, Vec<Dependency>> = BTreeMap::new();
    for line in graph.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let dependencies = packages.entry(words[0]).or_default();
        if let [_, arrow, to] = words[..] {
            let ours = to.contains("switchboard") || to == "xtask";
            dependencies.push(Dependency { name: to.to_owned(), ours, dev: arrow == "~>" });
        }
    }
    let package = |(name, dependencies): (&str, _)| Package { name: name.to_owned(), dependencies };
    packages.into_iter().map(package).collect()
}

#[test]
fn arrows_point_down() {
    check("switchboard-core -> switchboard-mcp", &[]);
    check("switchboard -> switchboard-process", &[]);
    check("switchboard-listen ~> switchboard-upstream", &[]);
    let advice = "move what both need to a lower rank, or join them in a higher one";
    check(
        "switchboard-core -> switchboard-process
         switchboard-mcp  ~> switchboard-upstream",
        &[
            &format!("switchboard-core (rank 1) depends on switchboard-process (rank 1): {advice}"),
            &format!("switchboard-mcp (rank 0) depends on switchboard-upstream (rank 2): {advice}"),
        ],
    );
}

#[test]
fn narrow_crates_use_only_what_they_name() {
    check("switchboard-client -> switchboard-mcp", &[]);
    check(
        "switchboard-client -> switchboard-config
         xtask              -> switchboard-mcp",
        &[
            "switchboard-client depends on switchboard-config, \
             but a program that calls us links no gateway",
            "xtask depends on switchboard-mcp, but the gate must run when the product does not build",
        ],
    );
}

#[test]
fn fakes_are_for_tests() {
    check("switchboard-mcp ~> switchboard-testkit", &[]);
    check(
        "switchboard-daemon -> switchboard-testkit",
        &["switchboard-daemon ships switchboard-testkit: make it a dev-dependency"],
    );
}

#[test]
fn every_crate_has_a_rank() {
    check(
        "switchboard-extra -> switchboard-mcp
         switchboard       -> switchboard-extra",
        &["switchboard-extra has no rank: add it to `RANKS` in xtask/src/ranks.rs"],
    );
}

#[test]
fn heavy_dependencies_have_one_owner() {
    check("switchboard-egress -> webpki-roots", &[]);
    check(
        "switchboard-egress -> webpki-roots
         switchboard-listen ~> webpki-roots
         switchboard-daemon -> clap",
        &[
            "clap belongs to switchboard, but is named by switchboard-daemon",
            "webpki-roots belongs to switchboard-egress, but is named by switchboard-egress, switchboard-listen",
        ],
    );
    assert!(violations(&[]).contains(
        &"no crate names webpki-roots any more: delete its row in xtask/src/ranks.rs".to_owned()
    ));
}

#[test]
fn metadata_is_read_as_cargo_prints_it() {
    let packages = packages(
        r#"{"packages": [{"name": "switchboard", "dependencies": [
            {"name": "clap", "kind": null},
            {"name": "switchboard-testkit", "kind": "dev", "path": "/elsewhere"}]}]}"#,
    )
    .unwrap();
    let [Package { name, dependencies }] = &packages[..] else { panic!("one package") };
    let read: Vec<_> = dependencies.iter().map(|d| (d.name.as_str(), d.ours, d.dev)).collect();
    assert_eq!(name, "switchboard");
    assert_eq!(read, [("clap", false, false), ("switchboard-testkit", true, true)]);
}
