//! cargo xtask: toolchain, plugins, demo, test.

fn main() {}
