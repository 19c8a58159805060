//! The servers a person already has, from every client's files.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::client::{Client, File, Row, Table};
use crate::error::FileError;
use crate::expand::Expansion;
use crate::home::Home;
use crate::own::is_switchboard;
use crate::parse::{self, Note, Parsed};
use crate::server::{Reach, Server};

/// A file that exists, and what it says.
#[derive(Debug)]
pub struct Found {
    pub client: Client,
    pub path: PathBuf,
    pub scope: Scope,
    /// The servers in it, names unique, Switchboard itself left out.
    pub outcome: Result<Vec<Server>, FileError>,
    /// What was left out of `outcome`, and why; keys that mean nothing to us.
    pub notes: Vec<Note>,
    /// Switchboard is one of the servers in this file.
    pub connected: bool,
}

/// Whose file it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The person's own.
    User,
    /// A project's. Whoever wrote the project chose its commands, so ask before starting them.
    Project(PathBuf),
}

/// Reads the files of all clients; a file that does not exist is not in the answer.
///
/// `address` is the `host:port` Switchboard listens on, by which it knows itself in these files.
pub fn find(home: &Home, address: Option<&str>) -> Vec<Found> {
    let mut found: Vec<Found> = Vec::new();
    for &client in Client::ALL {
        for file in (client.row().files)(home) {
            // In the home directory a project's file and the person's own can be the same.
            if found.iter().any(|earlier| earlier.client == client && earlier.path == file.path) {
                continue;
            }
            let text = match read_text(&file.path) {
                Ok(None) => continue,
                Ok(Some(text)) => Ok(text),
                Err(error) => Err(error),
            };
            found.push(read_file(client, file, text, home, address));
        }
    }
    found
}

fn read_file(
    client: Client,
    file: File,
    text: Result<String, FileError>,
    home: &Home,
    address: Option<&str>,
) -> Found {
    let read = text.and_then(|text| read_client_file(client.row(), &file, &text, home));
    let scope = file.project.map_or(Scope::User, Scope::Project);
    let mut found = Found {
        client,
        path: file.path,
        scope,
        outcome: Ok(Vec::new()),
        notes: Vec::new(),
        connected: false,
    };
    match read {
        Err(error) => found.outcome = Err(error),
        Ok(Parsed { mut servers, mut notes }) => {
            let ours = |server: &Server| is_switchboard(&server.reach, address);
            notes.retain(|note| {
                !servers
                    .iter()
                    .any(|server| ours(server) && note.server.as_ref() == Some(&server.name))
            });
            found.connected = servers.iter().any(ours);
            servers.retain(|server| !ours(server));
            found.outcome = Ok(servers);
            found.notes = notes;
        }
    }
    found
}

/// Reads one file of a client. An entry that cannot be used is left out with a note: the client has
/// its own reasons, and the others are still good.
fn read_client_file(row: &Row, file: &File, text: &str, home: &Home) -> Result<Parsed, FileError> {
    let value = row.syntax.value(text)?;
    let reading = Reading { row, text, value: &value, home };
    let mut parsed = Parsed::default();
    let own = Table { path: vec![row.root.to_owned()], project: file.project.clone() };
    for table in [own].into_iter().chain((row.more_tables)(&value, home)) {
        reading.table(&table, &mut parsed)?;
    }
    Ok(parsed)
}

struct Reading<'a> {
    row: &'a Row,
    text: &'a str,
    value: &'a Value,
    home: &'a Home,
}

impl Reading<'_> {
    fn table(&self, table: &Table, parsed: &mut Parsed) -> Result<(), FileError> {
        let Self { row, text, value, home } = *self;
        let Some(entries) = parse::entries(row.syntax, text, value, &table.path)? else {
            return Ok(());
        };
        let dialect = (row.dialect)(table.project.as_deref());
        let expansion = Expansion { env: &home.env, home: &home.home, dialect };
        let reader = parse::Table {
            syntax: row.syntax,
            text,
            root: &table.path,
            keys: row.keys,
            expansion: &expansion,
        };
        for (name, entry) in entries {
            let note = |text: String| Note { server: Some(name.clone()), text };
            let mut entry = entry.clone();
            let remarks =
                entry.as_object_mut().map(|fields| (row.prepare)(fields, home)).unwrap_or_default();
            let mut notes: Vec<_> = remarks.into_iter().map(note).collect();
            let server = match reader.read(name, &entry, &mut notes) {
                Ok(server) => settled(server, table.project.as_deref()),
                Err(error) => {
                    let problem = error.problem();
                    parsed.notes.push(note(format!("left out: {problem}")));
                    continue;
                }
            };
            match parsed.servers.iter().find(|earlier| earlier.name == *name) {
                None => {
                    parsed.servers.push(server);
                    parsed.notes.append(&mut notes);
                }
                Some(earlier) if *earlier == server => {}
                Some(_) => {
                    let again = table.path.join(".");
                    parsed.notes.push(note(format!(
                        "left out where `{again}` defines it again, differently"
                    )));
                }
            }
        }
        Ok(())
    }
}

/// Makes a project's server independent of where it is started from: clients start it in the project.
fn settled(mut server: Server, project: Option<&Path>) -> Server {
    if let (Reach::Stdio { cwd, .. }, Some(project)) = (&mut server.reach, project) {
        *cwd = Some(cwd.as_ref().map_or_else(|| project.to_owned(), |cwd| project.join(cwd)));
    }
    server
}

/// The text of a file, or `None` where there is none.
pub(crate) fn read_text(path: &Path) -> Result<Option<String>, FileError> {
    /// Claude Code keeps its history in `~/.claude.json`, which grows to tens of megabytes; nothing
    /// a person writes comes near.
    const LARGEST: u64 = 64 << 20;
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error)
            if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) =>
        {
            return Ok(None);
        }
        Err(error) => return Err(FileError::io("read", path)(error)),
    };
    // A pipe in somebody's project would hold us up for ever.
    if !metadata.is_file() {
        return Err(FileError::io("read", path)(io::Error::other("it is not a regular file")));
    }
    let mut bytes = Vec::new();
    let file = fs::File::open(path).map_err(FileError::io("read", path))?;
    file.take(LARGEST + 1).read_to_end(&mut bytes).map_err(FileError::io("read", path))?;
    if bytes.len() as u64 > LARGEST {
        return Err(FileError::io("read", path)(io::Error::other("it is larger than 64 MiB")));
    }
    let text = String::from_utf8(bytes)
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error.utf8_error()));
    text.map(Some).map_err(FileError::io("read", path))
}
