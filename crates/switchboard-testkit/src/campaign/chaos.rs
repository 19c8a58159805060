//! One fault after the other, drawn from a seed, while clients call.
//!
//! After each step everything must be as it was: no request without its one answer, no child
//! without an owner and no owner without its child, and every good server answers.

mod steps;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::Signal;
use tokio::time::{Instant, sleep};

use super::census::has_ended;
use super::daemon::{Daemon, Server, signal, within};
use super::load::{Aim, KINDS, Load, Tally, one_call};
use super::postgres::{self, Postgres};
use super::{neighbours, say};
use crate::client::{Carrier, Client};
use crate::faulty::{Network, Plan, Random, Web};
use steps::{Need, STEPS, Step};

/// Good servers that are children, and over HTTP.
const GOOD: (usize, usize) = (4, 2);

const CLIENTS: (usize, usize) = (20, 5);

/// How long everything may take to be as it was. Longer than a call may wait for a server.
const SETTLING: Duration = Duration::from_secs(30);

/// How long the clients go on after a step, so that what it left behind is seen with it.
const CALM: Duration = Duration::from_millis(500);

/// How long the neighbours are watched, before and with faults.
const WATCHED: Duration = Duration::from_secs(10);

pub struct Options {
    pub program: PathBuf,
    pub server: Server,
    pub length: Duration,
    pub seed: u64,
    /// One to kill and to freeze, for half of the time.
    pub postgres: Option<postgres::Place>,
}

/// What a campaign works on.
struct Stage {
    daemon: Daemon,
    /// Where the daemon keeps its records; in a file of its own without.
    postgres: Option<Postgres>,
    /// Clients of the good servers, and of those that fail now and then.
    load: [Load; 2],
    random: Random,
    web: Vec<Web>,
    /// Between the daemon and the web servers.
    networks: Vec<Network>,
    config: String,
    /// Mounted over the state directory, where that was possible.
    disk: Option<Disk>,
    /// Whether the wall clock of the daemon can be moved.
    has_clock: bool,
}

/// A small file system: room for the records of the calls of a campaign. Gone when dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` for whoever may not mount.
    fn mount(place: PathBuf) -> Option<Self> {
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=192m,mode=700", "campaign"]).arg(&place);
        mount.stderr(std::process::Stdio::null());
        mount.status().is_ok_and(|status| status.success()).then_some(Self(place))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Lazily: a daemon that was not stopped in time has files there.
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Runs a campaign with each store and prints what it saw; whether everything held.
pub async fn run(options: &Options) -> bool {
    let mut held = watch_neighbours(&options.program, &options.server).await;
    let Some(place) = &options.postgres else {
        held &= campaign(options, None, options.length).await;
        say(format_args!(
            "\nnot done: the same with a PostgreSQL: none is installed (cargo xtask setup)"
        ));
        return held;
    };
    held &= campaign(options, None, options.length / 2).await;
    held & campaign(options, Some(place), options.length / 2).await
}

async fn campaign(options: &Options, place: Option<&postgres::Place>, length: Duration) -> bool {
    let mut stage = match Stage::start(options, place).await {
        Ok(stage) => stage,
        Err(error) => {
            say(format_args!("BROKEN before the first step: {error}"));
            return false;
        }
    };
    say(format_args!(
        "\nseed {}; {} clients over every listener; records in {}",
        options.seed,
        CLIENTS.0 + CLIENTS.1,
        place.map_or("SQLite", |_| "PostgreSQL"),
    ));
    for (what, why) in stage.impossible() {
        say(format_args!("not done: {what}: {why}"));
    }
    say(format_args!(
        "\n{:<18} {:>8} {:>8} {:>8} {:>6} {:>9} {:>9}  {}",
        "step", "answered", "refused", "faulty", "cut", "p99", "settled", "note"
    ));
    let (mut total, steps, mut broken) = stage.take_all(Instant::now() + length).await;
    let (end, left) = stage.end().await;
    total.merge(&end);
    broken += usize::from(!end.wrong.is_empty()) + usize::from(left > 0);
    say(format_args!(
        "\n{steps} steps, {broken} broken; {} answered, {} refused, {} cut; {left} children left at the \
         end; seed {}",
        total.answered, total.refused, total.cut, options.seed
    ));
    broken == 0
}

/// How much later the slowest of the good may be beside the bad, and how often that is tried: a
/// machine with others on it is late by itself now and then.
const RATIO: (f64, usize) = (1.5, 3);

async fn watch_neighbours(program: &Path, server: &Server) -> bool {
    let (most, tries) = RATIO;
    for _ in 0..tries {
        let mut daemon = Daemon::new(program);
        let seen = match neighbours::compare(&mut daemon, server, WATCHED).await {
            Ok(seen) => seen,
            Err(error) => {
                say(format_args!("BROKEN: {error}\n\nthe log:\n{}", daemon.log()));
                return false;
            }
        };
        say(&seen);
        let wrong = || seen.undisturbed.wrong.iter().chain(&seen.disturbed.wrong);
        wrong().take(5).for_each(|wrong| say(format_args!("   WRONG: {wrong}")));
        if wrong().next().is_some() {
            return false;
        }
        if seen.ratio() <= most {
            return true;
        }
    }
    say(format_args!(
        "BROKEN: neighbours of bad servers are more than {most} times as slow, {tries} times"
    ));
    false
}

impl Stage {
    async fn start(options: &Options, place: Option<&postgres::Place>) -> Result<Self, String> {
        let postgres = match place {
            Some(place) => Some(Postgres::start(place).await?),
            None => None,
        };
        let mut daemon = Daemon::new(&options.program);
        let disk = Disk::mount(daemon.state());
        let has_clock = daemon.with_own_clock();
        let mut web: Vec<Web> = (0..GOOD.1).map(|_| Web::start(Plan::default())).collect();
        web.push(Web::start(Plan::mixed(options.seed)));
        let networks: Vec<_> = web.iter().map(|web| Network::before(&web.url())).collect();
        let mut config = config(&options.server, daemon.mark(), &networks, options.seed);
        if let Some(postgres) = &postgres {
            config = format!("store.postgres.url = {:?}\n{config}", postgres.url());
        }
        daemon.configure(&config);
        daemon.start()?;
        let good = (0..GOOD.0).map(|number| format!("good{number}__echo"));
        let good = good.chain((0..GOOD.1).map(|number| format!("web{number}__echo"))).collect();
        let mixed = vec!["mixed__echo".to_owned(), format!("web{}__echo", GOOD.1)];
        let aim = |tools: Vec<String>| Aim {
            targets: KINDS.iter().map(|(carrier, _)| daemon.target(*carrier)).collect(),
            tools,
            pause: Duration::from_millis(40),
            leaves_after: Some(100),
            may_be_refused: true,
            patience: Duration::from_secs(30),
            seed: options.seed,
        };
        let load = [Load::start(&aim(good), CLIENTS.0), Load::start(&aim(mixed), CLIENTS.1)];
        let random = Random::new(options.seed);
        Ok(Self { daemon, postgres, load, random, web, networks, config, disk, has_clock })
    }

    /// What is left out, and why.
    fn impossible(&self) -> Vec<(&'static str, &'static str)> {
        let mut left_out = Vec::new();
        if !self.has_clock {
            left_out.push(("the wall clock", "it takes libfaketime (cargo xtask setup)"));
        }
        if self.disk.is_none() {
            left_out.push(("a full disk", "only root may mount a small file system"));
        }
        left_out
    }

    fn steps(&self) -> Vec<&'static Step> {
        let is_possible = |step: &&Step| match step.needs {
            None => true,
            Some(Need::Disk) => self.disk.is_some(),
            Some(Need::Clock) => self.has_clock,
            Some(Need::Sqlite) => self.postgres.is_none(),
            Some(Need::Postgres) => self.postgres.is_some(),
        };
        STEPS.iter().filter(is_possible).collect()
    }

    /// Steps until `deadline`; what all calls came to, how many steps there were, how many broke.
    async fn take_all(&mut self, deadline: Instant) -> (Tally, usize, usize) {
        let possible = self.steps();
        let (mut total, mut steps, mut broken) = (Tally::default(), 0, 0);
        // Each once in the order of the table, so that a short campaign has all of them; then by chance.
        while steps < possible.len() || Instant::now() < deadline {
            let step = possible.get(steps).copied();
            let step = step.unwrap_or_else(|| possible[self.random.index(possible.len())]);
            steps += 1;
            let (tally, problem) = self.take(step).await;
            total.merge(&tally);
            broken += usize::from(problem.is_some() || !tally.wrong.is_empty());
            for wrong in tally.wrong.iter().take(5) {
                say(format_args!("   WRONG: {wrong}"));
            }
            if let Some(problem) = problem {
                say(format_args!("   BROKEN: {problem}\n\nthe log:\n{}", self.daemon.log()));
                // One run shows everything that there is to repair.
                if let Err(error) = self.renew().await {
                    say(format_args!("   BROKEN for good: {error}"));
                    break;
                }
            }
        }
        (total, steps, broken)
    }

    /// One step, until everything is as it was.
    async fn take(&mut self, step: &'static Step) -> (Tally, Option<String>) {
        if step.cuts {
            self.load.iter().for_each(Load::disturb);
        }
        let mut outcome = (step.run)(self).await;
        let begun = Instant::now();
        if let Ok(note) = &mut outcome
            && let Err(problem) = self.settle().await
        {
            outcome = Err(format!("{note}; then {problem}"));
        }
        let settled = begun.elapsed();
        if step.cuts {
            self.load.iter().for_each(Load::settled);
        }
        sleep(CALM).await;
        let [mut tally, mixed] = self.load.each_ref().map(Load::take);
        if outcome.is_ok() && tally.refused > 0 && !step.refuses {
            outcome = Err(format!("good servers were not available: {:?}", tally.reasons));
        }
        let Tally { answered, refused, latencies, .. } = &tally;
        let (p99, settled) = (latencies.percentile(99), format!("{settled:.1?}"));
        let note = outcome.as_deref().unwrap_or("-");
        let (p99, cut) = (format!("{p99:.1?}"), tally.cut + mixed.cut);
        say(format_args!(
            "{:<18} {answered:>8} {refused:>8} {:>8} {cut:>6} {p99:>9} {settled:>9}  {note}",
            step.name, mixed.refused,
        ));
        tally.merge(&mixed);
        (tally, outcome.err())
    }

    /// After a step that broke something: another daemon, so that the next step starts afresh.
    async fn renew(&mut self) -> Result<(), String> {
        self.load.iter().for_each(Load::disturb);
        if let Ok(pid) = self.daemon.pid() {
            signal(pid, Signal::KILL);
            within(SETTLING, || has_ended(pid)).await;
        }
        self.daemon.start()?;
        let settled = self.settle().await;
        self.load.iter().for_each(Load::settled);
        sleep(CALM).await;
        self.load.iter().for_each(|load| drop(load.take()));
        settled
    }

    /// Every good server answers, exactly what is owned is alive, and what is called is on record.
    async fn settle(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + SETTLING;
        let names = (0..GOOD.0).map(|number| format!("good{number}__echo"));
        for tool in names.chain((0..GOOD.1).map(|number| format!("web{number}__echo"))) {
            while let Err(trouble) = self.ask(&tool).await {
                if Instant::now() > deadline {
                    return Err(format!("{tool} does not answer after {SETTLING:?}: {trouble}"));
                }
                sleep(Duration::from_millis(100)).await;
            }
        }
        let mut last = self.daemon.census();
        // Children come and go with the sessions of clients: those that are missing now have to be
        // forgotten or back, while others are on their way.
        let mut awaited: BTreeSet<String> = last.missing().into_iter().map(str::to_owned).collect();
        let settled = within(SETTLING, || {
            last = self.daemon.census();
            let missing = last.missing();
            awaited.retain(|child| missing.contains(&child.as_str()));
            last.strays.is_empty() && awaited.is_empty()
        });
        if !settled.await {
            return Err(format!("alive is not owned: {last}; awaited: {awaited:?}"));
        }
        self.records_again(deadline).await
    }

    /// The clients never pause, so that there is always a call to record.
    async fn records_again(&self, deadline: Instant) -> Result<(), String> {
        let since = self.newest_record();
        loop {
            sleep(Duration::from_millis(100)).await;
            let newest = self.newest_record();
            if newest.is_ok() && newest != since {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(format!("no call is recorded after {SETTLING:?}: {newest:?}"));
            }
        }
    }

    /// Of those until now: where the clock was ahead for a while, records are too.
    fn newest_record(&self) -> Result<String, String> {
        let page = self.daemon.run(&["history", "--json", "-n", "1", "--until", "0s"])?;
        let page: serde_json::Value =
            serde_json::from_str(&page).map_err(|error| error.to_string())?;
        Ok(page["calls"][0]["id"].to_string())
    }

    async fn ask(&self, tool: &str) -> Result<(), crate::client::Trouble> {
        let (carrier, version) = KINDS[0];
        let mut client =
            Client::connect(version, carrier, &self.daemon.target(Carrier::Http)).await?;
        one_call(&mut client, tool, &serde_json::json!({ "settled": true })).await
    }

    /// What the last calls came to, and how many children outlive the daemon.
    async fn end(self) -> (Tally, usize) {
        let [good, mixed] = self.load;
        let mut tally = good.stop().await;
        tally.merge(&mixed.stop().await);
        let _ = self.daemon.run(&["stop"]);
        within(Duration::from_secs(10), || self.daemon.census().alive.is_empty()).await;
        let left = self.daemon.census().alive.len();
        (tally, left)
    }
}

fn config(server: &Server, mark: &str, networks: &[Network], seed: u64) -> String {
    let mut config =
        String::from("daemon.drain = \"2s\"\nhttp.connections = 2000\nhttp.sessions = 500\n");
    // Short, so that what hangs is over within a step.
    let more = "start = \"eager\"\ntimeout = \"3s\"\nstart_timeout = \"5s\"\nqueue.wait = \"5s\"\n\
                breaker.open = \"1s\"\nbreaker.open_limit = \"2s\"";
    // Each way there is to share a server.
    let ways =
        ["", "pool = { min = 2, max = 4 }", "sharing = \"per_session\"", "sharing = \"auto\""];
    for (number, way) in (0..GOOD.0).zip(ways) {
        let more = format!("{more}\n{way}");
        config.push_str(&server.stdio(&format!("good{number}"), &Plan::default(), mark, &more));
    }
    config.push_str(&server.stdio("mixed", &Plan::mixed(seed), mark, more));
    for (number, network) in networks.iter().enumerate() {
        let url = network.url();
        config.push_str(&format!("[upstream.web{number}]\nhttp = {{ url = {url:?} }}\n{more}\n"));
    }
    config
}
