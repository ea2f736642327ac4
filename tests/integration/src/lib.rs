//! Tests of the clients, the sandbox, the pipeline and the daemon, in one binary: see `tests/it`.
