//! `mapper run`: a component and an input, no configuration.

use std::fs;
use std::io::Read as _;
use std::path::Path;

use ml_connector_mapper::{Limits, LoadedMapper, MapperRuntime};

use super::cases;
use crate::commands::{Outcome, say};

/// An input's largest size in bytes: a batch of a hundred large orders has a few hundred KiB.
const INPUT_BYTES_MAX: u64 = 64 << 20;

/// Reads a file, or standard input for `-`, up to so many bytes.
///
/// # Errors
/// `MAP-READ`: it cannot be read. `MAP-SIZE`: there is more; no more than one byte beyond is taken in.
pub(super) fn read(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let taken = if path == Path::new("-") {
        std::io::stdin().lock().take(bytes_max + 1).read_to_end(&mut bytes)
    } else {
        fs::File::open(path).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes))
    };
    taken.map_err(|error| format!("MAP-READ: {}: {error}", path.display()))?;
    if bytes.len() as u64 > bytes_max {
        return Err(format!(
            "MAP-SIZE: {} has more than the {bytes_max} bytes that are allowed",
            path.display()
        ));
    }
    Ok(bytes)
}

/// Loads a component into an engine of its own.
///
/// # Errors
/// It cannot be read, or is refused.
pub(super) fn load(path: &Path) -> Result<LoadedMapper, Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let bytes = read(path, limits.component_bytes_max as u64)?;
    Ok(MapperRuntime::new(limits)?.load(&bytes).map_err(|error| format!("{}: {error}", path.display()))?)
}

/// How much of a limit was used, for people.
pub(super) fn share(used: u64, of: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "a figure for people")]
    let share = 100.0 * used as f64 / of.max(1) as f64;
    format!("{share:.2} %")
}

/// Maps an input and prints the outcomes.
pub(super) async fn run(component: &Path, input: &Path) -> Outcome {
    let mapper = load(component)?;
    let input = String::from_utf8(read(input, INPUT_BYTES_MAX)?)?;
    let run = cases::run(&mapper, &input).await?;
    say(&format!("{:#}", run.output));
    for line in &run.log {
        tracing::info!("{line}");
    }
    tracing::info!(fuel = run.fuel, limit = run.fuel_max, share = share(run.fuel, run.fuel_max), "mapped");
    Ok(())
}
