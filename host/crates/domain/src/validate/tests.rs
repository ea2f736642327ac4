//! What makes a document postable, rule by rule.

use proptest::prelude::*;

use super::*;
use crate::document::{JournalOf, Origin};
use crate::fx::OwnRate;
use crate::id::{ContentHash, DocumentKey};
use crate::mapping::{Conversion, LineClass};
use crate::money::Currency;
use crate::own_rate;

const SETUP: &str = r#"{"business_unit":"BU","ledger_name":"L","ledger_id":"1","data_access_set_id":"2",
    "ledger_currency":"USD","conversion_type":"Corporate","time_zone":"UTC","transaction_source":"S",
    "invoice_type":"I","credit_memo_source":"S","credit_memo_type":"C","payment_terms":"IMMEDIATE",
    "journal_source":"Amazon","journal_category":"Settlement","bill_to":{"US":"1001"},
    "combination":{"delimiter":"-","template":"01-{cost_center}-{account}"},"accounts":{},"default_cost_center":"000",
    "chart_of_accounts":{"segments":["Company","Cost Center","Account"]}}"#;

fn setup() -> LedgerSetup {
    serde_json::from_str(SETUP).expect("a setup")
}

fn facts(setup: LedgerSetup, accounts: &[&str]) -> LedgerFacts {
    LedgerFacts {
        accounts: accounts.iter().map(|account| (*account).to_owned()).collect(),
        periods: [(Module::GeneralLedger, PeriodStatus::Open), (Module::Receivables, PeriodStatus::Future)]
            .into(),
        setup: Some(Arc::new(setup)),
    }
}

fn of(body: Body) -> Document {
    let hash = || ContentHash::of(b"");
    Document {
        key: DocumentKey::derive('J', &"A1".into(), "G1", 0),
        seller: "A1".into(),
        revision: 0,
        date: jiff::civil::date(2026, 9, 15),
        moved_from: None,
        currency: Currency::USD,
        body,
        origin: Origin::new(hash(), hash(), hash()),
    }
}

fn journal(lines: &[(&str, i64)]) -> Document {
    let line = |(account, minor): &(&str, i64)| JournalLine {
        account: (*account).to_owned(),
        amount: Money::new(*minor, Currency::USD),
        label: "Fees".to_owned(),
        rule: "r".to_owned(),
        conversion: None,
    };
    let lines = lines.iter().map(line).collect();
    of(Body::Journal {
        of: JournalOf::whole("G1".into()),
        lines,
        transactions: 1,
        reverses: None,
        rate: None,
    })
}

fn invoice(description: &str, order: &str) -> Document {
    let line = DocumentLine {
        description: description.to_owned(),
        amount: Money::new(500, Currency::USD),
        quantity: 1,
        account: "01-000-1".to_owned(),
        sku: None,
        order_item: None,
        rule: "r".to_owned(),
        class: LineClass::Revenue,
    };
    of(Body::Invoice {
        order: order.into(),
        marketplace: "US".into(),
        lines: vec![line],
        net_of: Vec::new(),
        shipment: None,
    })
}

fn judged(of: &Document, facts: &LedgerFacts) -> Vec<(String, String)> {
    let expectation = match &of.body {
        Body::Journal { lines, .. } => Expectation::Moves(vec![(lines[0].account.clone(), lines[0].amount)]),
        _ => Expectation::Total(of.total().expect("a total")),
    };
    document(of, &expectation, facts).into_iter().map(|reason| (reason.code, reason.subject)).collect()
}

fn reason(code: &str, subject: &str) -> (String, String) {
    (code.to_owned(), subject.to_owned())
}

#[test]
fn pain_7_what_does_not_balance_never_leaves_whatever_fusion_would_take() {
    let known = ["01-000-1", "01-000-2", "02-000-2"];
    let facts = facts(setup(), &known);
    assert_eq!(judged(&journal(&[("01-000-1", 500), ("01-000-2", -500)]), &facts), []);
    let off = judged(&journal(&[("01-000-1", 500), ("01-000-2", -499)]), &facts);
    assert!(off.contains(&reason("unbalanced", "USD")), "{off:?}");
    let between = judged(&journal(&[("01-000-1", 500), ("02-000-2", -500)]), &facts);
    assert_eq!(between, [reason("unbalanced", "01"), reason("unbalanced", "02")], "companies balance each");
}

#[test]
fn without_a_chart_companies_are_not_balanced() {
    let facts = facts(LedgerSetup { chart_of_accounts: None, ..setup() }, &["01-000-1", "02-000-2"]);
    assert_eq!(judged(&journal(&[("01-000-1", 500), ("02-000-2", -500)]), &facts), []);
}

#[test]
fn a_combination_has_the_charts_segments() {
    let long = "01-000-12345678901234567890123456";
    let facts = facts(setup(), &["01-000-1", "01-1", long]);
    let short = judged(&journal(&[("01-000-1", 500), ("01-1", -500)]), &facts);
    assert_eq!(short, [reason("bad-combination", "01-1")]);
    let long_segment = judged(&journal(&[("01-000-1", 500), (long, -500)]), &facts);
    assert_eq!(long_segment, [reason("bad-combination", long)]);
}

#[test]
fn a_line_that_moves_nothing_is_named() {
    let facts = facts(setup(), &["01-000-1", "01-000-2"]);
    let found = judged(&journal(&[("01-000-1", 500), ("01-000-2", -500), ("01-000-2", 0)]), &facts);
    assert_eq!(found, [reason("zero-line", "line 3")]);
}

#[test]
fn everything_that_is_sent_has_its_length() {
    let facts_of = |change: fn(&mut LedgerSetup)| {
        let mut setup = setup();
        change(&mut setup);
        facts(setup, &["01-000-1", "01-000-2"])
    };
    let plain = || invoice("A mug", "113-1");
    assert_eq!(judged(&plain(), &facts_of(|_| {})), []);
    type Row = (fn(&mut LedgerSetup), &'static str);
    let rows: [Row; 6] = [
        (|s| s.business_unit = "x".repeat(241), "the ledger's setup, BusinessUnit"),
        (|s| s.transaction_source = "x".repeat(51), "the ledger's setup, TransactionSource"),
        (|s| s.invoice_type = "x".repeat(21), "the ledger's setup, TransactionType"),
        (|s| s.payment_terms = "x".repeat(16), "the ledger's setup, PaymentTerms"),
        (|s| s.payment_terms = "a\nb".to_owned(), "the ledger's setup, PaymentTerms"),
        (|s| s.bill_to = [("US".into(), "1".repeat(31))].into(), "the ledger's setup, BillToCustomerNumber"),
    ];
    for (change, about) in rows {
        assert_eq!(judged(&plain(), &facts_of(change)), [reason("over-long", about)]);
    }
    let order = judged(&invoice("A mug", &"1".repeat(51)), &facts_of(|_| {}));
    assert_eq!(order, [reason("over-long", "the document, SalesOrder")]);
    let description = judged(&invoice(&"x".repeat(241), "113-1"), &facts_of(|_| {}));
    assert_eq!(description, [reason("description", "1")]);
    let source = facts_of(|s| s.journal_source = "x".repeat(26));
    let found = judged(&journal(&[("01-000-1", 500), ("01-000-2", -500)]), &source);
    assert_eq!(found, [reason("over-long", "the ledger's setup, USER_JE_SOURCE_NAME")]);
}

#[test]
fn receivables_may_be_made_ahead_and_journals_may_not() {
    let mut facts = facts(setup(), &["01-000-1", "01-000-2"]);
    let posting = journal(&[("01-000-1", 500), ("01-000-2", -500)]);
    assert_eq!(judged(&invoice("A mug", "113-1"), &facts), [], "future receivables");
    facts.periods.insert(Module::GeneralLedger, PeriodStatus::Future);
    assert_eq!(judged(&posting, &facts), [reason("closed-period", "2026-09-15")]);
    facts.periods.insert(Module::Receivables, PeriodStatus::Closed);
    assert_eq!(judged(&invoice("A mug", "113-1"), &facts), [reason("closed-period", "2026-09-15")]);
}

#[test]
fn the_next_period_begins_after_this_one_or_with_the_month() {
    let date = jiff::civil::date;
    let long =
        Period { status: PeriodStatus::Closed, start: Some(date(2026, 8, 30)), end: Some(date(2026, 10, 3)) };
    assert_eq!(long.day_after(date(2026, 9, 15)), Some(date(2026, 10, 4)), "a 4-4-5 calendar");
    let unknown = Period { start: None, end: None, ..long };
    assert_eq!(unknown.day_after(date(2026, 9, 15)), Some(date(2026, 10, 1)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    /// A journal that passes is zero in its currency and within each value of the balancing segment.
    #[test]
    fn what_passes_balances_per_currency_and_segment(
        lines in prop::collection::vec((0_usize..4, -500_i64..500), 1..8),
        evened: bool,
    ) {
        const ACCOUNTS: [&str; 4] = ["01-000-1", "01-000-2", "02-000-1", "02-000-2"];
        let mut lines: Vec<(&str, i64)> = lines.into_iter().map(|(at, minor)| (ACCOUNTS[at], minor)).collect();
        if evened {
            for company in ["01", "02"] {
                let sum: i64 =
                    lines.iter().filter(|(at, _)| at.starts_with(company)).map(|(_, minor)| minor).sum();
                let own = ACCOUNTS.iter().find(|at| at.starts_with(company)).expect("one");
                lines.push((own, -sum));
            }
            lines.retain(|(_, minor)| *minor != 0);
        }
        let facts = facts(setup(), &ACCOUNTS);
        let sum_of = |company: &str| -> i64 {
            lines.iter().filter(|(at, _)| at.starts_with(company)).map(|(_, minor)| minor).sum()
        };
        let balances = sum_of("01") == 0 && sum_of("02") == 0;
        let postable = balances && !lines.is_empty() && lines.iter().all(|(_, minor)| *minor != 0);
        if lines.is_empty() {
            return Ok(());
        }
        let found = document(&journal(&lines), &Expectation::Moves(Vec::new()), &facts);
        prop_assert_eq!(found.is_empty(), postable, "{:?}", found);
        prop_assert!(postable || !evened);
    }
}

/// A journal in Canadian dollars that is worth so many US cents, line by line.
fn converted(lines: &[(&str, i64, i64)]) -> Document {
    let cad: Currency = "CAD".parse().expect("a currency");
    let pairs: Vec<(&str, i64)> = lines.iter().map(|(account, minor, _)| (*account, *minor)).collect();
    let mut document = journal(&pairs);
    document.currency = cad;
    let Body::Journal { lines: own, rate, .. } = &mut document.body else { panic!("a journal") };
    *rate = OwnRate::of(Money::new(100_000, cad), Money::new(73_000, Currency::USD)).ok();
    for (line, (.., worth)) in own.iter_mut().zip(lines) {
        line.amount.currency = cad;
        line.conversion = Some(Conversion::Accounted(Money::new(*worth, Currency::USD)));
    }
    document
}

#[test]
fn a_journal_with_a_rate_of_its_own_balances_in_the_ledgers_currency() {
    let facts = facts(setup(), &["01-000-1", "01-000-2", "02-000-1", "02-000-2"]);
    let codes = |document: &Document| -> Vec<(String, String)> { judged(document, &facts) };
    let good = converted(&[("01-000-1", 100_000, 73_000), ("01-000-2", -100_000, -73_000)]);
    assert_eq!(codes(&good), []);
    let off = converted(&[("01-000-1", 100_000, 73_000), ("01-000-2", -100_000, -72_999)]);
    assert_eq!(codes(&off), [reason("unbalanced", "USD"), reason("unbalanced", "USD 01")]);
    let between = [("01-000-1", 5, 4), ("01-000-2", -5, -3), ("02-000-1", 5, 3), ("02-000-2", -5, -4)];
    let between = codes(&converted(&between));
    assert_eq!(between, [reason("unbalanced", "USD 01"), reason("unbalanced", "USD 02")]);
    let turned = codes(&converted(&[("01-000-1", 5, -4), ("01-000-2", -5, 4)]));
    assert_eq!(turned, [reason("bad-conversion", "line 1"), reason("bad-conversion", "line 2")]);
    type Change = fn(&mut Vec<JournalLine>, &mut Option<OwnRate>);
    let wrong: [Change; 4] = [
        |lines, _| lines[0].conversion = None,
        |lines, _| lines[0].conversion = Some(Conversion::RateOf(jiff::civil::date(2026, 9, 1))),
        |lines, _| lines[0].conversion = Some(Conversion::Accounted(Money::new(73_000, Currency::JPY))),
        |lines, rate| {
            *rate = None;
            lines[1].conversion = None;
        },
    ];
    for change in wrong {
        let mut document = good.clone();
        let Body::Journal { lines, rate, .. } = &mut document.body else { panic!("a journal") };
        change(lines, rate);
        assert_eq!(codes(&document), [reason("bad-conversion", "line 1")]);
    }
}

#[test]
fn the_settlement_account_is_worth_what_amazon_paid_out() {
    let facts = facts(setup(), &["01-000-1", "01-000-2"]);
    let good = converted(&[("01-000-1", 100_000, 73_000), ("01-000-2", -100_000, -73_000)]);
    let worth = |minor| {
        let account = "01-000-1".to_owned();
        Expectation::Moves(vec![
            (account.clone(), Money::new(100_000, good.currency)),
            (account, Money::new(minor, Currency::USD)),
        ])
    };
    assert!(document(&good, &worth(73_000), &facts).is_empty());
    let found = document(&good, &worth(73_001), &facts);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].code.as_str(), found[0].subject.as_str()), ("total-differs", "01-000-1"));
    assert!(found[0].message.contains("730.00 USD") && found[0].message.contains("730.01 USD"));
}

#[test]
fn what_is_more_than_rounding_goes_to_a_person() {
    let facts = facts(setup(), &["01-000-1", "01-000-2", "01-000-9"]);
    // Two lines may leave three minor units.
    for (remainder, wanted) in [(3, vec![]), (4, vec![reason("rounding-exceeds-cap", "USD")])] {
        let mut document = converted(&[("01-000-1", 100_000, 73_000), ("01-000-2", -100_000, -73_000)]);
        let Body::Journal { lines, rate: Some(rate), .. } = &mut document.body else { panic!("a journal") };
        let fixed = [("01-000-1".to_owned(), Money::new(73_000 - remainder, Currency::USD))];
        let plain = own_rate::unconverted(lines);
        *lines = own_rate::convert(plain, rate, &fixed, "01-000-9", |_| String::new()).expect("converts");
        assert_eq!(judged(&document, &facts), wanted, "{remainder}");
    }
}
