//! What a sandboxed program needs, and has.

use std::path::{Path, PathBuf};
use std::time::Instant;

use switchboard_process::Command;
use switchboard_process::sandbox::LayerKind::{Files, SystemCalls};
use switchboard_process::sandbox::{Network, Sandbox, program_paths};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::time::timeout;

use crate::common::{self, PATIENCE};
use crate::world::{PYTHON, World};
use crate::{Case, case, check, in_force};

const DONE: &[&str] = &["done"];

const NEEDS: &[Case] = &[
    case(SystemCalls, "read what is listed", "return open(listed + '/data').read()", &["data"]),
    case(
        SystemCalls,
        "write, rename and delete where it may",
        "open(out + '/a', 'w').write('x')\nos.rename(out + '/a', out + '/b')\nos.mkdir(out + '/c')\n\
         os.rename(out + '/b', out + '/c/b')\nos.truncate(os.open(out + '/c/b', os.O_RDWR), 0)\n\
         os.unlink(out + '/c/b')\nos.rmdir(out + '/c')",
        DONE,
    ),
    case(
        SystemCalls,
        "temporary files",
        "import tempfile\nwith tempfile.TemporaryDirectory(dir=out) as d:\n    \
         with tempfile.NamedTemporaryFile(dir=d) as f: f.write(b'x')",
        DONE,
    ),
    case(SystemCalls, "ssl", "import ssl\nssl.create_default_context()", DONE),
    case(
        SystemCalls,
        "sqlite3",
        "import sqlite3\nbase = sqlite3.connect(out + '/base')\nbase.execute('pragma journal_mode=wal')\n\
         base.execute('create table t (x)')\nbase.execute('insert into t values (1)')\nbase.commit()",
        DONE,
    ),
    case(
        SystemCalls,
        "asyncio",
        "import asyncio\nasync def main():\n    await asyncio.sleep(0)\n    \
         return await asyncio.to_thread(lambda: 'thread')\nreturn asyncio.run(main())",
        &["thread"],
    ),
    case(
        SystemCalls,
        "threads",
        "import threading\nfound = []\n\
         threads = [threading.Thread(target=found.append, args=[1]) for _ in range(8)]\n\
         [t.start() for t in threads]\n[t.join() for t in threads]\nreturn sum(found)",
        &["8"],
    ),
    case(
        SystemCalls,
        "much of the standard library",
        "import hashlib, hmac, uuid, decimal, zoneinfo, csv, zipfile, email, http.client, urllib.request, \
         logging.handlers, concurrent.futures, multiprocessing, random, secrets, statistics, re, inspect\n\
         hashlib.sha256(secrets.token_bytes()).digest()\nuuid.uuid4()\nzoneinfo.ZoneInfo('Europe/Berlin')",
        DONE,
    ),
    case(SystemCalls, "`/dev/null`", "open('/dev/null', 'w').write('x')", DONE),
    case(SystemCalls, "signals to itself", "os.kill(os.getpid(), 0)", DONE),
    case(
        SystemCalls,
        "alarms",
        "import signal\nsignal.signal(signal.SIGALRM, lambda *_: None)\n\
         signal.setitimer(signal.ITIMER_REAL, 0.01)\nsignal.pause()",
        DONE,
    ),
    case(SystemCalls, "abort", "os.abort()", &["signal 6"]),
    case(SystemCalls, "nice", "os.nice(1)\nreturn", DONE),
];

#[tokio::test]
async fn ordinary_programs_work() {
    check("needs", NEEDS, |_, _| {}).await;
}

#[tokio::test]
async fn a_program_may_become_one_that_is_listed() {
    let world = World::new().await;
    let sandbox = Sandbox { executable: vec!["/usr/bin/env".into()], ..world.sandbox() };
    let got = world.run("os.execve('/usr/bin/env', ['env'], {'A': 'B'})", sandbox).await;
    assert_eq!(got, "A=B");
}

#[tokio::test]
async fn messages_go_both_ways() {
    let world = World::new().await;
    let attempt = "for line in sys.stdin:\n    print(json.dumps({'echo': json.loads(line)}), flush=True)\n    \
                   print('heard', file=sys.stderr, flush=True)\nreturn 'bye'";
    let mut child = world.spawner.spawn(world.command(attempt, world.sandbox())).await.unwrap();
    let mut stdin = child.take_stdin().unwrap();
    let mut lines = BufReader::new(child.take_stdout().unwrap()).lines();
    for number in 0..100 {
        stdin.write_all(format!("{{\"n\":{number}}}\n").as_bytes()).await.unwrap();
        let line = timeout(PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap();
        assert_eq!(line, format!("{{\"echo\": {{\"n\": {number}}}}}"));
    }
    drop(stdin);
    assert_eq!(lines.next_line().await.unwrap().unwrap(), "bye");
    child.exited().await;
    assert_eq!(child.stderr().lines(1)[0].text, "heard");
}

/// A virtual environment, of which the base is elsewhere, and its own packages.
#[tokio::test]
async fn programs_of_a_virtual_environment_find_their_packages() {
    let world = World::new().await;
    let place = world.at("venv");
    let made = std::process::Command::new(PYTHON)
        .args(["-m", "venv", "--without-pip"])
        .arg(&place)
        .status()
        .unwrap();
    assert!(made.success(), "`{PYTHON} -m venv` is needed: install python3-venv");
    let packages = find(&place, "site-packages").unwrap();
    std::fs::write(packages.join("ours.py"), "word = 'found'").unwrap();
    std::fs::write(place.join("secret"), "secret").unwrap();

    let program = place.join("bin/python3");
    let sandbox = Sandbox { readable: program_paths(&program), ..world.sandbox() };
    let run = |text: &str| {
        let mut command = world.command("", sandbox.clone());
        command.program = program.clone().into();
        command.args = vec!["-I".into(), "-c".into(), text.into()];
        output(&world, command)
    };
    assert_eq!(run("import ours, ssl; print(ours.word)").await, "found\n");
    let secret = format!("print(open({:?}).read())", place.join("secret"));
    match in_force(Files) {
        true => {
            assert_eq!(run(&secret).await, "", "only what belongs to the environment is readable");
        }
        false => println!("files: not in force here"),
    }
}

async fn output(world: &World, command: Command) -> String {
    use tokio::io::AsyncReadExt as _;

    let mut child = world.spawner.spawn(command).await.unwrap();
    let mut text = String::new();
    let mut stdout = child.take_stdout().unwrap();
    timeout(PATIENCE, stdout.read_to_string(&mut text)).await.unwrap().unwrap();
    text
}

/// The first directory called `name` below `place`.
fn find(place: &Path, name: &str) -> Option<PathBuf> {
    let entries = std::fs::read_dir(place).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    let directories: Vec<_> = entries.filter(|path| path.is_dir() && !path.is_symlink()).collect();
    directories
        .iter()
        .find(|path| path.ends_with(name))
        .cloned()
        .or_else(|| directories.iter().find_map(|path| find(path, name)))
}

/// Prints what the sandbox costs when a program is started; nothing is asserted about time.
#[tokio::test]
async fn what_it_costs() {
    const ROUNDS: usize = 61;
    let world = World::new().await;
    let kinds = [
        ("no sandbox", None),
        ("no network", Some(world.sandbox())),
        ("one port", Some(Sandbox { network: Network::Port(world.port()), ..world.sandbox() })),
    ];
    println!("\nto start /bin/true, in the middle and at best of {ROUNDS}:");
    for (name, sandbox) in kinds {
        let mut command = common::script("cost", "");
        command.program = "/bin/true".into();
        command.sandbox = sandbox;
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            #[expect(clippy::disallowed_methods, reason = "measures real processes")]
            let asked = Instant::now();
            let child = world.spawner.spawn(command.clone()).await.unwrap();
            times.push(asked.elapsed());
            child.exited().await;
        }
        times.sort_unstable();
        println!("  {name:<12} {:>10.2?} {:>10.2?}", times[ROUNDS / 2], times[0]);
    }
    // The first is in no rule of the filter, the second has to be looked at.
    for call in ["os.getppid()", "os.kill(own, 0)"] {
        let attempt = format!(
            "import timeit\nown = os.getpid()\n\
             best = min(timeit.repeat(lambda: {call}, number=10000, repeat=5))\n\
             return f'{{best * 1e5:.0f}} ns'"
        );
        let mut command = world.command(&attempt, world.sandbox());
        let boxed = output(&world, command.clone()).await;
        command.sandbox = None;
        let free = output(&world, command).await;
        println!("`{call}`: {} without a sandbox, {} in one", free.trim(), boxed.trim());
    }
}
