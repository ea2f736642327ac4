//! Which account what belongs to. To map a new charge or leg, add a row to a table here.

use ml_connector_sdk::{BatchContext, CatalogEntry, Reason};

/// What a buyer pays for, whether an order or a transaction says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sold {
    /// The goods.
    Item,
    /// Their carriage.
    Shipping,
    /// Their wrapping.
    GiftWrap,
    /// What is taken off.
    Discount,
    /// What is given back for good will.
    Goodwill,
    /// Tax on the sale.
    Tax,
}

/// Order charges (Orders API 2026-01-01: breakdown types, tax with the taxed part behind it).
const CHARGES: [(&str, Sold); 5] = [
    ("ITEM", Sold::Item),
    ("SHIPPING", Sold::Shipping),
    ("GIFT_WRAP", Sold::GiftWrap),
    ("DISCOUNT", Sold::Discount),
    ("TAX", Sold::Tax),
];

/// What a leaf of a transaction's breakdown is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LegKind {
    /// Paid or got back by the buyer.
    Buyer(Sold),
    /// Anything else: the purpose of the ledger's account, and the label of the journal line.
    Other(&'static str, &'static str),
}

const TAX_WITHHELD: LegKind = LegKind::Other("tax_payable", "Tax withheld by the marketplace");
const FULFILMENT: LegKind = LegKind::Other("fulfillment_fee", "Fulfilment fees");
const OTHER_FEE: LegKind = LegKind::Other("other_fee", "Other fees");
const STORAGE: LegKind = LegKind::Other("storage", "Storage");
const RESERVE: LegKind = LegKind::Other("reserve", "Reserve");
const COMMISSION: LegKind = LegKind::Other("commission", "Commission");
const ADVERTISING: LegKind = LegKind::Other("advertising", "Advertising");
const REIMBURSEMENT: LegKind = LegKind::Other("reimbursement", "Reimbursements");
const INBOUND: LegKind = LegKind::Other("inbound", "Inbound shipments");
const REMOVAL: LegKind = LegKind::Other("removal", "Removals and disposals");
const PROMOTION_FEE: LegKind = LegKind::Other("promotion_fee", "Coupons and deals");
const POSTAGE: LegKind = LegKind::Other("postage", "Postage");
const LIQUIDATION: LegKind = LegKind::Other("liquidation", "Liquidation of stock");
/// Principal and interest are one amount: Amazon does not split it.
const LOAN: LegKind = LegKind::Other("loan", "Loans from Amazon");
/// What the seller's card paid; the card's statement meets it.
const DEBT_RECOVERY: LegKind = LegKind::Other("debt_recovery", "Debts to Amazon, paid by card");
const GUARANTEE_CLAIM: LegKind = LegKind::Other("guarantee_claim", "A-to-z guarantee claims");
const CHARGEBACK: LegKind = LegKind::Other("chargeback", "Chargebacks");
const RETROCHARGE: LegKind = LegKind::Other("tax_payable", "Tax charged afterwards");
const ADJUSTMENT: LegKind = LegKind::Other("adjustment", "Other adjustments");

/// Leaves that mean something of their own in a type of transaction: type, leaf in lower case, meaning. They go before
/// [`LEGS`]; `*` stands for every leaf.
const OF_KIND: [(&str, &str, LegKind); 3] = [
    // Its parts are named like the taxes of a sale, but no sale is behind them: the seller owes or gets back the tax.
    ("Retrocharge", "*", RETROCHARGE),
    ("ChargeRefund", "*", LegKind::Other("other_fee", "Charges refunded")),
    ("MiscellaneousLedgerAdjustment", "other", ADJUSTMENT),
];

/// Transaction leaves by name, lower case (Finances API 2024-06-19: breakdown types as seen in production). Names
/// that end in `*` match by their beginning. The first row that matches decides.
const LEGS: [(&str, LegKind); 78] = [
    ("marketplacefacilitator*", TAX_WITHHELD),
    ("lowvaluegoodstax*", TAX_WITHHELD),
    ("ourpriceprincipal", LegKind::Buyer(Sold::Item)),
    ("ourpricetax", LegKind::Buyer(Sold::Tax)),
    ("ourpricediscount", LegKind::Buyer(Sold::Discount)),
    ("productcharges", LegKind::Buyer(Sold::Item)),
    ("principal", LegKind::Buyer(Sold::Item)),
    ("shippingprincipal", LegKind::Buyer(Sold::Shipping)),
    ("shippingtax", LegKind::Buyer(Sold::Tax)),
    ("shippingdiscount", LegKind::Buyer(Sold::Discount)),
    ("shipping", LegKind::Buyer(Sold::Shipping)),
    ("giftwrapprincipal", LegKind::Buyer(Sold::GiftWrap)),
    ("giftwraptax", LegKind::Buyer(Sold::Tax)),
    ("goodwillprincipal", LegKind::Buyer(Sold::Goodwill)),
    // What the seller keeps of a refund.
    ("restockingdeductionprincipal", LegKind::Buyer(Sold::Item)),
    ("restockingdeductiontax", LegKind::Buyer(Sold::Tax)),
    ("tax", LegKind::Buyer(Sold::Tax)),
    ("promo", LegKind::Buyer(Sold::Discount)),
    ("promotion", LegKind::Buyer(Sold::Discount)),
    ("commission", COMMISSION),
    ("refundcommission", COMMISSION),
    ("fbaperunitfulfillmentfee", FULFILMENT),
    ("fbaperorderfulfillmentfee", FULFILMENT),
    ("fbaweightbasedfee", FULFILMENT),
    ("fbastoragefee", STORAGE),
    ("fbalongtermstoragefee", STORAGE),
    ("subscription", LegKind::Other("subscription", "Subscription")),
    ("advertisingfee", ADVERTISING),
    ("advertisingfeerefund", ADVERTISING),
    ("productadspayment", ADVERTISING),
    ("reservecredit", RESERVE),
    ("reservedebit", RESERVE),
    ("fbainventoryreimbursement", REIMBURSEMENT),
    ("fbareversedreimbursement", REIMBURSEMENT),
    ("lostordamagedreimbursement", REIMBURSEMENT),
    ("canceledbutpickedupreimbursement", REIMBURSEMENT),
    ("reimbursementclawback", REIMBURSEMENT),
    ("warehouse_damage", REIMBURSEMENT),
    ("warehouse_lost", REIMBURSEMENT),
    ("reversal_reimbursement", REIMBURSEMENT),
    ("safe-treimbursement", REIMBURSEMENT),
    ("fbainboundtransportationfee", INBOUND),
    ("fbainboundconveniencefee", INBOUND),
    ("fbaremovalfee", REMOVAL),
    ("fbadisposalfee", REMOVAL),
    ("liquidationfee", REMOVAL),
    ("liquidationfeeamount", REMOVAL),
    ("liquidationproceeds", LIQUIDATION),
    ("liquidationproceedsamount", LIQUIDATION),
    ("recommerceliquidation", LIQUIDATION),
    ("taxonrevenue", LegKind::Other("tax_payable", "Tax on stock sold for the seller")),
    ("couponparticipationfee", PROMOTION_FEE),
    ("couponperformancefee", PROMOTION_FEE),
    ("couponredemptionfee", PROMOTION_FEE),
    ("dealfee", PROMOTION_FEE),
    ("postagebilling*", POSTAGE),
    ("postagerefund*", POSTAGE),
    ("loanadvance", LOAN),
    ("loanpayment", LOAN),
    ("loanrefund", LOAN),
    ("debtpayment", DEBT_RECOVERY),
    ("debtpaymentfailure", DEBT_RECOVERY),
    ("debtadjustment", DEBT_RECOVERY),
    ("guaranteeclaim", GUARANTEE_CLAIM),
    ("guaranteeclaimreversal", GUARANTEE_CLAIM),
    ("chargeback", CHARGEBACK),
    ("chargebackreversal", CHARGEBACK),
    ("customerreturnhrrunitfee", OTHER_FEE),
    ("paidservicesfee", OTHER_FEE),
    ("salestaxcollectionfee", OTHER_FEE),
    ("shippinghb", OTHER_FEE),
    ("techsupportfee", OTHER_FEE),
    ("shippingchargeback", OTHER_FEE),
    ("giftwrapchargeback", OTHER_FEE),
    ("digitalservicesfee", OTHER_FEE),
    ("fixedclosingfee", OTHER_FEE),
    ("variableclosingfee", OTHER_FEE),
    ("amazonfees", OTHER_FEE),
];

/// Below a fee, `Tax` is VAT that Amazon charged the seller.
const INPUT_VAT: LegKind = LegKind::Other("input_vat", "VAT on fees");

/// What an order's charge is; `None` if it is not known.
pub(crate) fn charge(kind: &str) -> Option<Sold> {
    let head = kind.split('/').next().unwrap_or(kind);
    CHARGES.iter().find(|(name, _)| *name == head).map(|(_, sold)| *sold)
}

/// What a leg of a type of transaction is, by the leaf of its path; `Base` and `Tax` below a fee are parts of that fee.
///
/// # Errors
/// A leaf that no table names.
pub(crate) fn leg(kind: &str, path: &str) -> Result<LegKind, Reason> {
    let lower = path.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').collect();
    let fee_above = parts.len() > 1 && (parts[0].contains("fees") || parts[0] == "expenses");
    let (leaf, parent) = match parts.as_slice() {
        [.., parent, leaf] => (*leaf, *parent),
        [leaf] => (*leaf, ""),
        [] => ("", ""),
    };
    if fee_above && leaf == "tax" {
        return Ok(INPUT_VAT);
    }
    let name = if leaf == "base" { parent } else { leaf };
    let matches = |row: &str| match row.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning),
        None => name == row,
    };
    if let Some((_, _, own)) = OF_KIND.iter().find(|(of, row, _)| *of == kind && matches(row)) {
        return Ok(*own);
    }
    LEGS.iter().find(|(row, _)| matches(row)).map(|(_, kind)| *kind).ok_or_else(|| {
        Reason::new("unmapped-leg", path, format!("no table of the standard mapper names `{path}`"))
    })
}

/// The account of something sold: goods go to the catalog's revenue account, the rest to the ledger's account for it
/// at the product's cost centre. With it comes the rule that decided.
///
/// # Errors
/// The ledger names no account for it.
pub(crate) fn of_sold(
    context: &BatchContext,
    product: &CatalogEntry,
    sold: Sold,
) -> Result<(String, String), Reason> {
    let center = Some(product.cost_center.as_str());
    let (purpose, center) = match sold {
        Sold::Item => return Ok(context.revenue(product)),
        Sold::Shipping => ("shipping_revenue", center),
        Sold::GiftWrap => ("gift_wrap_revenue", center),
        Sold::Discount => ("discount", center),
        Sold::Goodwill => ("refund_goodwill", center),
        Sold::Tax => ("tax_payable", None),
    };
    of_purpose(context, purpose, center)
}

/// The ledger's account for a purpose, with the rule that decided.
///
/// # Errors
/// The ledger names none.
pub(crate) fn of_purpose(
    context: &BatchContext,
    purpose: &str,
    cost_center: Option<&str>,
) -> Result<(String, String), Reason> {
    let account = context.account(purpose, cost_center).ok_or_else(|| {
        Reason::new("no-account", purpose, format!("the seller's ledger names no account for `{purpose}`"))
    })?;
    Ok((account, ["ledger.accounts.", purpose].concat()))
}
