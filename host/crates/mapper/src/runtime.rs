//! The engine, and mappers loaded into it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{BatchContext, Mapped, MapperIdentity, OrderOutcome, TransactionOutcome};
use ml_connector_domain::money::MoneyError;
use ml_connector_ports::{Mapper, MapperFault};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

use crate::faults;
use crate::host::{CallState, write_log};
use crate::limits::Limits;
use crate::v0_1;

/// How often the epoch moves; a deadline is met to within one tick.
const TICK: Duration = Duration::from_millis(10);

/// Calls that can be under way at once.
const POOL_SLOTS: u32 = 64;

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

/// Why a component is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LoadError {
    /// Too large.
    #[error("MAP-SIZE: the component has {bytes} bytes, {max} are allowed")]
    Size {
        /// Its size.
        bytes: usize,
        /// The limit.
        max: usize,
    },
    /// No component.
    #[error("MAP-COMPONENT: this is no WebAssembly component: {0}")]
    NotAComponent(String),
    /// It imports something that a mapper may not have.
    #[error("MAP-IMPORT: the component imports `{import}`; a mapper has no import but log: {fix}")]
    Import {
        /// What it imports.
        import: String,
        /// What to do.
        fix: &'static str,
    },
    /// It does not export the contract.
    #[error("MAP-EXPORT: the component does not export the contract ml-connector:mapper@0.1.0: {0}")]
    Export(String),
    /// It failed to describe itself.
    #[error("MAP-DESCRIBE: the component failed to describe itself: {0}")]
    Describe(MapperFault),
}

/// One engine for all mappers of the process.
#[derive(Clone)]
pub struct MapperRuntime {
    engine: Engine,
    limits: Limits,
    _ticker: Arc<Ticker>,
}

/// Moves the epoch until it is dropped. It runs freely: moving the epoch to end one call would end all others.
struct Ticker {
    stop: Arc<AtomicBool>,
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}

impl Ticker {
    fn start(engine: Engine) -> Result<Self, StartError> {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let run = move || {
            while !stopped.load(Ordering::Relaxed) {
                std::thread::sleep(TICK);
                engine.increment_epoch();
            }
        };
        std::thread::Builder::new().name("epoch".to_owned()).spawn(run).map_err(StartError::Ticker)?;
        Ok(Self { stop })
    }
}

impl MapperRuntime {
    /// Makes the engine and proves that it stops a guest that spins.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(limits: Limits) -> Result<Self, StartError> {
        let engine =
            Engine::new(&config(&limits)).map_err(|error| StartError::Engine(format!("{error:#}")))?;
        let ticker = Ticker::start(engine.clone())?;
        let runtime = Self { engine, limits, _ticker: Arc::new(ticker) };
        runtime.self_test()?;
        Ok(runtime)
    }

    /// Loads a component: checks its size, its imports and exports, compiles it and asks it who it is.
    ///
    /// # Errors
    /// See [`LoadError`].
    pub fn load(&self, bytes: &[u8]) -> Result<LoadedMapper, LoadError> {
        let max = self.limits.component_bytes_max;
        if bytes.len() > max {
            return Err(LoadError::Size { bytes: bytes.len(), max });
        }
        // Only the component's bytes: wasmtime would take its text form, too, and nobody uploads that.
        let component = Component::from_binary(&self.engine, bytes)
            .map_err(|e| LoadError::NotAComponent(format!("{e:#}")))?;
        self.check_imports(&component)?;
        let mut linker = Linker::new(&self.engine);
        link_log(&mut linker).map_err(|e| LoadError::Export(format!("{e:#}")))?;
        let pre = linker
            .instantiate_pre(&component)
            .and_then(v0_1::WorldPre::new)
            .map_err(|e| LoadError::Export(format!("{e:#}")))?;
        let mut mapper = LoadedMapper {
            runtime: self.clone(),
            pre,
            identity: Arc::new(MapperIdentity {
                name: String::new(),
                version: String::new(),
                digest: ContentHash::of(bytes),
                contract: v0_1::CONTRACT.to_owned(),
            }),
        };
        mapper.describe().map_err(LoadError::Describe)?;
        Ok(mapper)
    }

    fn check_imports(&self, component: &Component) -> Result<(), LoadError> {
        const ALLOWED: [&str; 2] = [LOG, "ml-connector:mapper/types@0.1.0"];
        let ty = component.component_type();
        let foreign =
            ty.imports(&self.engine).map(|(name, _)| name.to_owned()).find(|n| !ALLOWED.contains(&&**n));
        match foreign {
            None => Ok(()),
            Some(import) if import.starts_with("wasi:") => Err(LoadError::Import {
                import,
                fix: "build for wasm32-unknown-unknown (Rust), or with --stub-wasi (componentize-py)",
            }),
            Some(import) => {
                Err(LoadError::Import { import, fix: "everything it needs comes in with the call" })
            }
        }
    }

    fn store(&self, fuel: u64) -> Result<Store<CallState>, MapperFault> {
        let mut store = Store::new(&self.engine, CallState::new(self.limits));
        store.limiter(|state| state);
        store.set_fuel(fuel).map_err(|error| faults::host(format!("{error:#}")))?;
        store.set_hostcall_fuel(self.limits.output_bytes_max);
        let ticks = self.limits.deadline.as_millis().div_ceil(TICK.as_millis()).max(1);
        store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX));
        Ok(store)
    }

    /// Runs a guest that spins under a small budget of fuel and under none, and sees both stopped.
    fn self_test(&self) -> Result<(), StartError> {
        let failed = |words: String| StartError::SelfTest(words);
        let module = wasmtime::Module::new(&self.engine, SPINNING).map_err(|e| failed(format!("{e:#}")))?;
        let short = Limits { deadline: Duration::from_millis(50), ..self.limits };
        let patient = Self { limits: short, ..self.clone() };
        for (fuel, wanted) in [(100_000, wasmtime::Trap::OutOfFuel), (u64::MAX, wasmtime::Trap::Interrupt)] {
            let mut store = patient.store(fuel).map_err(|fault| failed(fault.to_string()))?;
            let trapped = match wasmtime::Instance::new(&mut store, &module, &[]) {
                Ok(_) => return Err(failed("it ended by itself".to_owned())),
                Err(error) => error.downcast_ref::<wasmtime::Trap>().copied(),
            };
            if trapped != Some(wanted) {
                return Err(failed(format!("expected {wanted:?}, got {trapped:?}")));
            }
        }
        Ok(())
    }
}

/// A core module whose start function loops for ever: `(module (func (loop (br 0))) (start 0))`.
const SPINNING: &[u8] = &[
    0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00, // magic, version
    0x01, 0x04, 0x01, 0x60, 0x00, 0x00, // one type: () -> ()
    0x03, 0x02, 0x01, 0x00, // one function of it
    0x08, 0x01, 0x00, // it is the start function
    0x0a, 0x09, 0x01, 0x07, 0x00, 0x03, 0x40, 0x0c, 0x00, 0x0b, 0x0b, // loop br 0 end end
];

fn config(limits: &Limits) -> Config {
    let mut pool = PoolingAllocationConfig::default();
    pool.total_core_instances(POOL_SLOTS)
        .total_component_instances(POOL_SLOTS)
        .total_memories(POOL_SLOTS)
        .total_tables(POOL_SLOTS)
        .max_memory_size(limits.memory_bytes_max)
        .max_memories_per_component(1)
        .max_tables_per_component(2)
        .table_elements(20_000)
        // Kept instead of unmapped: a fresh instance then costs no page fault and no system call.
        .linear_memory_keep_resident(1 << 20)
        .table_keep_resident(64 << 10);
    let mut config = Config::new();
    config
        .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
        .consume_fuel(true)
        .epoch_interruption(true)
        .max_wasm_stack(limits.stack_bytes)
        // The same bits for every NaN, on every machine.
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false)
        .wasm_memory64(false)
        .wasm_multi_memory(false);
    config
}

/// Links the one import that a mapper has.
fn link_log(linker: &mut Linker<CallState>) -> wasmtime::Result<()> {
    let mut interface = linker.instance(LOG)?;
    interface.func_wrap("write", |store, (level, message): (v0_1::Level, String)| {
        write_log(store, v0_1::level_name(level), &message)
    })
}

/// The import's name.
const LOG: &str = "ml-connector:mapper/log@0.1.0";

/// A mapper, compiled. Cheap to clone; every call has an instance of its own.
#[derive(Clone)]
pub struct LoadedMapper {
    runtime: MapperRuntime,
    pre: v0_1::WorldPre<CallState>,
    identity: Arc<MapperIdentity>,
}

/// What a call brought.
struct Called<T> {
    value: T,
    fuel: u64,
    log: Vec<String>,
}

impl LoadedMapper {
    fn describe(&mut self) -> Result<(), MapperFault> {
        let called = self.call(self.runtime.limits.fuel(0, 0), |world, store| world.call_describe(store))?;
        let identity = MapperIdentity {
            name: called.value.name,
            version: called.value.version,
            ..MapperIdentity::clone(&self.identity)
        };
        self.identity = Arc::new(identity);
        Ok(())
    }

    /// Calls one export in a fresh instance.
    fn call<T>(
        &self,
        fuel: u64,
        export: impl FnOnce(&v0_1::World, &mut Store<CallState>) -> wasmtime::Result<T>,
    ) -> Result<Called<T>, MapperFault> {
        let mut store = self.runtime.store(fuel)?;
        let result = self.pre.instantiate(&mut store).and_then(|world| export(&world, &mut store));
        match result {
            Ok(value) => {
                let left = store.get_fuel().unwrap_or(0);
                Ok(Called { value, fuel: fuel.saturating_sub(left), log: store.data_mut().take_log() })
            }
            Err(error) => Err(faults::fault(&mut store, fuel, &error)),
        }
    }
}

/// Converts a call's outcomes, and refuses them if there is not one for each record.
fn outcomes<W, T>(
    called: Called<Vec<W>>,
    records: usize,
    convert: impl Fn(W) -> Result<T, MoneyError>,
) -> Result<Mapped<T>, MapperFault> {
    let Called { value, fuel, log } = called;
    if value.len() != records {
        let message = format!("it answered {} records with {} outcomes", records, value.len());
        return Err(faults::bad_output(fuel, log, message));
    }
    match value.into_iter().map(convert).collect() {
        Ok(outcomes) => Ok(Mapped { outcomes, fuel, log }),
        Err(error) => Err(faults::bad_output(fuel, log, error.to_string())),
    }
}

/// Runs a call on a thread that may block.
async fn blocking<T: Send + 'static>(
    call: impl FnOnce() -> Result<T, MapperFault> + Send + 'static,
) -> Result<T, MapperFault> {
    match tokio::task::spawn_blocking(call).await {
        Ok(result) => result,
        Err(error) => Err(faults::host(format!("the call's thread ended: {error}"))),
    }
}

#[async_trait]
impl Mapper for LoadedMapper {
    fn identity(&self) -> &MapperIdentity {
        &self.identity
    }

    async fn map_orders(
        &self,
        context: &BatchContext,
        orders: &[Order],
    ) -> Result<Mapped<OrderOutcome>, MapperFault> {
        let zone =
            TimeZone::get(&context.ledger.time_zone).map_err(|error| faults::host(error.to_string()))?;
        let records: Vec<v0_1::WitOrder> = orders.iter().map(|order| v0_1::order(order, &zone)).collect();
        let lines = orders.iter().flat_map(|order| &order.items).count();
        let fuel = self.runtime.limits.fuel(orders.len(), lines);
        let (mapper, context) = (self.clone(), v0_1::context(context));
        blocking(move || {
            let called =
                mapper.call(fuel, |world, store| world.call_map_orders(store, &context, &records))?;
            outcomes(called, records.len(), v0_1::order_outcome)
        })
        .await
    }

    async fn map_transactions(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault> {
        let records: Vec<v0_1::WitTransaction> = transactions.iter().map(v0_1::transaction).collect();
        let lines = transactions.iter().flat_map(|transaction| &transaction.legs).count();
        let fuel = self.runtime.limits.fuel(transactions.len(), lines);
        let (mapper, context) = (self.clone(), v0_1::context(context));
        blocking(move || {
            let called =
                mapper.call(fuel, |world, store| world.call_map_transactions(store, &context, &records))?;
            outcomes(called, records.len(), v0_1::transaction_outcome)
        })
        .await
    }
}
