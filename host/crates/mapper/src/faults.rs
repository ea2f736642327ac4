//! Says whose fault a failed call is, and what kind.

use ml_connector_ports::MapperFault;
use wasmtime::{Store, Trap};

use crate::host::CallState;

/// Makes a fault of a failed call.
pub(crate) fn fault(store: &mut Store<CallState>, budget: u64, error: &wasmtime::Error) -> MapperFault {
    let fuel = budget.saturating_sub(store.get_fuel().unwrap_or(0));
    let refused = store.data().memory_refused;
    let log = store.data_mut().take_log();
    let (code, message) = match error.downcast_ref::<Trap>() {
        _ if refused => ("memory-limit", "it asked for more memory than a call may have".to_owned()),
        Some(Trap::OutOfFuel) => ("fuel-exhausted", format!("it used up its {budget} fuel")),
        Some(Trap::Interrupt) => ("deadline", "it ran longer than a call may".to_owned()),
        Some(Trap::StackOverflow) => ("stack", "it ran out of stack".to_owned()),
        Some(trap) => ("trap", panic_message(&log).unwrap_or_else(|| trap.to_string())),
        None => {
            let words = format!("{error:#}");
            // wasmtime gives exhausted hostcall fuel no type of its own.
            if words.contains("hostcall") || words.contains("too large") || words.contains("fuel allocated") {
                ("output-limit", "it answered with more than a call may".to_owned())
            } else {
                ("trap", words)
            }
        }
    };
    MapperFault { code, message, fuel, log }
}

/// The SDK reports a panic as an error line before it traps.
fn panic_message(log: &[String]) -> Option<String> {
    log.iter().rev().find_map(|line| line.strip_prefix("error: ")).map(str::to_owned)
}

/// A fault of an answer that cannot be used.
pub(crate) fn bad_output(fuel: u64, log: Vec<String>, message: impl Into<String>) -> MapperFault {
    MapperFault { code: "bad-output", message: message.into(), fuel, log }
}

/// A fault that is ours.
pub(crate) fn host(message: impl Into<String>) -> MapperFault {
    MapperFault { code: "host", message: message.into(), fuel: 0, log: Vec::new() }
}
