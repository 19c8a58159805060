//! Runs tests that start themselves as child processes, which the standard runner cannot.
//!
//! `cargo test NAME` filters as usual. Called as `relay SOCKET` the executable is the child.

use std::any::Any;
use std::io::Write as _;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

pub type Test = (&'static str, fn() -> Pin<Box<dyn Future<Output = ()>>>);

/// The tests of one executable: `tests![name, name, …]` of `async fn`s.
#[macro_export]
macro_rules! tests {
    ($($name:path),+ $(,)?) => {
        fn main() -> std::process::ExitCode {
            $crate::suite::run(&[$((stringify!($name), || Box::pin($name()))),+])
        }
    };
}

/// Tests wait for processes and sockets more than they compute.
const AT_ONCE: usize = 4;

/// A test that takes so long hangs.
const LIMIT: Duration = Duration::from_secs(60);

pub fn run(tests: &[Test]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    // More arguments are for tests that tell one command from another.
    if let [relay, socket, ..] = &*args
        && relay == "relay"
    {
        return crate::relay::run(socket);
    }
    let words: Vec<_> = args.iter().filter(|arg| !arg.starts_with("--")).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    let tests: Vec<_> = tests.iter().filter(|(name, _)| wanted(name)).collect();
    if args.iter().any(|arg| arg == "--list") {
        tests.iter().for_each(|(name, _)| say(&format!("{name}: test")));
        return ExitCode::SUCCESS;
    }
    say(&format!("\nrunning {} tests", tests.len()));
    let next = AtomicUsize::new(0);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some((name, test)) = tests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    match catch_unwind(|| run_one(*test)) {
                        Ok(()) => say(&format!("test {name} ... ok")),
                        Err(panic) => {
                            say(&format!("test {name} ... FAILED: {}", message(&*panic)));
                            failed.lock().unwrap().push(*name);
                        }
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap();
    let passed = tests.len() - failed.len();
    say(&format!("\ntest result: {passed} passed; {} failed {failed:?}\n", failed.len()));
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_one(test: fn() -> Pin<Box<dyn Future<Output = ()>>>) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let ended = tokio::time::timeout(LIMIT, test()).await;
        assert!(ended.is_ok(), "still not done after {LIMIT:?}");
    });
    runtime.shutdown_background();
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}

fn say(line: &str) {
    // Nobody reads: nobody is to be told.
    let _ = writeln!(std::io::stdout(), "{line}");
}
