//! Keeps Oracle Fusion Cloud ERP in step with Amazon Seller Central.

fn main() {}
