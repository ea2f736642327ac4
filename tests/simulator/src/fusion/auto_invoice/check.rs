//! What AutoInvoice looks at in a line.

use super::load::{InterfaceLine, column as at};
use crate::World;
use crate::fusion::gl_import::iso;
use crate::fusion::{FusionState, Kind, customers, lov, receivables};
use crate::scenario::{Currency, names};

/// What a transaction type makes.
pub(super) fn kind(line: &InterfaceLine) -> Option<Kind> {
    [Kind::Invoice, Kind::CreditMemo].into_iter().find(|kind| kind.transaction_type() == line.at(at::TYPE))
}

/// A date column, as ISO writes it.
pub(super) fn date(line: &InterfaceLine, column: usize) -> Option<String> {
    iso(line.at(column))
}

/// Whether a line is good by itself.
pub(super) fn line(
    world: &World,
    state: &FusionState,
    seller: usize,
    line: &InterfaceLine,
    currency: Currency,
) -> bool {
    let Some(amount) = currency.minor(line.at(at::AMOUNT)) else { return false };
    let seller = &world.scenario.sellers[seller];
    let customer = line.at(at::CUSTOMER);
    let day = date(line, at::GL_DATE).unwrap_or_default();
    let memo = kind(line) == Some(Kind::CreditMemo);
    let line_type = match line.at(at::LINE_TYPE) {
        "LINE" => !line.at(at::DESCRIPTION).is_empty(),
        "TAX" => receivables::is_tax(line.at(at::TAX_REGIME), line.at(at::TAX_RATE_CODE)),
        _ => false,
    };
    line_type
        && line.at(at::CONTEXT) == names::FLEXFIELD
        && line.key()[1..].iter().any(|attribute| !attribute.is_empty())
        && customers::find(state, seller, customer).is_some()
        && (line.at(at::SITE).is_empty() || line.at(at::SITE) == customers::site(customer))
        && receivables::terms(Some(line.at(at::TERM)).filter(|term| !term.is_empty())).is_ok()
        && date(line, at::TRX_DATE).is_some()
        && matches!(lov::status(world, state, 222, &day), Some('O' | 'F'))
        && !(memo && amount > 0)
        && converts(world, line, (currency, seller.fusion.ledger_currency))
}

/// The conversion type is required; in the ledger's currency it is User with rate 1, or without a rate.
fn converts(world: &World, line: &InterfaceLine, (currency, ledger): (Currency, Currency)) -> bool {
    let (conversion, rate) = (line.at(at::CONVERSION_TYPE), line.at(at::RATE));
    let day = date(line, at::CONVERSION_DATE).or_else(|| date(line, at::TRX_DATE)).unwrap_or_default();
    match conversion {
        "User" if currency == ledger => rate.is_empty() || rate.parse() == Ok(1.0_f64),
        "User" => !rate.is_empty(),
        other => currency != ledger && rate.is_empty() && lov::has_rate(world, other, &day),
    }
}

/// The invoice that a credit memo's lines name: `None` if it cannot be, `Some(None)` for a memo on account.
pub(super) fn credited(
    state: &FusionState,
    seller: usize,
    kind: Kind,
    lines: &[InterfaceLine],
) -> Option<Option<u64>> {
    let references: Vec<Vec<String>> = lines.iter().filter_map(InterfaceLine::reference).collect();
    let Some(first) = references.first() else { return Some(None) };
    let own = |document: &&crate::fusion::Document| {
        document.seller == seller && document.lines.iter().any(|line| line.key.as_ref() == Some(first))
    };
    let invoice = state.invoices.iter().find(own)?;
    let known = |key: &Vec<String>| invoice.lines.iter().any(|line| line.key.as_ref() == Some(key));
    let currency = invoice.currency;
    let amounts = lines.iter().filter_map(|line| currency.minor(line.at(at::AMOUNT)));
    let credit: i64 = amounts.sum();
    // A credit memo does not credit more than is open.
    let fits = kind == Kind::CreditMemo
        && references.iter().all(known)
        && lines.iter().all(|line| line.at(at::CURRENCY) == currency.code())
        && invoice.balance() + credit >= 0;
    fits.then_some(Some(invoice.id))
}
