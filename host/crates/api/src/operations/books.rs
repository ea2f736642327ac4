//! The books as a whole: a month tied out, and the audit log.

use ml_connector_audit::period::Period;
use ml_connector_domain::Money;
use ml_connector_pipeline::tie_out::{InReview, tie_out};
use ml_connector_storage::{SellerEvent, SellerReviews};

use super::value;
use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::Api;

pub(super) async fn reconciliation(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let period = call.asked::<Period>("period")?;
    let period = period.ok_or_else(|| Problem::new(Kind::Malformed, "period is needed, e.g. 2026-10"))?;
    let mut report = tie_out(&*api.store, &[served.now()], period).await?;
    // The report counts the review items of all sellers: a key is shown its own.
    let reviews = api.store.seller_reviews().await?;
    report.review = reviews.into_iter().filter(|row| row.seller == served.seller.id).map(in_review).collect();
    Answer::ok(&value(&report)?)
}

fn in_review(row: SellerReviews) -> InReview {
    InReview {
        kind: row.kind,
        code: row.code,
        subjects: row.count,
        currency: row.at_stake.map(|money| money.currency.code().to_owned()),
        at_stake: row.at_stake.map(Money::decimal),
        oldest: time(row.oldest),
    }
}

pub(super) fn event(row: SellerEvent) -> shapes::Event {
    let event = row.event;
    shapes::Event {
        id: event.id,
        at: time(event.at),
        subject: event.subject,
        action: event.action,
        detail: event.detail,
    }
}

pub(super) async fn events(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, page) = (call.seller(api)?, Page::of(call)?);
    let subject: Option<String> = call.asked("subject")?;
    let after = page.after_as::<i64>()?.unwrap_or(0);
    let own = std::slice::from_ref(&served.seller.id);
    let rows = api.store.events_page(own, subject.as_deref(), after, page.fetched()).await?;
    let (rows, next) = page.cut(rows, |row| row.event.id.to_string());
    Answer::ok(&shapes::Events { items: rows.into_iter().map(event).collect(), next })
}
