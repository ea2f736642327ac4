//! Refunds: a credit memo for what a buyer got back, as far as the order's receivable allows.

use ml_connector_domain::audit::Action;
use ml_connector_domain::canonical::{Order, Transaction};
use ml_connector_domain::document::{Body, Credit, CreditedLines, Document, Kind};
use ml_connector_domain::mapping::{CreditMemoOutcome, DocumentLine, Reason};
use ml_connector_domain::validate::{self, Expectation};
use ml_connector_domain::{DocumentKey, Money, OrderId};
use ml_connector_storage::Change;

use super::transactions::{Judge, ORDER_PATIENCE};
use super::{ToReview, origin};
use crate::invoices::{invoices_of, refunds, taken_back};
use crate::{StageError, audit, kind, leg, stage, stored};

/// What a refund's order allows.
enum Refundable {
    /// Its receivable exists, over this much.
    Yes(Money),
    /// It has not been decided yet.
    NotYet,
    /// It never will be, and why.
    No(Reason),
}

impl Judge<'_> {
    /// A credit memo that was planned before its refund changed stands as it is: a person is told by how much it is off.
    async fn credited_otherwise(
        &self,
        review: &ToReview<'_>,
        memo: &DocumentKey,
        now: &CreditMemoOutcome,
    ) -> Result<Vec<Change>, StageError> {
        let CreditMemoOutcome::CreditMemo { lines, .. } = now else { return Ok(Vec::new()) };
        let Some(planned) = self.parts.store.document(memo).await? else { return Ok(Vec::new()) };
        let currency = planned.document.currency;
        let (before, now) =
            (planned.document.total()?, Money::sum(currency, lines.iter().map(|line| line.amount))?);
        if before == now {
            return Ok(Vec::new());
        }
        let message =
            format!("the refund changed after {memo} was planned over {before}: it comes to {now} now");
        review.once(self.parts, &[Reason::new("changed-after-credit-memo", memo.as_str(), message)]).await
    }

    /// The changes for a refund's credit memo; `None` while its order has not been decided.
    pub(super) async fn refund(
        &mut self,
        transaction: &Transaction,
        credit_memo: CreditMemoOutcome,
    ) -> Result<Option<Vec<Change>>, StageError> {
        let refund = transaction.economic_id();
        let before = self.parts.store.recognized_by(&self.seller.id, refund.as_str(), leg::REFUND).await?;
        let review = ToReview {
            seller: self.seller,
            kind: kind::REFUND,
            subject: refund.as_str(),
            at_stake: Some(transaction.total),
            now: self.now,
        };
        if let Some(memo) = before {
            return self.credited_otherwise(&review, &memo, &credit_memo).await.map(Some);
        }
        let (order, lines) = match credit_memo {
            CreditMemoOutcome::Review(reasons) => return Ok(Some(review.because(&reasons))),
            CreditMemoOutcome::CreditMemo { order, lines } => (order, lines),
        };
        let limit = match self.refundable(transaction, &order).await? {
            Refundable::NotYet => return Ok(None),
            Refundable::No(reason) => return Ok(Some(review.because(&[reason]))),
            Refundable::Yes(limit) => limit,
        };
        let mut document = self.credit_memo(transaction, &order, lines).await?;
        let moved = self.facts.place(&mut document);
        let total = document.total()?;
        let mut violations =
            validate::document(&document, &Expectation::Total(total), &self.facts.at(document.date));
        let before = self.credited_before(&order).await?;
        if total.currency != limit.currency || total.minor >= 0 || before - total.minor > limit.minor {
            let before = Money::new(before, limit.currency);
            let message = format!(
                "a credit memo over {total} does not fit an order over {limit} of which {before} were credited before"
            );
            violations.push(Reason::new("refund-exceeds-order", order.as_str(), message));
        }
        if !violations.is_empty() {
            return Ok(Some(review.because(&violations)));
        }
        *self.credited.entry(order.clone()).or_default() -= total.minor;
        let detail = format!(
            "credit memo {} over {total} for order {order} dated {}{moved}",
            document.key, document.date
        );
        Ok(Some(vec![
            review.resolved(),
            audit(self.now, &self.seller.id, order.as_str(), Action::Planned, detail.clone()),
            audit(self.now, &self.seller.id, transaction.id.as_str(), Action::Planned, detail),
            Change::Plan {
                document: Box::new(document),
                expected: total,
                recognizes: vec![(refund.as_str().to_owned(), leg::REFUND)],
                at: self.now,
            },
        ]))
    }

    /// What refunds of an order have credited so far, in minor units.
    async fn credited_before(&self, order: &OrderId) -> Result<i64, StageError> {
        let stored = refunds(self.parts, self.seller, order).await?;
        let stored: i64 = stored.iter().map(|memo| -memo.expected.minor).sum();
        Ok(stored + self.credited.get(order).copied().unwrap_or(0))
    }

    async fn refundable(&self, transaction: &Transaction, order: &OrderId) -> Result<Refundable, StageError> {
        let store = &self.parts.store;
        let no = |code, message: &str| Refundable::No(Reason::new(code, order.as_str(), message));
        if let Some((invoice, memo)) = taken_back(self.parts, self.seller, order).await? {
            let words = format!(
                "credit memo {memo} took invoice {invoice} back whole: the refund is credited with it"
            );
            return Ok(no("invoice-taken-back", &words));
        }
        let newest = store.newest(&self.seller.id, kind::ORDER, order.as_str()).await?;
        let recognized = store.recognized_by(&self.seller.id, order.as_str(), leg::RECEIVABLE).await?;
        let overdue = self.now.duration_since(transaction.posted) > ORDER_PATIENCE;
        Ok(match (newest, recognized) {
            (Some(newest), Some(_)) => match stored::<Order>("order", &newest.record)?.total {
                Some(total) => Refundable::Yes(total),
                None => no("no-total", "Amazon states no total for the refunded order"),
            },
            (Some(newest), None) if newest.stage == stage::REVIEW => {
                no("order-in-review", "the refunded order is in review: settle that first")
            }
            (Some(newest), None) if newest.stage == stage::HISTORY => no(
                "order-before-start",
                "the refunded order is from before these books begin: take it back where it was booked",
            ),
            (Some(newest), None) if newest.stage == stage::SKIPPED => no(
                "order-not-invoiced",
                "the refunded order was not invoiced, so there is nothing to take back",
            ),
            _ if overdue => {
                no("order-unknown", "the refunded order has not been read, or not shipped, for a week")
            }
            _ => Refundable::NotYet,
        })
    }

    async fn credit_memo(
        &self,
        transaction: &Transaction,
        order: &OrderId,
        lines: Vec<DocumentLine>,
    ) -> Result<Document, StageError> {
        let refund = transaction.economic_id().clone();
        let invoices = invoices_of(self.parts, self.seller, order).await?;
        let credits = invoices.iter().find_map(|invoice| match &invoice.document.body {
            Body::Invoice { lines: of, .. } => CreditedLines::find(&invoice.document.key, of, &lines),
            _ => None,
        });
        Ok(Document {
            key: DocumentKey::derive(Kind::CreditMemo.letter(), &self.seller.id, refund.as_str(), 0),
            seller: self.seller.id.clone(),
            revision: 0,
            date: self.seller.day(transaction.posted),
            moved_from: None,
            currency: transaction.total.currency,
            body: Body::CreditMemo {
                order: order.clone(),
                cause: Credit::Refund { refund },
                marketplace: transaction.marketplace.clone().unwrap_or_else(|| "".into()),
                lines,
                credits,
            },
            origin: origin(self.parts, self.seller, self.input),
        })
    }
}
