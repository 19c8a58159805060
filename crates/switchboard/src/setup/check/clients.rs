//! Which clients use Switchboard.

use std::path::Path;

use switchboard_clientfile::{Client, Found, Scope};

use super::Check;
use crate::setup::show::below_home;

/// One check for each client that has a file here.
pub(crate) fn clients(found: &[Found], home: &Path) -> Vec<Check> {
    const NAME: &str = "clients";
    let own = || found.iter().filter(|found| found.scope == Scope::User);
    let mut checks = Vec::new();
    for &client in Client::ALL {
        let files: Vec<_> = own().filter(|found| found.client == client).collect();
        if files.is_empty() {
            continue;
        }
        let title = client.title();
        for file in &files {
            if let Err(error) = &file.outcome {
                let path = below_home(&file.path, home);
                checks.push(
                    Check::warning(NAME, format!("{title}: `{path}` cannot be read"))
                        .cause(error)
                        .hint(error.hint()),
                );
            }
        }
        if files.iter().any(|file| file.connected) {
            checks.push(Check::ok(NAME, format!("{title} uses Switchboard")));
        } else if files.iter().any(|file| file.outcome.is_ok()) {
            let message = format!("{title} does not use Switchboard");
            let hint = format!("run `switchboard connect {}`, if it should", client.id());
            checks.push(Check::ok(NAME, message).hint(hint));
        }
    }
    if !own().any(|found| found.connected) {
        checks.push(
            Check::warning(NAME, "no client uses Switchboard yet")
                .hint("run `switchboard connect --list`"),
        );
    }
    checks
}
