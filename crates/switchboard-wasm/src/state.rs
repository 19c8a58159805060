//! What stands behind one instance.

use std::sync::Arc;

use switchboard_egress::Guard;
use wasmtime::component::{HasSelf, Linker, ResourceTable};
use wasmtime_wasi::p2::bindings::{random, sockets};
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::bindings::Bundle;
use crate::call::Terms;
use crate::clock::Clock;
use crate::host::Source;
use crate::lines::Printed;
use crate::meter::{Meter, Total};
use crate::outgoing::Requests;
use crate::random::Generator;
use crate::scope::Current;

/// Things that a guest holds on our side at once: streams, requests, headers, timers. Programs hold
/// a few dozen. Headers and the beginnings of requests fill up to 32 MiB of our memory with it.
const RESOURCES: usize = 500;

/// All headers of a request, or all of an answer. Servers commonly take 8 to 16 KiB.
const HEADER_BYTES: usize = 32 << 10;

pub(crate) struct State {
    pub(crate) current: Current,
    pub(crate) terms: Arc<Terms>,
    pub(crate) meter: Meter,
    pub(crate) generator: Generator,
    table: ResourceTable,
    wasi: WasiCtx,
    http: WasiHttpCtx,
    requests: Requests,
}

impl State {
    pub(crate) fn new(terms: Arc<Terms>, seed: u64, guard: Guard, total: Arc<Total>) -> Self {
        let current = Current::default();
        let clock = Clock::new(current.clone(), terms.grants.clock);
        let printed = |source| Printed { current: current.clone(), source };
        let wasi = WasiCtx::builder()
            .envs(&terms.grants.environment)
            .stdout(printed(Source::Stdout))
            .stderr(printed(Source::Stderr))
            .wall_clock(clock.clone())
            .monotonic_clock(clock)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build();
        let mut table = ResourceTable::new();
        table.set_max_capacity(RESOURCES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADER_BYTES);
        Self {
            meter: Meter::new(&terms.limits, total),
            generator: Generator::new(seed),
            table,
            wasi,
            http,
            requests: Requests::new(current.clone(), Arc::clone(&terms), guard),
            current,
            terms,
        }
    }

    /// Links everything that a bundle can import. What is not granted says so when it is called.
    pub(crate) fn link(linker: &mut Linker<Self>) -> wasmtime::Result<()> {
        wasmtime_wasi::p2::add_to_linker_async(linker)?;
        wasmtime_wasi_http::p2::add_only_http_to_linker_async(linker)?;
        // Ours in the place of some that were just linked.
        linker.allow_shadowing(true);
        random::random::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)?;
        random::insecure::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)?;
        random::insecure_seed::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)?;
        sockets::tcp_create_socket::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)?;
        sockets::udp_create_socket::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)?;
        linker.allow_shadowing(false);
        Bundle::add_to_linker::<_, HasSelf<Self>>(linker, |state| state)
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: &mut self.wasi, table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.requests, table: &mut self.table, ctx: &mut self.http }
    }
}
