//! Lists of values: combinations, periods, ledgers and what else a set-up names.

use jiff::civil::Date;
use serde_json::{Value, json};

use super::FusionState;
use super::access::Privilege;
use super::adf::{Call, Query, Resource, Row};
use crate::World;
use crate::scenario::{Currency, Seller, names, rates};

/// Periods are calendar months; the current one and the two before it are open, the next can be entered.
const OPEN_MONTHS: i32 = 2;
/// General Ledger and Receivables.
pub(super) const MODULES: [u32; 2] = [101, 222];
/// Ids of what there is one of for all.
const CHART_ID: u64 = 300_000_046_975_900;
const ENTITY_ID: u64 = 300_000_046_975_910;

type Rows = for<'a> fn(&'a Call<'a>, &'a FusionState, &Query) -> Vec<Row<'a>>;

const fn list(name: &'static str, queryable: &'static [&'static str], rows: Rows) -> Resource {
    Resource { name, privilege: Privilege::EnterpriseStructures, queryable, actions: |_| &[], rows }
}

pub(super) const COMBINATIONS: Resource = list(
    "accountCombinationsLOV",
    &["_CODE_COMBINATION_ID", "AccountCombination", "EnabledFlag", "DetailPostingAllowedFlag"],
    combinations,
);
pub(super) const PERIODS: Resource = list(
    "accountingPeriodStatusLOV",
    &["LedgerId", "PeriodNameId", "ApplicationId", "ClosingStatus", "AdjustmentPeriodFlag"],
    periods,
);
pub(super) const LEDGERS: Resource = list("ledgersLOV", &["LedgerId", "Name"], ledgers);
pub(super) const LEGAL_ENTITIES: Resource = list("legalEntitiesLOV", &["LegalEntityId", "Name"], entities);
/// Assumed, resource and attributes.
pub(super) const BUSINESS_UNITS: Resource =
    list("finBusinessUnitsLOV", &["BusinessUnitId", "BusinessUnitName"], units);
pub(super) const JOURNAL_SOURCES: Resource = list("journalSourcesLOV", &["UserJeSourceName"], sources);
pub(super) const JOURNAL_CATEGORIES: Resource =
    list("journalCategoriesLOV", &["UserJeCategoryName"], categories);
pub(super) const CONVERSION_TYPES: Resource =
    list("currencyConversionTypesLOV", &["UserConversionType"], conversion_types);
pub(super) const CURRENCIES: Resource = list("preferredCurrenciesLOV", &["CurrencyCode"], currencies);
pub(super) const CHARTS: Resource = list("chartOfAccountsLOV", &["ChartOfAccountsId", "Name"], charts);
pub(super) const CALENDARS: Resource = list("accountingCalendarsLOV", &["PeriodSetName"], calendars);

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

/// The period of a day, as the ledgers' calendar names it.
pub(super) fn period_name(date: Date) -> String {
    date.strftime("%b-%y").to_string()
}

/// The status of the period of a date (`YYYY-MM-DD`) in a module: 101 General Ledger, 222 Receivables. What the control
/// port has set counts more than the calendar.
pub(super) fn status(world: &World, state: &FusionState, application: u32, date: &str) -> Option<char> {
    let date: Date = date.parse().ok()?;
    let set = state.knobs.periods.get(&(application, period_name(date)));
    Some(set.copied().unwrap_or_else(|| closing_status(today(world), month(date))))
}

fn flag(yes: bool) -> &'static str {
    if yes { "Y" } else { "N" }
}

fn combinations<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query) -> Vec<Row<'a>> {
    let wanted = query.equal("AccountCombination");
    let all = state.chart.all().iter().zip(300_000_047_500_000_u64..);
    all.filter(|(one, _)| wanted.is_none_or(|wanted| one.text == wanted))
        .map(|(one, id)| {
            let mut row = Row::new(
                id.to_string(),
                json!({
                    "_CODE_COMBINATION_ID": call.id(id), "AccountCombination": one.text,
                    "EnabledFlag": flag(one.enabled), "DetailPostingAllowedFlag": flag(one.detail_posting),
                    "SummaryFlag": flag(!one.detail_posting),
                }),
            );
            for (n, segment) in one.text.split('-').enumerate() {
                row.attributes.insert(format!("Segment{}", n + 1), json!(segment));
            }
            row
        })
        .collect()
}

/// Period statuses. Without an application any module's row comes first; the period is asked for by PeriodNameId.
fn periods<'a>(call: &'a Call<'a>, state: &'a FusionState, query: &Query) -> Vec<Row<'a>> {
    let today = today(call.world);
    let mut rows = Vec::new();
    for seller in &call.world.scenario.sellers {
        if query.equal("LedgerId").is_some_and(|wanted| wanted != seller.fusion.ledger_id) {
            continue;
        }
        for ahead in -12..=12 {
            let first = today.first_of_month().saturating_add(jiff::Span::new().months(ahead));
            let name = period_name(first);
            if query.equal("PeriodNameId").is_some_and(|wanted| wanted != name) {
                continue;
            }
            for application in MODULES {
                let set = state.knobs.periods.get(&(application, name.clone()));
                let status = set.copied().unwrap_or_else(|| closing_status(today, month(first)));
                rows.push(Row::new(
                    format!("{}-{name}-{application}", seller.fusion.ledger_id),
                    json!({
                        "LedgerId": call.id_of(&seller.fusion.ledger_id), "PeriodNameId": name,
                        "ApplicationId": application, "ClosingStatus": status.to_string(),
                        "StartDate": first.to_string(), "EndDate": first.last_of_month().to_string(),
                        "PeriodYear": first.year(), "PeriodNumber": first.month(),
                        "AdjustmentPeriodFlag": "N",
                    }),
                ));
            }
        }
    }
    rows
}

fn sellers<'a, 'c>(
    call: &'a Call<'c>,
    row: impl Fn(&'a Call<'c>, &Seller) -> (String, Value),
) -> Vec<Row<'a>> {
    let all = call.world.scenario.sellers.iter().map(|seller| row(call, seller));
    all.map(|(key, attributes)| Row::new(key, attributes)).collect()
}

fn ledgers<'a>(call: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    sellers(call, |call, seller| {
        let setup = &seller.fusion;
        let attributes = json!({
            "LedgerId": call.id_of(&setup.ledger_id), "Name": setup.ledger_name, "Description": null,
            "CurrencyCode": setup.ledger_currency.code(), "ChartOfAccountsId": call.id(CHART_ID), "AccountedPeriodType": "Month",
            "PeriodSetName": names::CALENDAR, "LedgerCategoryCode": "PRIMARY", "LedgerTypeCode": "L",
            "EnableBudgetaryControlFlag": "N",
        });
        (setup.ledger_id.clone(), attributes)
    })
}

fn units<'a>(call: &'a Call<'a>, state: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    let mut rows = sellers(call, |call, seller| {
        let (id, name) = (&seller.fusion.business_unit_id, &seller.fusion.business_unit);
        (id.clone(), json!({ "BusinessUnitId": call.id_of(id), "BusinessUnitName": name }))
    });
    rows.retain(|row| {
        let name = row.attributes["BusinessUnitName"].as_str().unwrap_or_default();
        !state.knobs.removed_units.contains(name)
    });
    rows
}

fn entities<'a>(call: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    let attributes = json!({ "LegalEntityId": call.id(ENTITY_ID), "Name": names::LEGAL_ENTITY });
    vec![Row::new(ENTITY_ID.to_string(), attributes)]
}

fn named<'a>(attribute: &str, all: &[&str]) -> Vec<Row<'a>> {
    all.iter().map(|name| Row::new(*name, json!({ attribute: name }))).collect()
}

/// The journal sources that exist.
pub(super) fn journal_sources(state: &FusionState) -> Vec<&'static str> {
    let all = [names::JOURNAL_SOURCE, "Manual", "Spreadsheet"];
    all.into_iter().filter(|name| !state.knobs.removed_journal_sources.contains(*name)).collect()
}

/// The journal categories that exist.
pub(super) const CATEGORIES: [&str; 2] = [names::JOURNAL_CATEGORY, "Adjustment"];

fn sources<'a>(_: &'a Call<'a>, state: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    named("UserJeSourceName", &journal_sources(state))
}

fn categories<'a>(_: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    named("UserJeCategoryName", &CATEGORIES)
}

/// Conversion types: one with daily rates, one without, and the one that takes a rate.
pub(super) const CONVERSIONS: [&str; 3] = [names::CONVERSION, names::CONVERSION_WITHOUT_RATES, "User"];

fn conversion_types<'a>(_: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    named("UserConversionType", &CONVERSIONS)
}

fn currencies<'a>(_: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    let codes = [Currency::Usd, Currency::Gbp, Currency::Eur, Currency::Jpy].map(Currency::code);
    named("CurrencyCode", &codes)
}

fn charts<'a>(call: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    let attributes = json!({ "ChartOfAccountsId": call.id(CHART_ID), "Name": names::CHART });
    vec![Row::new(CHART_ID.to_string(), attributes)]
}

fn calendars<'a>(_: &'a Call<'a>, _: &'a FusionState, _: &Query) -> Vec<Row<'a>> {
    named("PeriodSetName", &[names::CALENDAR])
}

/// Whether a conversion type has a rate for a day: daily rates are entered until tomorrow.
pub(super) fn has_rate(world: &World, conversion: &str, date: &str) -> bool {
    let tomorrow = today(world).tomorrow().unwrap_or(Date::MAX);
    conversion == names::CONVERSION && date.parse::<Date>().is_ok_and(|date| date <= tomorrow)
}

/// The rate of a conversion type for a day, if there is one.
pub(super) fn rate(
    world: &World,
    conversion: &str,
    (from, to): (Currency, Currency),
    date: &str,
) -> Option<rates::PerMillion> {
    let day = date.parse::<Date>().ok()?;
    has_rate(world, conversion, date).then(|| rates::daily(from, to, day))
}

/// Today, as text.
pub(super) fn today_text(world: &World) -> String {
    today(world).to_string()
}
