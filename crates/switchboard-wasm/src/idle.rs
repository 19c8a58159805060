//! Instances between two calls.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::call::Terms;
use crate::instance::Instance;

/// Warm instances of all programs, those used last at the end.
pub(crate) struct Idle {
    limit: usize,
    kept: Mutex<VecDeque<(usize, Instance)>>,
}

impl Idle {
    pub(crate) fn new(limit: usize) -> Self {
        Self { limit, kept: Mutex::default() }
    }

    /// One of a program that was made on the very same terms.
    pub(crate) fn take(&self, program: usize, terms: &Arc<Terms>) -> Option<Instance> {
        let mut kept = self.kept.lock().expect("no one panics holding it");
        let found = kept
            .iter()
            .rposition(|(of, instance)| *of == program && Arc::ptr_eq(instance.terms(), terms))?;
        kept.remove(found).map(|(_, instance)| instance)
    }

    /// Keeps one, and gives up the one that has waited longest if there are too many.
    pub(crate) fn keep(&self, program: usize, instance: Instance) {
        let surplus = {
            let mut kept = self.kept.lock().expect("no one panics holding it");
            kept.push_back((program, instance));
            if kept.len() > self.limit { kept.pop_front() } else { None }
        };
        // Taking an instance apart takes a while.
        drop(surplus);
    }

    /// Whether there was one.
    pub(crate) fn give_up_oldest(&self) -> bool {
        let oldest = self.kept.lock().expect("no one panics holding it").pop_front();
        oldest.is_some()
    }

    pub(crate) fn forget(&self, program: usize) {
        let mut gone = Vec::new();
        let mut kept = self.kept.lock().expect("no one panics holding it");
        for (of, instance) in std::mem::take(&mut *kept) {
            if of == program { gone.push(instance) } else { kept.push_back((of, instance)) }
        }
        drop(kept);
    }
}
