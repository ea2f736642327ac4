//! Tests of the clients, the pipeline and the daemon against the simulator.
