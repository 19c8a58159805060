//! The figures, as ratios to the direct run.

use std::fmt::Write as _;
use std::io::Write as _;
use std::time::Duration;

use crate::load::Sample;
use crate::process::Memory;

#[derive(Default)]
pub(crate) struct Table {
    pub rows: Vec<Row>,
}

/// The same calls made three ways.
pub(crate) struct Row {
    pub clients: usize,
    pub direct: Sample,
    pub stdio: Sample,
    pub http: Sample,
}

impl Table {
    /// `server` is whose calls they are.
    pub(crate) fn render(&self, server: &str) -> String {
        let mut out =
            format!("tools/call of {server}; direct is the same over HTTP, without a gateway\n\n");
        out.push_str(
            "clients  way                  calls/s  of direct   p50 µs  added µs   p99 µs  CPU µs/call  of direct\n",
        );
        for row in &self.rows {
            let ways = [
                ("direct", &row.direct),
                ("gateway, stdio", &row.stdio),
                ("gateway, HTTP", &row.http),
            ];
            for (way, sample) in ways {
                let added = micros(sample.p50) - micros(row.direct.p50);
                let _ = writeln!(
                    out,
                    "{:>7}  {way:<18} {:>9.0}  {:>8.0}%  {:>7.0}  {added:>8.0}  {:>7.0}  {:>11.1}  {:>8.1}x",
                    row.clients,
                    sample.per_second,
                    100.0 * sample.per_second / row.direct.per_second,
                    micros(sample.p50),
                    micros(sample.p99),
                    micros(sample.cpu_per_call),
                    micros(sample.cpu_per_call) / micros(row.direct.cpu_per_call),
                );
            }
        }
        out
    }
}

/// A daemon with nothing to do.
pub(crate) struct AtRest {
    pub lazy: usize,
    pub ready: Duration,
    pub memory: Memory,
}

impl AtRest {
    pub(crate) fn render(&self) -> String {
        let mib = |kib: u64| f64::from(u32::try_from(kib).unwrap_or(u32::MAX)) / 1024.0;
        format!(
            "`switchboard start` with {} lazy upstreams returns after {:.1} ms; memory at rest {:.1} MiB \
             of its own, {:.1} MiB with what is mapped of the program\n",
            self.lazy,
            self.ready.as_secs_f64() * 1e3,
            mib(self.memory.own),
            mib(self.memory.resident),
        )
    }
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}

/// Prints to where the figures were asked for.
pub(crate) fn line(text: &str) {
    // A reader that has gone needs no figures.
    let _ = writeln!(std::io::stdout(), "{text}");
}
