//! Which functions of a mapper burn its fuel.
//!
//! A sampler that looks at a running guest by the clock sees something else every time. This one stops the guest by its
//! fuel: the batch is mapped again and again, each time with so much fuel that it runs out at the next of many evenly
//! spaced points, and the stack at each is taken. The same component and input give the same answer on every machine.
//!
//! The engine looks at the fuel where a function begins and where a loop repeats, so what is burnt in a straight line
//! shows at the next such place.

use std::collections::{BTreeMap, BTreeSet};

use ml_connector_domain::mapping::BatchContext;
use ml_connector_ports::MapperFault;

use crate::fixtures::Batch;
use crate::limits::Limits;
use crate::mapper::LoadedMapper;

/// What stands for the host's work before and after the guest's: bytes that cross the border cost fuel, too.
const HANDING_IN: &str = "(host: records handed in)";
const TAKING_OUT: &str = "(host: outcomes taken out)";

/// Where a batch's fuel went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Fuel of the whole batch.
    pub fuel: u64,
    /// Points at which the guest was stopped.
    pub samples: u32,
    /// Functions, those that burn most themselves first.
    pub functions: Vec<Profiled>,
    /// How the batch ended, if not well: a profile shows what came before.
    pub fault: Option<MapperFault>,
}

/// A function's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profiled {
    /// Its name in the component's name section, or its number.
    pub name: String,
    /// Samples in which it was running.
    pub itself: u32,
    /// Samples in which it, or something that it had called, was running.
    pub with_callees: u32,
}

impl LoadedMapper {
    /// Maps a batch once, and then once for each of so many samples. Blocks for as long as that takes.
    ///
    /// # Errors
    /// The host could not map it at all. A batch that the mapper fails on is profiled up to there.
    pub fn profile(
        &self,
        context: &BatchContext,
        batch: &Batch,
        samples: u32,
    ) -> Result<Profile, MapperFault> {
        let whole = self.stopped(context, batch);
        let fuel = whole.fuel;
        if let (0, Some(fault)) = (fuel, &whole.fault) {
            return Err(fault.clone());
        }
        let mut seen: BTreeMap<String, (u32, u32)> = BTreeMap::new();
        let mut begun = false;
        for sample in 0..samples {
            // The middles of equal parts.
            let at = u128::from(fuel) * (2 * u128::from(sample) + 1) / (2 * u128::from(samples));
            let probe = self.with_fuel(u64::try_from(at).unwrap_or(fuel));
            let mut stack = probe.stopped(context, batch).stack;
            if stack.is_empty() {
                stack.push(if begun { TAKING_OUT } else { HANDING_IN }.to_owned());
            } else {
                begun = true;
            }
            count(&stack, &mut seen);
        }
        Ok(Profile { fuel, samples, functions: ordered(seen), fault: whole.fault })
    }

    /// As this one, but every call has just so much fuel.
    fn with_fuel(&self, fuel: u64) -> Self {
        self.with_limits(|limits| Limits { fuel_base: fuel, fuel_per_record: 0, fuel_per_line: 0, ..limits })
    }

    fn stopped(&self, context: &BatchContext, batch: &Batch) -> Stopped {
        match batch {
            Batch::Orders(orders) => Stopped::of(self.run_orders(context, orders)),
            Batch::Transactions(transactions) => Stopped::of(self.run_transactions(context, transactions)),
        }
    }
}

struct Stopped {
    fuel: u64,
    stack: Vec<String>,
    fault: Option<MapperFault>,
}

impl Stopped {
    fn of<T>(run: crate::mapper::Run<T>) -> Self {
        Self { fuel: run.usage.fuel, stack: run.stack, fault: run.result.err() }
    }
}

/// Counts a stack, innermost first; a function that calls itself counts once.
fn count(stack: &[String], seen: &mut BTreeMap<String, (u32, u32)>) {
    if let Some(leaf) = stack.first() {
        seen.entry(leaf.clone()).or_default().0 += 1;
    }
    for name in stack.iter().collect::<BTreeSet<_>>() {
        seen.entry(name.clone()).or_default().1 += 1;
    }
}

fn ordered(seen: BTreeMap<String, (u32, u32)>) -> Vec<Profiled> {
    let row = |(name, (itself, with_callees))| Profiled { name, itself, with_callees };
    let mut functions: Vec<Profiled> = seen.into_iter().map(row).collect();
    // By name among equals, as the map has them: the sort is stable.
    functions.sort_by_key(|row| std::cmp::Reverse((row.itself, row.with_callees)));
    functions
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_that_calls_itself_counts_once_and_the_busiest_comes_first() {
        let mut seen = BTreeMap::new();
        let stacks = [vec!["b", "a", "b"], vec!["a"], vec!["c", "a"], vec!["c", "b", "a"]];
        for stack in stacks {
            count(&stack.into_iter().map(str::to_owned).collect::<Vec<_>>(), &mut seen);
        }
        let rows: Vec<(String, u32, u32)> =
            ordered(seen).into_iter().map(|row| (row.name, row.itself, row.with_callees)).collect();
        let expected = [("c", 2, 2), ("a", 1, 4), ("b", 1, 2)];
        assert_eq!(rows, expected.map(|(name, itself, with)| (name.to_owned(), itself, with)));
    }
}
