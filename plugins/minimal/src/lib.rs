//! The minimal mapper.
