//! From a configuration to an open session: connect, agree on the era, and try once more where what
//! was remembered of the server may be the reason that it failed.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_mcp::Era;

use crate::endpoint::Shared;
use crate::handshake::{HandshakeError, Opened, agree};
use crate::http::Outside;
use crate::level::SessionLevel;
use crate::link::{Link, Notices};
use crate::memory::Nearby;
use crate::session::{Limits, Session};
use crate::settings::EraChoice;
use crate::stdio::Launch;
use crate::unasked::Unasked;

/// Requests of our own beside those of callers: four lists, a subscription and the one that takes
/// its place, a log level, a resource, and some room.
const OWN_PLACES: usize = 16;

/// What a server was found to speak.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Verdict {
    pub era: Era,
    /// When it was asked, rather than taken for what it was before.
    pub asked: SystemTime,
}

/// An open session, and what was found out on the way.
pub(crate) struct Found {
    pub session: Session,
    /// `None` where the server was not asked what it speaks.
    pub verdict: Option<Verdict>,
}

/// How long a server is taken for one of the older era without being asked. One that has learnt the
/// newer since still answers `initialize`, so nothing else would ever tell; and asking costs one
/// that falls silent a few seconds of its start, which once a day is little.
const HORIZON: Duration = Duration::from_hours(24);

pub(crate) async fn open(
    shared: Arc<Shared>,
    notices: Notices,
    era: EraChoice,
) -> Result<Found, String> {
    let settings = &shared.settings;
    // Over HTTP+SSE there is but one era; some servers there fall silent at a question before
    // `initialize`.
    let (configured, era) = match settings.sse {
        Some(_) => (EraChoice::Legacy, EraChoice::Legacy),
        None => (settings.era, era),
    };
    match attempt(&shared, &notices, era).await {
        // What was remembered of the server may be what no longer holds.
        Err(cause) if era != configured => {
            tracing::debug!(upstream = &*shared.name, cause, "opened again without what was known");
            attempt(&shared, &notices, configured).await.map(|session| found(session, configured))
        }
        outcome => outcome.map(|session| found(session, era)),
    }
}

/// What is known of a server that was opened for `era`.
fn found(session: Session, era: EraChoice) -> Found {
    let verdict = (era == EraChoice::Auto)
        .then(|| Verdict { era: session.facts.version.era(), asked: now() });
    Found { session, verdict }
}

async fn attempt(shared: &Shared, notices: &Notices, era: EraChoice) -> Result<Session, String> {
    let link = connect(shared, notices.clone()).await?;
    let opened = match agree(Arc::clone(&link), era).await {
        Ok(opened) => opened,
        Err(HandshakeError::Reopen(cause)) => {
            tracing::debug!(upstream = &*shared.name, cause, "opened again with initialize");
            link.close().await;
            let link = connect(shared, notices.clone()).await?;
            match agree(Arc::clone(&link), EraChoice::Legacy).await {
                Ok(opened) => opened,
                Err(error) => return give_up(&*link, error).await,
            }
        }
        Err(error) => return give_up(&*link, error).await,
    };
    let Opened { link, facts } = opened;
    let settings = &shared.settings;
    let limits = Limits {
        quiet: settings.timeout.as_duration(),
        total: settings.timeout_total.as_duration(),
    };
    Ok(Session {
        name: Arc::clone(&shared.name),
        link,
        log_level: SessionLevel::new(&facts),
        facts,
        limits,
        over_http: settings.http.is_some(),
        tool_headers: Arc::clone(&shared.tool_headers),
        silence: Arc::clone(&shared.silence),
    })
}

async fn give_up(link: &dyn Link, error: HandshakeError) -> Result<Session, String> {
    link.close().await;
    Err(error.to_string())
}

async fn connect(shared: &Shared, notices: Notices) -> Result<Arc<dyn Link>, String> {
    let settings = &shared.settings;
    let tasks = &shared.environment.tasks;
    let unasked = Unasked::new(shared, notices);
    if let Some(stdio) = &settings.stdio {
        let launch = Launch {
            name: &shared.name,
            spawner: &shared.environment.spawner,
            environment: &shared.environment.child_variables,
            stderr: &shared.stderr,
            in_flight: settings.in_flight + OWN_PLACES,
            tasks,
        };
        return Ok(Arc::new(stdio.open(launch, unasked).await?));
    }
    if let Some(memory) = &settings.memory {
        let nearby = Nearby {
            name: &shared.name,
            dialer: shared.environment.dialer.as_ref(),
            in_flight: settings.in_flight + OWN_PLACES,
            tasks,
        };
        return Ok(Arc::new(memory.open(nearby, unasked).await?));
    }
    if let Some(inside) = &settings.inside {
        let owner = shared.environment.owner.clone();
        return Ok(Arc::new(inside.open(&shared.name, owner)?));
    }
    let outside = Outside {
        name: &shared.name,
        in_flight: settings.in_flight + OWN_PLACES,
        tasks,
        guard: &shared.environment.guard,
        login: shared.login.clone()?,
        shut_out: &shared.shut_out,
    };
    if let Some(http) = &settings.http {
        return Ok(http.open(outside, unasked)?);
    }
    if let Some(sse) = &settings.sse {
        return Ok(Arc::new(sse.open(outside, unasked).await?));
    }
    let socket = settings.websocket.as_ref().ok_or("nothing says how it is reached")?;
    Ok(Arc::new(socket.open(outside, unasked).await?))
}

#[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// The era to begin with: as configured, else as the server was last found to speak, unless that is
/// the older one and long ago.
pub(crate) fn known_era(
    configured: EraChoice,
    verdict: Option<Verdict>,
    now: SystemTime,
) -> EraChoice {
    let Some(verdict) = verdict.filter(|_| configured == EraChoice::Auto) else {
        return configured;
    };
    // A date that is still to come says nothing.
    let is_young = now.duration_since(verdict.asked).is_ok_and(|age| age < HORIZON);
    match verdict.era {
        // One that does not speak it any more fails, and is then asked.
        Era::Modern => EraChoice::Modern,
        Era::Legacy if is_young => EraChoice::Legacy,
        Era::Legacy => EraChoice::Auto,
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use switchboard_mcp::Era;

    use super::{HORIZON, Verdict, known_era};
    use crate::settings::EraChoice;

    #[test]
    fn a_server_of_the_older_era_is_asked_again_after_a_day() {
        let asked = SystemTime::UNIX_EPOCH + Duration::from_hours(1_000);
        let after = |age: Duration| asked + age;
        let known = |configured, era, now| known_era(configured, Some(Verdict { era, asked }), now);
        let minute = Duration::from_mins(1);
        for (configured, era, now, expected) in [
            (EraChoice::Auto, Era::Legacy, after(HORIZON - minute), EraChoice::Legacy),
            (EraChoice::Auto, Era::Legacy, after(HORIZON), EraChoice::Auto),
            (EraChoice::Auto, Era::Legacy, asked - minute, EraChoice::Auto),
            (EraChoice::Auto, Era::Modern, after(HORIZON * 9), EraChoice::Modern),
            (EraChoice::Legacy, Era::Legacy, after(HORIZON * 9), EraChoice::Legacy),
            (EraChoice::Modern, Era::Legacy, asked, EraChoice::Modern),
        ] {
            assert_eq!(known(configured, era, now), expected, "{configured:?} {era:?}");
        }
        assert_eq!(known_era(EraChoice::Auto, None, asked), EraChoice::Auto);
    }
}
