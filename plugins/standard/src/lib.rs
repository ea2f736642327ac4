//! The standard mapper.
