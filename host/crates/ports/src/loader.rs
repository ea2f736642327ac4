//! Making a mapper of its bytes.

use std::sync::Arc;

use crate::Mapper;

/// Compiles components, or takes them from a cache.
pub trait MapperLoader: Send + Sync {
    /// Loads a component that was checked when it was uploaded; `signatures` are its authors', as they were uploaded,
    /// and prove nothing by themselves. Blocking: it may compile.
    ///
    /// # Errors
    /// It is refused, in words that begin with a stable code.
    fn load(&self, bytes: &[u8], signatures: &[String]) -> Result<Arc<dyn Mapper>, String>;
}
