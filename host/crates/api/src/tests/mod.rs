//! The API over a store in memory, with stand-ins for Amazon, Fusion, the mapper and the daemon's composition.

mod behaviour;
mod roles;
mod sockets;
mod stubs;
mod world;
