//! A policy that admits WASI gives one that has nothing behind it.

use ml_connector_mapper::{Limits, LoadError, LoadedMapper, MapperRuntime, Policy, WasiPolicy};

use super::guests::componentize_with_wasi;
use super::{context, orders};

const LENIENT: Policy = Policy { wasi: WasiPolicy::Deterministic, class: ml_connector_mapper::Class::Native };

/// The orders' time, 2026-09-02T06:30:00Z, in seconds since 1970.
const BATCH_TIME: i64 = 1_788_330_600;

/// A guest that does this when it maps orders.
fn guest(body: &str) -> Vec<u8> {
    componentize_with_wasi(&format!(
        r#"(module
            (import "wasi:clocks/wall-clock@0.2.3" "now" (func $now (param i32)))
            (import "wasi:random/random@0.2.3" "get-random-u64" (func $random (result i64)))
            (import "wasi:cli/stdout@0.2.3" "get-stdout" (func $stdout (result i32)))
            (import "wasi:io/streams@0.2.3" "[method]output-stream.blocking-write-and-flush"
                (func $print (param i32 i32 i32 i32)))
            (import "wasi:sockets/instance-network@0.2.3" "instance-network" (func $network (result i32)))
            (memory (export "memory") 4)
            (global $next (mut i32) (i32.const 4096))
            (data (i32.const 3000) "two lines,\none of them without an end")
            (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
                (global.set $next (i32.and (i32.add (i32.add (global.get $next) (local.get 3)) (i32.const 15)) (i32.const -8)))
                (i32.sub (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 7)) (i32.const -8))))
            (func (export "describe") (result i32) (i32.const 1024))
            (func (export "map-orders") (param i32) (result i32) {body} (i32.const 1024))
            (func (export "map-transactions") (param i32) (result i32) (i32.const 1024)))"#
    ))
}

fn load(body: &str) -> LoadedMapper {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    runtime.load_here(&guest(body), &LENIENT).unwrap_or_else(|error| panic!("{error}"))
}

/// Prints eight random bytes, made printable.
const PRINT_RANDOM: &str = "(i64.store (i32.const 3100)
        (i64.add (i64.and (call $random) (i64.const 0x0f0f0f0f0f0f0f0f)) (i64.const 0x6161616161616161)))
    (call $print (call $stdout) (i32.const 3100) (i32.const 8) (i32.const 3200))";

#[test]
fn the_strict_policy_refuses_what_the_lenient_one_takes() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let refused = runtime.load(&guest("")).map(|_| ()).expect_err("refused");
    assert!(matches!(refused, LoadError::Import { .. }), "{refused}");
    assert!(runtime.load_here(&guest(""), &LENIENT).is_ok());
}

#[test]
fn the_clock_stands_at_the_time_of_the_batch() {
    let body = format!(
        "(call $now (i32.const 3200))
        (if (i64.ne (i64.load (i32.const 3200)) (i64.const {BATCH_TIME})) (then unreachable))
        (call $now (i32.const 3304))
        (if (i64.ne (i64.load (i32.const 3304)) (i64.const {BATCH_TIME})) (then unreachable))"
    );
    // The guest answers with an empty list: what is wrong with that comes after what is tested.
    let fault = load(&body).run_orders(&context(&[]), &orders(1)).result.map(|_| ()).expect_err("too few");
    assert_eq!(fault.code, "bad-output", "{fault}");
}

#[test]
fn random_numbers_follow_from_the_input() {
    let mapper = load(PRINT_RANDOM);
    let drawn = |settings: &[(&str, &str)], count: usize| {
        let run = mapper.run_orders(&context(settings), &orders(count));
        run.result.map(|_| ()).expect_err("too few").log
    };
    let first = drawn(&[], 1);
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(drawn(&[], 1), first, "the same input, the same numbers");
    assert_ne!(drawn(&[], 2), first, "another batch");
    assert_ne!(drawn(&[("a", "b")], 1), first, "other settings");
}

#[test]
fn what_is_printed_goes_to_the_bounded_log() {
    let mapper = load("(call $print (call $stdout) (i32.const 3000) (i32.const 37) (i32.const 3200))");
    let fault = mapper.run_orders(&context(&[]), &orders(1)).result.map(|_| ()).expect_err("too few");
    assert_eq!(fault.log, ["print: two lines,", "print: one of them without an end"]);
    let flood =
        load("(loop (call $print (call $stdout) (i32.const 0) (i32.const 200000) (i32.const 3200)) (br 0))");
    let run = flood.run_orders(&context(&[]), &orders(1));
    let fault = run.result.map(|_| ()).expect_err("stops");
    assert_eq!(fault.code, "fuel-exhausted", "{fault}");
    assert!(fault.log.iter().map(String::len).sum::<usize>() < 80 << 10);
}

#[test]
fn what_is_not_served_traps_under_its_name() {
    let mapper = load("(drop (call $network))");
    let fault = mapper.run_orders(&context(&[]), &orders(1)).result.map(|_| ()).expect_err("traps");
    assert_eq!(fault.code, "trap");
    assert!(fault.message.contains("wasi:sockets/instance-network@0.2.3#instance-network"), "{fault}");
}
