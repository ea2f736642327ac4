//! Who else could map: Extism with the same mapper, compiled to its interface, and QuickJS with the mapping written in
//! JavaScript. Both take and give JSON, as their users do; each call stands alone, as ours do, unless the row says that
//! the instance is kept.

use std::path::Path;

use anyhow::{Context as _, Result, anyhow};
use extism::{CompiledPlugin, Manifest, Plugin, PluginBuilder, UserData, ValType, Wasm};
use ml_connector_domain::canonical::Order;
use ml_connector_domain::mapping::{BatchContext, OrderOutcome};

use crate::engines::Contender;

const SCRIPT: &str = include_str!("rivals.js");

/// All of them; `components` holds the built guest of Extism.
pub(crate) fn contenders(components: &Path) -> Result<Vec<Contender<'static>>> {
    let path = components.join("extism-guest.wasm");
    let guest = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let manifest = Manifest::new([Wasm::data(guest)]);
    let builder = PluginBuilder::new(manifest).with_wasi(false).with_fuel_limit(u64::MAX / 2);
    // The SDK's log, which the mapper carries and does not write to here.
    let log = ("ml-connector:mapper/log@0.1.0", "write", [const { ValType::I32 }; 3]);
    let builder = builder.with_function_in_namespace(log.0, log.1, log.2, [], UserData::new(()), |_, _, _, _| Ok(()));
    let compiled: &'static CompiledPlugin = Box::leak(Box::new(builder.compile()?));
    let mut kept = Plugin::new_from_compiled(compiled)?;
    let fresh = |context: &BatchContext, orders: &[Order]| {
        extism_map(&mut Plugin::new_from_compiled(compiled)?, context, orders)
    };
    let contender = |engine, mode, batch, map| Contender { engine, mode, batch, map };
    Ok(vec![
        contender("Extism 1.30.0", "batch of 100, fresh plugin", 100, Box::new(fresh)),
        contender("Extism 1.30.0", "single order, fresh plugin", 1, Box::new(fresh)),
        contender(
            "Extism 1.30.0",
            "single order, plugin kept",
            1,
            Box::new(move |context: &BatchContext, orders: &[Order]| extism_map(&mut kept, context, orders)),
        ),
        contender("QuickJS", "batch of 100, fresh runtime", 100, Box::new(quickjs_fresh)),
        contender("QuickJS", "single order, fresh runtime", 1, Box::new(quickjs_fresh)),
    ])
}

fn extism_map(plugin: &mut Plugin, context: &BatchContext, orders: &[Order]) -> Result<Vec<OrderOutcome>> {
    let input = serde_json::to_string(&(context, orders))?;
    let output: &str = plugin.call("map", input.as_str())?;
    Ok(serde_json::from_str(output)?)
}

fn quickjs_fresh(context: &BatchContext, orders: &[Order]) -> Result<Vec<OrderOutcome>> {
    let failed = |error: rquickjs::Error| anyhow!("QuickJS: {error}");
    let input = serde_json::to_string(&(context, orders))?;
    let runtime = rquickjs::Runtime::new().map_err(failed)?;
    let global = rquickjs::Context::full(&runtime).map_err(failed)?;
    let output: String = global
        .with(|js| {
            js.eval::<(), _>(SCRIPT)?;
            let map: rquickjs::Function<'_> = js.globals().get("map")?;
            map.call((input.as_str(),))
        })
        .map_err(failed)?;
    Ok(serde_json::from_str(&output)?)
}
