//! What somebody may do, and why, for the management surface.

use switchboard_admin::{
    ExplainWish, Explained, ExplainedAnswer, ExplainedPlace, ExplainedPolicy, ExplainedPrincipal,
    ExplainedTrouble, Refused,
};
use switchboard_auth::Named;
use switchboard_core::{Gateway, LoginMethod, OWNER, Policy as _, Principal, Standing, Tenant};
use switchboard_policy::{Answer, Explanation, Place, Question};

use crate::daemon::Daemon;
use crate::outside::owner;

/// Answers as a request of that principal would be decided at `gateway`, which serves `tenant`.
pub(crate) async fn explain(
    daemon: &Daemon,
    (tenant, gateway): (&Tenant, &Gateway),
    asks: Option<&Principal>,
    wish: ExplainWish,
) -> Result<Explained, Refused> {
    let question = question(&wish)?;
    let Named { principal, ended } = match (&wish.principal, asks) {
        (Some(name), _) => named(daemon, tenant, name).await?,
        (None, Some(asks)) => Named { principal: asks.clone(), ended: None },
        (None, None) => Named { principal: described(tenant, &wish)?, ended: None },
    };
    // As for a list: servers that are asked for the first time are waited for.
    let snapshot = gateway.settled().await;
    let policies = &daemon.middle.policies;
    let answers = policies.answer(&principal, tenant, &snapshot.catalog, &question);
    let answers =
        answers.map_err(|missing| Refused::NotFound { what: missing.what, key: missing.name })?;
    let answers: Vec<_> = answers.into_iter().map(|it| told(it, ended.is_none())).collect();
    Ok(Explained {
        allowed: answers.iter().any(|answer| answer.allowed),
        principal: shown(&principal, ended),
        answers,
        depends_on_arguments: matches!(question, Question::Call { arguments: None, .. })
            && policies.looks_at_arguments(tenant),
    })
}

fn question(wish: &ExplainWish) -> Result<Question, Refused> {
    let invalid = |why: String| Refused::Invalid(why);
    let question = wish.question.parse::<Question>().map_err(|error| invalid(error.to_string()))?;
    let Some(given) = &wish.arguments else { return Ok(question) };
    match question {
        Question::Call { name, arguments: None } if given.0.is_object() => {
            Ok(Question::Call { name, arguments: Some(given.0.clone()) })
        }
        Question::Call { arguments: None, .. } => {
            Err(invalid("the arguments of a call are a JSON object".to_owned()))
        }
        Question::Call { .. } => Err(invalid("the arguments are said twice".to_owned())),
        _ => Err(invalid("only a `call` has arguments".to_owned())),
    }
}

async fn named(daemon: &Daemon, tenant: &Tenant, name: &str) -> Result<Named, Refused> {
    if name == "owner" {
        return Ok(Named { principal: owner(), ended: None });
    }
    let mut named =
        daemon.identity.current().auth.named(tenant, name).await.map_err(|error| {
            Refused::Unavailable { what: "the store", detail: error.to_string() }
        })?;
    match named.len() {
        0 => Err(Refused::NotFound { what: "key or user", key: name.to_owned() }),
        1 => Ok(named.remove(0)),
        many => Err(Refused::Invalid(format!(
            "`{name}` is the name of {many} keys or users; say `key:ID` or `user:NAME`"
        ))),
    }
}

/// Somebody of whom nothing is kept.
fn described(tenant: &Tenant, wish: &ExplainWish) -> Result<Principal, Refused> {
    if wish.roles.iter().any(|role| role == OWNER) {
        let why = "nobody is given the role `owner`; the owner is the principal `owner`";
        return Err(Refused::Invalid(why.to_owned()));
    }
    let method = match wish.method.as_deref() {
        None => LoginMethod::Oidc,
        Some(text) => {
            let method = LoginMethod::ALL.into_iter().find(|method| method.as_str() == text);
            method.ok_or_else(|| Refused::Invalid(format!("`{text}` is no way to log in")))?
        }
    };
    let texts = |texts: &[String]| texts.iter().map(|text| text.as_str().into()).collect();
    let standing = Standing {
        method,
        roles: texts(&wish.roles),
        scopes: wish.scopes.as_deref().map(texts),
        ..Standing::default()
    };
    let subject = wish.subject.as_deref().unwrap_or("somebody");
    Ok(Principal::of(tenant.clone(), subject, standing))
}

fn shown(principal: &Principal, ended: Option<&'static str>) -> ExplainedPrincipal {
    let standing = &principal.standing;
    let texts = |texts: &[std::sync::Arc<str>]| texts.iter().map(ToString::to_string).collect();
    ExplainedPrincipal {
        tenant: principal.tenant.to_string(),
        subject: principal.subject.to_string(),
        name: standing.name.as_ref().map(ToString::to_string),
        method: standing.method.as_str().to_owned(),
        roles: texts(&standing.roles),
        scopes: standing.scopes.as_deref().map(texts),
        ended: ended.map(str::to_owned),
    }
}

fn told(answer: Answer, is_let_in: bool) -> ExplainedAnswer {
    let Answer { about, server, explanation } = answer;
    let Explanation { is_allowed, scopes, policies, troubles, is_shut } = explanation;
    let policies = policies.into_iter().map(|ruling| ExplainedPolicy {
        id: ruling.name,
        permits: ruling.permits,
        is_of_tenant: ruling.is_of_tenant,
        place: place(&ruling.place),
    });
    let troubles = troubles.into_iter().map(|trouble| ExplainedTrouble {
        id: trouble.name,
        place: place(&trouble.place),
        message: trouble.message,
    });
    ExplainedAnswer {
        about,
        server,
        allowed: is_allowed && is_let_in,
        policies: policies.collect(),
        scopes_in_the_way: scopes,
        troubles: troubles.collect(),
        is_shut,
    }
}

fn place(place: &Place) -> ExplainedPlace {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    let (line, column) = (number(place.line), number(place.column));
    ExplainedPlace { text: place.text.to_string(), line, column }
}
