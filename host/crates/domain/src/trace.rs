//! The trace of a record, by which a collector shows every step of its way together.

use std::fmt;

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::SellerId;

/// Names the trace of one record: the same in every process, cycle and version, so that nothing has to be stored and
/// whoever has the record's id finds its trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 16]);

impl TraceId {
    /// Of an order, transaction, settlement, report or payout of a seller, by Amazon's id.
    pub fn of(seller: &SellerId, id: &str) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"ml-connector trace 1");
        for part in [seller.as_str(), id] {
            hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(part.as_bytes());
        }
        let mut bytes = [0_u8; 16];
        bytes.copy_from_slice(&hash.finalize()[..16]);
        Self(bytes)
    }

    /// The sixteen bytes, as they are sent.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0
    }
}

impl fmt::Display for TraceId {
    /// 32 hexadecimal digits in lower case, as collectors search for it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&HEXLOWER.encode(&self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Traces stand in collectors: another version has to come to the same.
    #[test]
    fn a_trace_is_the_same_in_every_process_and_another_for_every_record() {
        let trace = |seller: &str, id: &str| TraceId::of(&SellerId::from(seller), id).to_string();
        assert_eq!(trace("A1", "111-2222222-3333333"), "dc8ce4f455bcd18314a2f8d84a0ad165");
        let others = [trace("A1", "111-2222222-3333334"), trace("A11", "11-2222222-3333333")];
        assert!(others.iter().all(|other| *other != trace("A1", "111-2222222-3333333")));
    }
}
