//! What a credential is limited to, read off its scopes.
//!
//! Scopes take away and never give: what they leave is still for the policies to allow. Three sorts
//! limit, `server:NAME`, `tool:NAME` and `effect:read|write|destructive`; a `*` at the end of a
//! name stands for any rest. Of each sort that a credential has, one scope must be met. Any other
//! text (`openid`, `mcp:tools`) says what a token is good for elsewhere and limits nothing here. What
//! looks like one of ours and is none (`effect:all`, `tool:a*b`) allows nothing: whoever wrote it
//! wanted a limit.

use std::sync::Arc;

use crate::policy::Effect;

const SERVER: &str = "server:";
const TOOL: &str = "tool:";
const EFFECT: &str = "effect:";

/// Why something is no scope of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoScope {
    #[error(
        "`{0}` is no scope; use `server:NAME`, `tool:NAME`, `effect:read`, `effect:write` or \
         `effect:destructive`, with `*` at the end of a name for any that begin so"
    )]
    Unknown(String),
    /// It would limit nothing, which whoever writes a list does not mean.
    #[error("the list of scopes is empty; leave it out where nothing is limited")]
    Empty,
    #[error("there are more than {LIMIT} scopes")]
    TooMany,
}

/// Most scopes of one credential: each is compared on each call.
const LIMIT: usize = 100;

/// Longest name in a scope.
const NAME: usize = 256;

/// Whether a credential that is made here may have these scopes.
///
/// # Errors
///
/// [`NoScope`] for whoever makes it.
pub fn check<S: AsRef<str>>(scopes: &[S]) -> Result<(), NoScope> {
    if scopes.is_empty() {
        return Err(NoScope::Empty);
    }
    if LIMIT < scopes.len() {
        return Err(NoScope::TooMany);
    }
    let is_one = |scope: &str| match (scope.strip_prefix(SERVER), scope.strip_prefix(TOOL)) {
        (Some(name), _) | (_, Some(name)) => is_pattern(name),
        (None, None) => scope.strip_prefix(EFFECT).is_some_and(is_effect),
    };
    match scopes.iter().map(AsRef::as_ref).find(|scope| !is_one(scope)) {
        Some(unknown) => Err(NoScope::Unknown(unknown.to_owned())),
        None => Ok(()),
    }
}

fn is_effect(name: &str) -> bool {
    [Effect::Reads, Effect::Writes, Effect::Destroys].iter().any(|effect| effect.as_str() == name)
}

fn is_pattern(text: &str) -> bool {
    let name = text.strip_suffix('*').unwrap_or(text);
    // What may stand in a scope of OAuth (RFC 6749, section 3.3), so that ours can be asked for.
    let is_fine = |byte: u8| byte.is_ascii_graphic() && !b"\"\\*".contains(&byte);
    !text.is_empty() && name.len() <= NAME && name.bytes().all(is_fine)
}

/// Whether a credential with these scopes is good for what `server` has, which clients know as
/// `shown_name`.
///
/// Prompts and resources are judged by their names as tools are: a credential for some tools is
/// for those tools and nothing else.
pub fn allows(scopes: Option<&[Arc<str>]>, server: &str, shown_name: &str, effect: Effect) -> bool {
    let Some(scopes) = scopes else { return true };
    meets(scopes, SERVER, |pattern| covers(pattern, server))
        && meets(scopes, TOOL, |pattern| covers(pattern, shown_name))
        && meets(scopes, EFFECT, |name| name == effect.as_str())
}

/// Whether a credential with these scopes is good for managing things, with this effect.
///
/// One that was made for some servers or tools is for using those, whoever made it.
pub fn allows_managing(scopes: Option<&[Arc<str>]>, effect: Effect) -> bool {
    let Some(scopes) = scopes else { return true };
    meets(scopes, SERVER, |_| false)
        && meets(scopes, TOOL, |_| false)
        && meets(scopes, EFFECT, |name| name == effect.as_str())
}

/// Whether a credential with the scopes `new` is good for nothing that one with `own` is not.
pub fn includes<S: AsRef<str>>(own: Option<&[Arc<str>]>, new: Option<&[S]>) -> bool {
    let Some(own) = own else { return true };
    let new = new.unwrap_or_default();
    [SERVER, TOOL, EFFECT].iter().all(|sort| {
        let own: Vec<_> = own.iter().filter_map(|scope| scope.strip_prefix(sort)).collect();
        let mut new = new.iter().filter_map(|scope| scope.as_ref().strip_prefix(sort)).peekable();
        // Where none of a sort is there, it does not limit.
        own.is_empty() || (new.peek().is_some() && new.all(|new| within(&own, new)))
    })
}

/// Whether what a name or pattern stands for is all covered by one of `own`.
fn within(own: &[&str], new: &str) -> bool {
    own.iter().any(|own| match new.strip_suffix('*') {
        // All names that begin so are covered by what covers the beginning of them.
        Some(start) => own.strip_suffix('*').is_some_and(|own| start.starts_with(own)),
        None => covers(own, new),
    })
}

/// The scopes for which [`allows`] says no.
pub fn in_the_way<'a>(
    scopes: Option<&'a [Arc<str>]>,
    server: &str,
    shown_name: &str,
    effect: Effect,
) -> Vec<&'a str> {
    unmet(scopes, |sort| allows(Some(sort), server, shown_name, effect))
}

/// The scopes for which [`allows_managing`] says no.
pub fn in_the_way_of_managing(scopes: Option<&[Arc<str>]>, effect: Effect) -> Vec<&str> {
    unmet(scopes, |sort| allows_managing(Some(sort), effect))
}

/// The scope that a credential lacks for [`allows_managing`], where that is all it lacks: whoever can
/// get another comes again with it (step-up).
pub fn wanted_to_manage(scopes: Option<&[Arc<str>]>, effect: Effect) -> Option<Arc<str>> {
    let in_the_way = in_the_way_of_managing(scopes, effect);
    let is_effect = in_the_way.iter().all(|scope| scope.starts_with(EFFECT));
    let wanted = || format!("{EFFECT}{}", effect.as_str()).into();
    (is_effect && !in_the_way.is_empty()).then(wanted)
}

/// The scopes of those sorts that do not allow something by themselves.
fn unmet(scopes: Option<&[Arc<str>]>, is_met: impl Fn(&[Arc<str>]) -> bool) -> Vec<&str> {
    let scopes = scopes.unwrap_or_default();
    let mut unmet = Vec::new();
    for sort in [SERVER, TOOL, EFFECT] {
        let of_sort = || scopes.iter().filter(|scope| scope.starts_with(sort));
        if !is_met(&of_sort().cloned().collect::<Vec<_>>()) {
            unmet.extend(of_sort().map(|scope| &**scope));
        }
    }
    unmet
}

/// Whether one of the scopes of a sort is met, or there is none of it.
fn meets(scopes: &[Arc<str>], sort: &str, is_met: impl Fn(&str) -> bool) -> bool {
    let mut of_sort = scopes.iter().filter_map(|scope| scope.strip_prefix(sort)).peekable();
    of_sort.peek().is_none() || of_sort.any(is_met)
}

fn covers(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{
        allows, allows_managing, check as fits, in_the_way, in_the_way_of_managing, includes,
        wanted_to_manage,
    };
    use crate::policy::Effect::{self, Destroys, Reads, Writes};

    fn scopes(text: &str) -> Vec<Arc<str>> {
        text.split_whitespace().map(Arc::from).collect()
    }

    #[track_caller]
    fn check(text: &str, (server, tool, effect): (&str, &str, Effect), expected: bool) {
        let scopes = scopes(text);
        let actual = allows(Some(&scopes), server, tool, effect);
        assert_eq!(actual, expected, "`{text}` for {tool} of {server}, {effect:?}");
        let in_the_way = in_the_way(Some(&scopes), server, tool, effect);
        assert_eq!(in_the_way.is_empty(), expected, "{in_the_way:?}");
    }

    #[test]
    fn of_one_sort_any_and_of_every_sort_one() {
        let log = ("git", "git__log", Reads);
        let push = ("git", "git__push", Destroys);
        check("", log, true);
        check("openid mcp:tools profile", push, true);
        check("server:git", log, true);
        check("server:fs", log, false);
        check("server:fs server:git", log, true);
        check("server:g*", log, true);
        check("server:*", log, true);
        check("server:gi", log, false);
        check("tool:git__log", log, true);
        check("tool:git__log", push, false);
        check("tool:git__*", push, true);
        check("tool:fs__* tool:git__log", log, true);
        check("effect:read", log, true);
        check("effect:read", push, false);
        check("effect:read effect:write", ("git", "git__commit", Writes), true);
        check("server:git effect:read", log, true);
        check("server:git effect:read", push, false);
        check("server:fs tool:git__log", log, false);
        check("mcp:all server:fs", log, false);
        check("effect:everything", log, false);
        check("tool:", log, false);
        check("Server:fs", log, true);
        check("tool:git*log", log, false);
        check("server:git tool:git__log effect:destructive", log, false);
        check("openid effect:read", log, true);
    }

    #[test]
    fn whoever_makes_a_credential_hears_what_is_wrong() {
        let refused = |scopes: &[&str]| fits(scopes).unwrap_err().to_string();
        assert!(refused(&[]).contains("is empty"));
        assert!(refused(&["openid"]).contains("`openid` is no scope"));
        assert!(refused(&["*"]).contains("`*` is no scope"));
        assert!(refused(&["tool:a*b"]).contains("`tool:a*b`"));
        assert!(refused(&["server:"]).contains("`server:`"));
        assert!(refused(&["tool:a b"]).contains("`tool:a b`"));
        assert!(refused(&["server:git", "effect:all"]).contains("`effect:all`"));
        assert!(refused(&["server:git"; 101]).contains("more than 100"));
        assert_eq!(fits(&["server:*", "tool:git__*", "effect:destructive"]), Ok(()));
    }

    #[test]
    fn without_scopes_there_is_no_limit() {
        assert!(allows(None, "git", "git__push", Destroys));
        assert!(allows_managing(None, Destroys));
    }

    #[test]
    fn those_in_the_way_are_of_the_sorts_that_are_not_met() {
        let scopes = scopes("server:git server:fs effect:read mcp:x tool:git__*");
        let found = in_the_way(Some(&scopes), "git", "git__push", Destroys);
        assert_eq!(found, ["effect:read"]);
        let found = in_the_way(Some(&scopes), "web", "web__get", Reads);
        assert_eq!(found, ["server:git", "server:fs", "tool:git__*"]);
        let found = in_the_way_of_managing(Some(&scopes), Reads);
        assert_eq!(found, ["server:git", "server:fs", "tool:git__*"]);
        assert!(in_the_way(None, "git", "git__push", Destroys).is_empty());
    }

    #[test]
    fn what_is_for_servers_or_tools_manages_nothing() {
        let check = |text: &str, effect: Effect, expected: bool| {
            assert_eq!(allows_managing(Some(&scopes(text)), effect), expected, "{text}");
        };
        check("openid", Writes, true);
        check("server:*", Reads, false);
        check("tool:*", Reads, false);
        check("effect:read", Reads, true);
        check("effect:read", Writes, false);
        check("effect:read effect:write", Writes, true);
        let wanted = |text: &str| wanted_to_manage(Some(&scopes(text)), Writes);
        assert_eq!(wanted("openid effect:read").as_deref(), Some("effect:write"));
        assert_eq!(wanted("openid effect:write"), None);
        assert_eq!(wanted("server:git effect:read"), None, "it would not be enough");
        assert_eq!(wanted_to_manage(None, Writes), None);
    }

    #[test]
    fn a_credential_includes_what_reaches_no_further() {
        let check = |own: &str, new: &str, expected: bool| {
            let read = |text: &str| -> Option<Vec<Arc<str>>> {
                (text != "-").then(|| text.split_whitespace().map(Into::into).collect())
            };
            let (own, new) = (read(own), read(new));
            assert_eq!(includes(own.as_deref(), new.as_deref()), expected, "{own:?} {new:?}");
        };
        check("-", "-", true);
        check("-", "effect:read", true);
        check("effect:write", "-", false);
        check("effect:write", "effect:write", true);
        check("effect:write", "effect:write tool:a", true);
        check("effect:write", "effect:write effect:destructive", false);
        check("effect:write", "tool:a", false);
        check("effect:read effect:write", "effect:read", true);
        check("tool:git__*", "tool:git__log", true);
        check("tool:git__*", "tool:git__l*", true);
        check("tool:git__*", "tool:git*", false);
        check("tool:git__log", "tool:git__log*", false);
        check("server:a effect:read", "server:a", false);
        // What limits nothing here asks for nothing.
        check("openid mcp:tools", "-", true);
    }
}
