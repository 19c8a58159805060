//! The engine: one for each process, with all that instances take from.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use switchboard_egress::Guard;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};
use wasmtime::component::Linker;
use wasmtime::{Config, InstanceAllocationStrategy, PoolingAllocationConfig, WasmBacktraceDetails};

use crate::bindings::BundlePre;
use crate::cache::Cache;
use crate::error::WasmError;
use crate::idle::Idle;
use crate::instance::Origin;
use crate::load::Upload;
use crate::meter::Total;
use crate::program::Program;
use crate::state::State;
use crate::ticker::Ticker;

/// Core modules that one component is made of. Python's come as a library each, and fit.
const MODULES: u32 = 64;

/// Memories of one component: its own, and that of an adapter or two.
const MEMORIES: u32 = 4;

/// Tables of one component: one for its functions, one for those that adapters stand in for.
const TABLES: u32 = 16;

/// Largest table, in elements. Reserved for each table that there might be, 16 bytes each.
const TABLE_ELEMENTS: usize = 100_000;

/// Bookkeeping of one module in an instance, which grows with its functions. Twice the default.
const INSTANCE_BYTES: usize = 2 << 20;

/// The stack of a guest, twice wasmtime's default because interpreters recurse, and that of the fiber
/// which it runs on with what it calls on our side.
const GUEST_STACK: usize = 1 << 20;
const FIBER_STACK: usize = 2 << 20;

/// Compilations at once: whoever uploads must not take all processors from whoever calls.
const COMPILATIONS: usize = 1;

/// What all programs share.
#[derive(Clone, Debug)]
pub struct EngineSettings {
    /// Instances at once, idle ones included. 64 by default.
    pub instances: NonZeroU32,
    /// Idle instances that are kept for the next call. 16 by default.
    pub idle: usize,
    /// Most memory that one instance can be allowed. 512 MiB by default.
    pub instance_memory_bytes: usize,
    /// The memory of all instances. 2 GiB by default.
    pub memory_bytes: usize,
    /// How long a call waits for a place. 5 s by default: clients wait 30 s and longer, and what is
    /// full for 5 s stays so.
    pub wait: Duration,
    /// Calls that wait at once; others are refused. 256 by default.
    pub waiting: usize,
    /// Longest component. 64 MiB by default: Python has 18 MB, JavaScript 12.
    pub component_bytes: usize,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            instances: NonZeroU32::new(64).expect("64"),
            idle: 16,
            instance_memory_bytes: 512 << 20,
            memory_bytes: 2 << 30,
            wait: Duration::from_secs(5),
            waiting: 256,
            component_bytes: 64 << 20,
        }
    }
}

/// Compiles and runs. Cheap to clone; make one for each process.
#[derive(Clone)]
pub struct Engine {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) settings: EngineSettings,
    pub(crate) linker: Linker<State>,
    pub(crate) guard: Guard,
    pub(crate) memory: Arc<Total>,
    pub(crate) idle: Idle,
    pub(crate) ticker: Ticker,
    places: Arc<Semaphore>,
    waiting: AtomicUsize,
    compilations: Arc<Semaphore>,
    /// The number of the next program.
    programs: AtomicUsize,
}

impl Engine {
    /// Reserves address space for all instances that there may be, and starts a thread.
    ///
    /// # Errors
    ///
    /// [`WasmError::Engine`]: the system does not give what it takes.
    pub fn new(settings: EngineSettings, guard: Guard) -> Result<Self, WasmError> {
        let failed = |error: wasmtime::Error| WasmError::Engine { cause: format!("{error:#}") };
        let engine = wasmtime::Engine::new(&config(&settings)).map_err(failed)?;
        let mut linker = Linker::new(&engine);
        State::link(&mut linker).map_err(failed)?;
        let places = usize::try_from(settings.instances.get()).expect("32 bits or more");
        let inner = Inner {
            ticker: Ticker::start(engine)?,
            linker,
            guard,
            memory: Total::new(settings.instance_memory_bytes, settings.memory_bytes),
            idle: Idle::new(settings.idle),
            places: Arc::new(Semaphore::new(places)),
            waiting: AtomicUsize::new(0),
            compilations: Arc::new(Semaphore::new(COMPILATIONS)),
            programs: AtomicUsize::new(0),
            settings,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Makes a component ready to be called: from the cache, or by compiling it, which may take half a
    /// minute of one processor and waits for others that are compiled.
    ///
    /// Programs share no instances, even if they are made of the same bytes.
    ///
    /// # Cancel safety
    ///
    /// A compilation that has begun goes on, and its code is kept for the next time.
    ///
    /// # Errors
    ///
    /// [`WasmError::TooLarge`], [`WasmError::NotAComponent`], [`WasmError::WrongWorld`].
    pub async fn load(&self, bytes: Bytes, cache: Option<Cache>) -> Result<Program, WasmError> {
        let limit = self.inner.settings.component_bytes;
        if bytes.len() > limit {
            return Err(WasmError::TooLarge { bytes: bytes.len(), limit });
        }
        let (inner, kept) = (Arc::clone(&self.inner), cache.clone());
        let (upload, found) = off_the_runtime(move || {
            let upload = Upload::read(bytes)?;
            let found = upload.find(&inner.linker, kept.as_ref())?;
            Ok((upload, found))
        })
        .await?;
        let seed = upload.sha.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes));
        let pre = match found {
            Some(pre) => pre,
            None => self.compile(upload, cache).await?,
        };
        let number = self.inner.programs.fetch_add(1, Ordering::Relaxed);
        Ok(Program::new(number, Origin { engine: self.clone(), pre, seed }))
    }

    async fn compile(
        &self,
        upload: Upload,
        cache: Option<Cache>,
    ) -> Result<BundlePre<State>, WasmError> {
        let turn =
            Arc::clone(&self.inner.compilations).acquire_owned().await.expect("never closed");
        let inner = Arc::clone(&self.inner);
        off_the_runtime(move || {
            let _turn = turn;
            upload.compile(&inner.linker, cache.as_ref())
        })
        .await
    }
}

/// A component that makes the compiler panic is one that cannot be compiled.
async fn off_the_runtime<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, WasmError> + Send + 'static,
) -> Result<T, WasmError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| WasmError::NotAComponent { why: format!("the compiler: {error}") })?
}

impl Inner {
    /// A place for one more instance.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, WasmError> {
        let places = || Arc::clone(&self.places);
        if let Ok(place) = places().try_acquire_owned() {
            return Ok(place);
        }
        // One that is kept for a call that may come makes room for one that has.
        if self.idle.give_up_oldest()
            && let Ok(place) = places().try_acquire_owned()
        {
            return Ok(place);
        }
        let began = Instant::now();
        let _waiting = Waiting::begin(self)?;
        let place = timeout(self.settings.wait, places().acquire_owned()).await;
        let place = place.map_err(|_| self.busy(began.elapsed()))?;
        Ok(place.expect("never closed"))
    }

    /// Whether somebody waits for a place, so that none should be kept for later.
    pub(crate) fn is_waited_for(&self) -> bool {
        self.waiting.load(Ordering::Relaxed) > 0
    }

    fn busy(&self, waited: Duration) -> WasmError {
        let places = usize::try_from(self.settings.instances.get()).expect("32 bits or more");
        WasmError::Busy { places, waited }
    }
}

struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(inner: &'a Inner) -> Result<Self, WasmError> {
        let waiting = Self(&inner.waiting);
        if waiting.0.fetch_add(1, Ordering::Relaxed) >= inner.settings.waiting {
            return Err(inner.busy(Duration::ZERO));
        }
        Ok(waiting)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn config(settings: &EngineSettings) -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(FIBER_STACK)
        // Names of functions are enough. Lines would mean reading a stranger's debug information.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .memory_init_cow(true)
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool(settings)));
    config
}

/// Sized so that whoever has a place gets all else, whatever the component is made of.
fn pool(settings: &EngineSettings) -> PoolingAllocationConfig {
    let instances = settings.instances.get();
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances * MODULES)
        .total_memories(instances * MEMORIES)
        .total_tables(instances * TABLES)
        .total_stacks(instances)
        .max_core_instances_per_component(MODULES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .max_memory_size(settings.instance_memory_bytes)
        .table_elements(TABLE_ELEMENTS);
    pool
}
