//! Files of clients: what is wrong in them is pointed at within them; connecting and disconnecting
//! leave every other server as it was, and the second time change nothing.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use switchboard_clientfile::{
    Client, Dialect, Edit, Endpoint, Expansion, FileError, Home, Server, connect, disconnect, find,
    parse_mcp_servers,
};

use crate::choices::Choices;

const DIALECTS: [Dialect<'static>; 6] = [
    Dialect::Plain,
    Dialect::Claude,
    Dialect::Gemini,
    Dialect::Editor { workspace: None },
    Dialect::Windsurf,
    Dialect::Literal,
];

pub(crate) fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let client = Client::ALL[choices.below(Client::ALL.len())];
    let dialect = DIALECTS[choices.below(DIALECTS.len())];
    let Ok(text) = std::str::from_utf8(choices.rest()) else { return };
    import(text, dialect);
    let root = tempfile::tempdir().expect("a scratch directory");
    edit(client, root.path(), text);
}

fn env() -> BTreeMap<String, String> {
    [("A", "value of a"), ("HOME", "/home/x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into()
}

fn import(text: &str, dialect: Dialect<'_>) {
    let expansion = Expansion { env: &env(), home: Path::new("/home/x"), dialect };
    match parse_mcp_servers(text, &expansion) {
        Ok(parsed) => {
            let mut names: Vec<_> = parsed.servers.iter().map(|server| &server.name).collect();
            names.sort_unstable();
            assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "a name twice: {names:?}");
        }
        Err(error) => points_into(text, &error),
    }
}

fn edit(client: Client, root: &Path, text: &str) {
    let home = Home::new(root.to_owned(), env(), root.join("project"));
    let endpoint = Endpoint {
        name: "switchboard".to_owned(),
        stdio: Some((PathBuf::from("/opt/switchboard"), vec!["stdio".to_owned()])),
        http: None,
    };
    let connect = || connect(client, &home, &endpoint);
    let path = connect().expect("every client can be connected to a program").path;
    fs::create_dir_all(path.parent().expect("a file is in a directory")).expect("scratch");
    let write = |text: &str| fs::write(&path, text).expect("scratch");
    write(text);
    let others = || others(&home, client, &path, &endpoint.name);

    let before = others();
    let edit = match connect() {
        Ok(edit) => edit,
        Err(error) => return points_into(text, &error),
    };
    changes(&edit, text);
    write(&edit.after);
    let again = connect().unwrap_or_else(|error| panic!("{error} in\n{}", edit.after));
    assert!(again.is_empty(), "connected twice:\n{}\n{}", edit.after, again.after);
    assert_eq!(others(), before, "other servers, connected:\n{}", edit.after);

    let edit = disconnect(client, &home).expect("what was connected reads");
    let edit = edit.unwrap_or_else(|| panic!("not connected:\n{}", again.after));
    changes(&edit, &again.after);
    write(&edit.after);
    let again = disconnect(client, &home).expect("what was disconnected reads");
    assert!(again.is_none(), "still connected:\n{}", edit.after);
    assert_eq!(others(), before, "other servers, disconnected:\n{}", edit.after);

    // The table of servers is there now, whatever there was at first: from here on it is to and fro.
    let without = edit.after;
    let edit = match connect() {
        // Somebody else's, of the same name, which ours stood behind.
        Err(FileError::Taken { .. }) => return,
        edit => edit.expect("what was disconnected can be connected"),
    };
    write(&edit.after);
    let edit = disconnect(client, &home).expect("what was connected reads").expect("connected");
    assert_eq!(edit.after, without, "connected and disconnected, by way of\n{:?}", edit.before);
}

fn changes(edit: &Edit, before: &str) {
    assert_eq!(edit.before.as_deref(), Some(before));
    let _ = edit.diff();
}

/// The servers in the file but our own; `None` where the file is one that cannot be used.
fn others(home: &Home, client: Client, path: &Path, ours: &str) -> Option<Vec<Server>> {
    let found = find(home, None);
    let found = found.into_iter().find(|found| found.client == client && found.path == path);
    let mut servers = found.expect("the file was written").outcome.ok()?;
    servers.retain(|server| server.name != ours);
    Some(servers)
}

fn points_into(text: &str, error: &FileError) {
    let _ = (error.to_string(), error.hint(), error.at());
    let Some(place) = error.place() else { return };
    let lines: Vec<&str> = text.split('\n').collect();
    assert!((1..=lines.len()).contains(&place.line), "{place} of {} lines: {error}", lines.len());
    let end = lines[place.line - 1].len() + 1;
    assert!((1..=end).contains(&place.column), "{place} of {end} columns: {error}");
}
