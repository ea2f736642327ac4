//! A mapper that misbehaves in the way that its setting `attack` names: test material for the sandbox.

#![forbid(unsafe_code)]

use ml_connector_sdk::*;

/// Attacks its host.
pub struct Hostile;

impl Mapper for Hostile {
    fn describe() -> Description {
        Description::new("hostile", env!("CARGO_PKG_VERSION")).reads("attack", true, "what to do to the host")
    }

    fn map_order(_: &BatchContext, _: &Order) -> OrderOutcome {
        OrderOutcome::skip("harmless")
    }

    fn map_transaction(_: &BatchContext, _: &Transaction) -> TransactionOutcome {
        TransactionOutcome::Skip("harmless".to_owned())
    }

    fn map_orders(context: &BatchContext, orders: &[Order]) -> Vec<OrderOutcome> {
        let skip = || OrderOutcome::skip("harmless");
        match context.setting("attack").unwrap_or_default() {
            "spin" => spin(),
            "grow" => grow(),
            "panic" => panic!("this mapper is broken on purpose"),
            "recurse" => vec![OrderOutcome::Skip(recurse(1).to_string())],
            "recurse-frames" => vec![OrderOutcome::Skip(recurse_with_frames(1).to_string())],
            // More than may cross in one call, but not so much that writing it runs out of fuel first.
            "huge-output" => vec![OrderOutcome::Skip("x".repeat(3 * 1024 * 1024)); orders.len()],
            "log-flood" => {
                for line in 0..200_000_u32 {
                    log::write(log::Level::Info, &format!("line {line} {}", "x".repeat(2_000)));
                }
                orders.iter().map(|_| skip()).collect()
            }
            "wrong-count" => orders.iter().skip(1).map(|_| skip()).collect(),
            "bad-currency" => orders.iter().map(|order| line("dollars", "01", order)).collect(),
            "bad-account" => orders.iter().map(|order| line("USD", "no-such-account", order)).collect(),
            _ => orders.iter().map(|_| skip()).collect(),
        }
    }
}

fn spin() -> Vec<OrderOutcome> {
    let mut n = 0_u64;
    loop {
        n = std::hint::black_box(n.wrapping_add(1));
    }
}

fn grow() -> Vec<OrderOutcome> {
    let mut hoard = Vec::new();
    loop {
        // Reserved, not written: writing costs fuel, and it is the memory that is attacked.
        hoard.push(Vec::<u8>::with_capacity(1024 * 1024));
        std::hint::black_box(&hoard);
    }
}

/// Overflows the engine's stack: its frames hold no memory.
fn recurse(depth: u64) -> u64 {
    if depth == u64::MAX { 0 } else { recurse(depth + 1).rotate_left(3) ^ depth }
}

/// Overflows the stack that lies in the guest's own memory.
fn recurse_with_frames(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { recurse_with_frames(depth + 1) + frame[0] }
}

fn line(currency: &str, account: &str, order: &Order) -> OrderOutcome {
    let minor = order.total.as_ref().map_or(0, |total| total.minor);
    OrderOutcome::Invoice(Invoice {
        lines: vec![DocumentLine {
            description: "bad".to_owned(),
            amount: Money::new(minor, currency),
            quantity: 1,
            account: account.to_owned(),
            sku: None,
            order_item_id: None,
            rule: "malice".to_owned(),
            extra: Vec::new(),
        }],
        extra: Vec::new(),
    })
}

export_mapper!(Hostile);
