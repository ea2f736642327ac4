//! A mapper that is loaded, and its calls.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::tz::TimeZone;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::{BatchContext, Mapped, MapperIdentity, OrderOutcome, TransactionOutcome};
use ml_connector_domain::money::MoneyError;
use ml_connector_ports::{Mapper, MapperFault};
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use wasmtime::{AsContextMut as _, Store};

use crate::admission::{Policy, WasiPolicy};
use crate::description::Description;
use crate::host::{CallState, pay};
use crate::limits::Limits;
use crate::runtime::{MapperRuntime, Origin};
use crate::{cost, engine, faults, v0_1, wasi};

/// What a call used of what it may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Fuel burnt, and allowed.
    pub fuel: u64,
    /// Fuel allowed.
    pub fuel_max: u64,
    /// Bytes of all memories at the end, when they are largest.
    pub memory_bytes: usize,
    /// Bytes allowed.
    pub memory_bytes_max: usize,
    /// Bytes of the answer.
    pub output_bytes: u64,
    /// Bytes allowed.
    pub output_bytes_max: usize,
    /// Bytes of log kept.
    pub log_bytes: usize,
    /// Bytes allowed.
    pub log_bytes_max: usize,
    /// Lines of log that were not kept.
    pub log_dropped: u32,
    /// Calls of the host.
    pub host_calls: u32,
    /// Calls allowed.
    pub host_calls_max: u32,
    /// Wall clock.
    pub elapsed: Duration,
    /// Wall clock allowed.
    pub deadline: Duration,
}

impl Usage {
    /// Each limit with the share of it that was used; 1 is all of it.
    #[expect(clippy::cast_precision_loss, reason = "a share for people to look at")]
    pub fn shares(&self) -> [(&'static str, f64); 6] {
        let share = |used: u64, max: u64| used as f64 / max.max(1) as f64;
        [
            ("fuel", share(self.fuel, self.fuel_max)),
            ("memory", share(self.memory_bytes as u64, self.memory_bytes_max as u64)),
            ("output", share(self.output_bytes, self.output_bytes_max as u64)),
            ("log", share(self.log_bytes as u64, self.log_bytes_max as u64)),
            ("host calls", share(self.host_calls.into(), self.host_calls_max.into())),
            ("deadline", self.elapsed.as_secs_f64() / self.deadline.as_secs_f64().max(f64::MIN_POSITIVE)),
        ]
    }
}

/// A call's result with what it used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run<T> {
    /// What it brought.
    pub result: Result<Mapped<T>, MapperFault>,
    /// What it used.
    pub usage: Usage,
    /// The guest's functions that were running when it failed, innermost first.
    pub stack: Vec<String>,
}

/// A mapper, compiled. Cheap to clone; every call has an instance of its own.
#[derive(Clone)]
pub struct LoadedMapper {
    runtime: MapperRuntime,
    pre: v0_1::WorldPre<CallState>,
    limits: Limits,
    wasi: WasiPolicy,
    identity: Arc<MapperIdentity>,
    description: Arc<Description>,
    origin: Origin,
}

/// What a batch may burn, and what handing it in costs.
#[derive(Debug, Clone, Copy)]
struct Budget {
    fuel: u64,
    bytes_in: u64,
    /// What WASI answers with, where there is one.
    wasi: Option<wasi::Seed>,
}

impl LoadedMapper {
    /// Asks a component who it is.
    pub(crate) fn introduce(
        runtime: MapperRuntime,
        pre: v0_1::WorldPre<CallState>,
        digest: ContentHash,
        limits: Limits,
        policy: Policy,
        origin: Origin,
    ) -> Result<Self, MapperFault> {
        let identity = MapperIdentity {
            name: String::new(),
            version: String::new(),
            digest,
            contract: v0_1::CONTRACT.to_owned(),
        };
        let nobody = Description { name: String::new(), version: String::new(), settings: Vec::new() };
        let mapper = Self {
            runtime,
            pre,
            limits,
            wasi: policy.wasi,
            identity: Arc::new(identity),
            description: Arc::new(nobody),
            origin,
        };
        let budget = Budget { fuel: limits.fuel(0, 0), bytes_in: 0, wasi: mapper.seed(0, &()) };
        let asked = mapper.call(
            budget,
            1,
            |world, store| world.call_describe(store).map(|description| vec![description]),
            |wit| Ok(v0_1::description(wit)),
            |_| 0,
        );
        let mut described = asked.result?.outcomes;
        let description = described.pop().ok_or_else(|| faults::host("it did not answer"))?;
        let identity = MapperIdentity {
            name: description.name.clone(),
            version: description.version.clone(),
            ..MapperIdentity::clone(&mapper.identity)
        };
        Ok(Self { identity: Arc::new(identity), description: Arc::new(description), ..mapper })
    }

    /// As this one, under other limits for its calls.
    pub(crate) fn with_limits(&self, change: impl FnOnce(Limits) -> Limits) -> Self {
        Self { limits: change(self.limits), ..self.clone() }
    }

    /// Who it says it is.
    pub fn description(&self) -> &Description {
        &self.description
    }

    /// How it came to its compiled form.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Maps a batch of orders. Blocks for as long as that takes.
    pub fn run_orders(&self, context: &BatchContext, orders: &[Order]) -> Run<OrderOutcome> {
        self.orders(context, orders, v0_1::order_outcome, cost::order_outcome)
    }

    /// As [`LoadedMapper::run_orders`], with the answers converted and weighed by functions of the caller's.
    pub(crate) fn orders<T>(
        &self,
        context: &BatchContext,
        orders: &[Order],
        convert: impl Fn(v0_1::OrderAnswer) -> Result<T, MoneyError>,
        weigh: impl Fn(&T) -> u64,
    ) -> Run<T> {
        let zone = match TimeZone::get(&context.ledger.time_zone) {
            Ok(zone) => zone,
            Err(error) => return self.unmapped(faults::host(error.to_string())),
        };
        let lines = orders.iter().map(|order| order.items.len()).sum();
        let budget = Budget {
            fuel: self.limits.fuel(orders.len(), lines),
            bytes_in: cost::context(context) + cost::orders(orders),
            wasi: self.seed(latest(orders.iter().map(|order| order.updated)), &(context, orders)),
        };
        v0_1::with_context(context, |context| {
            v0_1::with_orders(orders, &zone, |records| {
                let export = |world: &v0_1::World, store: &mut Store<CallState>| {
                    world.call_map_orders(store, context, records)
                };
                self.call(budget, records.len(), export, convert, weigh)
            })
        })
    }

    /// Maps a batch of transactions. Blocks for as long as that takes.
    pub fn run_transactions(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
    ) -> Run<TransactionOutcome> {
        self.transactions(context, transactions, v0_1::transaction_outcome, cost::transaction_outcome)
    }

    /// As [`LoadedMapper::run_transactions`], with the answers converted and weighed by functions of the caller's.
    pub(crate) fn transactions<T>(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
        convert: impl Fn(v0_1::TransactionAnswer) -> Result<T, MoneyError>,
        weigh: impl Fn(&T) -> u64,
    ) -> Run<T> {
        let lines = transactions.iter().map(|transaction| transaction.legs.len()).sum();
        let budget = Budget {
            fuel: self.limits.fuel(transactions.len(), lines),
            bytes_in: cost::context(context) + cost::transactions(transactions),
            wasi: self.seed(
                latest(transactions.iter().map(|transaction| transaction.posted)),
                &(context, transactions),
            ),
        };
        v0_1::with_context(context, |context| {
            v0_1::with_transactions(transactions, |records| {
                let export = |world: &v0_1::World, store: &mut Store<CallState>| {
                    world.call_map_transactions(store, context, records)
                };
                self.call(budget, records.len(), export, convert, weigh)
            })
        })
    }

    /// Calls one export in a fresh instance, and takes its answers if there is one for each record.
    fn call<W, T>(
        &self,
        budget: Budget,
        records: usize,
        export: impl FnOnce(&v0_1::World, &mut Store<CallState>) -> wasmtime::Result<Vec<W>>,
        convert: impl Fn(W) -> Result<T, MoneyError>,
        weigh: impl Fn(&T) -> u64,
    ) -> Run<T> {
        let _slot = self.runtime.slot();
        // Counted by `serve --account`.
        let _counted = tracing::trace_span!(target: "ml_connector::account", "wasm").entered();
        let started = engine::now();
        let mut store = match engine::store(self.runtime.engine(), self.limits, budget.fuel) {
            Ok(store) => store,
            Err(error) => return self.unmapped(faults::host(format!("{error:#}"))),
        };
        store.data_mut().wasi = budget.wasi.map(wasi::State::new);
        let price = budget.bytes_in.saturating_mul(self.limits.fuel_per_byte);
        let answered = pay(&mut store.as_context_mut(), price)
            .and_then(|()| self.pre.instantiate(&mut store))
            .and_then(|world| export(&world, &mut store));
        let mut output_bytes = 0;
        let stack = answered.as_ref().err().map(faults::stack).unwrap_or_default();
        let result =
            answered.map_err(|error| faults::fault(&mut store, budget.fuel, &error)).and_then(|answers| {
                let outcomes = self.outcomes(&mut store, budget, records, answers, convert)?;
                output_bytes = outcomes.iter().map(weigh).sum();
                let price = output_bytes.saturating_mul(self.limits.fuel_per_byte);
                pay(&mut store.as_context_mut(), price)
                    .map_err(|error| faults::fault(&mut store, budget.fuel, &error))?;
                Ok(outcomes)
            });
        let fuel = budget.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
        let usage = Usage {
            fuel,
            output_bytes,
            memory_bytes: store.data().memory_bytes(),
            log_bytes: store.data().log_bytes,
            log_dropped: store.data().log_dropped,
            host_calls: store.data().host_calls,
            elapsed: started.elapsed(),
            ..self.unused(budget.fuel)
        };
        let result = result.map(|outcomes| Mapped { outcomes, fuel, log: store.data_mut().take_log() });
        Run { result, usage, stack }
    }

    /// Converts a call's answers, and refuses them if there is not one for each record.
    fn outcomes<W, T>(
        &self,
        store: &mut Store<CallState>,
        budget: Budget,
        records: usize,
        answers: Vec<W>,
        convert: impl Fn(W) -> Result<T, MoneyError>,
    ) -> Result<Vec<T>, MapperFault> {
        let bad = |store: &mut Store<CallState>, words: String| {
            let fuel = budget.fuel.saturating_sub(store.get_fuel().unwrap_or(0));
            faults::bad_output(fuel, store.data_mut().take_log(), words)
        };
        if answers.len() != records {
            let words = format!("it answered {records} records with {} outcomes", answers.len());
            return Err(bad(store, words));
        }
        answers
            .into_iter()
            .map(convert)
            .collect::<Result<_, _>>()
            .map_err(|error| bad(store, error.to_string()))
    }

    /// What a WASI answers with: the batch's time, and the hash of all that the mapper is given.
    fn seed(&self, now: i64, input: &impl Serialize) -> Option<wasi::Seed> {
        if self.wasi == WasiPolicy::Refuse {
            return None;
        }
        let input = serde_json::to_vec(input).unwrap_or_default();
        Some(wasi::Seed { now, input: Sha256::digest(&input).into() })
    }

    fn unused(&self, fuel_max: u64) -> Usage {
        let limits = &self.limits;
        Usage {
            fuel: 0,
            fuel_max,
            memory_bytes: 0,
            memory_bytes_max: limits.memory_bytes_max,
            output_bytes: 0,
            output_bytes_max: limits.output_bytes_max,
            log_bytes: 0,
            log_bytes_max: limits.log_bytes_max,
            log_dropped: 0,
            host_calls: 0,
            host_calls_max: limits.host_calls_max,
            elapsed: Duration::ZERO,
            deadline: limits.deadline,
        }
    }

    fn unmapped<T>(&self, fault: MapperFault) -> Run<T> {
        Run { result: Err(fault), usage: self.unused(0), stack: Vec::new() }
    }
}

/// The time of a batch: that of its latest record, in milliseconds since 1970.
fn latest(times: impl Iterator<Item = jiff::Timestamp>) -> i64 {
    times.max().map_or(0, jiff::Timestamp::as_millisecond)
}

/// Runs a call on a thread that may block. A panic of ours ends the call, not the seller's worker.
fn in_place<T>(call: impl FnOnce() -> Run<T>) -> Result<Mapped<T>, MapperFault> {
    let caught = || match std::panic::catch_unwind(AssertUnwindSafe(call)) {
        Ok(run) => run.result,
        Err(_) => Err(faults::host("the sandbox panicked; standard error has its words")),
    };
    match tokio::runtime::Handle::try_current().map(|handle| handle.runtime_flavor()) {
        // Borrowed from the caller, so it cannot move to another thread; the other tasks of this one do.
        Ok(tokio::runtime::RuntimeFlavor::MultiThread) => tokio::task::block_in_place(caught),
        _ => caught(),
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
        in_place(|| self.run_orders(context, orders))
    }

    async fn map_transactions(
        &self,
        context: &BatchContext,
        transactions: &[Transaction],
    ) -> Result<Mapped<TransactionOutcome>, MapperFault> {
        in_place(|| self.run_transactions(context, transactions))
    }
}
