//! What a guest runs in: its store's data, its limits, and its one import.

use wasmtime::component::WasmStr;
use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::limits::Limits;
use crate::wasi;

/// Which limit of ours stopped a call. The engine's own traps speak for themselves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    Memory,
    Table,
    HostCalls,
}

/// A store's data: one for each call.
pub(crate) struct CallState {
    pub(crate) limits: Limits,
    memory_bytes: usize,
    table_elements: usize,
    pub(crate) stopped: Option<Stop>,
    log: Vec<String>,
    pub(crate) log_bytes: usize,
    pub(crate) host_calls: u32,
    pub(crate) log_dropped: u32,
    /// Only where the policy admits WASI.
    pub(crate) wasi: Option<wasi::State>,
}

impl CallState {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            table_elements: 0,
            stopped: None,
            log: Vec::new(),
            log_bytes: 0,
            host_calls: 0,
            log_dropped: 0,
            wasi: None,
        }
    }

    /// What all memories hold together.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.memory_bytes
    }

    /// Keeps a line, without control characters, or counts it as dropped.
    pub(crate) fn keep(&mut self, level: &str, line: &str) {
        let fits = self.log_bytes + line.len() <= self.limits.log_bytes_max;
        if self.host_calls > self.limits.log_calls_max || !fits {
            self.log_dropped += 1;
            return;
        }
        let clean: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.log_bytes += line.len();
        self.log.push(format!("{level}: {clean}"));
    }

    /// The log, with a last line that says how much is missing.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        if let Some(rest) = self.wasi.as_mut().and_then(wasi::State::rest) {
            let cut = rest.floor_char_boundary(self.limits.log_line_bytes_max);
            self.keep("print", &rest[..cut]);
        }
        let mut log = std::mem::take(&mut self.log);
        if self.log_dropped > 0 {
            log.push(format!("host: {} lines were dropped", self.log_dropped));
        }
        log
    }

    fn stop<T>(&mut self, stop: Stop, words: std::fmt::Arguments<'_>) -> wasmtime::Result<T> {
        self.stopped = Some(stop);
        // A trap, not -1: a guest's allocator would end in an abort that says nothing.
        Err(wasmtime::Error::msg(words.to_string()))
    }
}

/// Serves `log.write`. Every call costs fuel, so that a flood of them is no way round the fuel limit.
pub(crate) fn write_log(
    mut store: StoreContextMut<'_, CallState>,
    level: &'static str,
    message: &WasmStr,
) -> wasmtime::Result<()> {
    let limits = store.data().limits;
    // Borrowed from the guest's memory: only what is kept is copied.
    let message = message.to_str(&store)?;
    let bytes = message.len() as u64;
    let cut = message[..message.floor_char_boundary(limits.log_line_bytes_max)].to_owned();
    let price = limits.log_call_fuel.saturating_add(limits.fuel_per_byte.saturating_mul(bytes));
    enter(&mut store, price)?;
    store.data_mut().keep(level, &cut);
    Ok(())
}

/// Takes a call of the host: what it costs, and one of those that there may be.
///
/// # Errors
/// There is not as much fuel, or there were as many calls.
pub(crate) fn enter(store: &mut StoreContextMut<'_, CallState>, price: u64) -> wasmtime::Result<()> {
    pay(store, price)?;
    let state = store.data_mut();
    state.host_calls += 1;
    let max = state.limits.host_calls_max;
    if state.host_calls > max {
        return state.stop(Stop::HostCalls, format_args!("limit of {max} calls to the host exceeded"));
    }
    Ok(())
}

/// Takes fuel for work of the host.
///
/// # Errors
/// There is not as much: the call ends as any other that is out of fuel.
pub(crate) fn pay(store: &mut StoreContextMut<'_, CallState>, price: u64) -> wasmtime::Result<()> {
    match store.get_fuel()?.checked_sub(price) {
        Some(left) => store.set_fuel(left),
        None => {
            store.set_fuel(0)?;
            Err(wasmtime::Trap::OutOfFuel.into())
        }
    }
}

impl ResourceLimiter for CallState {
    /// Sums all memories of the store: a limit per memory would let three of them pass together.
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.memory_bytes.saturating_sub(current).saturating_add(desired);
        let max = self.limits.memory_bytes_max;
        if total > max {
            return self.stop(Stop::Memory, format_args!("memory limit of {max} bytes exceeded"));
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn memory_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.stop(Stop::Memory, format_args!("memory cannot grow: {error}"))
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let total = self.table_elements.saturating_sub(current).saturating_add(desired);
        let max = self.limits.table_elements_max;
        if total > max {
            return self.stop(Stop::Table, format_args!("table limit of {max} elements exceeded"));
        }
        self.table_elements = total;
        Ok(true)
    }

    fn table_grow_failed(&mut self, error: wasmtime::Error) -> wasmtime::Result<()> {
        self.stop(Stop::Table, format_args!("a table cannot grow: {error}"))
    }

    fn instances(&self) -> usize {
        self.limits.instances_max
    }

    fn tables(&self) -> usize {
        self.limits.tables_max
    }

    fn memories(&self) -> usize {
        self.limits.memories_max
    }
}
