//! The hostile mapper.
