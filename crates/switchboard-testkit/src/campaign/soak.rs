//! A steady mixed load for as long as one likes: memory and descriptors stay where they are, and
//! every request is answered.

use std::path::PathBuf;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::census::Resources;
use super::daemon::{Daemon, Server, within};
use super::load::{Aim, KINDS, Load, Tally};
use super::say;
use crate::faulty::{Fault, Plan, Web};

const GOOD: (usize, usize) = (5, 2);

/// Clients of the good servers, and of those that fail now and then.
const CLIENTS: (usize, usize) = (25, 5);

/// Of the time, what passes before anything is compared: caches fill, sessions reach their limit.
const WARM_UP: f64 = 0.25;

/// How often everything is counted.
const STEP: Duration = Duration::from_secs(1);

/// Lines of the table.
const LINES: usize = 20;

/// By how much the lowest of the end may be above the lowest after the warm-up.
const DESCRIPTORS: usize = 8;
const MEMORY_KIB: u64 = 4 << 10;

pub struct Options {
    pub program: PathBuf,
    pub server: Server,
    pub length: Duration,
}

struct Sample {
    at: Duration,
    resources: Resources,
    children: usize,
}

/// Runs and prints what it saw; whether everything held.
pub async fn run(options: &Options) -> bool {
    let mut daemon = Daemon::new(&options.program);
    let held = match soak(&mut daemon, options).await {
        Ok(complaints) => complaints,
        Err(error) => vec![error],
    };
    if held.is_empty() {
        say("\nflat memory, flat descriptors, every request answered");
        return true;
    }
    held.iter().for_each(|complaint| say(format_args!("BROKEN: {complaint}")));
    say(format_args!("\nthe log:\n{}", daemon.log()));
    false
}

async fn soak(daemon: &mut Daemon, options: &Options) -> Result<Vec<String>, String> {
    let mut web: Vec<Web> = (0..GOOD.1).map(|_| Web::start(Plan::default())).collect();
    web.push(Web::start(failing()));
    daemon.configure(&config(&options.server, daemon.mark(), &web));
    daemon.start()?;
    let pid = daemon.pid()?;
    let good = Load::start(&aim(daemon, good_tools(), false), CLIENTS.0);
    let mixed = vec!["mixed__echo".to_owned(), format!("web{}__echo", GOOD.1)];
    let mixed = Load::start(&aim(daemon, mixed, true), CLIENTS.1);

    say(format_args!(
        "{:>9} {:>10} {:>9} {:>9} {:>12} {:>11} {:>9}",
        "time", "answered", "refused", "p99", "descriptors", "memory", "children"
    ));
    let (mut samples, mut total, mut strays) = (Vec::new(), Tally::default(), 0);
    let begun = Instant::now();
    let mut line_at = Duration::ZERO;
    while begun.elapsed() < options.length {
        sleep(STEP).await;
        let census = daemon.census();
        strays += census.strays.len();
        let Some(resources) = Resources::of(pid) else {
            return Err(format!("the daemon {pid} has ended"));
        };
        let sample = Sample { at: begun.elapsed(), resources, children: census.alive.len() };
        if sample.at >= line_at {
            line_at += options.length / u32::try_from(LINES).unwrap();
            let mut lately = good.take();
            let p99 = lately.latencies.percentile(99);
            lately.merge(&mixed.take());
            line(&sample, &lately, p99);
            total.merge(&lately);
        }
        samples.push(sample);
    }
    total.merge(&good.stop().await);
    total.merge(&mixed.stop().await);
    daemon.run(&["stop"])?;
    within(Duration::from_secs(10), || daemon.census().alive.is_empty()).await;
    let left = daemon.census().alive.len();
    Ok(judge(&samples, &total, strays, left))
}

fn line(sample: &Sample, lately: &Tally, p99: Duration) {
    let Sample { at, resources: Resources { descriptors, memory_kib }, children } = sample;
    let (p99, memory) = (format!("{p99:.1?}"), format!("{:.1} MiB", *memory_kib as f64 / 1024.0));
    say(format_args!(
        "{:>7} s {:>10} {:>9} {p99:>9} {descriptors:>12} {memory:>11} {children:>9}",
        at.as_secs(),
        lately.answered,
        lately.refused,
    ));
}

/// What did not hold.
fn judge(samples: &[Sample], total: &Tally, strays: usize, left: usize) -> Vec<String> {
    let warm = samples.len() as f64 * WARM_UP;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "part of a length")]
    let (_, after) = samples.split_at(warm as usize);
    let third = after.len() / 3;
    let (first, last) = (&after[..third], &after[after.len() - third..]);
    // The lowest: what comes and goes with the load is no leak.
    let lowest = |samples: &[Sample]| {
        let descriptors = samples.iter().map(|it| it.resources.descriptors).min().unwrap_or(0);
        let memory = samples.iter().map(|it| it.resources.memory_kib).min().unwrap_or(0);
        (descriptors, memory)
    };
    let (before, end) = (lowest(first), lowest(last));
    say(format_args!(
        "\n{} answered, {} refused by servers that fail, {} connections made, p99 {:.1?}\n\
         lowest after the warm-up and at the end: descriptors {} and {}, memory {} and {} KiB",
        total.answered,
        total.refused,
        total.opened,
        total.latencies.percentile(99),
        before.0,
        end.0,
        before.1,
        end.1,
    ));
    let mut complaints: Vec<String> = total.wrong.iter().take(5).cloned().collect();
    if total.wrong.len() > complaints.len() {
        complaints.push(format!("{} calls went wrong in all", total.wrong.len()));
    }
    let checks = [
        (total.answered == 0, "nothing was answered".to_owned()),
        (end.0 > before.0 + DESCRIPTORS, format!("{} descriptors became {}", before.0, end.0)),
        (end.1 > before.1 + MEMORY_KIB, format!("memory grew from {} to {} KiB", before.1, end.1)),
        (strays > 0, format!("{strays} times a child was alive that nobody owned")),
        (left > 0, format!("{left} children outlived the daemon")),
    ];
    complaints.extend(checks.into_iter().filter_map(|(is_so, what)| is_so.then_some(what)));
    complaints
}

/// Every fault but answers without end: the daemon reads 64 MiB of one before it refuses it, and
/// what it has of them at a moment would hide what it keeps.
fn failing() -> Plan {
    Plan::mixed(1).without(Fault::Endless)
}

fn good_tools() -> Vec<String> {
    let children = (0..GOOD.0).map(|number| format!("good{number}__echo"));
    children.chain((0..GOOD.1).map(|number| format!("web{number}__echo"))).collect()
}

fn aim(daemon: &Daemon, tools: Vec<String>, may_be_refused: bool) -> Aim {
    Aim {
        targets: KINDS.iter().map(|(carrier, _)| daemon.target(*carrier)).collect(),
        tools,
        // Two thirds of what two cores do in a debug build.
        pause: Duration::from_millis(40),
        leaves_after: Some(50),
        may_be_refused,
        patience: Duration::from_secs(30),
        seed: 1,
    }
}

fn config(server: &Server, mark: &str, web: &[Web]) -> String {
    // Few sessions, so that those that clients leave behind are at their limit soon.
    let mut config = String::from("http.connections = 2000\nhttp.sessions = 100\n");
    let more = "start = \"eager\"\ntimeout = \"5s\"\nstart_timeout = \"5s\"\nqueue.wait = \"5s\"\n\
                breaker.open = \"1s\"\nbreaker.open_limit = \"2s\"";
    for number in 0..GOOD.0 {
        config.push_str(&server.stdio(&format!("good{number}"), &Plan::default(), mark, more));
    }
    config.push_str(&server.stdio("mixed", &failing(), mark, more));
    for (number, web) in web.iter().enumerate() {
        let url = web.url();
        config.push_str(&format!("[upstream.web{number}]\nhttp = {{ url = {url:?} }}\n{more}\n"));
    }
    config
}
