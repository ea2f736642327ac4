//! Ledger, chart, business unit, legal entity, and the names that journals and invoices carry.

use serde::Deserialize;
use serde_json::Value;

use super::Check;
use crate::query::Query;
use crate::wire::Scalar;

/// `ledgersLOV`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Ledger {
    ledger_id: Option<Scalar>,
    name: Option<String>,
    currency_code: Option<String>,
    chart_of_accounts_id: Option<Scalar>,
}

fn text(scalar: Option<&Scalar>) -> Option<String> {
    scalar.and_then(Scalar::text)
}

impl Check<'_> {
    pub(super) async fn structures(&mut self) {
        self.the_ledger().await;
        let setup = self.setup;
        self.a_name(
            ("finBusinessUnitsLOV", "BusinessUnitName", "BusinessUnitName"),
            "FUS-CHECK-UNIT",
            "business_unit",
            &setup.business_unit,
        )
        .await;
        if let Some(entity) = &setup.legal_entity {
            let (list, code) = (("legalEntitiesLOV", "Name", "LegalEntityId"), "FUS-CHECK-ENTITY");
            self.a_name(list, code, "legal_entity", entity).await;
        }
        let list = ("journalSourcesLOV", "UserJeSourceName", "UserJeSourceName");
        self.a_name(list, "FUS-CHECK-SOURCE", "journal_source", &setup.journal_source).await;
        let list = ("journalCategoriesLOV", "UserJeCategoryName", "UserJeCategoryName");
        self.a_name(list, "FUS-CHECK-CATEGORY", "journal_category", &setup.journal_category).await;
        let list = ("currencyConversionTypesLOV", "UserConversionType", "UserConversionType");
        self.a_name(list, "FUS-CHECK-CONVERSION", "conversion_type", &setup.conversion_type).await;
    }

    /// A name that one of Fusion's lists has to have.
    async fn a_name(
        &mut self,
        (list, attribute, order): (&'static str, &'static str, &'static str),
        code: &'static str,
        key: &str,
        name: &str,
    ) {
        let Some(rows) = self.rows::<Value>(list, Query::by(order).is(attribute, name)).await else { return };
        match rows.is_empty() {
            false => self.report.right(format!("ledger.{key} `{name}`")),
            true => {
                let message = format!("{list} does not know ledger.{key} `{name}`");
                let remedy = format!("set it up in Fusion, or write a name that is there into ledger.{key}");
                self.report.missing(code, message, remedy);
            }
        }
    }

    async fn the_ledger(&mut self) {
        let setup = self.setup;
        let by_id = Query::by("LedgerId").number("LedgerId", &setup.ledger_id);
        let Some(rows) = self.rows::<Ledger>("ledgersLOV", by_id).await else { return };
        let Some(ledger) = rows.first() else {
            self.no_ledger().await;
            return;
        };
        let name = ledger.name.as_deref().unwrap_or_default();
        if name != setup.ledger_name {
            let (id, own) = (&setup.ledger_id, &setup.ledger_name);
            self.report.missing(
                "FUS-CHECK-LEDGER",
                format!("ledger {id} is called `{name}` in Fusion, ledger.ledger_name is `{own}`"),
                "write the id and the name of the same ledger",
            );
        }
        let currency = ledger.currency_code.as_deref().unwrap_or_default();
        if currency != setup.ledger_currency.code() {
            let own = setup.ledger_currency;
            self.report.missing(
                "FUS-CHECK-CURRENCY",
                format!("ledger `{name}` is kept in {currency}, ledger.ledger_currency is {own}"),
                format!("write ledger_currency = \"{currency}\", or choose another ledger"),
            );
        }
        let chart = text(ledger.chart_of_accounts_id.as_ref());
        let wanted = setup.chart_of_accounts.as_ref().and_then(|chart| chart.id.as_ref());
        if let (Some(wanted), Some(found)) = (wanted, &chart)
            && wanted != found
        {
            self.report.missing(
                "FUS-CHECK-CHART",
                format!(
                    "ledger `{name}` has chart of accounts {found}, ledger.chart_of_accounts.id is {wanted}"
                ),
                format!("write id = \"{found}\", and compare the segments"),
            );
        }
        if self.report.is_ready() {
            let chart = chart.unwrap_or_default();
            self.report.right(format!("ledger `{name}` ({currency}, chart of accounts {chart})"));
        }
    }

    /// No ledger has the id: perhaps the name has another.
    async fn no_ledger(&mut self) {
        let (id, name) = (&self.setup.ledger_id, &self.setup.ledger_name);
        let message = format!("Fusion shows no ledger with the id {id}");
        let by_name = Query::by("LedgerId").is("Name", name);
        let other = self.rows::<Ledger>("ledgersLOV", by_name).await.unwrap_or_default();
        let remedy = match other.first().and_then(|ledger| text(ledger.ledger_id.as_ref())) {
            Some(id) => format!("`{name}` has the id {id}: write ledger_id = \"{id}\""),
            None => "write the id of a ledger that the integration user's data access set holds".to_owned(),
        };
        self.report.missing("FUS-CHECK-LEDGER", message, remedy);
    }
}
