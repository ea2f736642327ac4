//! A soak: attacks one after another, with an innocent tenant beside them. Memory must stay flat, every attack must end
//! under its own code, and the innocent tenant must not lose a batch.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use ml_connector_domain::mapping::BatchContext;
use ml_connector_mapper::{Limits, LoadedMapper, MapperRuntime};
use serde_json::{Value, json};

use crate::records;

/// What the hostile mapper is told to do, and the code it ends under.
const ATTACKS: [(&str, &str); 9] = [
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
/// How often memory is looked at.
const SAMPLES: u64 = 20;
/// How much more than after the first tenth a process may hold: noise of an allocator, not a leak a call.
const FLAT_KIB: u64 = 8 << 10;

/// Runs it.
pub(crate) fn run(hostile: &[u8], innocent: &[u8], calls: u64) -> Result<Value> {
    // Small limits: a soak wants many calls, and what ends them is the same.
    let limits = Limits {
        fuel_base: 300_000,
        fuel_per_record: 0,
        fuel_per_line: 0,
        output_bytes_max: 64 << 10,
        ..Limits::default()
    };
    let runtime = MapperRuntime::new(limits)?;
    let late = lateness(hostile)?;
    let hostile = runtime.load(hostile)?;
    let innocent = runtime.load(innocent)?;
    let done = AtomicBool::new(false);
    let mapped = AtomicU64::new(0);
    let context = records::context()?;
    let orders = records::orders(2)?;
    let (resident, codes, lost) = std::thread::scope(|scope| {
        let beside = scope.spawn(|| {
            let mut lost = 0_u64;
            while !done.load(Ordering::Relaxed) {
                match innocent.run_orders(&context, &orders).result {
                    Ok(_) => mapped.fetch_add(1, Ordering::Relaxed),
                    Err(_) => {
                        lost += 1;
                        lost
                    }
                };
                std::thread::sleep(Duration::from_millis(1));
            }
            lost
        });
        let attacked = attack(&hostile, &context, calls);
        done.store(true, Ordering::Relaxed);
        let lost = beside.join().unwrap_or(u64::MAX);
        attacked.map(|(resident, codes)| (resident, codes, lost))
    })?;
    let settled = resident[resident.len() / 10];
    let last = resident.last().copied().unwrap_or(0);
    println!(
        "{calls} hostile calls: {settled} KiB resident after the first tenth, {last} KiB at the end; beside them {} batches were mapped, {lost} lost; a spinning guest is stopped {late:.1} ms after its deadline at the most (a tick is 10 ms)",
        mapped.load(Ordering::Relaxed)
    );
    if lost > 0 || last > settled + FLAT_KIB {
        bail!("memory grew, or a batch of another tenant was lost");
    }
    Ok(json!({
        "calls": calls, "codes": codes, "resident_kib": resident, "flat": last <= settled + FLAT_KIB,
        "innocent_batches": mapped.load(Ordering::Relaxed), "innocent_lost": lost, "late_ms_max": late,
    }))
}

fn attack(
    hostile: &LoadedMapper,
    context: &BatchContext,
    calls: u64,
) -> Result<(Vec<u64>, BTreeMap<&'static str, u64>)> {
    let orders = records::orders(1)?;
    let contexts = ATTACKS.map(|(attack, _)| {
        let settings = vec![("attack".to_owned(), attack.to_owned())];
        BatchContext { settings, catalog: Vec::new(), ..context.clone() }
    });
    let mut codes = BTreeMap::new();
    let mut resident = Vec::new();
    for call in 0..calls {
        if call % (calls / SAMPLES).max(1) == 0 {
            resident.push(resident_kib()?);
        }
        let at = usize::try_from(call)? % ATTACKS.len();
        let (attack, wanted) = ATTACKS[at];
        match hostile.run_orders(&contexts[at], &orders).result {
            // With little fuel some attacks run out of it before they get to their point.
            Err(fault) if fault.code == wanted || fault.code == "fuel-exhausted" => {
                *codes.entry(fault.code).or_default() += 1;
            }
            other => bail!("{attack} ended as {other:?}"),
        }
    }
    resident.push(resident_kib()?);
    Ok((resident, codes))
}

/// How many milliseconds after its deadline a guest is stopped that only the deadline stops, at the most of ten.
fn lateness(hostile: &[u8]) -> Result<f64> {
    let deadline = Duration::from_millis(100);
    let runtime = MapperRuntime::new(Limits { fuel_base: u64::MAX / 2, deadline, ..Limits::default() })?;
    let spinning = runtime.load(hostile)?;
    let context =
        BatchContext { settings: vec![("attack".to_owned(), "spin".to_owned())], ..records::context()? };
    let orders = records::orders(1)?;
    let mut late = 0.0_f64;
    for _ in 0..10 {
        let started = Instant::now();
        let run = spinning.run_orders(&context, &orders);
        let took = started.elapsed();
        match run.result {
            Err(fault) if fault.code == "deadline" => late = late.max((took - deadline).as_secs_f64() * 1e3),
            other => bail!("a spinning guest ended as {other:?}"),
        }
    }
    Ok(late)
}

/// What Linux says that this process holds.
pub(crate) fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next()).and_then(|kib| kib.parse().ok());
    number.ok_or_else(|| anyhow::anyhow!("this system does not say what a process holds"))
}
