//! One mapping, many engines: the same records in, the same outcomes out, compared before anything is timed.

use std::time::{Duration, Instant};

use anyhow::{Result, anyhow, bail};
use jiff::tz::TimeZone;
use ml_connector_domain::canonical::Order;
use ml_connector_domain::mapping::{BatchContext, OrderOutcome};
use ml_connector_mapper::{Limits, LoadedMapper, MapperRuntime};
use serde::Serialize;

use crate::raw::Raw;
use crate::{native, records};

/// Orders of a large batch.
const BATCH: usize = 100;
/// How long a sample lasts at least.
const SAMPLE: Duration = Duration::from_millis(150);
/// Samples of each row, taken in turns so that a busy moment of the machine meets all rows alike.
const ROUNDS: usize = 9;

/// A line of the result.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Row {
    /// What maps.
    pub(crate) engine: String,
    /// How it is called.
    pub(crate) mode: String,
    /// Median over the samples.
    pub(crate) orders_per_second: f64,
    /// Time of an order against that of the native mapper in batches.
    pub(crate) x_native: f64,
    /// Time of a call.
    pub(crate) microseconds_per_call: f64,
}

/// What maps one batch and says what came out.
pub(crate) type Map<'a> = Box<dyn FnMut(&BatchContext, &[Order]) -> Result<Vec<OrderOutcome>> + 'a>;

/// An engine in a mode, to be timed.
pub(crate) struct Contender<'a> {
    pub(crate) engine: &'static str,
    pub(crate) mode: &'static str,
    /// Orders handed in with one call.
    pub(crate) batch: usize,
    pub(crate) map: Map<'a>,
}

/// The result as the last line has it.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    outputs_equal: bool,
    rows: Vec<Row>,
    /// Throughput of two threads over that of one.
    two_threads_x_one: f64,
    /// Ours less raw wasmtime with a tuned pool, a single order each call, in microseconds.
    over_raw_microseconds: f64,
}

/// Ours, native and raw wasmtime; and whoever else was built in.
pub(crate) fn run(component: &[u8], rivals: Vec<Contender<'_>>, only: &str) -> Result<Report> {
    let (context, orders) = (records::context()?, records::orders(BATCH)?);
    let zone = TimeZone::get(&context.ledger.time_zone)?;
    let runtime = MapperRuntime::new(Limits::default())?;
    let mapper = runtime.load(component)?;
    let (tuned, untuned) = (Raw::new(component, true)?, Raw::new(component, false)?);
    let mut contenders = vec![
        contender("native", "batch of 100", BATCH, |context, orders| {
            Ok(native::map(context, orders, &zone)?)
        }),
        contender("native", "single order", 1, |context, orders| Ok(native::map(context, orders, &zone)?)),
        contender("ml-connector", "batch of 100, fresh instance", BATCH, |context, orders| {
            ours(&mapper, context, orders)
        }),
        contender("ml-connector", "single order, fresh instance", 1, |context, orders| {
            ours(&mapper, context, orders)
        }),
        contender("wasmtime, pool tuned", "batch of 100, fresh instance", BATCH, |c, o| {
            tuned.map(c, o, &zone)
        }),
        contender("wasmtime, pool tuned", "single order, fresh instance", 1, |c, o| tuned.map(c, o, &zone)),
        contender("wasmtime, as it comes", "batch of 100, fresh instance", BATCH, |c, o| {
            untuned.map(c, o, &zone)
        }),
        contender("wasmtime, as it comes", "single order, fresh instance", 1, |c, o| {
            untuned.map(c, o, &zone)
        }),
    ];
    contenders.extend(rivals);
    let named = |contender: &Contender<'_>| format!("{}, {}", contender.engine, contender.mode).contains(only);
    let mut first = true;
    contenders.retain(|contender| std::mem::take(&mut first) || named(contender));
    let outputs_equal = all_equal(&mut contenders, &context, &orders)?;
    let mut rows = timed(contenders, &context, &orders)?;
    let mut two_threads_x_one = f64::NAN;
    if only.is_empty() {
        let (one, two) = threads(&mapper, &context, &orders)?;
        rows.push(two_threads(two, &rows)?);
        two_threads_x_one = two / one;
    }
    let single = |engine: &str| {
        let row = rows.iter().find(|row| row.engine == engine && row.mode.starts_with("single"));
        row.map_or(f64::NAN, |row| row.microseconds_per_call)
    };
    let over_raw_microseconds = single("ml-connector") - single("wasmtime, pool tuned");
    Ok(Report { outputs_equal, over_raw_microseconds, two_threads_x_one, rows })
}

fn contender<'a>(
    engine: &'static str,
    mode: &'static str,
    batch: usize,
    map: impl FnMut(&BatchContext, &[Order]) -> Result<Vec<OrderOutcome>> + 'a,
) -> Contender<'a> {
    Contender { engine, mode, batch, map: Box::new(map) }
}

fn ours(mapper: &LoadedMapper, context: &BatchContext, orders: &[Order]) -> Result<Vec<OrderOutcome>> {
    Ok(mapper.run_orders(context, orders).result.map_err(|fault| anyhow!("{fault}"))?.outcomes)
}

fn all_equal(contenders: &mut [Contender<'_>], context: &BatchContext, orders: &[Order]) -> Result<bool> {
    let mut wanted: Option<Vec<OrderOutcome>> = None;
    let mut equal = true;
    for contender in contenders {
        let mut outcomes = Vec::new();
        for batch in orders.chunks(contender.batch) {
            outcomes.extend((contender.map)(context, batch)?);
        }
        if let Some(review) = outcomes.iter().find(|outcome| !matches!(outcome, OrderOutcome::Invoice(_))) {
            bail!("{}: {review:?}", contender.engine);
        }
        let same = wanted.get_or_insert_with(|| outcomes.clone()) == &outcomes;
        if !same {
            eprintln!("{}, {}: its outcomes are not those of the others", contender.engine, contender.mode);
        }
        equal &= same;
    }
    Ok(equal)
}

/// Calls one contender until a sample's time is over; seconds of an order.
fn sample(contender: &mut Contender<'_>, context: &BatchContext, orders: &[Order]) -> Result<f64> {
    let started = Instant::now();
    let mut mapped = 0_u32;
    while started.elapsed() < SAMPLE {
        for batch in orders.chunks(contender.batch) {
            std::hint::black_box((contender.map)(context, batch)?);
        }
        mapped += u32::try_from(orders.len())?;
    }
    Ok(started.elapsed().as_secs_f64() / f64::from(mapped))
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

fn timed(mut contenders: Vec<Contender<'_>>, context: &BatchContext, orders: &[Order]) -> Result<Vec<Row>> {
    let mut samples = vec![Vec::new(); contenders.len()];
    for round in 0..=ROUNDS {
        for (contender, samples) in contenders.iter_mut().zip(&mut samples) {
            let seconds = sample(contender, context, orders)?;
            // The first round warms.
            if round > 0 {
                samples.push(seconds);
            }
        }
    }
    let seconds: Vec<f64> = samples.iter_mut().map(|samples| median(samples)).collect();
    let native = seconds[0];
    let row = |(contender, seconds): (&Contender<'_>, f64)| Row {
        engine: contender.engine.to_owned(),
        mode: contender.mode.to_owned(),
        orders_per_second: 1.0 / seconds,
        x_native: seconds / native,
        microseconds_per_call: seconds * 1e6 * contender.batch as f64,
    };
    Ok(contenders.iter().zip(seconds).map(row).collect())
}

/// Orders a second of single orders on one thread and on two, in turns.
fn threads(mapper: &LoadedMapper, context: &BatchContext, orders: &[Order]) -> Result<(f64, f64)> {
    let rate = |threads: usize| -> Result<f64> {
        let started = Instant::now();
        let work = || -> Result<u32> {
            let mut mapped = 0;
            while started.elapsed() < 2 * SAMPLE {
                for order in orders {
                    std::hint::black_box(ours(mapper, context, std::slice::from_ref(order))?);
                    mapped += 1;
                }
            }
            Ok(mapped)
        };
        let mapped = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| thread.join().map_err(|_| anyhow!("a thread panicked"))?)
                .sum::<Result<u32>>()
        })?;
        Ok(f64::from(mapped) / started.elapsed().as_secs_f64())
    };
    let (mut one, mut two) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        one.push(rate(1)?);
        two.push(rate(2)?);
    }
    Ok((median(&mut one), median(&mut two)))
}

fn two_threads(rate: f64, rows: &[Row]) -> Result<Row> {
    let native =
        rows.first().map(|row| 1.0 / row.orders_per_second).ok_or_else(|| anyhow!("nothing was timed"))?;
    Ok(Row {
        engine: "ml-connector".to_owned(),
        mode: "single order, fresh instance, two threads".to_owned(),
        orders_per_second: rate,
        x_native: 1.0 / rate / native,
        microseconds_per_call: 1e6 / rate,
    })
}

impl Report {
    /// Prints it for people.
    pub(crate) fn print(&self) {
        println!("{:<24} {:<44} {:>12} {:>9} {:>12}", "engine", "mode", "orders/s", "x native", "us a call");
        for row in &self.rows {
            println!(
                "{:<24} {:<44} {:>12.0} {:>9.2} {:>12.2}",
                row.engine, row.mode, row.orders_per_second, row.x_native, row.microseconds_per_call
            );
        }
        println!(
            "outputs equal: {}; two threads {:.2} x one; {:+.2} us a single order over raw wasmtime",
            self.outputs_equal, self.two_threads_x_one, self.over_raw_microseconds
        );
    }
}
