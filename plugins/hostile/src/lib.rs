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
            "huge-output" => vec![OrderOutcome::Skip("x".repeat(40 * 1024 * 1024)); orders.len()],
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
        hoard.push(vec![1_u8; 1024 * 1024]);
        std::hint::black_box(&hoard);
    }
}

#[expect(unconditional_recursion, reason = "the stack is what is attacked")]
fn recurse(depth: u64) -> u64 {
    let frame = std::hint::black_box([depth; 64]);
    recurse(depth + 1) + frame[0]
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
