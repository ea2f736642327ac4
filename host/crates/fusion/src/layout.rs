//! How a receivable's lines are laid out in Fusion: which stand by themselves, and which are tax on another one.
//!
//! The mapper's lines are amounts on accounts. Fusion's lines are goods, each with its tax below it, in marketplaces
//! whose tax has a code; distributions then say the accounts. This is where one becomes the other, for REST and for
//! AutoInvoice alike.

use std::collections::BTreeMap;

use ml_connector_domain::document::CreditedLines;
use ml_connector_domain::ledger::{LedgerSetup, TaxCode};
use ml_connector_domain::mapping::{DocumentLine, LineClass};
use ml_connector_domain::{MarketplaceId, Money};

/// Amounts in minor units by account.
pub(crate) type Accounts = BTreeMap<String, i64>;

/// A line as Fusion gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The document's line that it begins with, counted from 1.
    pub(crate) origin: u32,
    pub(crate) description: String,
    /// Pieces.
    pub(crate) quantity: i64,
    /// For one piece; times the quantity it is the line's amount exactly.
    pub(crate) unit: Money,
    pub(crate) accounts: Accounts,
    pub(crate) tax: Option<Tax>,
    /// Of a credit memo: the line of the invoice's document that it credits, where that was found.
    pub(crate) credits: Option<u32>,
}

/// The tax on a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tax {
    /// The document's line that it begins with, counted from 1.
    pub(crate) origin: u32,
    pub(crate) amount: Money,
    pub(crate) accounts: Accounts,
}

impl Line {
    /// Without tax.
    pub(crate) fn amount(&self) -> Money {
        Money::new(self.unit.minor * self.quantity, self.unit.currency)
    }
}

/// The tax code of a marketplace, if its tax goes as tax lines.
pub(crate) fn tax_code<'a>(setup: &'a LedgerSetup, marketplace: &MarketplaceId) -> Option<&'a TaxCode> {
    setup.tax.get(marketplace)
}

/// The lines of an invoice. With `taxed`, a tax line goes under the first ordinary line of its order item, or else of
/// its product; one that has neither stays an ordinary line.
pub(crate) fn invoice(lines: &[DocumentLine], taxed: bool) -> Vec<Line> {
    let hosts: Vec<Option<usize>> = lines.iter().map(|line| host(lines, line, taxed)).collect();
    let under = |index: usize| {
        let own = lines.iter().zip(1_u32..).zip(&hosts).filter(move |(_, host)| **host == Some(index));
        sum(own.map(|(line, _)| line))
    };
    let mut laid = Vec::new();
    for (index, (line, origin)) in lines.iter().zip(1_u32..).enumerate() {
        // Tax that comes to nothing in all is no tax line: its parts stand by themselves.
        if hosts[index].is_some_and(|host| under(host).is_some_and(|tax| tax.amount.minor != 0)) {
            continue;
        }
        let (quantity, unit) = pieces(line);
        let accounts = BTreeMap::from([(line.account.clone(), line.amount.minor)]);
        let tax = under(index).filter(|tax| tax.amount.minor != 0);
        let description = line.description.clone();
        laid.push(Line { origin, description, quantity, unit, accounts, tax, credits: None });
    }
    laid
}

/// The line that a tax line goes under.
fn host(lines: &[DocumentLine], tax: &DocumentLine, taxed: bool) -> Option<usize> {
    if !taxed || tax.class != LineClass::Tax {
        return None;
    }
    let ordinary = |line: &DocumentLine| line.class == LineClass::Revenue;
    let of_item = |line: &DocumentLine| tax.order_item.is_some() && line.order_item == tax.order_item;
    let of_product = |line: &DocumentLine| tax.sku.is_some() && line.sku == tax.sku;
    lines
        .iter()
        .position(|line| ordinary(line) && of_item(line))
        .or_else(|| lines.iter().position(|line| ordinary(line) && of_product(line)))
}

fn sum<'a>(lines: impl Iterator<Item = (&'a DocumentLine, u32)>) -> Option<Tax> {
    let mut sum: Option<Tax> = None;
    for (line, origin) in lines {
        let nothing = || Tax { origin, amount: Money::zero(line.amount.currency), accounts: Accounts::new() };
        let tax = sum.get_or_insert_with(nothing);
        tax.amount.minor += line.amount.minor;
        *tax.accounts.entry(line.account.clone()).or_default() += line.amount.minor;
    }
    sum
}

/// Pieces where the amount divides evenly, else one piece: the amount is what must be right.
fn pieces(line: &DocumentLine) -> (i64, Money) {
    let pieces = i64::from(line.quantity.max(1));
    if line.amount.minor % pieces == 0 {
        (pieces, Money::new(line.amount.minor / pieces, line.amount.currency))
    } else {
        (1, line.amount)
    }
}

/// What one product gives back in all.
struct Returned {
    line: Line,
    tax: Option<Tax>,
}

impl Returned {
    /// Nothing yet, called after a line.
    fn new(line: &DocumentLine, origin: u32) -> Self {
        Self {
            line: Line {
                origin,
                description: line.description.clone(),
                quantity: 1,
                unit: Money::zero(line.amount.currency),
                accounts: Accounts::new(),
                tax: None,
                credits: None,
            },
            tax: None,
        }
    }

    fn add(&mut self, line: &DocumentLine, origin: u32, as_tax: bool) {
        let (amount, accounts) = if as_tax {
            let nothing = Money::zero(line.amount.currency);
            let new = || Tax { origin, amount: nothing, accounts: Accounts::new() };
            let tax = self.tax.get_or_insert_with(new);
            (&mut tax.amount, &mut tax.accounts)
        } else {
            (&mut self.line.unit, &mut self.line.accounts)
        };
        amount.minor += line.amount.minor;
        *accounts.entry(line.account.clone()).or_default() += line.amount.minor;
    }

    /// The tax as a part of the line.
    fn folded(mut self) -> Line {
        if let Some(tax) = self.tax.take() {
            self.line.unit.minor += tax.amount.minor;
            add(&mut self.line.accounts, tax.accounts);
        }
        self.line
    }

    /// The tax below the line, where both come out negative as Fusion wants them; else as a part of it.
    fn laid(mut self) -> Line {
        let below = self.tax.as_ref().is_some_and(|tax| tax.amount.minor < 0) && self.line.unit.minor < 0;
        if !below {
            return self.folded();
        }
        self.line.tax = self.tax.take();
        self.line
    }
}

fn add(accounts: &mut Accounts, more: Accounts) {
    for (account, minor) in more {
        *accounts.entry(account).or_default() += minor;
    }
}

/// The lines of a credit memo. Quantities are positive and unit prices negative (Oracle, "Create an on-account credit
/// memo with lines"). There is one line for each line of the invoice that is credited, where those are known. A line that
/// gives something back to the seller (a discount that falls away) could not stand by itself: then there is one line
/// for each product, or one for all where a product by itself would not come out negative. What nets to nothing on every
/// account is left out.
///
/// # Errors
/// It credits nothing.
pub(crate) fn credit_memo(
    lines: &[DocumentLine],
    credits: Option<&CreditedLines>,
    taxed: bool,
    total: Money,
) -> Result<Vec<Line>, String> {
    if total.minor >= 0 {
        return Err(format!("FUS-CREDIT: a credit memo over {total} credits nothing"));
    }
    if let Some(laid) = credits.and_then(|credits| by_credited_line(lines, credits, taxed)) {
        return Ok(laid);
    }
    let by_product: Vec<Line> =
        returned(lines, taxed, true).into_iter().map(Returned::laid).filter(moves).collect();
    if by_product.iter().all(|line| line.unit.minor < 0) {
        return Ok(by_product);
    }
    Ok(returned(lines, false, false).into_iter().map(Returned::folded).collect())
}

/// Whether a line says anything.
fn moves(line: &Line) -> bool {
    line.accounts.values().any(|minor| *minor != 0) || line.tax.is_some()
}

/// One line for each line of the invoice that is credited; tax goes with the first line of its product. `None` where one
/// would not be negative, or tax has no line that it could go with.
fn by_credited_line(lines: &[DocumentLine], credits: &CreditedLines, taxed: bool) -> Option<Vec<Line>> {
    if lines.len() != credits.lines.len() {
        return None;
    }
    let is_tax = |line: &DocumentLine| taxed && line.class == LineClass::Tax;
    let mut found = BTreeMap::<u32, (Option<&str>, Returned)>::new();
    for ((line, target), origin) in lines.iter().zip(&credits.lines).zip(1_u32..) {
        if !is_tax(line) {
            let sku = line.sku.as_ref().map(|sku| sku.as_str());
            let (_, group) = found.entry(*target).or_insert_with(|| (sku, Returned::new(line, origin)));
            group.add(line, origin, false);
        }
    }
    for (line, origin) in lines.iter().zip(1_u32..).filter(|(line, _)| is_tax(line)) {
        let own = line.sku.as_ref().map(|sku| sku.as_str());
        let (_, group) = found.values_mut().find(|(sku, _)| *sku == own)?;
        group.add(line, origin, true);
    }
    let laid: Vec<Line> = found
        .into_iter()
        .map(|(target, (_, group))| {
            let tax = group.tax.filter(|tax| tax.accounts.values().any(|minor| *minor != 0));
            Line { tax, credits: Some(target), ..group.line }
        })
        .filter(moves)
        .collect();
    let negative =
        |line: &Line| line.unit.minor < 0 && line.tax.as_ref().is_none_or(|tax| tax.amount.minor < 0);
    (!laid.is_empty() && laid.iter().all(negative)).then_some(laid)
}

fn returned(lines: &[DocumentLine], taxed: bool, by_product: bool) -> Vec<Returned> {
    let mut found = BTreeMap::<Option<&str>, Returned>::new();
    for (line, origin) in lines.iter().zip(1_u32..) {
        let product = line.sku.as_ref().map(|sku| sku.as_str()).filter(|_| by_product);
        let group = found.entry(product).or_insert_with(|| Returned::new(line, origin));
        group.add(line, origin, taxed && line.class == LineClass::Tax);
    }
    found.into_values().collect()
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use ml_connector_domain::Currency;
    use proptest::prelude::*;

    /// A line of a test: product, minor units, account, class.
    pub(crate) fn line(sku: &str, minor: i64, account: &str, class: LineClass) -> DocumentLine {
        DocumentLine {
            description: format!("{class:?} {sku}"),
            amount: Money::new(minor, Currency::USD),
            quantity: 2,
            account: account.to_owned(),
            sku: Some(sku.into()),
            order_item: Some(format!("item {sku}").as_str().into()),
            rule: "r".to_owned(),
            class,
        }
    }

    #[test]
    fn tax_goes_under_its_items_line_and_without_one_stays_a_line() {
        let lines = [
            line("A", 1_000, "rev", LineClass::Revenue),
            line("A", 300, "ship", LineClass::Revenue),
            line("A", 95, "tax", LineClass::Tax),
            line("A", 5, "county", LineClass::Tax),
            line("B", 7, "tax", LineClass::Tax),
        ];
        let laid = invoice(&lines, true);
        let tax = laid[0].tax.clone().expect("tax");
        assert_eq!((tax.origin, tax.amount.minor, tax.accounts.len()), (3, 100, 2));
        let rest: Vec<(u32, i64, bool)> =
            laid[1..].iter().map(|line| (line.origin, line.amount().minor, line.tax.is_some())).collect();
        assert_eq!(rest, [(2, 300, false), (5, 7, false)]);
        assert_eq!(invoice(&lines, false).len(), lines.len(), "elsewhere every line stands by itself");
    }

    #[test]
    fn a_discount_that_falls_away_is_netted_and_a_refund_of_tax_alone_is_an_ordinary_line() {
        let lines = [
            line("A", -1_000, "rev", LineClass::Revenue),
            line("A", 100, "discount", LineClass::Revenue),
            line("A", -90, "tax", LineClass::Tax),
            line("B", -7, "tax", LineClass::Tax),
        ];
        let laid = credit_memo(&lines, None, true, Money::new(-997, Currency::USD)).expect("lines");
        assert_eq!(laid.len(), 2);
        assert_eq!((laid[0].unit.minor, laid[0].tax.as_ref().map(|tax| tax.amount.minor)), (-900, Some(-90)));
        assert_eq!((laid[1].unit.minor, laid[1].tax.is_none()), (-7, true));
    }

    fn any_lines() -> impl Strategy<Value = Vec<DocumentLine>> {
        let class = prop_oneof![Just(LineClass::Revenue), Just(LineClass::Tax)];
        let line =
            (0..4_usize, -5_000..9_000_i64, 0..4_usize, class).prop_map(|(sku, minor, account, class)| {
                line(["A", "B", "C", "D"][sku], minor, ["1", "2", "3", "4"][account], class)
            });
        prop::collection::vec(line, 1..24)
    }

    fn by_account(lines: &[DocumentLine]) -> Accounts {
        let mut sums = Accounts::new();
        lines.iter().for_each(|line| *sums.entry(line.account.clone()).or_default() += line.amount.minor);
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    fn laid_by_account(laid: &[Line]) -> Accounts {
        let mut sums = Accounts::new();
        for line in laid {
            assert_eq!(
                line.accounts.values().sum::<i64>(),
                line.amount().minor,
                "a line sums to its accounts"
            );
            add(&mut sums, line.accounts.clone());
            if let Some(tax) = &line.tax {
                assert_eq!(tax.accounts.values().sum::<i64>(), tax.amount.minor, "tax sums to its accounts");
                add(&mut sums, tax.accounts.clone());
            }
        }
        sums.retain(|_, minor| *minor != 0);
        sums
    }

    proptest! {
        #[test]
        fn an_invoice_keeps_every_cent_on_its_account(lines in any_lines(), taxed: bool) {
            prop_assert_eq!(laid_by_account(&invoice(&lines, taxed)), by_account(&lines));
        }

        #[test]
        fn a_credit_memos_lines_are_negative_and_keep_every_cent(
            lines in any_lines(), taxed: bool, targets in prop::option::of(prop::collection::vec(1..6_u32, 24)),
        ) {
            let total: i64 = lines.iter().map(|line| line.amount.minor).sum();
            let credits = targets.map(|mut targets| {
                targets.truncate(lines.len());
                CreditedLines { invoice: ml_connector_domain::DocumentKey::from_stored("I"), lines: targets }
            });
            match credit_memo(&lines, credits.as_ref(), taxed, Money::new(total, Currency::USD)) {
                Err(_) => prop_assert!(total >= 0),
                Ok(laid) => {
                    prop_assert!(laid.iter().all(|line| line.unit.minor < 0 && line.quantity == 1));
                    prop_assert!(laid.iter().flat_map(|line| &line.tax).all(|tax| tax.amount.minor < 0));
                    prop_assert_eq!(laid_by_account(&laid), by_account(&lines));
                }
            }
        }
    }
}
