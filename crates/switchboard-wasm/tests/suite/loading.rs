//! What is no bundle, and what is kept of one.

use bytes::Bytes;
use switchboard_wasm::{Cache, WasmError};
use tokio::time::Instant;

use crate::guest::{component, echo, module};
use crate::surroundings::{call, engine, engine_with};

#[track_caller]
fn text(wat: &str) -> Vec<u8> {
    wat::parse_str(wat).unwrap()
}

async fn refusal(bytes: Vec<u8>) -> (&'static str, String) {
    let error = engine().load(bytes.into(), None).await.map(drop).unwrap_err();
    (error.code(), error.to_string())
}

#[tokio::test]
async fn what_is_no_component_is_refused_with_what_it_is() {
    for (bytes, why) in [
        (Vec::new(), "it does not begin as WebAssembly does"),
        (b"#!/usr/bin/env python3\n".to_vec(), "it does not begin as WebAssembly does"),
        (b"\x7fELF\x02\x01\x01\0".to_vec(), "it does not begin as WebAssembly does"),
        (text("(module)"), "it is a core module, which a component is made of"),
        (b"\0asm\x0c\0\x01\0".to_vec(), "it is of another version of the component model"),
    ] {
        let (code, message) = refusal(bytes).await;
        assert_eq!(
            (code, message),
            (
                "wasm-no-component",
                format!("it is no WebAssembly component that can run here: {why}")
            )
        );
    }
}

#[tokio::test]
async fn what_is_cut_short_or_changed_is_refused() {
    let whole = echo();
    for length in (8..whole.len()).step_by(whole.len() / 40) {
        let (code, message) = refusal(whole[..length].to_vec()).await;
        assert!(["wasm-no-component", "wasm-wrong-world"].contains(&code), "{length}: {message}");
    }
    for at in (8..whole.len()).step_by(whole.len() / 40) {
        let mut changed = whole.clone();
        changed[at] ^= 0xff;
        // A name or a constant that changed may still be a bundle; nothing else may happen.
        let _ = engine().load(changed.into(), None).await;
    }
}

#[tokio::test]
async fn what_is_no_bundle_is_refused_with_what_is_missing() {
    let (code, message) = refusal(text("(component)")).await;
    assert_eq!(code, "wasm-wrong-world");
    assert!(message.contains("does not export `switchboard:bundle/handler@1.0.0`"), "{message}");
    let unknown = r#"(component
        (import "acme:db/query@1.0.0" (instance (export "run" (func))))
        (import "wasi:nn/graph@0.2.0" (instance))
        (import "wasi:cli/stdout@0.3.0" (instance)))"#;
    let (code, message) = refusal(text(unknown)).await;
    assert_eq!(code, "wasm-wrong-world");
    for name in ["acme:db/query@1.0.0", "wasi:nn/graph@0.2.0", "wasi:cli/stdout@0.3.0"] {
        assert!(message.contains(&format!("imports `{name}`")), "{message}");
    }
    let (code, message) = refusal(text(
        r#"(component
            (import "switchboard:bundle/log@1.0.0" (instance (export "write" (func (param "text" string)))))
            (instance $handler) (export "switchboard:bundle/handler@1.0.0" (instance $handler)))"#,
    ))
    .await;
    assert_eq!(code, "wasm-wrong-world", "{message}");
    let (code, message) = refusal(text(
        r#"(component (instance $handler) (export "switchboard:bundle/handler@1.0.0" (instance $handler)))"#,
    ))
    .await;
    assert_eq!(code, "wasm-wrong-world", "{message}");
    assert!(message.contains("call-tool"), "{message}");
}

#[tokio::test]
async fn what_is_too_large_is_not_looked_at() {
    let engine = engine_with(|settings| settings.component_bytes = 1_000);
    let error = engine.load(Bytes::from(vec![0; 1_001]), None).await.map(drop).unwrap_err();
    assert!(matches!(error, WasmError::TooLarge { bytes: 1_001, limit: 1_000 }));
}

#[tokio::test]
async fn a_bundle_that_begins_with_more_than_any_may_have_is_refused() {
    let module = module("", "(call $done)")
        .replace(r#"(memory (export "memory") 2)"#, r#"(memory (export "memory") 20000)"#);
    let huge_memory = component(&module);
    let engine = engine();
    let error = engine.load(huge_memory.into(), None).await.map(drop).unwrap_err();
    assert_eq!(error.code(), "wasm-no-component");
    assert!(error.to_string().contains("minimum byte size of 1310720000"), "{error}");
}

#[tokio::test]
async fn compiled_code_is_kept_and_found() {
    let place = tempfile::tempdir().unwrap();
    let cache = Cache::open(place.path().join("wasm"), [1; 32]).unwrap();
    for round in ["compiled", "found"] {
        // Another engine, as after a restart.
        let engine = engine();
        let began = Instant::now();
        let program = engine.load(echo().into(), Some(cache.clone())).await.unwrap();
        println!("{round} in {:?}", began.elapsed());
        assert_eq!(call(&program, "{}").await.unwrap(), "{}");
        let files = std::fs::read_dir(place.path().join("wasm")).unwrap().count();
        assert_eq!(files, 2, "{round}");
    }
}
