//! `switchboard bundle versions`, `rollback`, `remove`: bundles that were pushed.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::rest::{Rest, Whose, moment, segment};
use crate::untrusted;

/// A bundle that is kept, and whose it is.
#[derive(clap::Args, Clone, Debug)]
pub(super) struct Named {
    #[arg(id = "called", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    whose: Whose,
}

/// A bundle as the daemon keeps it.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Bundle {
    name: String,
    digest: Option<String>,
    pub(super) definition: Map<String, Value>,
    version: i64,
    updated_by: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Version {
    digest: String,
    version: Option<String>,
    bytes: Option<u64>,
    is_signed: bool,
    is_current: bool,
    pushed_by: Option<String>,
    pushed_at: Option<String>,
}

pub(super) const NOUN: &str = "bundle";

pub(super) fn place(name: &str) -> String {
    format!("/bundles/{}", segment(name))
}

pub(super) fn said(doing: &str, bundle: &Bundle) -> String {
    let digest = bundle.digest.as_deref().unwrap_or_default();
    untrusted::text(&format!("{doing} bundle `{}`\n  sha256: {digest}", bundle.name))
}

pub(super) fn versions(named: Named, context: &Context) -> Result<Exit, Failure> {
    let place = format!("{}/versions", place(&named.name));
    let versions: Vec<Version> = Rest::new(context, named.whose, NOUN)?.get(&place)?;
    context.output.show(&versions, |versions| {
        let mut table = Table::new(&["", "DIGEST", "VERSION", "BYTES", "SIGNED", "PUSHED", "BY"]);
        for version in versions {
            table.row([
                if version.is_current { "*" } else { "" }.to_owned(),
                untrusted::line(version.digest.get(..12).unwrap_or(&version.digest)),
                untrusted::line(version.version.as_deref().unwrap_or("-")),
                version.bytes.map_or("-".to_owned(), |bytes| bytes.to_string()),
                if version.is_signed { "yes" } else { "no" }.to_owned(),
                moment(version.pushed_at.as_deref()),
                untrusted::line(version.pushed_by.as_deref().unwrap_or("-")),
            ]);
        }
        table.render(context.output.width())
    })?;
    Ok(Exit::Ok)
}

pub(super) fn roll_back(
    named: Named,
    digest: Option<&str>,
    context: &Context,
) -> Result<Exit, Failure> {
    let rest = Rest::new(context, named.whose, NOUN)?;
    let progress = context.output.progress(&format!("Going back to an older {}", named.name));
    let place = format!("{}/rollback", place(&named.name));
    let bundle: Result<Bundle, _> = rest.send("POST", &place, &json!({ "digest": digest }));
    drop(progress);
    context.output.show(&bundle?, |bundle| said("serving", bundle))?;
    Ok(Exit::Ok)
}

pub(super) fn remove(named: Named, context: &Context) -> Result<Exit, Failure> {
    Rest::new(context, named.whose, NOUN)?.delete(&place(&named.name))?;
    let said = untrusted::line(&format!("removed bundle `{}` and its versions", named.name));
    context.output.show(&json!({ "removed": named.name }), |_| said)?;
    Ok(Exit::Ok)
}
