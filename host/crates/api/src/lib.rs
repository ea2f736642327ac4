//! The HTTP API: what operators and other programs ask of a running daemon.
//!
//! Every request goes one way: its key is looked up, its rate and its role are held against the row of [`routes::ROUTES`],
//! its body is read up to the row's bound, and the operation answers. A change runs to its end even if who asked hangs up,
//! and its answer is kept under the request's `Idempotency-Key`.
//!
//! # To add a route
//!
//! 1. Add a variant of [`routes::Operation`] and its row in [`routes::ROUTES`]: path, who may, what comes in, what goes out.
//! 2. Write it as a function in `operations`, and call it in `operations::act`.
//! 3. Print `host/docs/openapi.json` again (`ml-connector openapi`). The tests of roles and tenants cover it by its row.
//!
//! **Architecture invariant:** what a key may see is decided in [`Call::seller`](call::Call::seller) alone; another tenant's id and one
//! that does not exist are the same answer, byte for byte.

pub mod call;
mod dispatch;
pub mod figures;
mod health;
mod idempotency;
pub mod keys;
pub mod openapi;
mod operations;
mod paging;
pub mod port;
mod problem;
mod rate;
pub mod role;
pub mod routes;
pub mod server;
mod shapes;
mod state;

pub use dispatch::{metrics_router, router};
pub use health::Workers;
pub use port::{Actions, Admitted, Refusal};
pub use rate::Limits;
pub use role::Role;
pub use state::{Api, Served};

#[cfg(test)]
mod tests;
