//! What a person reads when a child cannot be started.
//!
//! One test in a binary of its own: a file that another thread's child holds open for writing, for the
//! moment between its `fork` and its `exec`, could not be executed (ETXTBSY).

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use switchboard_process::{Command, Options, Spawner};

/// A command on a `PATH` that is `directory` alone, changed by `change`.
fn command(directory: &Path, program: &str, change: impl FnOnce(&mut Command)) -> Command {
    let mut command = Command::new("test", program);
    command.env.insert("PATH".to_owned(), directory.into());
    change(&mut command);
    command
}

/// Commands that fail, with the code, a part of the message and a part of the hint.
fn cases(here: &Path) -> Vec<(Command, &'static str, &str, &str)> {
    let here_text = here.to_str().expect("temporary directories have plain names");
    vec![
        (
            command(here, "no-such-server", |_| {}),
            "process-program-not-found",
            "program `no-such-server` was not found",
            here_text,
        ),
        (
            command(here, "./no-such-server", |_| {}),
            "process-program-not-found",
            "`./no-such-server`",
            "`cwd`",
        ),
        (
            command(here, "sh", |command| command.env.clear()),
            "process-program-not-found",
            "`sh`",
            "no `PATH`",
        ),
        (
            command(here, "data", |_| {}),
            "process-not-executable",
            "/data` cannot be executed",
            "chmod +x",
        ),
        (
            command(here, "./data", |command| command.cwd = Some(here.into())),
            "process-not-executable",
            here_text,
            "chmod +x",
        ),
        (command(here, "script", |_| {}), "process-not-executable", "/script`", "interpreter"),
        (
            command(here, "script", |command| command.cwd = Some("/missing/place".into())),
            "process-directory-missing",
            "`/missing/place`",
            "mkdir -p /missing/place",
        ),
        (
            command(here, "script", |command| command.cwd = Some(here.join("data"))),
            "process-directory-missing",
            "/data`",
            "`cwd`",
        ),
        (
            command(here, "script", |command| command.args = vec!["a".into(), "b\0".into()]),
            "process-invalid",
            "argument 2",
            "zero byte",
        ),
        (
            command(here, "script", |command| drop(command.env.insert("A=B".into(), "x".into()))),
            "process-invalid",
            "\"A=B\"",
            "`=`",
        ),
        (command(here, "", |_| {}), "process-invalid", "name of the program", "zero byte"),
    ]
}

#[tokio::test]
async fn each_failure_says_what_and_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let (here, state_dir) = (directory.path(), directory.path().join("state"));
    fs::write(here.join("data"), "data").unwrap();
    fs::write(here.join("script"), "#!/missing/interpreter\n").unwrap();
    fs::set_permissions(here.join("script"), fs::Permissions::from_mode(0o755)).unwrap();
    let (spawner, _) =
        Spawner::start(Options { state_dir: state_dir.clone(), guard: None }).await.unwrap();

    for (command, code, message, hint) in cases(here) {
        let error = spawner.spawn(command).await.unwrap_err();
        assert_eq!(error.code(), code, "{error}");
        assert!(error.to_string().contains(message), "{error}");
        assert!(error.hint().contains(hint), "{error}: {}", error.hint());
        assert!(!error.is_temporary(), "{error}");
    }

    assert!(spawner.close(std::time::Duration::ZERO).await.is_empty());
    assert_eq!(fs::read_dir(state_dir).unwrap().count(), 0, "nothing stays in the ledger");
}
