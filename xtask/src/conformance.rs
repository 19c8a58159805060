//! `conformance`: the official MCP conformance suite, directly and through the daemon.
//!
//! The suite's server scenarios run against a fixture that passes all of them, and against the
//! daemon with that fixture as its upstream. What passes directly has to pass through the daemon,
//! over every transport and whatever revisions the fixture speaks; what a specification forbids to
//! bridge is in `conformance/expected.txt`. The client scenarios run against the daemon as a client.
//!
//! What the suite has seen stays in `target/conformance`, with the log of each daemon.

mod expected;
mod subject;
mod suite;
mod table;
mod verdict;

use std::collections::VecDeque;
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::workspace::Workspace;
use crate::{process, report};
use expected::Expected;
use subject::{Programs, SUBJECTS, Subject};
use suite::{CLIENT_EXTENSIONS, CLIENT_VERSIONS, EXTENSIONS, Results, SECTIONS, Suite};
use table::Column;
use verdict::Fault;

/// Subjects under test at once. Each waits for the suite's clocks most of the time; with more of
/// them, two cores are late for windows of half a second.
const AT_ONCE: usize = 3;

/// Failures that are tried once more, each by itself. The suite judges by the clock in places, and
/// a busy machine is late; more failures than these have another reason.
const SECOND_TRIES: usize = 8;

pub(crate) fn check(workspace: &Workspace) -> Result<()> {
    let programs = ["switchboard", "conformance-server", "conformance-client"];
    process::run(&mut workspace.build(&programs))?;
    let list = workspace.root().join("conformance/expected.txt");
    let list = fs::read_to_string(&list).with_context(|| format!("read {}", list.display()))?;
    let expected = Expected::parse(&list).context("conformance/expected.txt")?;
    let suite = Suite::new(workspace)?;
    let programs = Programs::new(workspace);

    let client = client(&suite, &programs)?;
    let servers = servers(&suite, &programs)?;
    let (direct, through) = servers.split_first().context("there are subjects")?;
    report::line(table::servers(direct, through));
    report::line(table::client(&client));

    let mut faults = verdict::fixture(direct);
    faults.extend(verdict::through(direct, through, &expected));
    faults.extend(verdict::client(&client, &expected));
    faults.extend(verdict::unused(&expected, through, &client));
    conclude(&faults, through, &client)
}

/// The daemon as a client, for each revision, and what it has of extensions.
fn client(suite: &Suite, programs: &Programs) -> Result<Column> {
    let mut results = Results::default();
    let (done, took) = report::timed(|| {
        CLIENT_VERSIONS.iter().try_for_each(|version| -> Result<()> {
            let seen = suite.client(programs, version, None)?;
            let failed: Vec<String> = seen.failures().map(|(_, name)| name.to_owned()).collect();
            results.extend(seen);
            // The suite visits all its clients at once, which is a lot for a small machine.
            if failed.len() <= SECOND_TRIES {
                for scenario in failed {
                    results.extend(suite.client(programs, version, Some(&scenario))?);
                }
            }
            Ok(())
        })?;
        for scenario in CLIENT_EXTENSIONS {
            results.extend(suite.client(programs, EXTENSIONS, Some(scenario))?);
        }
        Ok::<_, anyhow::Error>(())
    });
    done?;
    report::line(format_args!("{:<14} {:>12}", "client", report::spoken(took)));
    Ok(Column { name: "client", results })
}

/// The fixture, and the daemon in front of it in all its variants; in the order of [`SUBJECTS`].
fn servers(suite: &Suite, programs: &Programs) -> Result<Vec<Column>> {
    let queue = Mutex::new(SUBJECTS.iter().enumerate().collect::<VecDeque<_>>());
    let columns = Mutex::new(Vec::new());
    let work = || -> Result<()> {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
            let Some((place, subject)) = next else { return Ok(()) };
            let (results, took) = report::timed(|| server(suite, programs, subject));
            let results = results.with_context(|| subject.name)?;
            report::line(format_args!("{:<14} {:>12}", subject.name, report::spoken(took)));
            let column = Column { name: subject.name, results };
            columns.lock().unwrap_or_else(PoisonError::into_inner).push((place, column));
        }
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..AT_ONCE).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("workers do not panic"))
    })?;
    let mut columns = columns.into_inner().unwrap_or_else(PoisonError::into_inner);
    columns.sort_by_key(|(place, _)| *place);
    Ok(columns.into_iter().map(|(_, column)| column).collect())
}

fn server(suite: &Suite, programs: &Programs, subject: &Subject) -> Result<Results> {
    let running = subject.start(programs, &suite.directory(subject.name))?;
    let mut results = Results::default();
    for section in SECTIONS.iter().filter(|section| subject.era.has(section)) {
        results.extend(suite.server(subject.name, &running.address, section, None)?);
    }
    let failed: Vec<_> = results.failures().map(|(s, n)| (s, n.to_owned())).collect();
    if failed.len() <= SECOND_TRIES {
        for (section, scenario) in failed {
            let section = SECTIONS.iter().find(|known| known.name == section).expect("ran above");
            results.extend(suite.server(
                subject.name,
                &running.address,
                section,
                Some(&scenario),
            )?);
        }
    }
    running.stop()?;
    Ok(results)
}

fn conclude(faults: &[Fault], through: &[Column], client: &Column) -> Result<()> {
    for fault in faults {
        report::line(format_args!("\n{fault}"));
    }
    let columns = || through.iter().chain([client]);
    let passed: usize = columns().map(|column| column.results.passed()).sum();
    let failed: usize = columns().map(|column| column.results.failures().count()).sum();
    report::line(format_args!("\n{passed} scenarios passed, {failed} failed"));
    match faults.len() {
        0 => Ok(()),
        1 => bail!("the suite has one complaint, shown above"),
        many => bail!("the suite has {many} complaints, shown above"),
    }
}
