//! The engine: what is compiled how, what is pooled, the clock that ends calls, and the proof that it does.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use wasmtime::{
    Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store, Trap, UpdateDeadline,
};

use crate::fuel;
use crate::host::CallState;
use crate::limits::{Class, Limits};

/// How often the epoch moves. What spins is ended within a tick of 10 ms after its deadline: this is half of one, so that a
/// ticker that the kernel wakes late still keeps that promise.
const BEAT: Duration = Duration::from_millis(5);

/// Calls that can be under way at once.
pub(crate) const POOL_SLOTS: u32 = 64;

/// Returned slots that stay as they are for the mapper that had them: what an idle pool holds is at most this many times
/// [`KEPT_MEMORY`].
const WARM_SLOTS: u32 = 48;

/// Bytes of a returned slot that are wiped and kept, instead of given back to the kernel. A mapper of the SDK has its
/// stack, its data and its arena in less than 384 KiB and grows by a MiB for a large batch, so a fresh instance costs it
/// no page fault. Only what it had is wiped.
const KEPT_MEMORY: usize = 2 << 20;

/// As [`KEPT_MEMORY`], of a table.
const KEPT_TABLE: usize = 16 << 10;

/// Why the sandbox does not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The engine cannot be made on this machine.
    #[error("MAP-ENGINE: the sandbox cannot start: {0}")]
    Engine(String),
    /// The ticker's thread cannot be made.
    #[error("MAP-TICKER: the sandbox's clock cannot start")]
    Ticker(#[source] std::io::Error),
    /// A guest that spins was not stopped: nothing may be served.
    #[error("MAP-SELF-TEST: a spinning guest was not stopped as it must be: {0}")]
    SelfTest(String),
}

/// How instances get their memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Allocation {
    /// From a pool that is reserved at the start: what serves.
    #[default]
    Pooled,
    /// From the kernel, one by one: for a process that compiles only, and to compare with.
    OnDemand,
}

/// Makes the engine. Both allocations compile to the same code, so that what one compiled the other loads.
pub(crate) fn engine(stack_bytes: usize, allocation: Allocation) -> Result<Engine, StartError> {
    let mut config = config(stack_bytes);
    if allocation == Allocation::Pooled {
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool()));
    }
    Engine::new(&config).map_err(|error| StartError::Engine(format!("{error:#}")))
}

fn config(stack_bytes: usize) -> Config {
    let mut config = Config::new();
    config
        .consume_fuel(true)
        .operator_cost(fuel::schedule())
        .epoch_interruption(true)
        .max_wasm_stack(stack_bytes)
        // A profile counts all that is on the stack; a stack that overflowed is cut.
        .wasm_backtrace_max_frames(NonZeroUsize::new(256))
        // The same bits for every NaN, on every machine.
        .cranelift_nan_canonicalization(true)
        // What a mapper does not need, it does not get: each proposal is code that could be wrong. Threads, shared
        // memory, garbage collection and asynchronous components are not even built into this engine.
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        // What joins an interpreter's modules copies from one's memory to another's; how many memories a component may have
        // is its class's to say.
        .wasm_multi_memory(true)
        .wasm_custom_page_sizes(false)
        .wasm_wide_arithmetic(false)
        .wasm_tail_call(false);
    config
}

fn pool() -> PoolingAllocationConfig {
    // One pool serves both classes, so it has room for the greater one in every slot; each call's own limits are kept
    // by its limiter. What is not used is address space only.
    let largest = Limits::of(Class::Interpreter);
    let each = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    let mut pool = PoolingAllocationConfig::default();
    pool.total_component_instances(POOL_SLOTS)
        .total_core_instances(POOL_SLOTS * each(largest.instances_max))
        .total_memories(POOL_SLOTS * each(largest.memories_max))
        .total_tables(POOL_SLOTS * each(largest.tables_max))
        .max_memory_size(largest.memory_bytes_max)
        .max_core_instances_per_component(each(largest.instances_max))
        .max_memories_per_component(each(largest.memories_max))
        .max_tables_per_component(each(largest.tables_max))
        .max_tables_per_module(each(largest.tables_max))
        .table_elements(largest.table_elements_max)
        .max_unused_warm_slots(WARM_SLOTS)
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE);
    pool
}

/// Moves the epoch until it is dropped. It runs freely: moving the epoch to end one call would end all others.
pub(crate) struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> Result<Self, StartError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, engine) = (Arc::clone(&stop), engine.weak());
        let run = move || {
            let started = now();
            let mut ticks = 0;
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(BEAT);
                let Some(engine) = engine.upgrade() else { return };
                // A sleep may last longer than a beat: what was missed is made up for.
                let due = started.elapsed().as_millis() / BEAT.as_millis();
                (ticks..due).for_each(|_| engine.increment_epoch());
                ticks = due;
            }
        };
        std::thread::Builder::new().name("epoch".to_owned()).spawn(run).map_err(StartError::Ticker)?;
        Ok(Self { stop })
    }
}

/// The machine's time.
#[expect(
    clippy::disallowed_methods,
    reason = "deadlines and measured times are the machine's, whatever the books' clock says"
)]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Makes a store with all limits set, so that they hold before the guest's first instruction.
pub(crate) fn store(engine: &Engine, limits: Limits, fuel: u64) -> wasmtime::Result<Store<CallState>> {
    let mut store = Store::new(engine, CallState::new(limits));
    store.limiter(|state| state);
    store.set_fuel(fuel)?;
    store.set_hostcall_fuel(limits.output_bytes_max);
    // The running beat is partly gone: one more, so that the deadline is not cut short.
    let beats = limits.deadline.as_millis().div_ceil(BEAT.as_millis()) + 1;
    store.set_epoch_deadline(u64::try_from(beats).unwrap_or(u64::MAX));
    // A ticker that makes up for missed beats does so for calls that began after them, too: those go on.
    let began = now();
    store.epoch_deadline_callback(move |_| match began.elapsed() < limits.deadline {
        true => Ok(UpdateDeadline::Continue(1)),
        false => Ok(UpdateDeadline::Interrupt),
    });
    Ok(store)
}

/// Runs a guest that spins under a small budget of fuel and under none, and sees both stopped.
pub(crate) fn self_test(engine: &Engine, limits: Limits) -> Result<(), StartError> {
    let failed = |words: String| StartError::SelfTest(words);
    let module = wasmtime::Module::new(engine, SPINNING).map_err(|e| failed(format!("{e:#}")))?;
    let limits = Limits { deadline: Duration::from_millis(50), ..limits };
    for (fuel, wanted) in [(100_000, Trap::OutOfFuel), (u64::MAX, Trap::Interrupt)] {
        let mut store = store(engine, limits, fuel).map_err(|error| failed(format!("{error:#}")))?;
        let trapped = match wasmtime::Instance::new(&mut store, &module, &[]) {
            Ok(_) => return Err(failed("it ended by itself".to_owned())),
            Err(error) => error.downcast_ref::<Trap>().copied(),
        };
        if trapped != Some(wanted) {
            return Err(failed(format!("expected {wanted:?}, got {trapped:?}")));
        }
    }
    Ok(())
}

/// A core module whose start function loops for ever: `(module (func (loop (br 0))) (start 0))`.
const SPINNING: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // one type: () -> ()
    0x03, 0x02, 0x01, 0x00, // one function of it
    0x08, 0x01, 0x00, // it is the start function
    0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, // loop br 0 end end
];

#[cfg(test)]
mod tests {
    use super::*;

    /// A core module: forty rounds of calls, divisions, stores, a fill, a copy and a growth.
    const KNOWN: &str = r#"(module (memory 1)
        (func $f (param i32) (result i32) (i32.div_u (local.get 0) (i32.const 3)))
        (func (export "run") (local $n i32)
            (loop $again
                (i32.store (local.get $n) (call $f (local.get $n)))
                (br_if $again (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 40))))
            (memory.fill (i32.const 0) (i32.const 7) (i32.const 1000))
            (memory.copy (i32.const 2000) (i32.const 0) (i32.const 1000))
            (drop (memory.grow (i32.const 1)))))"#;

    /// Where fuel is taken matters as much as what an operator costs: a release that takes it elsewhere fails here.
    #[test]
    fn a_known_program_burns_what_it_always_did_in_either_allocation() {
        for allocation in [Allocation::Pooled, Allocation::OnDemand] {
            let engine = engine(512 << 10, allocation).expect("an engine");
            let module =
                wasmtime::Module::new(&engine, wat::parse_str(KNOWN).expect("text")).expect("compiles");
            let mut store = store(&engine, Limits::default(), 1_000_000).expect("a store");
            let instance = wasmtime::Instance::new(&mut store, &module, &[]).expect("starts");
            let run = instance.get_typed_func::<(), ()>(&mut store, "run").expect("exported");
            run.call(&mut store, ()).expect("runs");
            assert_eq!(1_000_000 - store.get_fuel().expect("fuel"), 3_440, "{allocation:?}");
        }
    }

    #[test]
    fn both_allocations_compile_alike() {
        let keys = [Allocation::Pooled, Allocation::OnDemand]
            .map(|allocation| crate::cache::engine_key(&engine(512 << 10, allocation).expect("an engine")));
        assert_eq!(keys[0], keys[1]);
    }
}
