//! Guests written by hand: the text of a core module, made a component as toolchains do it.

use std::path::Path;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// Everything that a bundle can import.
const WORLD: &str = "
    package test:guest;
    world guest {
        include switchboard:bundle/bundle-with-http@1.0.0;
        include wasi:cli/imports@0.2.12;
    }
";

/// What every guest has: memory, an allocator that gives nothing back, and the three functions. `$ok`
/// makes the text at an address the answer.
const FRAME: &str = r#"
    (memory (export "memory") 2)
    (global $free (mut i32) (i32.const 65536))
    (func $realloc (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32)
        (local $at i32)
        (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
        (local.set $at (global.get $free))
        (global.set $free (i32.add (global.get $free) (local.get $size)))
        (block $enough
            (loop $more
                (br_if $enough (i32.le_u (global.get $free) (i32.mul (memory.size) (i32.const 65536))))
                (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))
                unreachable))
        (local.get $at))
    (func $ok (param $text i32) (param $length i32) (result i32)
        (i32.store8 (i32.const 1024) (i32.const 0))
        (i32.store (i32.const 1028) (local.get $text))
        (i32.store (i32.const 1032) (local.get $length))
        (i32.const 1024))
    (func $done (result i32) (call $ok (i32.const 16) (i32.const 14)))
    (data (i32.const 16) "{\"content\":[]}")
    (func (export "switchboard:bundle/handler@1.0.0#read-resource") (param i32 i32) (result i32) unreachable)
    (func (export "switchboard:bundle/handler@1.0.0#get-prompt") (param i32 i32 i32 i32) (result i32) unreachable)
"#;

/// A guest whose tools all do `body`, which finds the name in `$name` and `$name_length`, the
/// arguments in `$text` and `$length`, and leaves the address of its answer. `items` stand before it:
/// imports first.
pub(crate) fn tool(items: &str, body: &str) -> Vec<u8> {
    component(&module(items, body))
}

/// The module of [`tool`], for those who want to change more of it.
pub(crate) fn module(items: &str, body: &str) -> String {
    format!(
        r#"(module {items} {FRAME}
            (func (export "switchboard:bundle/handler@1.0.0#call-tool")
                (param $name i32) (param $name_length i32) (param $text i32) (param $length i32)
                (result i32) (local $i i32) (local $j i32) (local $k i64)
                {body}))"#
    )
}

/// Answers with its arguments.
pub(crate) fn echo() -> Vec<u8> {
    tool("", "(call $ok (local.get $text) (local.get $length))")
}

pub(crate) fn component(module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = Path::new(env!("CARGO_MANIFEST_DIR")).join("wit");
    resolve.push_dir(wit).unwrap();
    let package = resolve.push_str("guest.wit", WORLD).unwrap();
    let world = resolve.select_world(&[package], None).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}
