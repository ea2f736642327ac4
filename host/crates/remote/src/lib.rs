//! What both clients need of a remote: HTTP, clocks, rate limits, back-off, tokens, and the vault for credentials.
//!
//! **Architecture invariant:** reqwest is used in this crate only, and the machine's clock is read in [`clock`] only.
//! **Architecture invariant:** no lock is held across [`ml_connector_domain::Clock::sleep_until`].
//!
//! # To call a new remote
//!
//! Build an [`HttpClient`] with its time-outs and body limit, take tokens through a [`TokenCache`], acquire from a
//! [`RateLimiter`] before each call, and turn [`TransportError`] into the port's errors: what surely was not sent may
//! be sent again, what was lost may not.

pub mod assertion;
pub mod backoff;
pub mod clock;
pub mod http;
pub mod limiter;
pub mod token;
pub mod vault;

pub use assertion::{AssertionError, AssertionKey};
pub use clock::{ScaledClock, SteppedClock, SystemClock};
pub use http::{HttpClient, HttpOptions, Origin, Request, Response, TransportError};
pub use limiter::{Rate, RateLimiter};
pub use token::{Token, TokenCache};
pub use vault::{Binding, MasterKey, Vault, VaultError};
