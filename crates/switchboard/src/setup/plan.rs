//! How the chosen servers get into the configuration: by naming the file they stand in, or one by one.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use switchboard_clientfile::{Client, Scope, Server};

use crate::setup::survey::{Row, Skip, Verdict};

/// What is to be added to the configuration.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// Files to import as they are. What is secret in them stays where it is, and what the person
    /// changes there counts here as well.
    pub(crate) imports: Vec<PathBuf>,
    /// Servers to write down.
    pub(crate) tables: Vec<Addition>,
    pub(crate) demo: Option<Demo>,
    pub(crate) port: Option<u16>,
}

/// The built-in demonstration server.
#[derive(Debug)]
pub(crate) struct Demo {
    pub(crate) name: String,
    /// The path of this program.
    pub(crate) program: PathBuf,
}

/// One server to write down.
#[derive(Debug)]
pub(crate) struct Addition {
    pub(crate) name: String,
    pub(crate) server: Server,
    pub(crate) client: Client,
    pub(crate) path: PathBuf,
}

impl Plan {
    pub(crate) fn is_empty(&self) -> bool {
        let Self { imports, tables, demo, port } = self;
        imports.is_empty() && tables.is_empty() && demo.is_none() && port.is_none()
    }

    /// Adds the rows whose numbers are `chosen`. `plain` reads a file as an import would.
    pub(crate) fn add(
        &mut self,
        rows: &[Row<'_>],
        chosen: &BTreeSet<usize>,
        plain: impl Fn(&Path) -> Option<Vec<Server>>,
    ) {
        for (number, row) in rows.iter().enumerate().filter(|(number, _)| chosen.contains(number)) {
            let path = &row.found.path;
            if self.imports.contains(path) {
                continue;
            }
            if is_importable(rows, chosen, number, &plain) {
                self.imports.push(path.clone());
            } else if let Some(name) = row.verdict.name() {
                self.tables.push(Addition {
                    name: name.to_owned(),
                    server: row.server.clone(),
                    client: row.found.client,
                    path: path.clone(),
                });
            }
        }
    }
}

/// Whether naming the file of a row has exactly the effect of writing down what was chosen from it.
///
/// Never for a project's file: whoever can write to the project could later add a command to it.
fn is_importable(
    rows: &[Row<'_>],
    chosen: &BTreeSet<usize>,
    number: usize,
    plain: impl Fn(&Path) -> Option<Vec<Server>>,
) -> bool {
    let found = rows[number].found;
    if found.scope != Scope::User || found.connected {
        return false;
    }
    let mut of_file = rows.iter().enumerate().filter(|(_, row)| row.found.path == found.path);
    let all_meant = of_file.all(|(number, row)| match &row.verdict {
        // The import takes names as they are.
        Verdict::Own(name) => chosen.contains(&number) && *name == row.server.name,
        // An import keeps it, switched off as it is; its name must be free all the same.
        Verdict::Skipped(Skip::Disabled) => {
            let name = crate::setup::name::adapted(&row.server.name);
            let namesake = |other: &Row<'_>| other.verdict.name() == Some(&name);
            name == row.server.name && !rows.iter().any(namesake)
        }
        Verdict::Skipped(_) | Verdict::Project(_) => false,
    });
    // The file of a client may be written in a way of its own that an import does not know.
    let reads_the_same = || match (plain(&found.path), &found.outcome) {
        (Some(plain), Ok(servers)) => plain == *servers,
        _ => false,
    };
    all_meant && reads_the_same()
}

#[cfg(test)]
mod tests;
