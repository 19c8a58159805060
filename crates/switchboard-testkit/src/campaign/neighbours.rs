//! Ten servers, of which one hangs, one crashes each second and one answers garbage: what the other
//! seven notice of it.

use std::time::Duration;

use tokio::time::sleep;

use super::daemon::{Daemon, Server, within};
use super::load::{Aim, KINDS, Load, Tally};
use crate::faulty::{Fault, Plan};

const GOOD: usize = 7;

/// Clients that call the seven, and those that call the three.
const CLIENTS: (usize, usize) = (15, 6);

/// The calls to the seven, with ten good servers and with three bad ones among them.
pub struct Neighbours {
    pub undisturbed: Tally,
    pub disturbed: Tally,
    /// Calls to the bad ones that were refused meanwhile: that they were called, and answered for.
    pub refused: u64,
}

impl Neighbours {
    /// The disturbed p99 as a multiple of the undisturbed.
    pub fn ratio(&self) -> f64 {
        let [before, after] =
            [&self.undisturbed, &self.disturbed].map(|tally| tally.latencies.percentile(99));
        after.as_secs_f64() / before.as_secs_f64().max(1e-6)
    }
}

impl std::fmt::Display for Neighbours {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let p99 = |tally: &Tally| tally.latencies.percentile(99);
        write!(
            f,
            "neighbours: p99 of seven of ten {:.1?} ({} calls); with one that hangs, one that crashes \
             each second and one that answers garbage {:.1?} ({} calls, {} refused by the three): \
             ratio {:.2}",
            p99(&self.undisturbed),
            self.undisturbed.answered,
            p99(&self.disturbed),
            self.disturbed.answered,
            self.refused,
            self.ratio(),
        )
    }
}

fn config(server: &Server, mark: &str, bad: &[Plan]) -> String {
    let more = "start = \"eager\"\ntimeout = \"2s\"\nqueue.wait = \"2s\"";
    let good = Plan::default();
    let mut tables = String::from("http.connections = 2000\n");
    for number in 0..GOOD {
        tables.push_str(&server.stdio(&format!("good{number}"), &good, mark, more));
    }
    for (number, plan) in bad.iter().enumerate() {
        tables.push_str(&server.stdio(&format!("bad{number}"), plan, mark, more));
    }
    tables
}

/// Measures for `length` each.
///
/// # Errors
///
/// Where the daemon does not do what it is told.
pub async fn compare(
    daemon: &mut Daemon,
    server: &Server,
    length: Duration,
) -> Result<Neighbours, String> {
    let mark = daemon.mark().to_owned();
    daemon.configure(&config(server, &mark, &[const { Plan::NONE }; 3]));
    daemon.start()?;
    if !within(Duration::from_secs(60), || daemon.census().alive.len() == GOOD + 3).await {
        return Err("ten servers did not start".to_owned());
    }
    let (undisturbed, _) = measure(daemon, length).await;
    let crashing = Plan { crash_every: Some(Duration::from_secs(1)), ..Plan::default() };
    let garbage =
        Plan { chances: vec![(Fault::Garbage, 500), (Fault::HalfLine, 500)], ..Plan::default() };
    let bad = [Plan::with(Fault::Hang, 1000), crashing, garbage];
    daemon.configure(&config(server, &mark, &bad));
    daemon.run(&["reload"])?;
    let (disturbed, refused) = measure(daemon, length).await;
    Ok(Neighbours { undisturbed, disturbed, refused })
}

/// The calls to the seven, and how many to the three were refused.
async fn measure(daemon: &Daemon, length: Duration) -> (Tally, u64) {
    let aim = |name: &str, count: usize, may_be_refused| Aim {
        targets: KINDS.iter().map(|(carrier, _)| daemon.target(*carrier)).collect(),
        tools: (0..count).map(|number| format!("{name}{number}__echo")).collect(),
        pause: Duration::from_millis(10),
        leaves_after: None,
        may_be_refused,
        patience: Duration::from_secs(30),
        seed: 1,
    };
    let good = Load::start(&aim("good", GOOD, false), CLIENTS.0);
    let bad = Load::start(&aim("bad", 3, true), CLIENTS.1);
    // Connections are made and code is warm.
    sleep(length / 5).await;
    let mut warm = good.take();
    sleep(length).await;
    let mut good = good.stop().await;
    good.wrong.append(&mut warm.wrong);
    let bad = bad.stop().await;
    // What is wrong about the answers of the bad ones is as bad as with any other.
    good.wrong.extend(bad.wrong);
    (good, bad.refused)
}
