//! `mapper run` and `profile`: a component and an input. What the daemon recorded needs its configuration, too.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use ml_connector_mapper::{Batch, Class, Limits, LoadedMapper, MapperRuntime, Policy, WasiPolicy};
use ml_connector_pipeline::versions::unpack;

use super::cases::{self, CaseRun, Input};
use super::{life, trial};
use crate::app::App;
use crate::commands::{Outcome, say, table};
use crate::config_load::{self, Source};

type Failure = Box<dyn std::error::Error>;

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

/// Loads a component into an engine of its own, under the strictest policy.
///
/// # Errors
/// It cannot be read, or is refused.
pub(super) fn load(path: &Path) -> Result<LoadedMapper, Failure> {
    load_under(path, &Policy::default())
}

/// As [`load`], under a policy.
///
/// # Errors
/// It cannot be read, or is refused.
fn load_under(path: &Path, policy: &Policy) -> Result<LoadedMapper, Failure> {
    let bytes = read(path, Limits::of(policy.class).component_bytes_max as u64).map_err(|error| {
        let fix = "an interpreter's component needs --class interpreter here, and class = \"interpreter\" in the seller's policy";
        if policy.class == Class::Native && error.starts_with("MAP-SIZE") { format!("{error}: {fix}") } else { error }
    })?;
    let loaded = MapperRuntime::new(Limits::default())?.load_here(&bytes, policy);
    Ok(loaded.map_err(|error| format!("{}: {error}", path.display()))?)
}

/// Under which policy a developer's own file is looked at: what the seller's `[seller.mappers]` will have to say.
#[derive(Debug, Clone, Copy, clap::Args)]
pub(crate) struct Rules {
    /// How large the file may be, and how much it may hold: `interpreter` is for Python and JavaScript
    #[arg(long, value_enum, default_value_t = ClassArgument::Native)]
    class: ClassArgument,
    /// What becomes of a file that imports WASI
    #[arg(long, value_enum, default_value_t = WasiArgument::Refuse)]
    wasi: WasiArgument,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum ClassArgument {
    Native,
    Interpreter,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WasiArgument {
    Refuse,
    Deterministic,
}

impl From<Rules> for Policy {
    fn from(rules: Rules) -> Self {
        let class = match rules.class {
            ClassArgument::Native => Class::Native,
            ClassArgument::Interpreter => Class::Interpreter,
        };
        let wasi = match rules.wasi {
            WasiArgument::Refuse => WasiPolicy::Refuse,
            WasiArgument::Deterministic => WasiPolicy::Deterministic,
        };
        Self { class, wasi }
    }
}

/// How much of each limit was used, for people.
pub(super) fn shares(run: &CaseRun, between: &str) -> String {
    let shares = run.shares().into_iter().map(|(name, share)| format!("{name} {:.2} %", 100.0 * share));
    shares.collect::<Vec<_>>().join(between)
}

/// What is mapped, and by which component.
#[derive(Debug, clap::Args)]
pub(crate) struct Subject {
    /// The component's file; with --batch also a version, or `recorded` for the one that mapped the batch
    component: String,
    /// A golden case's input.json; - is standard input
    #[arg(required_unless_present = "batch")]
    input: Option<PathBuf>,
    /// Map what the daemon recorded under this name, or the first six digits or more of it; needs the configuration
    #[arg(long, conflicts_with = "input")]
    batch: Option<String>,
    #[command(flatten)]
    rules: Rules,
}

impl Subject {
    /// Loads the component and reads what is mapped. Only what was recorded needs a configuration.
    ///
    /// # Errors
    /// Either cannot be read, or is refused.
    async fn open(&self, source: &Source) -> Result<(LoadedMapper, Input), Failure> {
        match (&self.batch, &self.input) {
            (Some(batch), _) => recorded(source, self, batch).await,
            (None, Some(input)) => {
                let mapper = load_under(Path::new(&self.component), &self.rules.into())?;
                let text = String::from_utf8(read(input, INPUT_BYTES_MAX)?)?;
                Ok((mapper, cases::parse(&text)?))
            }
            (None, None) => Err("MAP-READ: name an input, or --batch".into()),
        }
    }
}

/// A recorded batch with the component that is to map it.
///
/// # Errors
/// `MAP-BATCH`: there is none of that name, there are several, or its input is not kept.
async fn recorded(source: &Source, subject: &Subject, name: &str) -> Result<(LoadedMapper, Input), Failure> {
    let app = App::open(config_load::load(source)?).await?;
    let found = if name.len() < 6 { Vec::new() } else { app.store.recorded_batch(name).await? };
    let batch = match found.as_slice() {
        [one] => one,
        [] => return Err(format!("MAP-BATCH: no batch begins with `{name}`: write six digits or more of its name, as `explain --json` shows it").into()),
        _ => return Err(format!("MAP-BATCH: several batches begin with `{name}`: write more of it").into()),
    };
    let packed = batch
        .packed
        .as_ref()
        .ok_or_else(|| format!("MAP-BATCH: what went into {} is not kept, or not any more", batch.input))?;
    let input = unpack(&batch.input, &batch.kind, packed)?;
    let trials = trial::Trials::open(&app)?;
    let mapper = match subject.component.as_str() {
        "recorded" => trials.kept(&batch.seller, &batch.mapper).await?,
        file if Path::new(file).is_file() => load_under(Path::new(file), &subject.rules.into())?,
        text => {
            let version = life::version(&app, text).await?;
            trials.kept(&batch.seller, &version).await?
        }
    };
    app.store.close().await;
    Ok((mapper, Input { context: input.context, batches: vec![trial::records(input.records)] }))
}

/// Maps an input and prints the outcomes.
pub(super) async fn run(source: &Source, subject: &Subject) -> Outcome {
    let (mapper, input) = subject.open(source).await?;
    let run = cases::run(&mapper, &input)?;
    say(&format!("{:#}", run.output));
    for line in &run.log {
        tracing::info!("{line}");
    }
    tracing::info!(fuel = run.fuel, "used of the limits: {}", shares(&run, ", "));
    Ok(())
}

/// Shows which functions of a mapper burn its fuel.
pub(super) async fn profile(source: &Source, subject: &Subject, samples: u32) -> Outcome {
    let (mapper, input) = subject.open(source).await?;
    for batch in &input.batches {
        let (kind, records) = match batch {
            Batch::Orders(orders) => ("orders", orders.len()),
            Batch::Transactions(transactions) => ("transactions", transactions.len()),
        };
        let profile = mapper.profile(&input.context, batch, samples)?;
        say(&format!(
            "{records} {kind}: {} fuel, stopped at {} even points of it",
            profile.fuel, profile.samples
        ));
        if let Some(fault) = &profile.fault {
            say(&format!("the mapper failed: {fault}"));
        }
        let mut shown = table(&["function", "itself", "with what it calls"]);
        let share =
            |count: u32| format!("{:.1} %", 100.0 * f64::from(count) / f64::from(profile.samples.max(1)));
        for row in &profile.functions {
            shown.add_row([row.name.clone(), share(row.itself), share(row.with_callees)]);
        }
        say(&shown.to_string());
    }
    Ok(())
}
