//! From `tracing` to lines: collects what spans and events say, and writes it to every place.
//!
//! A layer of our own rather than `tracing_subscriber::fmt`: JSON lines are flat there only without
//! spans, control characters pass through, and a failed write is printed to standard error.

use std::io::Write;
use std::sync::{Mutex, PoisonError};

use prometheus_client::metrics::counter::Counter;
use tracing::span::{Attributes, Id, Record};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::Format;
use super::line::{Event, Fields, Recorder};
use super::timestamp::rfc3339;
use crate::Clock;

pub(super) struct Lines {
    format: Format,
    clock: Clock,
    sinks: Vec<Sink>,
}

/// A place that lines go to.
pub(super) struct Sink {
    /// Takes one whole line per `write`.
    writer: Mutex<Box<dyn Write + Send>>,
    colour: bool,
    lost: Counter,
}

impl Sink {
    pub(super) fn new(writer: impl Write + Send + 'static, colour: bool, lost: Counter) -> Self {
        Self { writer: Mutex::new(Box::new(writer)), colour, lost }
    }

    fn write(&self, line: &str) {
        // A panic elsewhere while the lock was held left the writer between two lines at worst.
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        if writer.write_all(line.as_bytes()).is_err() {
            // There is no better place to complain to: the log is the place, and it does not work.
            self.lost.inc();
        }
    }
}

impl Lines {
    pub(super) fn new(format: Format, clock: Clock, sinks: Vec<Sink>) -> Self {
        Self { format, clock, sinks }
    }
}

impl<S> Layer<S> for Lines
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut recorder = Recorder::default();
        attributes.record(&mut recorder);
        span.extensions_mut().insert(recorder.fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut recorder = Recorder::default();
        values.record(&mut recorder);
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            fields.extend(&recorder.fields);
        }
    }

    fn on_event(&self, event: &tracing::Event<'_>, context: Context<'_, S>) {
        let mut fields = Fields::default();
        for span in context.event_scope(event).into_iter().flat_map(|scope| scope.from_root()) {
            if let Some(outer) = span.extensions().get::<Fields>() {
                fields.extend(outer);
            }
        }
        let mut recorder = Recorder::default();
        event.record(&mut recorder);
        fields.extend(&recorder.fields);
        let event = Event {
            ts: &rfc3339((self.clock)()),
            level: *event.metadata().level(),
            target: event.metadata().target(),
            message: &recorder.message,
            fields: &fields,
        };
        let plain = event.render(self.format, false);
        for sink in &self.sinks {
            if sink.colour {
                sink.write(&event.render(self.format, true));
            } else {
                sink.write(&plain);
            }
        }
    }
}
