//! What is asked, and the configuration that the answers make.

use std::collections::BTreeMap;
use std::io::{BufRead as _, IsTerminal as _};
use std::path::Path;

use dialoguer::Input;
use ml_connector_domain::{Region, Timestamp, region};
use serde_json::{Value, json};

use super::files::{CATALOG, KEY};
use super::{Draft, Failure, say};

/// A question.
struct Question {
    name: &'static str,
    words: &'static str,
    /// `None`: it has to be answered.
    default: Option<&'static str>,
    /// Asked only where another answer is this.
    only: Option<(&'static str, &'static str)>,
}

const fn ask(name: &'static str, words: &'static str) -> Question {
    Question { name, words, default: None, only: None }
}

const fn or(name: &'static str, words: &'static str, default: &'static str) -> Question {
    Question { name, words, default: Some(default), only: None }
}

const fn signed(name: &'static str, words: &'static str, default: Option<&'static str>) -> Question {
    Question { name, words, default, only: Some(("fusion_auth", "jwt_assertion")) }
}

const QUESTIONS: [Question; 42] = [
    ask("seller_id", "The seller's merchant token, e.g. A3FEXAMPLE"),
    or("seller_name", "Its name, for people", "My shop"),
    or("region", "Where it has authorised you: na, eu or fe", "na"),
    or("marketplaces", "Its marketplaces' ids, with commas between; empty: all of the region", ""),
    or("start_from", "Nothing from before this is booked; empty: this month's first day", ""),
    or(
        "tax",
        "Tax in Amazon's prices: exclusive (it comes on top), or inclusive:20 for 20 % VAT",
        "exclusive",
    ),
    ask("amazon_client_id", "Client id of your Selling Partner API application"),
    or("amazon_secret_file", "File that will hold its client secret", "amazon.secret"),
    or("refresh_token_file", "File that will hold the seller's refresh token", "refresh.token"),
    ask("fusion_url", "Fusion's address, e.g. https://fa-abcd-test.fa.us2.oraclecloud.com"),
    ask("identity_url", "Its identity domain's address, e.g. https://idcs-0123.identity.oraclecloud.com"),
    ask("fusion_scope", "The scope, as the identity domain shows it"),
    ask("fusion_client_id", "Client id of the confidential application"),
    or("fusion_secret_file", "File that will hold its secret", "fusion.secret"),
    or("fusion_auth", "How it signs in: client_credentials or jwt_assertion", "client_credentials"),
    signed("fusion_user", "The Fusion user to act as", None),
    signed("fusion_key_id", "Alias of the certificate in the application", None),
    signed("fusion_key_file", "File that will hold the private key in PEM", Some("fusion.pem")),
    ask("business_unit", "Business unit, by name"),
    ask("ledger_name", "Ledger, by name"),
    ask("ledger_id", "Ledger id"),
    ask("data_access_set_id", "Data access set id"),
    or("ledger_currency", "The ledger's currency", "USD"),
    or("conversion_type", "Rate type for other currencies", "Corporate"),
    ask("time_zone", "Zone in which documents are dated, e.g. America/Los_Angeles"),
    or("transaction_source", "Transaction source of invoices; it must not number by itself", "ML Connector"),
    or("invoice_type", "Transaction type of invoices", "Invoice"),
    or("credit_memo_source", "Transaction source of credit memos", "ML Connector CM"),
    or("credit_memo_type", "Transaction type of credit memos", "Credit Memo"),
    or("payment_terms", "Payment terms", "IMMEDIATE"),
    or("journal_source", "Journal source", "ML Connector"),
    or("journal_category", "Journal category", "Marketplace"),
    ask("customer", "Bill-to customer account number, for all marketplaces; they can be told apart later"),
    or("delimiter", "Between an account's segments", "-"),
    or(
        "template",
        "All segments, with {account} and {cost_center} where those go",
        "01-{cost_center}-{account}-000-00",
    ),
    or("cost_center", "Cost centre of what belongs to no product", "000"),
    ask("account_receivable", "Natural account of receivables"),
    ask("account_settlement", "Natural account in which a settlement waits for the bank"),
    or(
        "accounts",
        "Further accounts by purpose: commission=61100, storage=61300, ...; the mapper says which",
        "",
    ),
    or("product_type", "A product type for the starter catalog", "goods"),
    ask("revenue_account", "Natural account of its revenue"),
    or("mapper", "The mapper's component", "mapper.component.wasm"),
];

/// Lists what is asked.
pub(super) fn list() {
    for question in &QUESTIONS {
        let default = question.default.map(|default| format!(" [{default}]")).unwrap_or_default();
        say(&format!("{:20} {}{default}", question.name, question.words));
    }
}

/// Answers by name.
#[derive(Debug, Default)]
pub(super) struct Answers(BTreeMap<String, String>);

impl Answers {
    /// Those that a file and flags give.
    ///
    /// # Errors
    /// `INI-ANSWER`: the file is none, or answers something that is not asked.
    pub(super) fn read(file: Option<&Path>, flags: &[String]) -> Result<Self, Failure> {
        let mut answers = Self::default();
        if let Some(file) = file {
            let text = std::fs::read_to_string(file)
                .map_err(|error| format!("INI-ANSWER: cannot read {}: {error}", file.display()))?;
            let table: toml::Table = toml::from_str(&text)
                .map_err(|error| format!("INI-ANSWER: {}: {}", file.display(), error.message()))?;
            for (name, value) in table {
                let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                answers.set(&name, text)?;
            }
        }
        for flag in flags {
            let (name, value) =
                flag.split_once('=').ok_or_else(|| format!("INI-ANSWER: `{flag}`: write NAME=VALUE"))?;
            answers.set(name, value.to_owned())?;
        }
        Ok(answers)
    }

    fn set(&mut self, name: &str, value: String) -> Result<(), Failure> {
        if !QUESTIONS.iter().any(|question| question.name == name) {
            let like = QUESTIONS.iter().map(|question| question.name);
            let like = like.max_by(|one, other| {
                strsim::jaro_winkler(one, name).total_cmp(&strsim::jaro_winkler(other, name))
            });
            let like = like.unwrap_or_default();
            return Err(format!(
                "INI-ANSWER: nothing is asked by the name of `{name}`; did you mean `{like}`?"
            )
            .into());
        }
        self.0.insert(name.to_owned(), value);
        Ok(())
    }

    /// Asks for what is open: at a terminal one by one, else a line of standard input for each; an empty line is the
    /// default.
    ///
    /// # Errors
    /// `INI-MISSING`: standard input ends before everything is answered.
    pub(super) fn ask(&mut self, aloud: bool) -> Result<(), Failure> {
        let at_terminal = std::io::stdin().is_terminal();
        let mut lines = std::io::stdin().lock().lines();
        for question in &QUESTIONS {
            let open = !self.0.contains_key(question.name);
            let asked = question.only.is_none_or(|(name, value)| self.get(name) == Some(value));
            if !open || !asked {
                continue;
            }
            let answer = if at_terminal {
                drop(lines);
                let answer = at_the_terminal(question)?;
                lines = std::io::stdin().lock().lines();
                answer
            } else {
                if aloud {
                    say(question.words);
                }
                lines.next().transpose()?.unwrap_or_default().trim().to_owned()
            };
            let answer = match (answer.is_empty(), question.default) {
                (false, _) => answer,
                (true, Some(default)) => default.to_owned(),
                (true, None) => return Err(self.missing(question).into()),
            };
            self.0.insert(question.name.to_owned(), answer);
        }
        Ok(())
    }

    fn missing(&self, first: &Question) -> String {
        let open = QUESTIONS.iter().skip_while(|question| question.name != first.name);
        let open = open.filter(|question| question.default.is_none() && question.only.is_none());
        let open: Vec<&str> = open.map(|q| q.name).filter(|name| !self.0.contains_key(*name)).collect();
        format!(
            "INI-MISSING: {} has to be answered ({}); answer by --answer or in a file, also: {}",
            first.name,
            first.words,
            open.join(", ")
        )
    }

    /// An answer that is not empty.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|answer| !answer.is_empty())
    }

    fn text(&self, name: &str) -> Value {
        Value::String(self.0.get(name).cloned().unwrap_or_default())
    }
}

fn at_the_terminal(question: &Question) -> Result<String, Failure> {
    let input = Input::<String>::new().with_prompt(question.words);
    let input = match question.default {
        Some("") => input.allow_empty(true),
        Some(default) => input.default(default.to_owned()),
        None => input,
    };
    Ok(input.interact_text()?)
}

/// The configuration that answers make.
///
/// # Errors
/// `INI-ANSWER`: an answer means nothing.
pub(super) fn draft(answers: &Answers, now: Timestamp) -> Result<Draft, Failure> {
    let of: Region = answers.get("region").unwrap_or("na").parse()?;
    let marketplaces: Vec<String> = match answers.get("marketplaces") {
        Some(list) => list.split(',').map(|id| id.trim().to_owned()).collect(),
        None => region::marketplaces(of).iter().map(|id| (*id).to_owned()).collect(),
    };
    let start = answers.get("start_from").map_or_else(|| first_of_month(now), str::to_owned);
    let each = |value: &Value| -> serde_json::Map<String, Value> {
        marketplaces.iter().map(|id| (id.clone(), value.clone())).collect()
    };
    let settings: serde_json::Map<String, Value> =
        marketplaces.iter().map(|id| (format!("tax.{id}"), answers.text("tax"))).collect();
    let config = json!({
        "database": "connector.sqlite", "master_key_file": KEY,
        "amazon": {
            "client_id": answers.text("amazon_client_id"), "client_secret_file": answers.text("amazon_secret_file"),
        },
        "fusion": fusion(answers),
        "seller": [{
            "id": answers.text("seller_id"), "name": answers.text("seller_name"), "start_from": start,
            "catalog": CATALOG, "mapper": answers.text("mapper"),
            "authorization": [{ "region": of, "refresh_token_file": answers.text("refresh_token_file") }],
            "settings": settings, "ledger": ledger(answers, each(&answers.text("customer")))?,
        }],
    });
    let catalog = format!(
        "sku,product_type,marketplace,revenue_account,cogs_account,cost_center\n,{},,{},,{}\n",
        answers.get("product_type").unwrap_or("goods"),
        answers.get("revenue_account").unwrap_or_default(),
        answers.get("cost_center").unwrap_or_default(),
    );
    let secrets = ["amazon_secret_file", "refresh_token_file", "fusion_secret_file", "fusion_key_file"];
    let secrets: Vec<&str> = secrets.iter().filter_map(|name| answers.get(name)).collect();
    let next = vec![
        format!("keep a copy of {KEY} elsewhere: without it the database's credentials cannot be read"),
        format!("put the secrets into {}, readable by you alone", secrets.join(", ")),
        format!(
            "name your SKUs in {CATALOG} with their product type, and check it by `ml-connector catalog lint {CATALOG}`"
        ),
        "build or copy the mapper: `ml-connector mapper new my-books`".to_owned(),
        "`ml-connector credentials import`, then `ml-connector doctor`, then `ml-connector serve`".to_owned(),
    ];
    Ok(Draft { config: table(&config)?, catalog, secrets: Vec::new(), next })
}

fn fusion(answers: &Answers) -> Value {
    let mut fusion = json!({
        "base_url": answers.text("fusion_url"), "identity_url": answers.text("identity_url"),
        "scope": answers.text("fusion_scope"), "client_id": answers.text("fusion_client_id"),
        "client_secret_file": answers.text("fusion_secret_file"),
        "auth": { "method": answers.text("fusion_auth") },
    });
    if answers.get("fusion_auth") == Some("jwt_assertion") {
        let pairs =
            [("user", "fusion_user"), ("key_id", "fusion_key_id"), ("private_key_file", "fusion_key_file")];
        for (key, name) in pairs {
            fusion["auth"][key] = answers.text(name);
        }
    }
    fusion
}

fn ledger(answers: &Answers, bill_to: serde_json::Map<String, Value>) -> Result<Value, Failure> {
    let mut accounts = serde_json::Map::from_iter([
        ("receivable".to_owned(), answers.text("account_receivable")),
        ("settlement".to_owned(), answers.text("account_settlement")),
    ]);
    for pair in answers.get("accounts").into_iter().flat_map(|list| list.split(',')) {
        let (purpose, account) = pair.split_once('=').ok_or_else(|| {
            format!("INI-ANSWER: accounts: `{pair}`: write purpose=account, e.g. storage=61300")
        })?;
        accounts.insert(purpose.trim().to_owned(), account.trim().into());
    }
    let mut ledger = json!({
        "bill_to": bill_to, "accounts": accounts, "default_cost_center": answers.text("cost_center"),
        "combination": { "delimiter": answers.text("delimiter"), "template": answers.text("template") },
    });
    for name in [
        "business_unit",
        "ledger_name",
        "ledger_id",
        "data_access_set_id",
        "ledger_currency",
        "conversion_type",
        "time_zone",
        "transaction_source",
        "invoice_type",
        "credit_memo_source",
        "credit_memo_type",
        "payment_terms",
        "journal_source",
        "journal_category",
    ] {
        ledger[name] = answers.text(name);
    }
    Ok(ledger)
}

fn first_of_month(now: Timestamp) -> String {
    let day = now.to_zoned_datetime(jiff::tz::TimeZone::UTC).date().first_of_month();
    format!("{day}T00:00:00Z")
}

/// JSON as a TOML table. By hand: a number of `serde_json` is no number to other formats.
///
/// # Errors
/// Something is null, or a number that is not whole.
pub(super) fn table(json: &Value) -> Result<toml::Table, Failure> {
    match value(json)? {
        toml::Value::Table(table) => Ok(table),
        _ => Err("a configuration is a table".into()),
    }
}

fn value(json: &Value) -> Result<toml::Value, Failure> {
    Ok(match json {
        Value::Object(members) => {
            let members = members.iter().map(|(name, member)| Ok((name.clone(), value(member)?)));
            toml::Value::Table(members.collect::<Result<_, Failure>>()?)
        }
        Value::Array(list) => toml::Value::Array(list.iter().map(value).collect::<Result<_, _>>()?),
        Value::Bool(flag) => (*flag).into(),
        Value::String(text) => text.as_str().into(),
        Value::Number(number) => number.as_i64().ok_or("a number of a configuration is whole")?.into(),
        Value::Null => return Err("INI-SIMULATOR: the simulator leaves something open".into()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_asked_is_refused_with_what_was_meant() {
        let refused = Answers::read(None, &["seler_id=A1".to_owned()]).expect_err("a slip").to_string();
        assert!(refused.contains("INI-ANSWER") && refused.contains("did you mean `seller_id`?"), "{refused}");
        assert!(Answers::read(None, &["seller_id".to_owned()]).is_err());
    }

    #[test]
    fn answers_make_a_configuration_with_the_regions_marketplaces() {
        let mut answers = Answers::default();
        for question in &QUESTIONS {
            answers.0.insert(question.name.to_owned(), question.default.unwrap_or("x").to_owned());
        }
        answers.set("region", "fe".to_owned()).expect("is asked");
        answers.set("accounts", "storage=61300, commission = 61100".to_owned()).expect("is asked");
        let now = "2026-11-29T10:00:00Z".parse().expect("a time");
        let draft = draft(&answers, now).expect("a draft");
        let seller = &draft.config["seller"][0];
        assert_eq!(seller["start_from"].as_str(), Some("2026-11-01T00:00:00Z"));
        assert_eq!(seller["ledger"]["accounts"]["commission"].as_str(), Some("61100"));
        assert_eq!(seller["ledger"]["bill_to"]["A1VC38T7YXB528"].as_str(), Some("x"));
        assert!(draft.secrets.is_empty(), "no secret is asked for");
        answers.set("accounts", "storage".to_owned()).expect("is asked");
        assert!(super::draft(&answers, now).is_err());
    }
}
