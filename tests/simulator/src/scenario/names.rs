//! The one transaction source, type and so on that every business unit has.

/// Transaction source of invoices; does not number automatically.
pub const INVOICE_SOURCE: &str = "Amazon Connector";
/// Transaction type of invoices.
pub const INVOICE_TYPE: &str = "Amazon Invoice";
/// Transaction source of credit memos.
pub const CREDIT_MEMO_SOURCE: &str = "Amazon Connector CM";
/// Transaction type of credit memos.
pub const CREDIT_MEMO_TYPE: &str = "Amazon Credit Memo";
/// A source that numbers automatically, of invoices and credit memos.
pub const AUTO_SOURCE: &str = "Manual";
/// Payment terms.
pub const TERMS: &str = "IMMEDIATE";
/// Payment terms that give time.
pub const LONG_TERMS: &str = "30 Net";
/// A memo line.
pub const MEMO_LINE: &str = "Discount Item";
/// Values of the credit memo reason lookup.
pub const CREDIT_REASONS: [&str; 3] = ["Return", "Cancellation", "Price adjustment"];
/// Context of the transaction flexfields.
pub const FLEXFIELD: &str = "AMAZON";
/// The flexfield's segments: the order, and the document's own key.
pub const FLEXFIELD_SEGMENTS: [&str; 2] = ["orderId", "documentKey"];
/// Receipt method.
pub const RECEIPT_METHOD: &str = "Amazon Settlement";
/// Bank account that receipts are remitted to.
pub const BANK_ACCOUNT: &str = "10271-17621-619";
/// AutoPost criteria set.
pub const CRITERIA_SET: &str = "300000046976100";
/// Legal entity.
pub const LEGAL_ENTITY: &str = "Marketplace Trading Inc.";
/// Chart of accounts.
pub const CHART: &str = "US Chart of Accounts";
/// Names of the chart's segments.
pub const SEGMENTS: [&str; 5] = ["Company", "Cost Center", "Account", "Product", "Intercompany"];
/// Accounting calendar.
pub const CALENDAR: &str = "Monthly";
/// Natural account that takes what does not balance.
pub const SUSPENSE_ACCOUNT: &str = "29999";
/// Natural account that is a parent: no detail posting.
pub const PARENT_ACCOUNT: &str = "10000";
/// Natural account whose days are over.
pub const EXPIRED_ACCOUNT: &str = "19999";
/// Journal source.
pub const JOURNAL_SOURCE: &str = "Amazon";
/// Journal category.
pub const JOURNAL_CATEGORY: &str = "Settlement";
/// Conversion type with daily rates.
pub const CONVERSION: &str = "Corporate";
/// Conversion type that has no rates.
pub const CONVERSION_WITHOUT_RATES: &str = "Spot";
/// User of the instance, for Basic authentication, assertions and codes.
pub const USER: &str = "integration.user@example.com";
/// Its password.
pub const USER_PASSWORD: &str = "Integration-7b1d";
/// Alias under which the domain knows the assertion key.
pub const ASSERTION_KEY: &str = "ml-connector";
/// Audience of assertions.
pub const ASSERTION_AUDIENCE: &str = "https://identity.oraclecloud.com/";
/// Scope of the identity domain.
pub const SCOPE: &str = "urn:opc:resource:consumer::all";
/// Client of the identity domain.
pub const CLIENT: &str = "ml-connector-client";
/// Its secret.
pub const CLIENT_SECRET: &str = "idcs-secret-5d1f";
/// Amazon application.
pub const APPLICATION: &str = "amzn1.application-oa2-client.simulated";
/// Its secret.
pub const APPLICATION_SECRET: &str = "amzn1.oa2-cs.v1.secret-9c2e";
/// The one that a rotation brings.
pub const ROTATED_SECRET: &str = "amzn1.oa2-cs.v1.secret-b71d";
