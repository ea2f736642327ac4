//! What a guest runs in: its store's data, its memory limit, and its one import.

use wasmtime::{ResourceLimiter, StoreContextMut};

use crate::limits::Limits;

/// A store's data: one for each call.
pub(crate) struct CallState {
    limits: Limits,
    memory_bytes: usize,
    pub(crate) memory_refused: bool,
    pub(crate) log: Vec<String>,
    log_bytes: usize,
    log_calls: u32,
    pub(crate) log_dropped: u32,
}

impl CallState {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory_bytes: 0,
            memory_refused: false,
            log: Vec::new(),
            log_bytes: 0,
            log_calls: 0,
            log_dropped: 0,
        }
    }

    /// Keeps a line, cut and without control characters, or counts it as dropped.
    fn keep(&mut self, level: &str, message: &str) {
        self.log_calls += 1;
        let cut = message.char_indices().map(|(at, c)| at + c.len_utf8());
        let end = cut.take_while(|end| *end <= self.limits.log_line_bytes_max).last().unwrap_or(0);
        let fits = self.log_bytes + end <= self.limits.log_bytes_max;
        if self.log_calls > self.limits.log_calls_max || !fits {
            self.log_dropped += 1;
            return;
        }
        let clean: String = message[..end].chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        self.log_bytes += end;
        self.log.push(format!("{level}: {clean}"));
    }

    /// The log, with a last line that says how much is missing.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        let mut log = std::mem::take(&mut self.log);
        if self.log_dropped > 0 {
            log.push(format!("host: {} lines were dropped", self.log_dropped));
        }
        log
    }
}

/// Serves `log.write`. Every call costs fuel, so that a flood of them is no way round the fuel limit.
pub(crate) fn write_log(
    mut store: StoreContextMut<'_, CallState>,
    level: &str,
    message: &str,
) -> wasmtime::Result<()> {
    let price = store.data().limits.log_call_fuel.saturating_add(message.len() as u64);
    let left = store.get_fuel()?.checked_sub(price);
    // Nothing left: the next instruction of the guest traps.
    store.set_fuel(left.unwrap_or(0))?;
    store.data_mut().keep(level, message);
    Ok(())
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
        if total > self.limits.memory_bytes_max {
            self.memory_refused = true;
            // A trap, not -1: a guest's allocator would end in an abort that says nothing.
            wasmtime::bail!("memory limit of {} bytes exceeded", self.limits.memory_bytes_max);
        }
        self.memory_bytes = total;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _max: Option<usize>,
    ) -> wasmtime::Result<bool> {
        const ELEMENT_BYTES: usize = 16;
        self.memory_growing(current * ELEMENT_BYTES, desired.saturating_mul(ELEMENT_BYTES), None)
    }
}
