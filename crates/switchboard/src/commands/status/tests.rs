use switchboard_client::control::{EndpointStatus, Status, UpstreamStatus};

/// A daemon with two servers.
pub(crate) fn example() -> Status {
    let upstream = UpstreamStatus {
        name: "git".to_owned(),
        kind: "stdio".to_owned(),
        state: "ready".to_owned(),
        since_seconds: 61,
        pid: Some(17),
        revision: Some("2025-11-25".to_owned()),
        software: None,
        restarts: 0,
        in_flight: 0,
        tools: Some(3),
        optional: false,
        problem: None,
        note: None,
        endpoints: Vec::new(),
    };
    let web = UpstreamStatus {
        name: "web".to_owned(),
        kind: "http".to_owned(),
        state: "dormant".to_owned(),
        pid: None,
        revision: None,
        tools: None,
        ..upstream.clone()
    };
    Status {
        instance: "default".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 16,
        state: "ready".to_owned(),
        address: "http://127.0.0.1:8765/mcp".to_owned(),
        config: "/home/me/.config/switchboard/config.toml".to_owned(),
        is_supervised: false,
        uptime_seconds: 3 * 3600 + 5 * 60,
        tools: 3,
        prompts: 0,
        resources: 1,
        upstreams: vec![upstream, web],
        leaving: Vec::new(),
        conflicts: Vec::new(),
    }
}

fn render(status: &Status, width: Option<u16>) -> String {
    anstream::adapter::strip_str(&super::render(status, width)).to_string()
}

#[test]
fn the_daemon_comes_first_and_then_its_servers() {
    let expected = "\
address   http://127.0.0.1:8765/mcp
state     ready, instance default, pid 16, version 0.1.0, up 3 h 5 min
config    /home/me/.config/switchboard/config.toml
offers    3 tools, 0 prompts, 1 resource

SERVER  KIND   STATE    FOR        PID  MCP         TOOLS  RESTARTS  PROBLEM
git     stdio  ready    1 min 1 s  17   2025-11-25  3      0
web     http   dormant  1 min 1 s  -    -           -      0
";
    assert_eq!(render(&example(), None), expected);
}

#[test]
fn endpoints_stand_below_their_server() {
    let mut status = example();
    let endpoint = EndpointStatus {
        name: "git".to_owned(),
        state: "ready".to_owned(),
        pid: Some(17),
        restarts: 0,
        in_flight: 1,
        breaker: "closed".to_owned(),
        response_milliseconds: Some(1.5),
        problem: None,
    };
    let second = EndpointStatus {
        name: "git.2".to_owned(),
        state: "waiting".to_owned(),
        pid: None,
        restarts: 3,
        breaker: "open".to_owned(),
        problem: Some("it exited\nwith 1".to_owned()),
        ..endpoint
    };
    status.upstreams[0].endpoints = vec![endpoint, second];
    let expected = "
SERVER   KIND   STATE    FOR        PID  MCP         TOOLS  RESTARTS  PROBLEM
git      stdio  ready    1 min 1 s  17   2025-11-25  3      0
  git           ready               17                      0
  git.2         waiting             -                       3         circuit breaker open; it exited
web      http   dormant  1 min 1 s  -    -           -      0
";
    let text = render(&status, None);
    assert!(text.ends_with(expected), "{text}");
}

#[test]
fn what_servers_say_is_one_clean_line() {
    let mut status = example();
    status.upstreams[0].problem = Some("\u{1b}[31mit exited\nwith 1".to_owned());
    status.upstreams[1].note = Some("it keeps\u{7} something".to_owned());
    status.conflicts = vec!["tool `a`\u{7}".to_owned()];
    let text = render(&status, None);
    assert!(text.contains("3      0         it exited\n"), "{text}");
    assert!(text.ends_with("\nnote: web: it keeps something\nnote: tool `a`"), "{text}");
}

#[test]
fn a_narrow_terminal_costs_the_end_of_the_last_column() {
    let mut status = example();
    status.upstreams[0].problem = Some("a problem ".repeat(20));
    let text = render(&status, Some(100));
    let row = text.lines().find(|line| line.starts_with("git")).unwrap();
    assert!(row.chars().count() <= 100 && row.ends_with('…'), "{row}");
}

#[test]
fn without_a_server_it_says_how_to_get_some() {
    let text = render(&Status { upstreams: Vec::new(), ..example() }, None);
    assert!(text.contains("`switchboard up`"), "{text}");
}
