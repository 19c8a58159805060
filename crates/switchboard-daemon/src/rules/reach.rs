//! How an upstream is reached: one way, or several endpoints with one each.

use http::{HeaderName, Uri};
use switchboard_oauth::OauthSettings;
use switchboard_upstream::{EraChoice, HttpConfig, Settings};

use super::{Mistake, has_user};

/// The first mistake in how `settings` say that the upstream `name` is reached.
pub(super) fn check(name: &str, settings: &Settings) -> Result<(), Mistake> {
    if settings.endpoints.is_empty() {
        return way(&Spot::upstream(name), settings);
    }
    let beside = Settings { endpoints: Vec::new(), ..settings.clone() };
    if let Some(kind) = beside.kinds().first() {
        return Err(Mistake::at(
            *kind,
            format!("upstream `{name}` has both `endpoints` and `{kind}`"),
            "make the other way one of the endpoints, or keep the one that is meant",
        ));
    }
    for (index, endpoint) in settings.ways().iter().enumerate() {
        way(&Spot::endpoint(name, index), endpoint)?;
    }
    Ok(())
}

/// Where a way to a server is configured.
struct Spot {
    /// Whose way it is, for people.
    whose: String,
    /// The upstream, with `upstream.` before it.
    upstream: String,
    /// The key of the way within the upstream, with a dot behind it.
    key: String,
}

impl Spot {
    fn upstream(name: &str) -> Self {
        let (whose, upstream) = (format!("upstream `{name}`"), format!("upstream.{name}"));
        Self { whose, upstream, key: String::new() }
    }

    fn endpoint(name: &str, index: usize) -> Self {
        let key = format!("endpoints[{index}]");
        let (whose, upstream) = (format!("upstream.{name}.{key}"), format!("upstream.{name}"));
        Self { whose, upstream, key: format!("{key}.") }
    }

    fn mistake(&self, key: &str, what: &str, hint: &str) -> Mistake {
        let key = format!("{}{key}", self.key);
        let message = format!("{}.{key}{what}", self.upstream);
        Mistake::at(key, message, hint)
    }

    /// One about the way as a whole.
    fn whole(&self, what: &str, hint: &str) -> Mistake {
        let message = format!("{} {what}", self.whose);
        Mistake::at(self.key.trim_end_matches('.'), message, hint)
    }
}

/// `settings` have no endpoints.
fn way(spot: &Spot, settings: &Settings) -> Result<(), Mistake> {
    match settings.kinds()[..] {
        [] => {
            return Err(spot.whole(
                "has none of `stdio`, `http`, `sse` and `websocket`",
                "add stdio = { command = \"…\" } or http = { url = \"…\" }",
            ));
        }
        [_] => {}
        [one, other, ..] => {
            let what = format!("has both `{one}` and `{other}`");
            return Err(spot.whole(&what, "keep the one that is meant"));
        }
    }
    if settings.stdio.as_ref().is_some_and(|stdio| stdio.command.trim().is_empty()) {
        return Err(spot.mistake("stdio.command", " is empty", "name a program, such as `npx`"));
    }
    let web = ["http", "https"];
    if let Some(http) = &settings.http {
        address(spot, "http", (&http.url, web), http.headers.keys())?;
        login(spot, http)?;
    }
    if let Some(sse) = &settings.sse {
        address(spot, "sse", (&sse.url, web), sse.headers.keys())?;
        if settings.era == EraChoice::Modern {
            let message = format!("{}: 2026-07-28 is not spoken over HTTP+SSE", spot.upstream);
            let hint = "leave `era` out, or reach the server by `http`";
            return Err(Mistake::at("era", message, hint));
        }
    }
    if let Some(socket) = &settings.websocket {
        address(spot, "websocket", (&socket.url, ["ws", "wss"]), socket.headers.keys())?;
    }
    Ok(())
}

fn address<'a>(
    spot: &Spot,
    kind: &str,
    (url, [plain, safe]): (&str, [&str; 2]),
    mut headers: impl Iterator<Item = &'a String>,
) -> Result<(), Mistake> {
    let is_of_kind = |uri: &Uri| {
        uri.scheme_str().is_some_and(|scheme| scheme == plain || scheme == safe)
            && uri.authority().is_some()
    };
    let key = format!("{kind}.url");
    if !url.parse::<Uri>().is_ok_and(|uri| is_of_kind(&uri)) {
        // Not quoted: people put keys into addresses.
        return Err(spot.mistake(
            &key,
            &format!(" is no address that begins with {plain}:// or {safe}://"),
            &format!("write the address of the MCP endpoint, such as `{safe}://host/mcp`"),
        ));
    }
    if has_user(url) {
        let hint = "addresses end in logs: put it into `headers`, as Authorization = \"Basic …\"";
        return Err(spot.mistake(&key, " has a user name or a password in it", hint));
    }
    if let Some(header) = headers.find(|header| HeaderName::try_from(header.as_str()).is_err()) {
        let what = format!(": `{header}` is no name of a header");
        let hint = "write a name such as `Authorization`";
        return Err(spot.mistake(&format!("{kind}.headers"), &what, hint));
    }
    Ok(())
}

fn login(spot: &Spot, http: &HttpConfig) -> Result<(), Mistake> {
    if http.has_authorization() && http.oauth != OauthSettings::default() {
        let what = " is of no use: `headers` has an `Authorization` already";
        return Err(spot.mistake("http.oauth", what, "keep the one that is meant"));
    }
    match http.oauth.mistakes().first() {
        Some((key, why)) => {
            // What a key means is the same wherever it stands.
            let hint = format!("`switchboard config explain {}.http.oauth.{key}`", spot.upstream);
            Err(spot.mistake(&format!("http.oauth.{key}"), &format!(": {why}"), &hint))
        }
        None => Ok(()),
    }
}
