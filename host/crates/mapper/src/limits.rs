//! The limits of one call.

use std::time::Duration;

/// Which guests a tenant's policy admits: how large they may be and how much they may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Class {
    /// Compiled to Wasm: Rust, C, Zig.
    #[default]
    Native,
    /// A language's whole interpreter comes along: Python, JavaScript.
    Interpreter,
}

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
    /// All memories of an instance together, in bytes.
    pub memory_bytes_max: usize,
    /// All tables of an instance together, in elements. Python's interpreter needs 7,700.
    pub table_elements_max: usize,
    /// Core instances of a call. A Rust component has 4 or 5, Python's interpreter about 30.
    pub instances_max: usize,
    /// Memories of a call. A Rust component has one; QuickJS needs three.
    pub memories_max: usize,
    /// Tables of a call.
    pub tables_max: usize,
    /// The guest's stack in bytes. The host's threads have 2 MiB, which must exceed it.
    pub stack_bytes: usize,
    /// Bytes that may cross from guest to host at once: its answer, or one log line.
    pub output_bytes_max: usize,
    /// Calls of the host's functions; one more is a trap.
    pub host_calls_max: u32,
    /// Lines of log kept per call; more are dropped and counted.
    pub log_calls_max: u32,
    /// Bytes of one log line.
    pub log_line_bytes_max: usize,
    /// Bytes of a call's log.
    pub log_bytes_max: usize,
    /// Fuel that a log call costs beside its bytes, so that a flood of calls ends as early as a spinning loop.
    pub log_call_fuel: u64,
    /// Fuel for each byte that is handed in or taken out: the host works for it, so the guest pays for it.
    pub fuel_per_byte: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self::of(Class::Native)
    }
}

impl Limits {
    /// What a class of guests may use.
    pub fn of(class: Class) -> Self {
        let native = Self {
            component_bytes_max: 1 << 20,
            fuel_base: 20_000_000,
            fuel_per_record: 2_000_000,
            fuel_per_line: 500_000,
            deadline: Duration::from_secs(5),
            memory_bytes_max: 64 << 20,
            table_elements_max: 20_000,
            instances_max: 8,
            memories_max: 1,
            tables_max: 4,
            stack_bytes: 512 << 10,
            output_bytes_max: 8 << 20,
            host_calls_max: 10_000,
            log_calls_max: 1_000,
            log_line_bytes_max: 1 << 10,
            log_bytes_max: 64 << 10,
            log_call_fuel: 20_000,
            fuel_per_byte: 1,
        };
        match class {
            Class::Native => native,
            Class::Interpreter => Self {
                component_bytes_max: 24 << 20,
                memory_bytes_max: 256 << 20,
                instances_max: 40,
                memories_max: 4,
                tables_max: 16,
                ..native
            },
        }
    }

    /// The fuel of a call over so many records with so many items or legs in all.
    pub fn fuel(&self, records: usize, lines: usize) -> u64 {
        self.fuel_base
            .saturating_add(self.fuel_per_record.saturating_mul(records as u64))
            .saturating_add(self.fuel_per_line.saturating_mul(lines as u64))
    }
}
