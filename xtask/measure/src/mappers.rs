//! Many mappers in one process: how long they take to load from the cache, and what each holds when idle.

use std::time::Instant;

use anyhow::{Result, bail};
use ml_connector_mapper::{CacheKey, CompiledCache, Compiler, Limits, MapperRuntime, Origin, Policy};
use serde_json::{Value, json};

use crate::hostile::resident_kib;
use crate::records;

/// A component that differs from another in nothing but a custom section: another digest, the same mapper.
fn variant(component: &[u8], number: u32) -> Vec<u8> {
    let payload = [b"\x07variant".as_slice(), &number.to_le_bytes()].concat();
    // A custom section: id 0, its length in one byte, its name with a length, its contents.
    let mut bytes = component.to_vec();
    bytes.extend([0, u8::try_from(payload.len()).unwrap_or(0)]);
    bytes.extend(payload);
    bytes
}

/// Runs it.
pub(crate) fn run(component: &[u8], count: u32) -> Result<Value> {
    let folder = std::env::temp_dir().join(format!("ml-connector-mappers-{}", std::process::id()));
    let cache = CompiledCache::open(&folder, CacheKey::new([1; 32]))?;
    let compiler = Compiler { program: std::env::current_exe()?, limits: None };
    let components: Vec<Vec<u8>> = (0..count).map(|number| variant(component, number)).collect();
    let policy = Policy::default();
    let started = Instant::now();
    {
        let runtime = MapperRuntime::new(Limits::default())?;
        for bytes in &components {
            runtime.load_cached(bytes, &policy, &compiler, &cache)?;
        }
    }
    let compiled = started.elapsed();
    let runtime = MapperRuntime::new(Limits::default())?;
    let before = resident_kib()?;
    let started = Instant::now();
    let mut mappers = Vec::new();
    for bytes in &components {
        let mapper = runtime.load_cached(bytes, &policy, &compiler, &cache)?;
        if mapper.origin() != Origin::Cache {
            bail!("a mapper was compiled again: {:?}", mapper.origin());
        }
        mappers.push(mapper);
    }
    let loaded = started.elapsed();
    let (context, orders) = (records::context()?, records::orders(1)?);
    let started = Instant::now();
    for mapper in &mappers {
        mapper.run_orders(&context, &orders).result?;
    }
    let called = started.elapsed();
    let each = resident_kib()?.saturating_sub(before) / u64::from(count.max(1));
    std::fs::remove_dir_all(&folder)?;
    println!(
        "{count} mappers: compiled in {:.1} s (each in a process of its own), loaded from the cache in {:.3} s, each called once in {:.3} s; {each} KiB resident each when idle",
        compiled.as_secs_f64(),
        loaded.as_secs_f64(),
        called.as_secs_f64()
    );
    Ok(json!({
        "mappers": count, "compile_s": compiled.as_secs_f64(), "load_s": loaded.as_secs_f64(),
        "call_each_s": called.as_secs_f64(), "resident_kib_each": each,
    }))
}
