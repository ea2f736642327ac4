//! Runs mappers: wasmtime, limits, bindings.
