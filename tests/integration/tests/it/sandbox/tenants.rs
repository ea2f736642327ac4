//! Tenants beside each other: one can neither stop, starve nor read another.

use std::time::Duration;

use ml_connector_mapper::{Allocation, Batch, Limits, MapperRuntime};
use ml_connector_ports::Mapper as _;

use super::guests::{Guest, repeated};
use super::{context, orders};
use crate::support::component;

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn cancelling_or_timing_out_one_tenant_never_touches_another_running_at_the_same_time() {
    let deadline = Duration::from_millis(200);
    let limits = Limits { fuel_base: u64::MAX / 2, deadline, ..Limits::default() };
    let runtime = MapperRuntime::new(limits).expect("starts");
    let hostile = runtime.load(&component("hostile")).expect("loads");
    let quiet = runtime.load(&component("minimal")).expect("loads");
    let spin = |mapper: ml_connector_mapper::LoadedMapper| async move {
        mapper.map_orders(&context(&[("attack", "spin")]), &orders(5)).await
    };
    #[expect(clippy::disallowed_methods, reason = "a test has no task tracker; it awaits its tasks")]
    let spawn = |mapper| tokio::spawn(spin(mapper));
    let timed_out = spawn(hostile.clone());
    let cancelled = spawn(hostile.clone());
    cancelled.abort();
    // As long as the other one spins, and a little longer.
    let mut mapped = 0;
    while !timed_out.is_finished() || mapped < 1_000 {
        let context = context(&[]);
        mapped += quiet.map_orders(&context, &orders(50)).await.expect("is not disturbed").outcomes.len();
    }
    assert_eq!(timed_out.await.expect("does not panic").expect_err("spins").code, "deadline");
    // Either it never began, or it ended by its own deadline.
    if let Ok(result) = cancelled.await {
        assert_eq!(result.expect_err("spins").code, "deadline");
    }
}

/// Fills all of its memory with a pattern and leaves.
fn writer(number: usize) -> Guest {
    // A number of its own makes it a module of its own, which takes a slot of its own.
    Guest {
        extra: format!("(global i32 (i32.const {number}))"),
        memory: "16",
        ..Guest::mapping("(memory.fill (i32.const 8192) (i32.const 0xa5) (i32.const 1040384)) unreachable")
    }
}

/// Grows over what the writers had and fails if a byte of it is not zero.
fn reader(number: usize) -> Guest {
    Guest {
        extra: format!("(global i32 (i32.const {number}))"),
        memory: "4",
        ..Guest::mapping(
            "(local $at i32) (drop (memory.grow (i32.const 12))) (local.set $at (i32.const 65536))
            (loop $next
                (if (i64.ne (i64.load (local.get $at)) (i64.const 0)) (then
                    (call $log (i32.const 3) (i32.const 1000) (i32.const 1)) unreachable))
                (local.set $at (i32.add (local.get $at) (i32.const 8)))
                (br_if $next (i32.lt_u (local.get $at) (i32.const 1048576))))
            (i32.const 1024)",
        )
    }
}

/// More tenants than the pool keeps slots warm: those who come last get slots that the first ones left.
#[test]
fn no_tenant_reads_what_another_left_in_the_pool() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let context = context(&[]);
    for number in 0..70 {
        let mapper = runtime.load(&writer(number).component()).expect("loads");
        let fault = mapper.run_orders(&context, &orders(1)).result.map(|_| ()).expect_err("leaves by a trap");
        assert_eq!(fault.code, "trap", "{fault}");
    }
    for number in 100..170 {
        let mapper = runtime.load(&reader(number).component()).expect("loads");
        // An empty batch: the reader's answer is an empty list.
        let run = mapper.run_orders(&context, &[]);
        assert!(run.result.is_ok(), "tenant {number} found something: {:?}", run.result);
    }
}

/// What a mapper left in its globals and memory is gone at its own next call, too.
#[test]
fn no_call_finds_what_another_call_of_the_same_mapper_left() {
    let counting = Guest {
        extra: "(global $calls (mut i32) (i32.const 0))".to_owned(),
        ..Guest::mapping(
            "(if (i32.or (global.get $calls) (i32.load (i32.const 9000))) (then unreachable))
            (global.set $calls (i32.const 1)) (i32.store (i32.const 9000) (i32.const 1)) (i32.const 1024)",
        )
    };
    for allocation in [Allocation::Pooled, Allocation::OnDemand] {
        let runtime = MapperRuntime::with_allocation(Limits::default(), allocation).expect("starts");
        let mapper = runtime.load(&counting.component()).expect("loads");
        for call in 0..20 {
            let run = mapper.run_orders(&context(&[]), &[]);
            assert!(run.result.is_ok(), "call {call}: {:?}", run.result);
        }
    }
}

/// More calls at once than the pool has places: they wait for each other instead of failing.
#[test]
fn more_calls_than_places_wait() {
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let mapper = runtime.load(&component("minimal")).expect("loads");
    let (context, batch) = (context(&[]), orders(20));
    std::thread::scope(|scope| {
        let call = || (0..5).all(|_| mapper.run_orders(&context, &batch).result.is_ok());
        let calls: Vec<_> = (0..100).map(|_| scope.spawn(call)).collect();
        assert!(calls.into_iter().all(|call| call.join().expect("does not panic")));
    });
}

#[test]
fn a_batch_takes_the_same_bytes_and_fuel_with_a_pool_and_without() {
    let batch = Batch::Orders(orders(40));
    let context = context(&[("tax.US", "exclusive")]);
    let runs = [Allocation::Pooled, Allocation::OnDemand].map(|allocation| {
        let runtime = MapperRuntime::with_allocation(Limits::default(), allocation).expect("starts");
        let mapper = runtime.load(&component("standard")).expect("loads");
        let run = mapper.run_batch(&context, &batch).expect("maps");
        (run.output, run.fuel, run.log)
    });
    assert_eq!(runs[0], runs[1]);
}

/// Numbers that are none have one bit pattern, whatever the processor would have made of them.
#[test]
fn numbers_that_are_none_are_all_alike() {
    let nans = repeated(1, |_| {
        "(if (i32.ne (i32.reinterpret_f32 (f32.div (global.get $z) (global.get $z))) (i32.const 0x7fc00000))
            (then unreachable))
        (if (i64.ne (i64.reinterpret_f64 (f64.sqrt (global.get $n))) (i64.const 0x7ff8000000000000))
            (then unreachable)) (i32.const 1024)"
            .to_owned()
    });
    let guest = Guest {
        extra: "(global $z (mut f32) (f32.const 0)) (global $n (mut f64) (f64.const -1))".to_owned(),
        ..Guest::mapping(nans)
    };
    let runtime = MapperRuntime::new(Limits::default()).expect("starts");
    let mapper = runtime.load(&guest.component()).expect("loads");
    let run = mapper.run_orders(&context(&[]), &[]);
    assert!(run.result.is_ok(), "{:?}", run.result);
}

/// A short soak; the long one is `cargo xtask bench hostile`.
#[test]
#[cfg(target_os = "linux")]
fn memory_stays_flat_over_hostile_calls() {
    let limits = Limits { fuel_base: 200_000, fuel_per_record: 0, fuel_per_line: 0, ..Limits::default() };
    let runtime = MapperRuntime::new(limits).expect("starts");
    let hostile = runtime.load(&component("hostile")).expect("loads");
    let attacks = ["spin", "grow", "panic", "recurse", "wrong-count", "bad-currency"];
    let round = |calls: usize| {
        for attack in attacks.iter().cycle().take(calls) {
            let run = hostile.run_orders(&context(&[("attack", attack)]), &orders(1));
            assert!(run.result.is_err(), "{attack}");
        }
    };
    round(1_000);
    let before = resident_kib();
    round(6_000);
    let grown = resident_kib().saturating_sub(before);
    // A leak of a hundred bytes a call would be 600 KiB; the rest is for what other tests of this process do.
    assert!(grown < 64 << 10, "{grown} KiB more after 6,000 calls");
}

#[cfg(target_os = "linux")]
fn resident_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a line");
    line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number")
}
