//! Raw wasmtime: what somebody would write who needs the same call and nothing of a host around it. A fresh instance
//! for each call, fuel and epoch on; no limits on memory, output, log or host calls, no charge for what crosses, and
//! the contract's types as the bindings make them by default.

use anyhow::{Result, anyhow};
use jiff::tz::TimeZone;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::mapping::{BatchContext, OrderOutcome};
use wasmtime::component::{Component, Linker};
use wasmtime::{Config, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../wit/v0.1",
        world: "mapper",
        imports: { default: trappable },
    });
}

use bindings::ml_connector::mapper::types as wit;
use bindings::{Mapper, MapperPre};

use crate::convert::conversions;

/// Wasmtime with one component.
pub(crate) struct Raw {
    engine: Engine,
    pre: MapperPre<()>,
}

fn failed(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:#}")
}

impl Raw {
    /// `tuned` keeps what a slot had and wipes it; otherwise the pool is as it comes.
    pub(crate) fn new(component: &[u8], tuned: bool) -> Result<Self> {
        let mut pool = PoolingAllocationConfig::default();
        pool.total_component_instances(64).total_core_instances(512).total_memories(64).total_tables(256);
        pool.max_memory_size(64 << 20);
        if tuned {
            pool.linear_memory_keep_resident(2 << 20).table_keep_resident(64 << 10);
        }
        let mut config = Config::new();
        config
            .allocation_strategy(InstanceAllocationStrategy::Pooling(pool))
            .consume_fuel(true)
            .epoch_interruption(true);
        let engine = Engine::new(&config).map_err(failed)?;
        let component = Component::from_binary(&engine, component).map_err(failed)?;
        let mut linker: Linker<()> = Linker::new(&engine);
        linker
            .instance("ml-connector:mapper/log@0.1.0")
            .and_then(|mut log| {
                log.func_wrap("write", |_, _: (bindings::ml_connector::mapper::log::Level, String)| Ok(()))
            })
            .map_err(failed)?;
        let pre = linker.instantiate_pre(&component).and_then(MapperPre::new).map_err(failed)?;
        Ok(Self { engine, pre })
    }

    /// Maps a batch in a fresh instance.
    pub(crate) fn map(
        &self,
        context: &BatchContext,
        orders: &[Order],
        zone: &TimeZone,
    ) -> Result<Vec<OrderOutcome>> {
        let context = self::context(context);
        let orders: Vec<wit::Order> = orders.iter().map(|own| order(own, zone)).collect();
        let mut store = Store::new(&self.engine, ());
        store.set_fuel(u64::MAX / 2).map_err(failed)?;
        store.set_epoch_deadline(500);
        let world: Mapper = self.pre.instantiate(&mut store).map_err(failed)?;
        let outcomes = world.call_map_orders(&mut store, &context, &orders).map_err(failed)?;
        Ok(outcomes.into_iter().map(outcome).collect::<Result<_, _>>()?)
    }
}

conversions!(wit);
