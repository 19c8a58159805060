//! The steps of a campaign: what each does, and whether connections may end with it.

use std::fs::File;
use std::io::Write as _;
use std::pin::Pin;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, prlimit};
use tokio::time::{Instant, sleep};

use super::Stage;
use crate::campaign::census::{Resources, has_ended};
use crate::campaign::daemon::{signal, within};
use crate::faulty::Weather;

type Outcome<'a> = Pin<Box<dyn Future<Output = Result<String, String>> + 'a>>;

pub(super) struct Step {
    pub name: &'static str,
    /// Whether a client may lose its connection.
    pub cuts: bool,
    /// Whether a good server may be unavailable for a moment.
    pub refuses: bool,
    pub needs: Option<Need>,
    pub run: Run,
}

/// What is not there on every machine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Need {
    /// A file system for the state directory alone.
    Disk,
    /// A wall clock for the daemon alone.
    Clock,
    /// Records in a file that somebody else can lock.
    Sqlite,
    /// Records with a server that can be killed.
    Postgres,
}

type Run = for<'a> fn(&'a mut Stage) -> Outcome<'a>;

const fn step(name: &'static str, run: Run) -> Step {
    Step { name, cuts: false, refuses: false, needs: None, run }
}

impl Step {
    const fn cuts(self) -> Self {
        Self { cuts: true, ..self }
    }

    const fn refuses(self) -> Self {
        Self { refuses: true, ..self }
    }

    const fn needs(self, need: Need) -> Self {
        Self { needs: Some(need), ..self }
    }
}

pub(super) const STEPS: &[Step] = &[
    step("quiet", |_| Box::pin(quiet())),
    step("kill servers", |stage| Box::pin(kill_servers(stage))).refuses(),
    step("freeze servers", |stage| Box::pin(freeze_servers(stage))).refuses(),
    step("crash web servers", |stage| Box::pin(crash_web(stage))).refuses(),
    step("bad network", |stage| Box::pin(break_network(stage))).refuses(),
    step("freeze daemon", |stage| Box::pin(freeze_daemon(stage))),
    step("kill daemon", |stage| Box::pin(kill_daemon(stage))).cuts(),
    step("reload", |stage| Box::pin(reload(stage))),
    // What comes over a connection that is being drained is told to come again.
    step("restart", |stage| Box::pin(restart(stage))).cuts().refuses(),
    step("no descriptors", |stage| Box::pin(exhaust_descriptors(stage))).cuts().refuses(),
    step("no memory", |stage| Box::pin(exhaust_memory(stage))).cuts().refuses(),
    step("locked store", |stage| Box::pin(lock_store(stage))).needs(Need::Sqlite),
    step("kill store", |stage| Box::pin(kill_store(stage))).needs(Need::Postgres),
    step("freeze store", |stage| Box::pin(freeze_store(stage))).needs(Need::Postgres),
    step("moved clock", |stage| Box::pin(move_clock(stage))).needs(Need::Clock),
    step("full disk", |stage| Box::pin(fill_disk(stage))).refuses().needs(Need::Disk),
];

/// How long a fault lasts.
const WHILE: Duration = Duration::from_secs(2);

async fn quiet() -> Result<String, String> {
    sleep(WHILE).await;
    Ok(String::new())
}

/// Some of the children, by chance.
fn victims(stage: &mut Stage) -> Vec<u32> {
    let census = stage.daemon.census();
    let mut alive: Vec<u32> = census.alive.keys().copied().collect();
    let count = 1 + stage.random.index(alive.len().max(1));
    while alive.len() > count {
        alive.swap_remove(stage.random.index(alive.len()));
    }
    alive
}

async fn kill_servers(stage: &mut Stage) -> Result<String, String> {
    let mut killed = 0;
    for _ in 0..3 {
        let victims = victims(stage);
        killed += victims.len();
        victims.into_iter().for_each(|pid| signal(pid, Signal::KILL));
        sleep(WHILE / 4).await;
    }
    Ok(format!("{killed} killed"))
}

async fn freeze_servers(stage: &mut Stage) -> Result<String, String> {
    let (victims, census) = (victims(stage), stage.daemon.census());
    victims.iter().for_each(|pid| signal(*pid, Signal::STOP));
    // Longer than a call may take.
    sleep(WHILE * 2).await;
    let is_still = |pid: &&u32| census.is_still(**pid, stage.daemon.mark());
    let thawed: Vec<u32> = victims.iter().filter(is_still).copied().collect();
    thawed.iter().for_each(|pid| signal(*pid, Signal::CONT));
    Ok(format!("{} frozen, {} replaced meanwhile", victims.len(), victims.len() - thawed.len()))
}

async fn crash_web(stage: &mut Stage) -> Result<String, String> {
    for _ in 0..5 {
        let number = stage.random.index(stage.web.len());
        stage.web[number].crash();
        sleep(WHILE / 5).await;
    }
    Ok("5 crashes".to_owned())
}

/// Late, then cut in the middle of messages, then not there, then silent for longer than a call.
async fn break_network(stage: &mut Stage) -> Result<String, String> {
    let late = Weather::Slow(Duration::from_millis(30));
    let breaking = Weather::Breaking(300 + stage.random.index(1_000));
    for (weather, length) in [
        (late, WHILE / 2),
        (breaking, WHILE / 2),
        (Weather::Down, WHILE / 2),
        (Weather::Stalled, WHILE * 2),
    ] {
        stage.networks.iter().for_each(|network| network.turn(weather));
        sleep(length).await;
    }
    stage.networks.iter().for_each(|network| network.turn(Weather::Clear));
    Ok(format!("{breaking:?}"))
}

async fn freeze_daemon(stage: &mut Stage) -> Result<String, String> {
    let pid = stage.daemon.pid()?;
    let before = stage.daemon.census();
    signal(pid, Signal::STOP);
    sleep(WHILE).await;
    signal(pid, Signal::CONT);
    let lost = before.alive.keys().filter(|pid| !before.is_still(**pid, stage.daemon.mark()));
    Ok(format!("{} children ended meanwhile", lost.count()))
}

async fn kill_daemon(stage: &mut Stage) -> Result<String, String> {
    let pid = stage.daemon.pid()?;
    signal(pid, Signal::KILL);
    let begun = Instant::now();
    if !within(Duration::from_secs(5), || stage.daemon.census().alive.is_empty()).await {
        return Err(format!("children outlive a killed daemon: {}", stage.daemon.census()));
    }
    let gone = begun.elapsed();
    stage.daemon.start()?;
    Ok(format!("children gone after {gone:.1?}, started after {:.1?}", begun.elapsed()))
}

/// Another server comes and goes; nobody may notice.
async fn reload(stage: &mut Stage) -> Result<String, String> {
    for _ in 0..3 {
        let more = "[upstream.passing]\nhttp = { url = \"http://127.0.0.1:9/mcp\" }\n";
        stage.daemon.configure(&format!("{}{more}", stage.config));
        stage.daemon.run(&["reload"])?;
        sleep(WHILE / 6).await;
        stage.daemon.configure(&stage.config);
        stage.daemon.run(&["reload"])?;
        sleep(WHILE / 6).await;
    }
    Ok("6 reloads".to_owned())
}

async fn restart(stage: &mut Stage) -> Result<String, String> {
    let before = stage.daemon.pid()?;
    stage.daemon.run(&["restart"])?;
    let after = stage.daemon.pid()?;
    let is_gone = within(Duration::from_secs(30), || has_ended(before)).await;
    if !is_gone {
        return Err(format!("the old daemon {before} does not end"));
    }
    Ok(format!("{before} became {after}"))
}

async fn exhaust_descriptors(stage: &mut Stage) -> Result<String, String> {
    let pid = stage.daemon.pid()?;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let used = Resources::of(pid).ok_or("the daemon has ended")?.descriptors;
    let usual = getrlimit(Resource::Nofile);
    let limit = Rlimit { current: u64::try_from(used).ok(), maximum: usual.maximum };
    prlimit(process, Resource::Nofile, limit).map_err(|error| error.to_string())?;
    // Servers have to start, and clients to come, without a descriptor for either.
    victims(stage).into_iter().for_each(|pid| signal(pid, Signal::KILL));
    let waiting: Vec<_> = (0..50)
        .filter_map(|_| {
            std::os::unix::net::UnixStream::connect(stage.daemon.state().join("default/mcp.sock"))
                .ok()
        })
        .collect();
    sleep(WHILE).await;
    drop(waiting);
    prlimit(process, Resource::Nofile, usual).map_err(|error| error.to_string())?;
    Ok(format!("no more than {used} for {WHILE:?}"))
}

/// The daemon may have hardly more memory than it has. It may end over it, as a program does that
/// gets none; nothing may outlive it then.
async fn exhaust_memory(stage: &mut Stage) -> Result<String, String> {
    let pid = stage.daemon.pid()?;
    let process = i32::try_from(pid).ok().and_then(Pid::from_raw);
    let usual = getrlimit(Resource::As);
    let used = address_space(pid).ok_or("the daemon has ended")?;
    let limit = Rlimit { current: Some(used + (1 << 20)), maximum: usual.maximum };
    prlimit(process, Resource::As, limit).map_err(|error| error.to_string())?;
    victims(stage).into_iter().for_each(|pid| signal(pid, Signal::KILL));
    sleep(WHILE).await;
    if !has_ended(pid) {
        prlimit(process, Resource::As, usual).map_err(|error| error.to_string())?;
        return Ok(format!("no more than {} MiB, and it lives", used >> 20));
    }
    if !within(Duration::from_secs(5), || stage.daemon.census().alive.is_empty()).await {
        return Err(format!("children outlive the daemon: {}", stage.daemon.census()));
    }
    stage.daemon.start()?;
    Ok(format!("no more than {} MiB, and it ended", used >> 20))
}

/// The bytes of addresses that a process has.
fn address_space(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmSize:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib << 10)
}

/// Somebody else has the database for itself; calls do not wait for their records.
async fn lock_store(stage: &mut Stage) -> Result<String, String> {
    let database = stage.daemon.state().join("default/store.db");
    let script = "import sqlite3, sys, time\n\
                  it = sqlite3.connect(sys.argv[1], timeout=20)\n\
                  it.execute('BEGIN EXCLUSIVE')\n\
                  time.sleep(float(sys.argv[2]))";
    let length = (WHILE * 2).as_secs_f64().to_string();
    let mut python = tokio::process::Command::new("python3");
    python.args(["-c", script]).arg(&database).arg(length).kill_on_drop(true);
    let ended = python.status().await.map_err(|error| error.to_string())?;
    if ended.success() { Ok(format!("{WHILE:?} twice")) } else { Err(format!("python3: {ended}")) }
}

/// Calls neither wait for their records nor fail without them.
async fn kill_store(stage: &mut Stage) -> Result<String, String> {
    let postgres = stage.postgres.as_mut().ok_or("no server")?;
    let killed = postgres.kill().await?;
    sleep(WHILE * 2).await;
    postgres.spawn().await?;
    Ok(format!("{killed} processes of PostgreSQL killed, back after {:?}", WHILE * 2))
}

async fn freeze_store(stage: &mut Stage) -> Result<String, String> {
    let postgres = stage.postgres.as_ref().ok_or("no server")?;
    let frozen = postgres.processes();
    frozen.iter().for_each(|pid| signal(*pid, Signal::STOP));
    sleep(WHILE * 2).await;
    frozen.iter().for_each(|pid| signal(*pid, Signal::CONT));
    Ok(format!("{} processes of PostgreSQL for {:?}", frozen.len(), WHILE * 2))
}

/// A day forth, and a day back.
async fn move_clock(stage: &mut Stage) -> Result<String, String> {
    for by in ["+1d", "-1d", "+0"] {
        stage.daemon.move_clock(by);
        // It is looked at once a second.
        sleep(WHILE).await;
    }
    Ok("a day forth and back".to_owned())
}

/// Nothing can be written to the state directory: no ledger, no log, no lists.
async fn fill_disk(stage: &mut Stage) -> Result<String, String> {
    let place = stage.daemon.state().join("filling");
    let mut file = File::create(&place).map_err(|error| error.to_string())?;
    let (mut written, piece) = (0, [0; 4096]);
    while file.write_all(&piece).is_ok() {
        written += piece.len();
    }
    victims(stage).into_iter().for_each(|pid| signal(pid, Signal::KILL));
    sleep(WHILE).await;
    let census = stage.daemon.census();
    drop(file);
    std::fs::remove_file(&place).map_err(|error| error.to_string())?;
    if !census.strays.is_empty() {
        return Err(format!("strays on a full disk: {census}"));
    }
    Ok(format!("{} KiB filled, {} children alive then", written >> 10, census.alive.len()))
}
