//! `switchboard login`.
//!
//! The login runs here and not in the daemon, which has no terminal: the daemon finds the token in
//! the state directory by itself.

mod person;

use std::error::Error as _;
use std::time::Duration;

use serde::Serialize;
use switchboard_daemon::{authorizer, owner, plan};
use switchboard_oauth::{Authorizer, LoginState, OauthError, Way};

use self::person::Person;
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The address to visit is printed on standard output, and a browser is opened where there is a
desktop. If the browser runs on another machine, paste the address at which it ends.

Examples:
  switchboard login tracker
  switchboard login tracker --device        # with a code that is typed on another device
  switchboard login tracker --no-browser"
)]
pub(crate) struct Args {
    /// The server, or one of its endpoints (NAME.2)
    #[arg(value_name = "NAME")]
    upstream: String,
    /// Agree on another device, with a code
    #[arg(long)]
    device: bool,
    /// Print the address without opening a browser
    #[arg(long)]
    no_browser: bool,
}

/// Who is logged in, and where.
#[derive(Debug, Serialize)]
struct LoggedIn {
    upstream: String,
    principal: String,
    issuer: String,
    scopes: Vec<String>,
    /// Seconds since 1970; absent if the token does not say.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<u64>,
    renews: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Args { upstream, device, no_browser } = args;
    let authorizer = find(context, &upstream)?;
    let way = if device { Way::Device } else { Way::Browser };
    let person = Person::new(context, no_browser);
    let principal = owner().subject;
    let runtime = context.runtime()?;
    runtime
        .block_on(authorizer.login(&principal, way, &person))
        .map_err(|error| failure(&upstream, &error))?;
    runtime.block_on(noticed(context, &upstream));
    let LoginState::LoggedIn { issuer, scopes, expires_at, renews } = authorizer.state(&principal)
    else {
        return Err(Failure::new("login-store", "the login cannot be read back")
            .with_hint("`switchboard doctor` looks at the state directory"));
    };
    let principal = principal.to_string();
    let done = LoggedIn { upstream, principal, issuer, scopes, expires_at, renews };
    context.output.show(&done, describe)?;
    Ok(Exit::Ok)
}

/// How long it is waited for a daemon to open the server with the new login.
const NOTICED: Duration = Duration::from_secs(5);

/// Waits until a running daemon has taken up the login, so that what comes next finds the tools
/// there. Without a daemon, or one that does not wait for the login, there is nothing to wait for.
async fn noticed(context: &Context, upstream: &str) {
    let looking = async {
        while let Ok(status) = daemon::status(context).await {
            let name = upstream.split('.').next();
            let found = status.upstreams.iter().find(|known| Some(known.name.as_str()) == name);
            let waits = found.is_some_and(|known| match known.state.as_str() {
                "waiting" | "starting" => true,
                state => state == "ready" && known.tools.is_none(),
            });
            if !waits {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    // A server that fails for another reason is shown by `switchboard servers`.
    let _ = tokio::time::timeout(NOTICED, looking).await;
}

fn describe(done: &LoggedIn) -> String {
    let LoggedIn { upstream, issuer, scopes, renews, .. } = done;
    let scopes = match scopes.is_empty() {
        true => String::new(),
        false => format!(", for {}", untrusted::line(&scopes.join(" "))),
    };
    let end = if *renews { "" } else { " The login ends with its token." };
    format!("`{upstream}` is logged in at {}{scopes}.{end}", untrusted::line(issuer))
}

/// What the endpoint of `upstream` is called that stands at `index`: `tracker`, `tracker.2`.
fn endpoint(upstream: &str, index: usize) -> String {
    match index {
        0 => upstream.to_owned(),
        index => format!("{upstream}.{}", index + 1),
    }
}

/// The login at an upstream or one of its endpoints, as the daemon would have it.
pub(super) fn find(context: &Context, upstream: &str) -> Result<Authorizer, Failure> {
    let wrong = |diagnostics: Vec<_>| Failure::configuration(&diagnostics);
    let config = context.sources.load().map_err(wrong)?.value;
    let plan = plan(&config, &context.paths.config, &context.variables).map_err(wrong)?;
    let mut ways = plan.upstreams.iter().flat_map(|(name, planned)| {
        let ways = planned.settings.ways().into_iter().enumerate();
        ways.map(move |(index, way)| (endpoint(name, index), way))
    });
    let settings = ways.find(|(name, _)| name == upstream).map(|(_, way)| way);
    let settings = settings.ok_or_else(|| {
        Failure::new("upstream-unknown", format!("no upstream is named `{upstream}`"))
            .with_hint("`switchboard servers` lists them")
    })?;
    let nowhere = |why: &str| {
        let message = format!("there is no logging in at `{upstream}`: {why}");
        Failure::new("login-nowhere", message).with_exit(Exit::Configuration)
    };
    let Some(http) = &settings.http else {
        return Err(nowhere("it is not reached by `http`")
            .with_hint("what a program needs to know stands in `stdio.env`"));
    };
    if http.has_authorization() {
        return Err(nowhere("its `headers` have an `Authorization`")
            .with_hint("remove that header to log in instead"));
    }
    Ok(authorizer(upstream, http, &config.egress, &context.paths.state)?)
}

/// Why there is no login, for people.
pub(super) fn failure(upstream: &str, error: &OauthError) -> Failure {
    let message = error.to_string();
    let mut failure = match error {
        OauthError::Settings { .. } => {
            Failure::new("config-invalid", message).with_exit(Exit::Configuration)
        }
        OauthError::Unfit { .. } => Failure::new("login-unfit", message),
        OauthError::Refused { .. } => Failure::new("login-refused", message)
            .with_hint(format!("`switchboard login {upstream}` asks again")),
        OauthError::Network { .. } | OauthError::JustTried { .. } => {
            Failure::new("login-unreachable", message)
        }
        OauthError::GivenUp { .. } => Failure::new("login-given-up", message)
            .with_hint(format!("`switchboard login {upstream}` begins again")),
        OauthError::Store(_) => Failure::new("login-store", message),
    };
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(error) = source {
        causes.push(error.to_string());
        source = error.source();
    }
    if !causes.is_empty() {
        failure = failure.with_cause(untrusted::text(&causes.join(": ")));
    }
    failure.message = untrusted::text(&failure.message);
    failure
}
