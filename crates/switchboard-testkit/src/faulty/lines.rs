//! The faulty server as a child process on its standard streams.

use std::fs::File;
use std::io::{self, BufRead as _, Write as _};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::plan::{Fault, Plan, Random};
use super::{GARBAGE, LEAK_BYTES, REORDER_MILLIS, STRANGE, answer, fault};

/// Holds the plan of a child.
pub const VARIABLE: &str = "SWITCHBOARD_FAULTY";

type Output = Arc<Mutex<File>>;

/// Serves standard input until it ends; answers go to `output`.
///
/// The seed is mixed with the process id: a server that crashes at a certain call would otherwise
/// crash at the same one after every restart, and one that crashes at the start for ever.
pub fn serve(plan: &Plan, output: File) -> ExitCode {
    let mut random = Random::new(plan.seed ^ (u64::from(std::process::id()) << 32));
    if random.below(1000) < plan.crash_at_start {
        return ExitCode::from(9);
    }
    if let Some(time) = plan.crash_every {
        thread::spawn(move || {
            thread::sleep(time);
            crash();
        });
    }
    let output = Arc::new(Mutex::new(output));
    for line in io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        let Ok(message) = serde_json::from_str::<Value>(&line) else { continue };
        let Some(answer) = answer(&message) else { continue };
        let met = fault(plan, &message, &mut random);
        let mut wait = Duration::ZERO;
        if message["method"] == "tools/call" {
            wait = plan.wait(&mut random);
        }
        if met == Some(Fault::Reorder) {
            wait += Duration::from_millis(1 + random.below(REORDER_MILLIS));
        }
        if met == Some(Fault::Hang) {
            loop {
                thread::park();
            }
        }
        if wait.is_zero() {
            say(&output, answer, met);
        } else {
            let output = Arc::clone(&output);
            thread::spawn(move || {
                thread::sleep(wait);
                say(&output, answer, met);
            });
        }
    }
    ExitCode::SUCCESS
}

/// Nobody reads any more: the next line of input will be the end of it.
fn write(output: &Output, bytes: &[u8]) {
    let _ = output.lock().unwrap().write_all(bytes);
}

fn say(output: &Output, mut answer: Value, met: Option<Fault>) {
    if met == Some(Fault::WrongId) {
        answer["id"] = json!(STRANGE);
    }
    let line = format!("{answer}\n");
    match met {
        None | Some(Fault::Reorder | Fault::WrongId) => write(output, line.as_bytes()),
        Some(Fault::Drop | Fault::Hang) => {}
        Some(Fault::Garbage) => write(output, format!("{GARBAGE}\n{line}").as_bytes()),
        Some(Fault::HalfLine) => {
            write(output, format!("{}\n", &line[..line.len() / 2]).as_bytes());
        }
        Some(Fault::Duplicate) => write(output, format!("{line}{line}").as_bytes()),
        Some(Fault::Endless) => endless(output),
        Some(Fault::Leak) => {
            // Written to, so that it is there.
            vec![1_u8; LEAK_BYTES].leak();
            write(output, line.as_bytes());
        }
        Some(Fault::CrashBefore) => crash(),
        Some(Fault::CrashMid) => {
            write(output, &line.as_bytes()[..line.len() / 2]);
            crash();
        }
        Some(Fault::CrashAfter) => {
            write(output, line.as_bytes());
            crash();
        }
    }
}

/// One line, for as long as somebody reads it.
fn endless(output: &Output) {
    let piece = [b'x'; 1 << 16];
    let mut output = output.lock().unwrap();
    while output.write_all(&piece).is_ok() {}
}

/// As the kernel does when memory is out: nothing is flushed, nobody is told.
fn crash() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}
