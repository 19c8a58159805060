//! What it costs to call functions of bundles in Python, and to load many of them.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::time::Instant;

use crate::load::{Load, Sample};
use crate::setup::Home;

/// Bundles whose loading is timed, and the functions of each.
const BUNDLES: usize = 10;
const FUNCTIONS: usize = 100;

/// What every function answers.
const ANSWER: &str = "lazy dog";

/// Calls that find their process ready, calls that each start one, and a daemon that starts.
pub(crate) async fn measure(program: &Path, rounds: usize, length: Duration) -> Result<String> {
    let config =
        "[http]\nport = 0\n[bundle.warm]\nsource = \"warm\"\n[bundle.cold]\nsource = \"cold\"\n";
    let home = Home::new(program, config)?;
    write(&home, "warm", 1, "")?;
    // No process waits for a call, and none has a second one.
    write(&home, "cold", 1, "[limits]\nwarm = 0\ncalls = 1\n")?;
    home.run(&["start"]).await?;
    let key = home.run(&["show-key", "--quiet"]).await?;
    let address = home.status().await?["address"].as_str().context("address")?.to_owned();
    let mut out = String::from("functions of bundles in Python, one client over HTTP\n\n");
    for (name, about) in [("warm", "its process is ready"), ("cold", "its process is started")] {
        let load = Load::new(&address, Some(&key), &format!("{name}__t0"), ANSWER);
        let mut samples = Vec::new();
        for _ in 0..rounds {
            samples.push(load.run(1, length, &[]).await?);
        }
        let Sample { p50, p99, .. } = Sample::median(&samples);
        let (p50, p99) = (p50.as_secs_f64() * 1e3, p99.as_secs_f64() * 1e3);
        let _ = writeln!(out, "{about:<24} p50 {p50:>7.3} ms  p99 {p99:>7.3} ms");
    }
    home.run(&["stop"]).await?;
    out.push_str(&loading(program).await?);
    Ok(out)
}

/// How long a start takes with many functions, the first time and when they are known.
async fn loading(program: &Path) -> Result<String> {
    let mut config = "[http]\nport = 0\n".to_owned();
    for bundle in 0..BUNDLES {
        let _ = write!(config, "[bundle.b{bundle}]\nsource = \"b{bundle}\"\n");
    }
    let home = Home::new(program, &config)?;
    for bundle in 0..BUNDLES {
        write(&home, &format!("b{bundle}"), FUNCTIONS, "")?;
    }
    let mut times = Vec::new();
    for _ in 0..3 {
        let started = Instant::now();
        home.run(&["start"]).await?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
        let tools = home.status().await?["tools"].as_u64().context("tools")?;
        anyhow::ensure!(tools == (BUNDLES * FUNCTIONS) as u64, "{tools} tools are served");
        home.run(&["stop"]).await?;
    }
    Ok(format!(
        "`switchboard start` with {BUNDLES} bundles of {FUNCTIONS} functions returns after {:.0} ms the first \
         time, and after {:.0} and {:.0} ms from then on\n",
        times[0], times[1], times[2],
    ))
}

/// Writes a bundle with functions that do nothing.
fn write(home: &Home, name: &str, functions: usize, more: &str) -> Result<()> {
    let directory = home.path().join(name);
    std::fs::create_dir_all(&directory)?;
    let mut manifest = format!("name = \"{name}\"\n{more}[python]\n");
    let mut code = String::new();
    for number in 0..functions {
        let _ = write!(
            manifest,
            "[[tool]]\nname = \"t{number}\"\ndescription = \"d\"\nentry = \"code:t{number}\"\n\
             input = {{ type = \"object\", properties = {{ message = {{ type = \"string\" }} }} }}\n"
        );
        let _ = writeln!(code, "def t{number}(message=''): return 'the {ANSWER}'");
    }
    std::fs::write(directory.join("switchboard.toml"), manifest)?;
    std::fs::write(directory.join("code.py"), code)?;
    Ok(())
}
