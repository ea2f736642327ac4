//! Lists of values: combinations, periods, ledgers.

use jiff::civil::Date;
use serde_json::{Map, Value, json};

use super::adf::{self, Row};
use crate::http::{Incoming, Reply};
use crate::{World, locked};

/// Periods are calendar months; the current one and the two before it are open, the next can be entered.
const OPEN_MONTHS: i32 = 2;

fn month(date: Date) -> i32 {
    i32::from(date.year()) * 12 + i32::from(date.month())
}

fn closing_status(now: Date, period: i32) -> char {
    match period - month(now) {
        ahead if ahead > 1 => 'N',
        1 => 'F',
        behind if behind >= -OPEN_MONTHS => 'O',
        _ => 'C',
    }
}

fn today(world: &World) -> Date {
    let now = jiff::Timestamp::from_millisecond(world.clock.now()).unwrap_or_default();
    now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date()
}

/// The status of the period of a date (`YYYY-MM-DD`) in a module: 101 General Ledger, 222 Receivables.
pub(super) fn status(world: &World, _application: u32, date: &str) -> Option<char> {
    let date: Date = date.parse().ok()?;
    Some(closing_status(today(world), month(date)))
}

fn row(key: &str, attributes: &[(&str, Value)]) -> Row {
    let attributes: Map<String, Value> =
        attributes.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    Row { key: key.to_owned(), attributes }
}

/// Existing combinations.
pub(super) fn combinations(world: &World, request: &Incoming) -> Reply {
    let state = locked(&world.fusion);
    let one = |(n, combination): (usize, &String)| {
        row(
            &n.to_string(),
            &[
                ("_CODE_COMBINATION_ID", json!(n)),
                ("AccountCombination", json!(combination)),
                ("EnabledFlag", json!("Y")),
            ],
        )
    };
    let rows = state.combinations.iter().enumerate().map(one).collect();
    adf::collection(request, "accountCombinationsLOV", &["AccountCombination", "EnabledFlag"], rows)
}

/// Period statuses. Without an application any module's row may come, so a client that names none is refused.
pub(super) fn periods(world: &World, request: &Incoming) -> Reply {
    if !request.parameter("q").is_some_and(|q| q.contains("ApplicationId=")) {
        return Reply::text(400, "ApplicationId is required.");
    }
    let today = today(world);
    let mut rows = Vec::new();
    for seller in &world.scenario.sellers {
        for ahead in -12..=12 {
            let first = today.first_of_month().saturating_add(jiff::Span::new().months(ahead));
            for application in [101, 222] {
                rows.push(row(
                    &rows.len().to_string(),
                    &[
                        ("LedgerId", json!(seller.fusion.ledger_id)),
                        ("PeriodNameId", json!(first.strftime("%b-%y").to_string())),
                        ("ApplicationId", json!(application)),
                        ("ClosingStatus", json!(closing_status(today, month(first)).to_string())),
                        ("StartDate", json!(first.to_string())),
                    ],
                ));
            }
        }
    }
    adf::collection(
        request,
        "accountingPeriodStatusLOV",
        &["LedgerId", "PeriodNameId", "ApplicationId"],
        rows,
    )
}

/// Ledgers.
pub(super) fn ledgers(world: &World, request: &Incoming) -> Reply {
    let one = |seller: &crate::scenario::Seller| {
        row(
            &seller.fusion.ledger_id,
            &[
                ("LedgerId", json!(seller.fusion.ledger_id)),
                ("Name", json!(seller.fusion.ledger_name)),
                ("CurrencyCode", json!("USD")),
            ],
        )
    };
    let rows = world.scenario.sellers.iter().map(one).collect();
    adf::collection(request, "ledgersLOV", &["LedgerId", "Name"], rows)
}
