//! The same calls again, in two processes: one with a pool of instances, one without. Bytes and fuel must be equal.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use ml_connector_domain::id::ContentHash;
use ml_connector_mapper::{Allocation, Batch, Limits, MapperRuntime};
use serde_json::{Value, json};

use crate::records;

/// Runs both.
pub(crate) fn run(components: &Path, calls: u64) -> Result<Value> {
    let process = |pooled: bool| -> Result<Value> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("--components").arg(components).args(["replay-child", "--calls", &calls.to_string()]);
        if pooled {
            command.arg("--pooled");
        }
        let output = command.output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let line =
            text.lines().last().with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())?;
        Ok(serde_json::from_str(line)?)
    };
    let (pooled, alone) = (process(true)?, process(false)?);
    let equal = pooled == alone;
    println!("{calls} calls, with a pool and without: {pooled} and {alone}");
    if !equal {
        bail!("two processes do not agree");
    }
    Ok(json!({ "calls": calls, "equal": equal, "output": pooled["output"], "fuel": pooled["fuel"] }))
}

/// One process: a digest over the outputs of all calls, and over their fuel.
pub(crate) fn child(component: &[u8], calls: u64, pooled: bool) -> Result<Value> {
    let allocation = if pooled { Allocation::Pooled } else { Allocation::OnDemand };
    let runtime = MapperRuntime::with_allocation(Limits::default(), allocation)?;
    let mapper = runtime.load(component)?;
    let context = records::context()?;
    let orders = records::orders(usize::try_from(calls.min(5_000))?)?;
    let (mut output, mut fuel, mut burnt) = (String::new(), String::new(), 0_u64);
    let chain = |so_far: &str, next: &str| ContentHash::of(format!("{so_far}{next}").as_bytes()).to_string();
    for call in 0..calls {
        // One to three orders a call, so that calls are unlike each other.
        let from = usize::try_from(call)? % (orders.len() - 3).max(1);
        let batch = Batch::Orders(orders[from..from + 1 + from % 3].to_vec());
        let replayed = mapper.run_batch(&context, &batch)?;
        output = chain(&output, replayed.digest.as_str());
        fuel = chain(&fuel, &replayed.fuel.to_string());
        burnt += replayed.fuel;
    }
    Ok(json!({ "output": output, "fuel": fuel, "burnt": burnt }))
}
