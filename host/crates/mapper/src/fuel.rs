//! What each operator costs: fuel schedule 1.
//!
//! Fuel is a limit, a bill and a proof of a replay, so it must not depend on which release of the engine counts it. The
//! engine's own prices are its business; these are ours. A test pins the whole table and what a known program burns:
//! if a release of the engine changes either, that is a new schedule with a new number, and a decision.

use wasmtime::{OperatorCost, VariableOperatorCost};

/// The number of the schedule; part of what a compiled form and a document are made with.
pub const SCHEDULE: u32 = 1;

/// A simple operator: what everything below is a multiple of.
const SIMPLE: u8 = 1;
/// A call makes a frame and spoils registers.
const CALL: u8 = 2;
/// A call through a table checks bounds and signature, too.
const CALL_INDIRECT: u8 = 4;
/// Division takes the processor 10 to 40 cycles, and is checked for zero and overflow.
const DIVIDE: u8 = 8;
/// Growing changes the process's mappings, which stops its other threads.
const GROW: u8 = u8::MAX;

/// The prices.
pub(crate) fn schedule() -> OperatorCost {
    let variable = VariableOperatorCost {
        memory_copy_per_byte: SIMPLE,
        memory_fill_per_byte: SIMPLE,
        memory_init_per_byte: SIMPLE,
        // 64 KiB that the kernel has to find and clear.
        memory_grow_per_page: GROW,
        table_copy_per_element: SIMPLE,
        table_fill_per_element: SIMPLE,
        table_init_per_element: SIMPLE,
        table_grow_per_element: SIMPLE,
        ..VariableOperatorCost::new()
    };
    OperatorCost {
        Call: CALL,
        CallIndirect: CALL_INDIRECT,
        I32DivS: DIVIDE,
        I32DivU: DIVIDE,
        I32RemS: DIVIDE,
        I32RemU: DIVIDE,
        I64DivS: DIVIDE,
        I64DivU: DIVIDE,
        I64RemS: DIVIDE,
        I64RemU: DIVIDE,
        F32Div: DIVIDE,
        F64Div: DIVIDE,
        F32Sqrt: DIVIDE,
        F64Sqrt: DIVIDE,
        MemoryGrow: GROW,
        TableGrow: GROW,
        variable,
        ..OperatorCost::new()
    }
}

#[cfg(test)]
mod tests {
    use ml_connector_domain::id::ContentHash;

    use super::*;

    /// Every operator with its price, in the engine's order. A changed digest is a new schedule: raise [`SCHEDULE`].
    #[test]
    fn the_table_is_pinned() {
        let table = format!("{:?}", schedule());
        assert_eq!((SCHEDULE, ContentHash::of(table.as_bytes()).as_str()), (1, PINNED), "{table}");
    }

    const PINNED: &str = "231096bae6825264e7a639afc013c42ca70aa45fc46275018117187f58bb7170";
}
