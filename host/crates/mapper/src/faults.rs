//! Says whose fault a failed call is, and what kind.

use ml_connector_ports::MapperFault;
use wasmtime::{Store, Trap};

use crate::host::{CallState, Stop};

/// Makes a fault of a failed call.
pub(crate) fn fault(store: &mut Store<CallState>, budget: u64, error: &wasmtime::Error) -> MapperFault {
    let fuel = budget.saturating_sub(store.get_fuel().unwrap_or(0));
    let stopped = store.data().stopped;
    let log = store.data_mut().take_log();
    let (code, message) = match (stopped, error.downcast_ref::<Trap>()) {
        (Some(Stop::Memory), _) => {
            ("memory-limit", format!("it asked for more memory than a call may have: {}", error.root_cause()))
        }
        (Some(Stop::Table), _) => (
            "table-limit",
            format!("it asked for larger tables than a call may have: {}", error.root_cause()),
        ),
        (Some(Stop::HostCalls), _) => (
            "hostcall-limit",
            format!("it called the host more often than a call may: {}", error.root_cause()),
        ),
        (None, Some(Trap::OutOfFuel)) => ("fuel-exhausted", format!("it used up its {budget} fuel")),
        (None, Some(Trap::Interrupt)) => ("deadline", "it ran longer than a call may".to_owned()),
        (None, Some(Trap::StackOverflow)) => ("stack", "it ran out of stack".to_owned()),
        (None, Some(trap)) => ("trap", panic_message(&log).unwrap_or_else(|| trap.to_string())),
        (None, None) => untyped(error.root_cause().to_string()),
    };
    MapperFault { code, message, fuel, log }
}

/// The guest's functions that were running when a call failed, innermost first.
pub(crate) fn stack(error: &wasmtime::Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<wasmtime::WasmBacktrace>() else { return Vec::new() };
    let name = |frame: &wasmtime::FrameInfo| match frame.func_name() {
        // Without the hash that a compiler appends.
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    };
    backtrace.frames().iter().map(name).collect()
}

/// The engine gives these no type of their own, only words; a test for each holds the words fast.
fn untyped(words: String) -> (&'static str, String) {
    let says = |text: &str| words.contains(text);
    if says("fuel allocated for hostcalls") || says("too large") {
        ("output-limit", "it answered with more than a call may".to_owned())
    } else if says("resource limit exceeded") {
        ("instance-limit", format!("it is made of more than a call may have: {words}"))
    } else if says("maximum concurrent") {
        ("host", format!("the pool is exhausted: {words}"))
    } else {
        ("trap", words)
    }
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
