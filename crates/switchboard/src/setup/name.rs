//! Names for upstreams, made from the names that clients gave their servers.
//!
//! Clients allow any text; an upstream's name stands before its tools and has a stricter rule
//! (letters, digits, `-` and single `_` inside, at most 32 characters).

/// The longest name an upstream may have: half of the 64 characters of a tool's name.
const LIMIT: usize = 32;

/// The nearest name that an upstream may have.
pub(crate) fn adapted(name: &str) -> String {
    let mut adapted = String::with_capacity(name.len());
    for c in name.chars() {
        let c = if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        // A run of what is not allowed becomes one dash; `__` divides server and tool.
        if c.is_ascii_alphanumeric() || !adapted.ends_with(c) {
            adapted.push(c);
        }
    }
    let adapted = cut(&adapted, LIMIT);
    if adapted.is_empty() { "server".to_owned() } else { adapted }
}

/// The name for a server of `client` where `name` itself is taken.
pub(crate) fn second(name: &str, client: &str, is_taken: impl Fn(&str) -> bool) -> String {
    let with = |suffix: &str| {
        let room = LIMIT.saturating_sub(suffix.len() + 1);
        format!("{}-{suffix}", cut(name, room))
    };
    let candidates = (2_u32..).map(|number| with(&format!("{client}-{number}")));
    std::iter::once(with(client))
        .chain(candidates)
        .find(|candidate| !is_taken(candidate))
        .expect("numbers do not run out before names do")
}

fn cut(name: &str, room: usize) -> String {
    let cut: String = name.trim_start_matches(['-', '_']).chars().take(room).collect();
    cut.trim_end_matches(['-', '_']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{adapted, second};

    #[track_caller]
    fn check(name: &str, expected: &str) {
        assert_eq!(adapted(name), expected);
        assert_eq!(adapted(expected), expected, "an adapted name stays as it is");
    }

    #[test]
    fn names_of_clients_become_names_of_upstreams() {
        check("github", "github");
        check("brave-search", "brave-search");
        check("my_server", "my_server");
        check("My Server (v2)", "My-Server-v2");
        check("@scope/server.name", "scope-server-name");
        check("a__b", "a_b");
        check("_private_", "private");
        check("größe", "gr-e");
        check("日本", "server");
        check(&"x".repeat(40), &"x".repeat(32));
    }

    #[test]
    fn a_taken_name_gets_the_client_behind_it() {
        let taken = |taken: &'static [&str]| move |name: &str| taken.contains(&name);
        assert_eq!(second("github", "cursor", taken(&[])), "github-cursor");
        assert_eq!(second("github", "cursor", taken(&["github-cursor"])), "github-cursor-2");
        let long = second(&"x".repeat(32), "claude-desktop", taken(&[]));
        assert_eq!(long, format!("{}-claude-desktop", "x".repeat(17)));
    }
}
