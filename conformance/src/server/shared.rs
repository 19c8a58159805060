//! What all sessions and requests of one process have in common.

use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::model::RequestStateCodec;
use rmcp::task_manager::TaskManager;
use tokio::sync::broadcast;

use crate::era::Era;

/// How many changes a slow subscriber may be behind. The suite makes one at a time.
const CHANGES: usize = 64;

/// A list of which the contents have changed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Change {
    Tools,
    Prompts,
}

pub(crate) struct Shared {
    pub(crate) era: Era,
    pub(crate) tasks: TaskManager,
    /// Seals what clients carry between rounds.
    pub(crate) states: RequestStateCodec,
    changes: broadcast::Sender<Change>,
    /// Whether the tool and the prompt are on offer that come and go.
    more_tools: AtomicBool,
    more_prompts: AtomicBool,
}

impl Shared {
    pub(crate) fn new(era: Era) -> Self {
        Self {
            era,
            tasks: TaskManager::new(),
            // A fixed key: what is sealed here protects nothing, and has to be checked all the same.
            states: RequestStateCodec::try_new(*b"a key of the conformance fixture")
                .expect("32 bytes are long enough for a key"),
            changes: broadcast::channel(CHANGES).0,
            more_tools: AtomicBool::new(false),
            more_prompts: AtomicBool::new(false),
        }
    }

    /// Adds or removes an entry of the list, really: a gateway may compare lists before it tells.
    pub(crate) fn toggle(&self, change: Change) {
        self.flag(change).fetch_xor(true, Ordering::SeqCst);
        // Nobody may be listening.
        let _ = self.changes.send(change);
    }

    pub(crate) fn has_more(&self, change: Change) -> bool {
        self.flag(change).load(Ordering::SeqCst)
    }

    pub(crate) fn changes(&self) -> broadcast::Receiver<Change> {
        self.changes.subscribe()
    }

    fn flag(&self, change: Change) -> &AtomicBool {
        match change {
            Change::Tools => &self.more_tools,
            Change::Prompts => &self.more_prompts,
        }
    }
}
