//! Fusion's codes and words, as stable codes with advice.
//!
//! Sources: Oracle's error message pages of receivables invoices, credit memos and standard receipts; its list of
//! Journal Import error codes; the REST framework's JBO codes.

use ml_connector_domain::refusal::Refusal;

/// What a class of refusals means to the operator.
struct Class {
    /// Stable.
    code: &'static str,
    /// What to do.
    advice: &'static str,
}

const ACCOUNT: Class = Class {
    code: "FUS-ACCOUNT-UNKNOWN",
    advice: "create or enable the account combination in Fusion, or correct the account in the catalog, mapper or ledger setup, then plan the document again",
};
const PERIOD: Class = Class {
    code: "FUS-PERIOD-CLOSED",
    advice: "open the period in Fusion, or set `closed_period = \"next_open\"` in the seller's ledger, then plan the document again",
};
const BALANCE: Class = Class {
    code: "FUS-UNBALANCED",
    advice: "this is checked before sending, so report it as a defect; see whether the ledger balances by a segment that `chart_of_accounts` does not name",
};
const CUSTOMER: Class = Class {
    code: "FUS-CUSTOMER-UNKNOWN",
    advice: "create the customer account and its bill-to site in Fusion, or correct `bill_to` in the seller's ledger",
};
const LENGTH: Class = Class {
    code: "FUS-FIELD-TOO-LONG",
    advice: "shorten the value where it comes from: the catalog, the mapper or the ledger setup",
};
const SETUP: Class = Class {
    code: "FUS-SETUP-UNKNOWN",
    advice: "correct the name in the seller's ledger, or set it up in Fusion; `ml-connector fusion check` names what is missing",
};
const CURRENCY: Class = Class {
    code: "FUS-CURRENCY",
    advice: "enable the currency and load the day's rate of the ledger's `conversion_type` in Fusion",
};
const DUPLICATE: Class = Class {
    code: "FUS-DUPLICATE",
    advice: "Fusion says that it exists and shows none under its key: look for it in another business unit, or in data that the integration user may not see",
};
const MISSING: Class =
    Class { code: "FUS-FIELD-MISSING", advice: "fill what Fusion misses in the ledger setup or the mapper" };
const ITEM: Class = Class {
    code: "FUS-ITEM-UNKNOWN",
    advice: "one unknown item refuses the whole invoice: assign the item to the business unit's inventory organisation",
};
const ATTRIBUTE: Class = Class {
    code: "FUS-ATTRIBUTE",
    advice: "this release of Fusion does not know the attribute: report it as a defect with Fusion's words",
};
const ROW: Class = Class {
    code: "FUS-ROW-REFUSED",
    advice: "look the code up in the legend of the job's report in Fusion (Scheduled Processes), mend the cause and plan the document again",
};
const OTHER: Class = Class {
    code: "FUS-REFUSED",
    advice: "read Fusion's words, mend the cause, and have the document planned again",
};

/// A row of the table: what to look for (a message name, or a part of the message as a rule), what it means, and
/// the field to blame where Fusion does not name one.
type Row = (&'static [&'static str], &'static Class, Option<&'static str>);

/// REST refusals. The first row that fits counts, so what is narrower stands first.
const WORDS: [Row; 22] = [
    (&["AR_RCP_DUP_NUM", "AR_TRX_NUM_DUP", "already exists"], &DUPLICATE, Some("TransactionNumber")),
    (&["AR_BILL_TO_CUST_NOT_FOUND", "bill-to customer"], &CUSTOMER, Some("BillToCustomerNumber")),
    (
        &["AR_BILL_TO_SITE_NOT_FOUND", "AR_BILL_TO_SITE_DUPLICATE", "bill-to site"],
        &CUSTOMER,
        Some("BillToSite"),
    ),
    (&["AR_SHIP_TO_", "ship-to"], &CUSTOMER, Some("ShipToCustomerNumber")),
    (&["AR_BU_NOT_FOUND", "AR_RAPI_BU_INVALID", "business unit"], &SETUP, Some("BusinessUnit")),
    (&["AR_BATCH_SOURCE_NOT_FOUND", "transaction source"], &SETUP, Some("TransactionSource")),
    (&["AR_TRX_TYPE", "transaction type"], &SETUP, Some("TransactionType")),
    (&["AR_PAYMENT_TERM", "payment term"], &SETUP, Some("PaymentTerms")),
    (&["AR_INVAL_RECEIPT_MTH_ID", "receipt method"], &SETUP, Some("ReceiptMethod")),
    (&["remittance bank account"], &SETUP, Some("RemittanceBankAccountNumber")),
    (&["credit reason", "CreditReason", "AR_CM_REASON"], &SETUP, Some("CreditReason")),
    (
        &["AR_ACCOUNT_INVALID", "account combination", "AccountCombination"],
        &ACCOUNT,
        Some("AccountCombination"),
    ),
    (
        &["AR_FUNC_CURRENCY_REQ", "AR_RAPI_CURR_CODE_INVALID", "currency", "conversion rate"],
        &CURRENCY,
        Some("InvoiceCurrencyCode"),
    ),
    (&["ConversionRate", "conversion type"], &CURRENCY, Some("ConversionRateType")),
    (
        &["AR_GL_DATE", "accounting period", "open period", "period isn't open", "accounting date"],
        &PERIOD,
        Some("AccountingDate"),
    ),
    (
        &["AR_ITEM_", "AR_INVALID_INVENTORY_ITEM", "AR-856749", "AR_WH_NOT_FOUND", "AR_NO_ITEM_NO_WH"],
        &ITEM,
        Some("ItemNumber"),
    ),
    (
        &[
            "maximum length",
            "too long",
            "exceeds the maximum",
            "more than the allowed",
            "characters long",
            "has more than",
        ],
        &LENGTH,
        None,
    ),
    (&["FND_CMN_REQ_ATTRIB", "must provide a value", "JBO-27014", "is required"], &MISSING, None),
    (&["AR_LINE_ATTR_OPT_REQ", "AR_LINES_REQ"], &MISSING, Some("Description")),
    (&["Invalid attribute"], &ATTRIBUTE, None),
    (&["AR_DIST_AMOUNT", "distributions don't"], &BALANCE, Some("Amount")),
    (&["unbalanced", "AR_UNBALANCED"], &BALANCE, None),
];

/// One REST refusal. `code` is `o:errorCode`, `path` `o:errorPath`.
pub(crate) fn of_words(code: Option<&str>, path: Option<&str>, words: &str) -> Refusal {
    let code = code.unwrap_or_default();
    let lower = words.to_lowercase();
    let fits = |mark: &&str| code.starts_with(*mark) || words.contains(*mark) || lower.contains(*mark);
    let row = WORDS.iter().find(|(marks, ..)| marks.iter().any(fits));
    let number = match code {
        "27014" => Some(&MISSING),
        "27010" | "27026" | "27040" => {
            Some(&LENGTH).filter(|_| lower.contains("length") || lower.contains("character"))
        }
        _ => None,
    };
    let class = row.map(|row| row.1).or(number).unwrap_or(&OTHER);
    let named = path.and_then(field_of).or_else(|| quoted_attribute(words));
    let said = match code {
        "" => words.to_owned(),
        code if words.contains(code) => words.to_owned(),
        code => format!("{code}: {words}"),
    };
    Refusal::new(class.code, said, class.advice)
        .at_line(path.and_then(line_of_path).or_else(|| line_of_words(&lower)))
        .in_field(named.or_else(|| row.and_then(|row| row.2).map(str::to_owned)))
}

/// Whether a refusal is about a value that is too long.
pub(crate) fn is_too_long(refusal: &Refusal) -> bool {
    refusal.code == LENGTH.code
}

/// Whether a refusal only says that the document stands there already.
pub(crate) fn is_duplicate(refusal: &Refusal) -> bool {
    refusal.code == DUPLICATE.code
}

/// The last name of a path: `/receivablesInvoiceLines/2/Description` is about `Description`.
fn field_of(path: &str) -> Option<String> {
    let name = path.rsplit('/').find(|part| !part.is_empty() && !part.bytes().all(|b| b.is_ascii_digit()))?;
    let name = name.split('[').next().unwrap_or_default();
    (!name.is_empty()).then(|| name.to_owned())
}

/// Paths count from 0.
fn line_of_path(path: &str) -> Option<u32> {
    let inside = path.contains("Lines") || path.contains("Distributions");
    let number = path.split(['/', '[', ']']).find_map(|part| part.parse::<u32>().ok());
    number.filter(|_| inside).map(|index| index + 1)
}

/// Words count from 1: "for line 3".
fn line_of_words(lower: &str) -> Option<u32> {
    let after = lower.split("line ").nth(1)?;
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok()
}

/// `Attribute X in Y is required`, `Invalid attribute "x" in the payload`, `the attribute X`.
fn quoted_attribute(words: &str) -> Option<String> {
    let (_, after) = words.split_once("ttribute ")?;
    let name: String = after
        .trim_start_matches(['"', '\'', '“'])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || *c == '_')
        .collect();
    (!name.is_empty() && name.chars().next().is_some_and(|c| c.is_ascii_uppercase() || words.contains('"')))
        .then_some(name)
}

/// Journal Import's codes: what each means, the column to blame, and Oracle's text in short.
const CODES: [(&str, &Class, &str, &str); 33] = [
    ("EP01", &PERIOD, "ACCOUNTING_DATE", "the date is in no open or future-enterable period"),
    ("EP02", &PERIOD, "ACCOUNTING_DATE", "the ledger has no open period"),
    ("EP03", &PERIOD, "ACCOUNTING_DATE", "the date is in no open encumbrance year"),
    ("EP04", &PERIOD, "ACCOUNTING_DATE", "the date is no business day"),
    ("EP05", &PERIOD, "ACCOUNTING_DATE", "the period has no business days"),
    ("WU01", &BALANCE, "ENTERED_DR", "unbalanced, taken because suspense posting is allowed"),
    ("EU02", &BALANCE, "ENTERED_DR", "unbalanced, and suspense posting is not allowed"),
    ("EU03", &BALANCE, "ENTERED_DR", "the encumbrance is unbalanced"),
    ("EF01", &ACCOUNT, "SEGMENT1", "the account is inactive on the date"),
    ("EF02", &ACCOUNT, "SEGMENT1", "the account takes no detail postings"),
    ("EF03", &ACCOUNT, "SEGMENT1", "the account is disabled"),
    ("EF04", &ACCOUNT, "SEGMENT1", "the account is invalid: a segment value or a cross-validation rule"),
    ("EF05", &ACCOUNT, "SEGMENT1", "there is no such account"),
    ("EF06", &ACCOUNT, "SEGMENT1", "the alternate account is invalid"),
    ("WF01", &ACCOUNT, "SEGMENT1", "an alternate account was used instead"),
    ("WF02", &ACCOUNT, "SEGMENT1", "the suspense account was used instead"),
    ("EC01", &CURRENCY, "CURRENCY_CONVERSION_RATE", "conversion type User needs a rate"),
    ("EC02", &CURRENCY, "CURRENCY_CONVERSION_DATE", "the conversion date is missing"),
    (
        "EC03",
        &CURRENCY,
        "USER_CURRENCY_CONVERSION_TYPE",
        "a foreign line needs a conversion type or accounted amounts",
    ),
    ("EC06", &CURRENCY, "CURRENCY_CODE", "there is no rate for the currency, type and date"),
    ("EC08", &CURRENCY, "CURRENCY_CODE", "the currency is invalid"),
    ("EC09", &CURRENCY, "CURRENCY_CODE", "no currency is enabled"),
    ("EC10", &CURRENCY, "CURRENCY_CODE", "an encumbrance in a foreign currency"),
    ("EC11", &CURRENCY, "USER_CURRENCY_CONVERSION_TYPE", "the conversion type is invalid"),
    ("EC12", &CURRENCY, "ACCOUNTED_DR", "entered and accounted amounts differ in the ledger's currency"),
    ("EC13", &CURRENCY, "ENTERED_DR", "the amount is too large"),
    ("ECW1", &CURRENCY, "CURRENCY_CONVERSION_RATE", "the conversion could not be validated"),
    ("EM01", &SETUP, "USER_JE_CATEGORY_NAME", "the journal category is invalid"),
    ("EM02", &SETUP, "USER_JE_CATEGORY_NAME", "there are no journal categories"),
    ("EM09", &SETUP, "USER_JE_SOURCE_NAME", "the journal source has no transaction code"),
    ("EM23", &LENGTH, "REFERENCE4", "the journal's name is invalid"),
    ("EM24", &DUPLICATE, "REFERENCE4", "a journal of this name exists in the batch already"),
    ("ED01", &ATTRIBUTE, "ATTRIBUTE_CATEGORY", "a descriptive flexfield's context or attribute is invalid"),
];

/// One code of a rejected row. `row` is the report's line.
pub(crate) fn of_code(code: &str, line: Option<u32>, row: &str) -> Refusal {
    match CODES.iter().find(|(known, ..)| *known == code) {
        Some((_, class, field, meaning)) => {
            Refusal::new(class.code, format!("{code} ({meaning}): {row}"), class.advice)
                .at_line(line)
                .in_field(Some(*field))
        }
        None => Refusal::new(ROW.code, format!("{code}: {row}"), ROW.advice).at_line(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_of_refusal_has_its_code_place_and_advice() {
        #[rustfmt::skip]
        let rows = [
            (Some("AR_BILL_TO_CUST_NOT_FOUND"), None, "The criteria you entered didn't return a bill-to customer.", "FUS-CUSTOMER-UNKNOWN", None, Some("BillToCustomerNumber")),
            (Some("AR_ACCOUNT_INVALID"), Some("/receivablesInvoiceDistributions[1]/AccountCombination"), "The account combination 01-1 isn't valid.", "FUS-ACCOUNT-UNKNOWN", Some(2), Some("AccountCombination")),
            (None, None, "AR_BU_NOT_FOUND: The business unit you entered doesn't exist.", "FUS-SETUP-UNKNOWN", None, Some("BusinessUnit")),
            (None, None, "The transaction source you entered doesn't exist.", "FUS-SETUP-UNKNOWN", None, Some("TransactionSource")),
            (Some("AR_FUNC_CURRENCY_REQ"), None, "The currency you entered is invalid.", "FUS-CURRENCY", None, Some("InvoiceCurrencyCode")),
            (None, Some("/AccountingDate"), "The accounting date isn't in an open period.", "FUS-PERIOD-CLOSED", None, Some("AccountingDate")),
            (Some("27014"), Some("/BusinessUnit"), "Attribute BusinessUnit in ReceivablesInvoice is required.", "FUS-FIELD-MISSING", None, Some("BusinessUnit")),
            (Some("27014"), None, "Attribute Quantity in Line is required.", "FUS-FIELD-MISSING", None, Some("Quantity")),
            (None, None, "Enter a value for item, memo line, or description for line 3. AR_LINE_ATTR_OPT_REQ", "FUS-FIELD-MISSING", Some(3), Some("Description")),
            (Some("AR_ITEM_NOT_FOUND"), None, "The item you entered for line 4 doesn't exist.", "FUS-ITEM-UNKNOWN", Some(4), Some("ItemNumber")),
            (Some("27026"), Some("/receivablesInvoiceLines/2/Description"), "Length of attribute Description exceeds the maximum length.", "FUS-FIELD-TOO-LONG", Some(3), Some("Description")),
            (Some("27040"), Some("/Description"), "Attribute Description has more than 240 characters.", "FUS-FIELD-TOO-LONG", None, Some("Description")),
            (None, None, "Invalid attribute \"requestId\" in the payload", "FUS-ATTRIBUTE", None, Some("requestId")),
            (Some("AR_RCP_DUP_NUM"), None, "A receipt with this number, date, amount and customer already exists.", "FUS-DUPLICATE", None, Some("TransactionNumber")),
            (Some("27024"), None, "Failed to validate a row", "FUS-REFUSED", None, None),
        ];
        for (code, path, words, wanted, line, field) in rows {
            let refusal = of_words(code, path, words);
            assert_eq!(
                (refusal.code.as_str(), refusal.line, refusal.field.as_deref()),
                (wanted, line, field),
                "{words}"
            );
            assert!(refusal.words.contains(words) && !refusal.advice.is_empty(), "{refusal}");
        }
    }

    #[test]
    fn every_import_code_of_oracles_list_has_a_class() {
        for (code, ..) in CODES {
            let refusal = of_code(code, Some(2), "a row");
            assert!(refusal.words.contains(code) && refusal.line == Some(2) && refusal.field.is_some());
        }
        assert_eq!(of_code("EG01", None, "a row").code, "FUS-ROW-REFUSED");
        assert_eq!(of_code("EP01", None, "a row").code, "FUS-PERIOD-CLOSED");
        assert_eq!(of_code("EF04", None, "a row").code, "FUS-ACCOUNT-UNKNOWN");
        assert_eq!(of_code("EU02", None, "a row").code, "FUS-UNBALANCED");
    }
}
