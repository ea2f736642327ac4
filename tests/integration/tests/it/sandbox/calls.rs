//! Attacks on whoever runs a mapper: each call ends under its code, and the next one is as good as new.

use ml_connector_domain::mapping::BatchContext;
use ml_connector_mapper::{Limits, LoadedMapper, MapperRuntime};

use super::guests::Guest;
use super::{context, orders};
use crate::support::component;

/// Small limits, so that a debug build spends its time on the attack's end and not on its middle.
fn limits() -> Limits {
    Limits { fuel_base: 4_000_000, fuel_per_record: 0, fuel_per_line: 0, ..Limits::default() }
}

/// One outcome at 2048, `skip` with text of this length at this address; the list of it at 1040.
fn skip(address: &str, bytes: &str) -> String {
    format!(
        "(i32.store8 (i32.const 2048) (i32.const 2)) (i32.store (i32.const 2052) (i32.const {address}))
        (i32.store (i32.const 2056) (i32.const {bytes}))
        (i32.store (i32.const 1040) (i32.const 2048)) (i32.store (i32.const 1044) (i32.const 1)) (i32.const 1040)"
    )
}

/// Answers with a list of this length at this address.
fn list(address: &str, length: &str) -> String {
    format!(
        "(i32.store (i32.const 1040) (i32.const {address})) (i32.store (i32.const 1044) (i32.const {length}))
        (i32.const 1040)"
    )
}

fn mapping(body: &str) -> Guest {
    Guest::mapping(body)
}

fn beside(extra: &str, body: &str) -> Guest {
    Guest { extra: extra.to_owned(), ..Guest::mapping(body) }
}

/// Guests that burn processor time.
fn burners() -> Vec<(&'static str, Guest, &'static str)> {
    let end = "(i32.const 1024)";
    let recursing = "(func $r (param i64) (result i64) (i64.add (local.get 0) (call $r (local.get 0))))";
    vec![
        ("spins", mapping("(loop (br 0)) unreachable"), "fuel-exhausted"),
        (
            "spins over nothing but constants",
            mapping("(loop (drop (i32.const 1)) (br 0)) unreachable"),
            "fuel-exhausted",
        ),
        (
            "spins in cabi_realloc",
            Guest { realloc: "(loop (br 0)) unreachable", ..Guest::default() },
            "fuel-exhausted",
        ),
        (
            "spins in post-return",
            Guest { post_map_orders: "(loop (br 0))", ..Guest::mapping(skip("0", "0")) },
            "fuel-exhausted",
        ),
        (
            "traps in post-return",
            Guest { post_map_orders: "unreachable", ..Guest::mapping(skip("0", "0")) },
            "trap",
        ),
        (
            "calls itself for ever",
            beside(recursing, &format!("(drop (call $r (i64.const 1))) {end}")),
            "stack",
        ),
        (
            "fills memory again and again",
            mapping("(loop (memory.fill (i32.const 0) (i32.const 1) (i32.const 262144)) (br 0)) unreachable"),
            "fuel-exhausted",
        ),
        (
            "copies memory again and again",
            mapping("(loop (memory.copy (i32.const 0) (i32.const 9) (i32.const 200000)) (br 0)) unreachable"),
            "fuel-exhausted",
        ),
        (
            "divides again and again",
            beside(
                "(global $n (mut i64) (i64.const 9))",
                "(loop (global.set $n (i64.div_u (i64.const -1) (global.get $n))) (br 0)) unreachable",
            ),
            "fuel-exhausted",
        ),
    ]
}

/// Guests that hoard.
fn hoarders() -> Vec<(&'static str, Guest, &'static str)> {
    vec![
        (
            "grows its memory for ever",
            mapping("(loop (drop (memory.grow (i32.const 16))) (br 0)) unreachable"),
            "memory-limit",
        ),
        (
            "grows its memory at once",
            mapping("(drop (memory.grow (i32.const 3000))) unreachable"),
            "memory-limit",
        ),
        (
            "grows its table",
            beside(
                "(table $t 1 funcref)",
                "(drop (table.grow $t (ref.null func) (i32.const 1000000))) unreachable",
            ),
            "table-limit",
        ),
        (
            "grows two tables in turn",
            beside(
                "(table $t 1 funcref) (table $u 1 funcref)",
                "(loop (drop (table.grow $t (ref.null func) (i32.const 900))) (drop (table.grow $u (ref.null func) (i32.const 900))) (br 0)) unreachable",
            ),
            "table-limit",
        ),
    ]
}

/// Guests whose answers are wrong.
fn liars() -> Vec<(&'static str, Guest, &'static str)> {
    let answer = |body: String| Guest::mapping(body);
    let realloc = |realloc| Guest { realloc, ..Guest::default() };
    let invalid_text = format!("(i32.store (i32.const 3000) (i32.const -1)) {}", skip("3000", "4"));
    let unknown_case = format!("{} (i32.store8 (i32.const 2048) (i32.const 9))", skip("0", "0"));
    vec![
        ("answers too few", answer(list("0", "0")), "bad-output"),
        ("answers too many", answer(list("2048", "3")), "bad-output"),
        ("answers four thousand million", answer(list("2048", "-1")), "trap"),
        ("answers from outside its memory", answer(list("0x7ffffff0", "1")), "trap"),
        ("answers at an odd address", answer(list("2049", "1")), "trap"),
        ("answers at the end of its memory", answer("(i32.const 262140)".to_owned()), "trap"),
        ("answers with text from outside its memory", answer(skip("0x7ffffff0", "9")), "trap"),
        ("answers with text that is none", answer(invalid_text), "trap"),
        ("answers with a case that is none", answer(unknown_case), "trap"),
        (
            "answers with fifty megabytes",
            Guest { memory: "900", ..Guest::mapping(skip("0", "50000000")) },
            "output-limit",
        ),
        ("allocates outside its memory", realloc("(i32.const 0x7ffffff0)"), "trap"),
        ("allocates at an odd address", realloc("(i32.const 4097)"), "trap"),
        ("traps in cabi_realloc", realloc("unreachable"), "trap"),
    ]
}

/// Guests that abuse the one import, and guests that fail by themselves.
fn callers() -> Vec<(&'static str, Guest, &'static str)> {
    let log = |level: &str, at: &str, bytes: &str| {
        format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {bytes}))")
    };
    let flood = |line: String| mapping(&format!("(loop {line} (br 0)) unreachable"));
    let indirect = "(table 1 funcref) (type $t (func (param i64)))";
    vec![
        ("floods the log with nothing", flood(log("1", "0", "0")), "fuel-exhausted"),
        ("floods the log with large lines", flood(log("1", "60000", "200000")), "fuel-exhausted"),
        (
            "logs from outside its memory",
            mapping(&format!("{} unreachable", log("1", "0x7ffffff0", "9"))),
            "trap",
        ),
        ("logs at a level that is none", mapping(&format!("{} unreachable", log("77", "0", "1"))), "trap"),
        (
            "logs what is no text",
            mapping(&format!(
                "(i32.store (i32.const 3000) (i32.const -1)) {} unreachable",
                log("1", "3000", "4")
            )),
            "trap",
        ),
        (
            "calls the host out of cabi_realloc",
            Guest {
                realloc: "(call $log (i32.const 1) (i32.const 0) (i32.const 0)) (i32.const 4096)",
                ..Guest::default()
            },
            "trap",
        ),
        (
            "calls the host out of post-return",
            Guest {
                post_map_orders: "(call $log (i32.const 1) (i32.const 0) (i32.const 0))",
                ..Guest::mapping(skip("0", "0"))
            },
            "trap",
        ),
        ("divides by zero", mapping("(i32.div_u (i32.const 1) (i32.const 0))"), "trap"),
        ("overflows", mapping("(i32.div_s (i32.const -2147483648) (i32.const -1))"), "trap"),
        ("reaches the unreachable", mapping("unreachable"), "trap"),
        ("reads outside its memory", mapping("(i32.load (i32.const 0x7ffffff0))"), "trap"),
        (
            "calls nothing through its table",
            beside(indirect, "(call_indirect (type $t) (i64.const 1) (i32.const 0)) (i32.const 1024)"),
            "trap",
        ),
        (
            "calls past its table",
            beside(indirect, "(call_indirect (type $t) (i64.const 1) (i32.const 7)) (i32.const 1024)"),
            "trap",
        ),
    ]
}

#[track_caller]
fn code(mapper: &LoadedMapper, context: &BatchContext, attack: &str) -> &'static str {
    let run = mapper.run_orders(context, &orders(1));
    let fault = run.result.map(|_| ()).expect_err(attack);
    println!("{attack}: {fault} after {} fuel, {:?}", fault.fuel, run.usage.elapsed);
    fault.code
}

#[test]
fn every_attack_on_a_call_is_stopped_under_its_own_code() {
    let runtime = MapperRuntime::new(limits()).expect("starts");
    let innocent = runtime.load(&component("minimal")).expect("loads");
    let context = context(&[]);
    let rows = [burners(), hoarders(), liars(), callers()];
    for (attack, guest, wanted) in rows.into_iter().flatten() {
        let mapper = runtime.load(&guest.component()).unwrap_or_else(|error| panic!("{attack}: {error}"));
        assert_eq!(code(&mapper, &context, attack), wanted, "a guest that {attack}");
        let after = innocent.run_orders(&context, &orders(3)).result;
        assert!(after.is_ok(), "after a guest that {attack}: {after:?}");
    }
}

#[test]
fn every_attack_that_a_rust_mapper_can_make_is_stopped_under_its_own_code() {
    let runtime = MapperRuntime::new(Limits { fuel_per_record: 0, ..Limits::default() }).expect("starts");
    let mapper = runtime.load(&component("hostile")).expect("loads");
    let rows = [
        ("spin", "fuel-exhausted"),
        ("grow", "memory-limit"),
        ("panic", "trap"),
        ("recurse", "stack"),
        ("recurse-frames", "trap"),
        ("huge-output", "output-limit"),
        ("log-flood", "fuel-exhausted"),
        ("wrong-count", "bad-output"),
        ("bad-currency", "bad-output"),
    ];
    for (attack, wanted) in rows {
        let run = mapper.run_orders(&context(&[("attack", attack)]), &orders(3));
        assert_eq!(run.result.map(|_| ()).expect_err(attack).code, wanted, "{attack}");
        let harmless = mapper.run_orders(&context(&[]), &orders(3)).result;
        assert!(harmless.is_ok(), "after {attack} the mapper is as good as new");
    }
}

#[test]
fn calls_of_the_host_are_counted_even_where_they_cost_nothing() {
    let free = Limits { log_call_fuel: 0, host_calls_max: 50, ..limits() };
    let runtime = MapperRuntime::new(free).expect("starts");
    let flood = "(loop (call $log (i32.const 1) (i32.const 0) (i32.const 0)) (br 0)) unreachable";
    let mapper = runtime.load(&Guest::mapping(flood).component()).expect("loads");
    let run = mapper.run_orders(&context(&[]), &orders(1));
    assert_eq!((run.result.expect_err("stops").code, run.usage.host_calls), ("hostcall-limit", 51));
}

#[test]
fn a_guest_that_fuel_does_not_stop_is_stopped_by_its_deadline() {
    let deadline = std::time::Duration::from_millis(80);
    let endless = Limits { fuel_base: u64::MAX / 2, deadline, ..Limits::default() };
    let runtime = MapperRuntime::new(endless).expect("starts");
    for guest in [
        Guest::mapping("(loop (br 0)) unreachable"),
        Guest { realloc: "(loop (br 0)) unreachable", ..Guest::default() },
        Guest { post_map_orders: "(loop (br 0))", ..Guest::mapping(skip("0", "0")) },
    ] {
        let mapper = runtime.load(&guest.component()).expect("loads");
        let run = mapper.run_orders(&context(&[]), &orders(1));
        assert_eq!(run.result.map(|_| ()).expect_err("spins").code, "deadline");
        // How much later is measured by `cargo xtask bench hostile`: a busy machine is no defect.
        assert!(run.usage.elapsed >= deadline, "{:?}", run.usage.elapsed);
    }
}

#[test]
fn a_share_of_every_limit_is_told() {
    let run = MapperRuntime::new(Limits::default())
        .expect("starts")
        .load(&component("minimal"))
        .expect("loads")
        .run_orders(&context(&[]), &orders(100));
    let fuel = run.result.expect("maps").fuel;
    assert_eq!(run.usage.fuel, fuel);
    for (limit, share) in run.usage.shares() {
        assert!((0.0..1.0).contains(&share), "{limit}: {share}");
    }
    assert!(run.usage.memory_bytes > 0 && run.usage.output_bytes > 100 * 32);
}
