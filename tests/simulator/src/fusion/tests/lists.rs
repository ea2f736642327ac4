//! Lists of values.

use serde_json::json;

use super::Fusion;
use crate::scenario::{combination, names};

#[test]
fn a_period_is_asked_for_by_ledger_name_id_and_module() {
    let fusion = Fusion::new();
    let ask = |period: &str, application: u32| {
        let ledger = &fusion.setup().ledger_id;
        let q = format!("LedgerId={ledger} and PeriodNameId='{period}' and ApplicationId={application}");
        let (status, page) = fusion.get("accountingPeriodStatusLOV", &[("q", &q), ("onlyData", "true")]);
        assert_eq!((status, &page["count"]), (200, &json!(1)), "{page}");
        page["items"][0]["ClosingStatus"].as_str().expect("a status").to_owned()
    };
    let rows = [("May-26", "C"), ("Jul-26", "O"), ("Sep-26", "O"), ("Oct-26", "F"), ("Nov-26", "N")];
    for (period, status) in rows {
        assert_eq!((ask(period, 101).as_str(), ask(period, 222).as_str()), (status, status), "{period}");
    }
    fusion.set(&json!({ "close_period": { "application": 222, "period": "Sep-26" } }));
    assert_eq!((ask("Sep-26", 101).as_str(), ask("Sep-26", 222).as_str()), ("O", "C"), "modules close apart");
    fusion.set(&json!({ "open_period": { "application": 222, "period": "Sep-26" } }));
    assert_eq!(ask("Sep-26", 222), "O");
    let (status, words) = fusion.get("accountingPeriodStatusLOV", &[("q", "PeriodName='Sep-26'")]);
    assert!(status == 400 && !words.to_string().contains("PeriodName"), "{words}");
}

#[test]
fn without_a_module_any_module_s_row_comes() {
    let fusion = Fusion::new();
    let q = format!("LedgerId={} and PeriodNameId='Sep-26'", fusion.setup().ledger_id);
    let ask = || {
        fusion.get("accountingPeriodStatusLOV", &[("q", &q), ("limit", "1")]).1["items"][0]["ApplicationId"]
            .clone()
    };
    assert_ne!(ask(), ask());
}

#[test]
fn combinations_are_read_only_and_show_what_can_be_posted_to() {
    let fusion = Fusion::new();
    let ask = |account: &str| {
        let q = format!("AccountCombination='{}'", combination(account, "000"));
        fusion.get("accountCombinationsLOV", &[("q", &q)]).1["items"][0].clone()
    };
    fusion.set(&json!({ "disable_account": combination("41000", "000") }));
    let rows = [("41000", "N", "Y"), ("12100", "Y", "Y"), (names::PARENT_ACCOUNT, "Y", "N")];
    for (account, enabled, posting) in rows {
        let found = ask(account);
        assert_eq!(
            (&found["EnabledFlag"], &found["DetailPostingAllowedFlag"]),
            (&json!(enabled), &json!(posting))
        );
    }
    assert!(ask("99999").is_null());
    assert_eq!(fusion.post("accountCombinationsLOV", &json!({})).0, 405);
}

#[test]
fn a_set_up_can_be_read_back_and_loses_what_is_taken_away() {
    let fusion = Fusion::new();
    let unit = fusion.setup().business_unit.clone();
    let ledger = fusion.setup().ledger_name.clone();
    let rows = [
        ("ledgersLOV", "Name", ledger.as_str()),
        ("finBusinessUnitsLOV", "BusinessUnitName", &unit),
        ("legalEntitiesLOV", "Name", names::LEGAL_ENTITY),
        ("journalSourcesLOV", "UserJeSourceName", names::JOURNAL_SOURCE),
        ("journalCategoriesLOV", "UserJeCategoryName", names::JOURNAL_CATEGORY),
        ("currencyConversionTypesLOV", "UserConversionType", names::CONVERSION),
    ];
    let count = |resource: &str, attribute: &str, value: &str| {
        let q = format!("{attribute}='{value}'");
        fusion.get(resource, &[("q", &q)]).1["count"].as_u64()
    };
    for (resource, attribute, value) in rows {
        assert_eq!(count(resource, attribute, value), Some(1), "{resource}");
    }
    fusion.set(&json!({ "remove_business_unit": unit, "remove_journal_source": names::JOURNAL_SOURCE }));
    assert_eq!(count("finBusinessUnitsLOV", "BusinessUnitName", &unit), Some(0));
    assert_eq!(count("journalSourcesLOV", "UserJeSourceName", names::JOURNAL_SOURCE), Some(0));
}
