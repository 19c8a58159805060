//! How much memory a guest has, and when it gets no more.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::{Error, ResourceLimiter, Result};

use crate::call::Limits;

/// The memory of all guests together.
#[derive(Debug)]
pub(crate) struct Total {
    /// What the allocator has room for in one memory.
    largest: usize,
    limit: usize,
    used: AtomicUsize,
}

impl Total {
    pub(crate) fn new(largest: usize, limit: usize) -> Arc<Self> {
        Arc::new(Self { largest, limit, used: AtomicUsize::new(0) })
    }

    fn take(&self, bytes: usize) -> bool {
        let within = |used: usize| used.checked_add(bytes).filter(|used| *used <= self.limit);
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, within).is_ok()
    }

    fn give_back(&self, bytes: usize) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// What was refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Want {
    Memory,
    /// Its own limit would have let it, that of all did not.
    Shared,
    Table,
}

/// One instance's memories and tables. A guest that is refused more is told so, as by a machine that
/// is full, and may go on with what it has; that it was refused is remembered for the error, should it
/// break off.
#[derive(Debug)]
pub(crate) struct Meter {
    memory_limit: usize,
    memory_used: usize,
    table_limit: usize,
    table_used: usize,
    total: Arc<Total>,
    refused: Option<Want>,
}

impl Meter {
    pub(crate) fn new(limits: &Limits, total: Arc<Total>) -> Self {
        Self {
            memory_limit: limits.memory_bytes,
            memory_used: 0,
            table_limit: limits.table_elements,
            table_used: 0,
            total,
            refused: None,
        }
    }

    pub(crate) fn refused(&self) -> Option<Want> {
        self.refused
    }

    fn refuse(&mut self, want: Want) -> Result<bool> {
        self.refused = Some(want);
        Ok(false)
    }
}

/// What is given is never taken back before the instance ends. The calls that tell of a failed growth
/// come for growths that nobody asked about, too (those beyond what the type of a memory can be), and
/// to believe them is to give memory for nothing. So what cannot succeed is refused before it counts.
impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|own| desired > own) {
            return Ok(false);
        }
        let more = desired.saturating_sub(current);
        let is_within = self.memory_used.saturating_add(more) <= self.memory_limit;
        if !is_within || desired > self.total.largest {
            return self.refuse(Want::Memory);
        }
        if !self.total.take(more) {
            return self.refuse(Want::Shared);
        }
        self.memory_used += more;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, _: Error) -> Result<()> {
        self.refused = Some(Want::Memory);
        Ok(())
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        let more = desired.saturating_sub(current);
        let is_within = self.table_used.saturating_add(more) <= self.table_limit;
        // The maximum is the table's own, or what the allocator has room for.
        if !is_within || maximum.is_some_and(|maximum| desired > maximum) {
            return self.refuse(Want::Table);
        }
        self.table_used += more;
        Ok(true)
    }

    fn table_grow_failed(&mut self, _: Error) -> Result<()> {
        self.refused = Some(Want::Table);
        Ok(())
    }
}

impl Drop for Meter {
    fn drop(&mut self) {
        self.total.give_back(self.memory_used);
    }
}
