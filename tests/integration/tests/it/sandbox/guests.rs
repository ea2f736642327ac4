//! Guests that no compiler makes: core modules written by hand, wrapped into components of the contract.

use std::fmt::Write as _;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};

/// The parts of a guest that an attack replaces; each is the body of a function in Wasm's text form.
pub(crate) struct Guest {
    /// Definitions beside the contract's: globals, tables, functions, a start function.
    pub(crate) extra: String,
    /// Of the memory, in pages.
    pub(crate) memory: &'static str,
    pub(crate) realloc: &'static str,
    pub(crate) describe: &'static str,
    pub(crate) map_orders: String,
    pub(crate) post_map_orders: &'static str,
}

impl Default for Guest {
    fn default() -> Self {
        Self {
            extra: String::new(),
            memory: "4",
            // A bump allocator over a memory that is large enough for a few orders.
            realloc: "(local $at i32)
                (local.set $at (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
                (global.set $next (i32.add (local.get $at) (local.get 3)))
                (local.get $at)",
            // Thirty-two zero bytes: no name, no version, no settings.
            describe: "(i32.const 1024)",
            // Eight zero bytes: an empty list.
            map_orders: "(i32.const 1024)".to_owned(),
            post_map_orders: "",
        }
    }
}

impl Guest {
    /// A guest that answers batches of orders with this body.
    pub(crate) fn mapping(body: impl Into<String>) -> Self {
        Self { map_orders: body.into(), ..Self::default() }
    }

    /// The component.
    pub(crate) fn component(&self) -> Vec<u8> {
        let Self { extra, memory, realloc, describe, map_orders, post_map_orders } = self;
        componentize(&format!(
            r#"(module
                (import "ml-connector:mapper/log@0.1.0" "write" (func $log (param i32 i32 i32)))
                (memory (export "memory") {memory})
                (global $next (mut i32) (i32.const 4096))
                {extra}
                (func $realloc (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) {realloc})
                (func (export "describe") (result i32) {describe})
                (func $map (export "map-orders") (param i32) (result i32) {map_orders})
                (func (export "cabi_post_map-orders") (param i32) {post_map_orders})
                (func (export "map-transactions") (param i32) (result i32) (i32.const 1024)))"#
        ))
    }
}

/// Makes a component of a core module in text form.
#[track_caller]
pub(crate) fn componentize(text: &str) -> Vec<u8> {
    encode(text, None)
}

/// As [`componentize`], for a world that has parts of WASI beside the contract.
#[track_caller]
pub(crate) fn componentize_with_wasi(text: &str) -> Vec<u8> {
    encode(text, Some(WITH_WASI))
}

#[track_caller]
fn encode(text: &str, world: Option<&str>) -> Vec<u8> {
    let mut module = wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"));
    let mut resolve = wit_parser::Resolve::default();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/v0.1");
    let (contract, _) = resolve.push_dir(folder).expect("the contract parses");
    let (package, name) = match world {
        None => (contract, "mapper"),
        Some(wit) => (resolve.push_str("lenient.wit", wit).unwrap_or_else(|e| panic!("{e:#}")), "lenient"),
    };
    let world = resolve.select_world(&[package], Some(name)).expect("a world");
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect("is embedded");
    // Not validated: whether it is valid is for the host to say.
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder.validate(false).module(&module).and_then(|encoder| encoder.encode());
    encoded.unwrap_or_else(|error| panic!("{error:#}"))
}

/// What a compiler for WASI links in, as far as the tests call it.
const WITH_WASI: &str = "
package test:lenient;

world lenient {
    include ml-connector:mapper/mapper@0.1.0;
    import wasi:clocks/wall-clock@0.2.3;
    import wasi:random/random@0.2.3;
    import wasi:cli/stdout@0.2.3;
    import wasi:sockets/instance-network@0.2.3;
}

package wasi:clocks@0.2.3 {
    interface wall-clock {
        record datetime { seconds: u64, nanoseconds: u32 }
        now: func() -> datetime;
    }
}

package wasi:random@0.2.3 {
    interface random { get-random-u64: func() -> u64; }
}

package wasi:io@0.2.3 {
    interface error { resource error; }
    interface streams {
        use error.{error};
        variant stream-error { last-operation-failed(error), closed }
        resource output-stream { blocking-write-and-flush: func(contents: list<u8>) -> result<_, stream-error>; }
    }
}

package wasi:cli@0.2.3 {
    interface stdout {
        use wasi:io/streams@0.2.3.{output-stream};
        get-stdout: func() -> output-stream;
    }
}

package wasi:sockets@0.2.3 {
    interface instance-network { instance-network: func() -> u32; }
}
";

/// A component that is nothing but an instance of one core module, for attacks on whoever compiles it.
#[track_caller]
pub(crate) fn wrapped(module: &str) -> Vec<u8> {
    text(&format!("(component (core module $m {module}) (core instance (instantiate $m)))"))
}

#[track_caller]
pub(crate) fn text(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap_or_else(|error| panic!("{error}"))
}

/// `count` times what `line` makes of a number.
pub(crate) fn repeated(count: usize, line: impl Fn(usize) -> String) -> String {
    (0..count).fold(String::new(), |mut all, n| {
        let _written = writeln!(all, "{}", line(n));
        all
    })
}

/// Functions, each with a branch table of so many targets.
pub(crate) fn branch_tables(functions: usize, targets: usize) -> String {
    let table = " 0".repeat(targets);
    let function = |_| format!("(func (param i32) (block (br_table{table} (local.get 0))))");
    repeated(functions, function)
}

/// Functions, each with a branch table whose targets are all different, and do different things.
pub(crate) fn distinct_branches(functions: usize, targets: usize) -> String {
    let labels = repeated(targets, |label| label.to_string());
    let ends = repeated(targets, |n| format!("end i32.const {} local.get 0 i32.store", 4 * n));
    let function =
        |_| format!("(func (param i32) {} local.get 0 br_table {labels} {ends})", "block ".repeat(targets));
    format!("(memory 1) {}", repeated(functions, function))
}

/// A function whose locals are all alive at once. Each is loaded from a place of its own: equal loads are one value to a
/// compiler, and cost it nothing.
pub(crate) fn live_locals(count: usize) -> String {
    let declared = "i64 ".repeat(count);
    let set = repeated(count, |n| format!("(local.set {} (i64.load offset={} (local.get 0)))", n + 1, 8 * n));
    let used = repeated(count, |n| format!("(i64.add (local.get {}))", n + 1));
    format!("(memory 1) (func (param i32) (result i64) (local {declared}) {set} (i64.const 0) {used})")
}
