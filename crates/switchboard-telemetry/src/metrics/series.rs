//! A metric with labels: one series per combination of values.
//!
//! `prometheus_client::Family` does this with a `HashMap`, so that two scrapes list the same series
//! in different orders. This one is ordered, for the people who read the page, and takes its label
//! names from the table of definitions.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use prometheus_client::encoding::{EncodeMetric, MetricEncoder};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::{MetricType, TypedMetric};
use prometheus_client::registry::Registry;

use super::definitions::Definition;

/// Hands out the series of one metric. The lock is taken when a handle is asked for or the page is
/// encoded, never when something is counted.
pub(super) struct Series<M> {
    labels: &'static [&'static str],
    make: fn() -> M,
    /// By the values of the labels, in the order of their names.
    by_values: Arc<RwLock<BTreeMap<Vec<String>, M>>>,
}

impl<M> Series<M>
where
    M: EncodeMetric + TypedMetric + Clone + Send + Sync + 'static,
{
    pub(super) fn register(
        definition: &'static Definition,
        registry: &mut Registry,
        make: fn() -> M,
    ) -> Self {
        let by_values = Arc::default();
        let series = Self { labels: definition.labels, make, by_values };
        definition.register(registry, series.clone());
        series
    }

    /// The series with these label values, made on first use.
    pub(super) fn with(&self, values: &[&str]) -> M {
        debug_assert_eq!(values.len(), self.labels.len(), "a value for each label");
        let values: Vec<_> = values.iter().map(|value| (*value).to_owned()).collect();
        let mut by_values = self.by_values.write().unwrap_or_else(PoisonError::into_inner);
        by_values.entry(values).or_insert_with(self.make).clone()
    }

    /// Forgets the series whose first label value `keep` refuses.
    pub(super) fn retain(&self, keep: impl Fn(&str) -> bool) {
        let mut by_values = self.by_values.write().unwrap_or_else(PoisonError::into_inner);
        by_values.retain(|values, _| values.first().is_none_or(|value| keep(value)));
    }
}

impl Series<Gauge> {
    /// Sets the series `[owner, state]` to 1 and the owner's others to 0, as one step to a scrape.
    pub(super) fn set_only(&self, owner: &str, state: &str) {
        let mut by_values = self.by_values.write().unwrap_or_else(PoisonError::into_inner);
        for (_, other) in by_values.iter().filter(|(values, _)| values[0] == owner) {
            other.set(0);
        }
        by_values.entry(vec![owner.to_owned(), state.to_owned()]).or_default().set(1);
    }
}

impl<M: EncodeMetric + TypedMetric> EncodeMetric for Series<M> {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> fmt::Result {
        let by_values = self.by_values.read().unwrap_or_else(PoisonError::into_inner);
        for (values, metric) in by_values.iter() {
            let values = values.iter().map(String::as_str);
            let labels: Vec<_> = self.labels.iter().copied().zip(values).collect();
            metric.encode(encoder.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric_type(&self) -> MetricType {
        M::TYPE
    }

    /// A metric without series is left out with its description.
    fn is_empty(&self) -> bool {
        self.by_values.read().unwrap_or_else(PoisonError::into_inner).is_empty()
    }
}

impl<M> Clone for Series<M> {
    fn clone(&self) -> Self {
        let Self { labels, make, by_values } = self;
        Self { labels, make: *make, by_values: Arc::clone(by_values) }
    }
}

impl<M> fmt::Debug for Series<M> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Series").field("labels", &self.labels).finish_non_exhaustive()
    }
}
