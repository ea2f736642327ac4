//! Attacks on whoever reads, checks and compiles a component: each is refused under its code, before it is compiled
//! unless the table says otherwise.

use ml_connector_mapper::{Limits, MapperRuntime, Policy, WasiPolicy};

use super::guests::{Guest, branch_tables, distinct_branches, live_locals, repeated, text, wrapped};

/// What is uploaded, under which code it is refused, and a word that the message has to say.
type Row = (&'static str, Vec<u8>, &'static str, &'static str);

fn imports() -> Vec<Row> {
    let import = |name: &str| text(&format!(r#"(component (import "{name}" (instance)))"#));
    vec![
        ("imports a clock", import("wasi:clocks/wall-clock@0.2.0"), "MAP-IMPORT", "wasm32-unknown-unknown"),
        ("imports files", import("wasi:filesystem/types@0.2.3"), "MAP-IMPORT", "--stub-wasi"),
        ("imports a socket", import("acme:net/socket"), "MAP-IMPORT", "comes in with the call"),
        (
            "imports another contract",
            import("ml-connector:mapper/log@9.0.0"),
            "MAP-IMPORT",
            "another version",
        ),
        ("exports nothing", text("(component)"), "MAP-EXPORT", "export_mapper!"),
        ("exports something else", exporting_wrong_types(), "MAP-EXPORT", "describe"),
    ]
}

/// Has the right names, but `describe` answers with a number.
fn exporting_wrong_types() -> Vec<u8> {
    let lift =
        |name: &str| format!(r#"(func (export "{name}") (result u32) (canon lift (core func $core "f")))"#);
    let exports = ["describe", "map-orders", "map-transactions"].map(lift).join(" ");
    text(&format!(
        r#"(component (core module $m (func (export "f") (result i32) (i32.const 0)))
            (core instance $core (instantiate $m)) {exports})"#
    ))
}

fn malformed() -> Vec<Row> {
    let whole = Guest::default().component();
    let mut torn = whole.clone();
    torn.truncate(whole.len() / 2);
    let mut flipped = whole.clone();
    for at in (100..whole.len()).step_by(97) {
        flipped[at] ^= 0x55;
    }
    let unbalanced = wrapped("(func (result i32) (i64.const 0))");
    let lists = repeated(200, |n| format!("(type $t{} (list $t{n}))", n + 1));
    let deep = format!("(component (type $t0 (list u8)) {lists})");
    vec![
        ("is empty", Vec::new(), "MAP-COMPONENT", ""),
        ("is nonsense", b"nonsense".to_vec(), "MAP-COMPONENT", ""),
        ("is text", b"(component)".to_vec(), "MAP-COMPONENT", ""),
        ("is a core module", text("(module)"), "MAP-COMPONENT", "mapper build"),
        ("is machine code", b"\x7fELF\x02\x01\x01\x00".to_vec(), "MAP-COMPONENT", ""),
        ("breaks off", torn, "MAP-COMPONENT", ""),
        ("has bits flipped", flipped, "MAP-", ""),
        ("has ill-typed code", unbalanced, "MAP-COMPONENT", "type mismatch"),
        ("nests types two hundred deep", text(&deep), "MAP-COMPONENT", ""),
        ("doubles tuples thirty times", type_bomb(), "MAP-COMPONENT", ""),
        ("is too large", vec![0; Limits::default().component_bytes_max + 1], "MAP-SIZE", "stripped"),
    ]
}

fn type_bomb() -> Vec<u8> {
    let doubled = repeated(30, |n| format!("(type $t{} (tuple $t{n} $t{n}))", n + 1));
    text(&format!("(component (type $t0 (tuple u64 u64)) {doubled})"))
}

fn proposals() -> Vec<Row> {
    let shared = "(memory 1 1 shared)";
    let relaxed =
        "(func (result v128) (i8x16.relaxed_swizzle (v128.const i64x2 0 0) (v128.const i64x2 0 0)))";
    let tail = "(func $f (return_call $f))";
    let thrown = "(tag $t) (func (throw $t))";
    vec![
        ("shares memory with threads", wrapped(shared), "MAP-COMPONENT", "threads"),
        ("has 64-bit memory", wrapped("(memory i64 1)"), "MAP-COMPONENT", "memory64"),
        ("has relaxed vectors", wrapped(relaxed), "MAP-COMPONENT", "relaxed SIMD"),
        ("calls at the tail", wrapped(tail), "MAP-COMPONENT", "tail calls"),
        ("throws", wrapped(thrown), "MAP-COMPONENT", "exceptions"),
        ("collects garbage", wrapped("(type (struct (field i32)))"), "MAP-COMPONENT", "gc"),
    ]
}

fn shapes() -> Vec<Row> {
    let row = |name, module: &str, word| (name, wrapped(module), "MAP-SHAPE", word);
    let deep = format!("(func {}{})", "loop ".repeat(20_000), "end ".repeat(20_000));
    let stacked = format!(
        "(memory 1) (func (result i64) {} {})",
        repeated(20_000, |_| "i32.const 0 i64.load".to_owned()),
        "i64.add ".repeat(19_999)
    );
    let long = format!("(memory 1) (func {})", "(i64.store (i32.const 0) (i64.const -1))".repeat(20_000));
    let wide = format!("(type (func (param {})))", "i64 ".repeat(900));
    let data = format!("(memory 1) {}", r#"(data (i32.const 0) "x")"#.repeat(2_000));
    let elements = format!("(table 1 funcref) (func $f) {}", "(elem (i32.const 0) $f)".repeat(200));
    let element = format!("(table 1 funcref) (func $f) (elem func {})", "$f ".repeat(20_000));
    vec![
        row("has ten branch tables of 10,000 targets", &branch_tables(10, 10_000), "targets of one br_table"),
        row("has ten of 5,000 different targets", &distinct_branches(10, 5_000), "blocks within blocks"),
        row("has a thousand branch tables", &branch_tables(1_000, 100), "targets of all br_tables"),
        row("has 40,000 live locals", &live_locals(40_000), "one function"),
        row("has 3,000 live locals", &live_locals(3_000), "locals of one function"),
        row("keeps 20,000 values on the stack", &stacked, "stack"),
        row("has 100,000 tiny functions", &"(func)".repeat(100_000), "functions"),
        row("has one function of 180 KB", &long, "bytes of one function"),
        row("nests 20,000 loops", &deep, "blocks within blocks"),
        row("takes 900 parameters", &wide, "parameters"),
        row("has 5,000 types", &repeated(5_000, |_| "(type (func))".to_owned()), "types"),
        row("has 5,000 globals", &"(global i32 (i32.const 0))".repeat(5_000), "globals"),
        row("has 50 tables", &"(table 1 funcref)".repeat(50), "tables"),
        row("has 2,000 data segments", &data, "data segments"),
        row("has 200 element segments", &elements, "element segments"),
        row("names 20,000 elements", &element, "elements"),
        row("imports 2,000 functions", &r#"(import "a" "b" (func))"#.repeat(2_000), "imports"),
        row("exports 2,000 functions", &exports(2_000), "exports"),
        row("starts with a table of ten million", "(table 10000000 funcref)", "elements of all tables"),
        row("starts with three tables of 8,000", &"(table 8000 funcref)".repeat(3), "elements of all tables"),
        row("starts with 100 MiB", "(memory 1600)", "bytes of all memories"),
        ("has three memories under a cap for each", three_memories(), "MAP-SHAPE", "memories"),
        ("has 500 instances", many_instances(500), "MAP-SHAPE", "instances"),
        (
            "has 500 modules",
            text(&format!("(component {})", "(core module)".repeat(500))),
            "MAP-SHAPE",
            "modules",
        ),
        ("carries a megabyte that is never run", custom(1, 600_000), "MAP-SHAPE", "bytes of custom sections"),
        ("carries a thousand custom sections", custom(1_000, 1), "MAP-SHAPE", "custom sections"),
    ]
}

fn exports(count: usize) -> String {
    let export = |n| format!(r#"(export "e{n}" (func $f))"#);
    format!("(func $f) {}", repeated(count, export))
}

/// Three modules with a memory of 60 MiB each: each alone is under the limit of a call.
fn three_memories() -> Vec<u8> {
    let module = "(core module (memory 960))";
    text(&format!("(component {module}{module}{module})"))
}

fn many_instances(count: usize) -> Vec<u8> {
    let instances = "(core instance (instantiate $m))".repeat(count);
    text(&format!("(component (core module $m (func)) {instances})"))
}

fn custom(sections: usize, bytes: usize) -> Vec<u8> {
    let section = format!(r#"(@custom "c" "{}")"#, "x".repeat(bytes));
    text(&format!("(component {})", section.repeat(sections)))
}

#[test]
fn what_attacks_the_compiler_is_refused_before_it_is_compiled() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let rows = [imports(), malformed(), proposals(), shapes()].concat();
    assert!(rows.len() >= 40, "{} vectors", rows.len());
    for (attack, bytes, code, word) in rows {
        // What has the right names is linked before its types are known to be wrong.
        let refused = match attack {
            "exports something else" => runtime.load(&bytes).map(|_| ()),
            _ => runtime.admit(&bytes, &Policy::default()).map(|_| ()),
        };
        let message = refused.expect_err(attack).to_string();
        assert!(message.starts_with(code), "a component that {attack}: {message}");
        assert!(
            message.to_lowercase().contains(&word.to_lowercase()),
            "a component that {attack}: {message}"
        );
    }
    assert!(
        runtime.admit(&Guest::default().component(), &Policy::default()).is_ok(),
        "the innocent one passes"
    );
}

#[test]
fn the_policy_decides_about_wasi_and_says_so() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let wasi = text(r#"(component (import "wasi:clocks/wall-clock@0.2.0" (instance)))"#);
    let refused = runtime.admit(&wasi, &Policy::default()).expect_err("refused").to_string();
    assert!(refused.contains("wasi = \"deterministic\""), "{refused}");
    let lenient = Policy { wasi: WasiPolicy::Deterministic, ..Policy::default() };
    let next = runtime.admit(&wasi, &lenient).expect_err("still no mapper").to_string();
    assert!(next.starts_with("MAP-EXPORT"), "{next}");
}

#[test]
fn attacks_while_it_is_introduced_are_stopped_under_their_own_names() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let extra = |extra: &str| Guest { extra: extra.to_owned(), ..Guest::default() }.component();
    let describe = |describe| Guest { describe, ..Guest::default() }.component();
    let rows = [
        ("spins in its start function", extra("(func $s (loop (br 0))) (start $s)"), "fuel-exhausted"),
        ("traps in its start function", extra("(func $s unreachable) (start $s)"), "trap"),
        ("spins in describe", describe("(loop (br 0)) unreachable"), "fuel-exhausted"),
        ("describes itself from outside its memory", describe("(i32.const 0x7ffffff0)"), "trap"),
        ("describes itself at an odd address", describe("(i32.const 1025)"), "trap"),
        (
            "describes itself with fifty megabytes",
            Guest {
                memory: "900",
                describe: "(i32.store (i32.const 1028) (i32.const 50000000)) (i32.const 1024)",
                ..Guest::default()
            }
            .component(),
            "output-limit",
        ),
    ];
    for (attack, bytes, code) in rows {
        let refused = runtime.load(&bytes).map(|_| ()).expect_err(attack).to_string();
        let wanted = format!("MAP-DESCRIBE: the component failed to describe itself: {code}");
        assert!(refused.starts_with(&wanted), "a component that {attack}: {refused}");
    }
}
