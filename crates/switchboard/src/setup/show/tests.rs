use std::collections::BTreeMap;
use std::path::PathBuf;

use switchboard_clientfile::{Client, Found, Reach, Scope, Server};

use super::{all, chosen, question, reached};
use crate::setup::existing::Existing;
use crate::setup::survey::survey;

fn found(scope: Scope, names: &[(&str, bool)]) -> Found {
    let server = |&(name, disabled): &(&str, bool)| Server {
        name: name.to_owned(),
        reach: Reach::Stdio {
            command: name.to_owned(),
            args: Vec::new(),
            env: BTreeMap::new(),
            cwd: None,
        },
        timeout: None,
        include_tools: Vec::new(),
        exclude_tools: Vec::new(),
        optional: false,
        disabled,
    };
    let servers = names.iter().map(server).collect();
    Found {
        client: Client::Cursor,
        path: PathBuf::from("/c"),
        scope,
        outcome: Ok(servers),
        notes: Vec::new(),
        connected: false,
    }
}

#[test]
fn an_answer_is_a_word_or_numbers() {
    let project = Scope::Project(PathBuf::from("/p"));
    let found = [
        found(Scope::User, &[("a", false), ("off", true), ("b", false)]),
        found(project, &[("c", false)]),
    ];
    let rows = survey(&found, &Existing::default());
    let check = |answer: &str, expected: Result<&[usize], &str>| {
        let chosen = chosen(answer, &rows);
        let chosen = chosen.map(|chosen| chosen.into_iter().collect::<Vec<_>>());
        match (chosen, expected) {
            (Ok(chosen), Ok(expected)) => assert_eq!(chosen, expected, "{answer}"),
            (Err(failure), Err(expected)) => assert!(failure.message.contains(expected)),
            (chosen, _) => panic!("{answer}: {chosen:?}"),
        }
    };
    check("", Ok(&[0, 2]));
    check("Y\n", Ok(&[0, 2]));
    check("a", Ok(&[0, 2, 3]));
    check("n", Ok(&[]));
    check("1", Ok(&[0]));
    check("1, 4", Ok(&[0, 3]));
    check("2", Err("switched off"));
    check("5", Err("`5`"));
    check("0", Err("`0`"));
    check("maybe", Err("`maybe`"));
    assert!(question(&rows).contains("your own 2 servers"));
    assert!(question(&rows).contains("[a]"));
    // What a script says yes to.
    assert_eq!(all(&rows, false).into_iter().collect::<Vec<_>>(), [0, 2]);
}

#[test]
fn secrets_are_not_in_the_table() {
    let http = |url: &str| Reach::Http { url: url.to_owned(), headers: BTreeMap::new() };
    assert_eq!(reached(&http("https://me:pw@example.com/s/secret?k=1")), "http: example.com");
    let stdio = Reach::Stdio {
        command: "npx".to_owned(),
        args: vec!["secret".to_owned()],
        env: BTreeMap::new(),
        cwd: None,
    };
    assert_eq!(reached(&stdio), "stdio: npx");
}
