//! The world of bundles, as wasmtime's macro makes it of `wit/bundle.wit`.

wasmtime::component::bindgen!({
    path: "wit",
    world: "switchboard:bundle/bundle",
    imports: { "switchboard:bundle/key-value": async },
    exports: { default: async },
});
