//! Oracle Fusion Cloud ERP.
