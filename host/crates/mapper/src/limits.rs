//! The limits of one call.

use std::time::Duration;

/// What one call of a mapper may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size of an uploaded component in bytes.
    pub component_bytes_max: usize,
    /// Fuel for the call itself.
    pub fuel_base: u64,
    /// Fuel on top for each record. A three-line order takes a Rust mapper about 30,000.
    pub fuel_per_record: u64,
    /// Fuel on top for each item or leg.
    pub fuel_per_line: u64,
    /// Wall clock, as a backstop: fuel is what normally ends a runaway, at the same place on every machine.
    pub deadline: Duration,
    /// All memories and tables of an instance together, in bytes.
    pub memory_bytes_max: usize,
    /// The guest's stack in bytes. The host's threads have 2 MiB, which must exceed it.
    pub stack_bytes: usize,
    /// Bytes that may cross from guest to host: its answer and its log lines.
    pub output_bytes_max: usize,
    /// Lines of log kept per call; more are dropped and counted.
    pub log_calls_max: u32,
    /// Bytes of one log line.
    pub log_line_bytes_max: usize,
    /// Bytes of a call's log.
    pub log_bytes_max: usize,
    /// Fuel that a log call costs beside its bytes, so that a flood of calls ends as early as a spinning loop.
    pub log_call_fuel: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            component_bytes_max: 8 << 20,
            fuel_base: 20_000_000,
            fuel_per_record: 2_000_000,
            fuel_per_line: 500_000,
            deadline: Duration::from_secs(5),
            memory_bytes_max: 64 << 20,
            stack_bytes: 512 << 10,
            output_bytes_max: 8 << 20,
            log_calls_max: 1_000,
            log_line_bytes_max: 1 << 10,
            log_bytes_max: 64 << 10,
            log_call_fuel: 20_000,
        }
    }
}

impl Limits {
    /// The fuel of a call over so many records with so many items or legs in all.
    pub fn fuel(&self, records: usize, lines: usize) -> u64 {
        self.fuel_base
            .saturating_add(self.fuel_per_record.saturating_mul(records as u64))
            .saturating_add(self.fuel_per_line.saturating_mul(lines as u64))
    }
}
