//! Sellers: how each stands, who rests, and their credentials.

use ml_connector_domain::{Region, SellerId};
use ml_connector_pipeline::pause;
use ml_connector_storage::SellerPause;
use secrecy::ExposeSecret as _;

use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::{Api, Served};

/// What a credential of a seller is called, before its region.
const REFRESH_TOKEN: &str = "amazon-refresh-token-";

fn paused(pause: Option<SellerPause>) -> Option<shapes::Pause> {
    pause.map(|pause| shapes::Pause { since: time(pause.since), by: pause.by })
}

async fn row(api: &Api, served: &Served) -> Result<shapes::SellerRow, Problem> {
    let seller = &served.seller;
    Ok(shapes::SellerRow {
        seller: seller.id.as_str().to_owned(),
        name: seller.name.clone(),
        regions: seller.regions.iter().map(|region| region.as_str().to_owned()).collect(),
        paused: paused(api.store.seller_pause(&seller.id).await?),
    })
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (page, caller) = (Page::of(call)?, call.caller()?);
    let seen: Vec<&Served> = api.sellers.iter().filter(|served| caller.sees(served)).collect();
    let (shown, next) = page.of_all(seen, |served| served.seller.id.as_str().to_owned())?;
    let mut items = Vec::new();
    for served in shown {
        items.push(row(api, served).await?);
    }
    Answer::ok(&shapes::Sellers { items, next })
}

pub(super) async fn standing(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let (id, now) = (&served.seller.id, api.clock.now());
    let streams = api.store.stream_states(Some(id)).await?;
    let streams = streams.into_iter().map(|stream| shapes::Stream {
        region: stream.region.as_str().to_owned(),
        stream: stream.stream,
        read_up_to: time(stream.position),
        lag_seconds: now.duration_since(stream.position).as_secs(),
        asked_at: time(stream.polled_at),
        last_new: stream.read_at.map(time),
    });
    let counts = api.store.posting_counts().await?.into_iter().filter(|row| row.seller == *id);
    let reviews = api.store.seller_reviews().await?.into_iter().filter(|row| row.seller == *id);
    let oldest = api.store.oldest_unposted().await?.into_iter().find(|(own, _)| own == id);
    Answer::ok(&shapes::Standing {
        seller: row(api, served).await?,
        streams: streams.collect(),
        documents: counts.map(|row| (row.what, row.count)).collect(),
        oldest_unposted: oldest.map(|(_, at)| time(at)),
        review: reviews
            .map(|row| shapes::ReviewSum {
                kind: row.kind,
                code: row.code,
                count: row.count,
                at_stake: row.at_stake.map(Into::into),
                oldest: time(row.oldest),
            })
            .collect(),
    })
}

fn resting(seller: &SellerId, pause: Option<SellerPause>) -> Result<Answer, Problem> {
    Answer::ok(&shapes::Resting { seller: seller.as_str().to_owned(), paused: paused(pause) })
}

pub(super) async fn pause(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let id = &call.seller(api)?.seller.id;
    let pause = pause::pause(&*api.store, id, (&call.caller()?.who(), api.clock.now())).await?;
    resting(id, Some(pause))
}

pub(super) async fn resume(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let id = &call.seller(api)?.seller.id;
    pause::resume(&*api.store, id, (&call.caller()?.who(), api.clock.now())).await?;
    resting(id, None)
}

/// The region of a credential that a seller of this daemon has; of another there is nothing.
fn region(served: &Served, kind: &str) -> Result<Region, Problem> {
    let region = kind.strip_prefix(REFRESH_TOKEN).and_then(|text| text.parse::<Region>().ok());
    region.filter(|region| served.seller.regions.contains(region)).ok_or_else(Problem::not_found)
}

pub(super) async fn set_credential(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let kind = call.part("kind");
    let region = region(served, kind)?;
    // What is wrong with the body is not said in serde's words: they quote it.
    let new: shapes::NewCredential = call
        .json()
        .map_err(|_| Problem::new(Kind::Invalid, "send {\"secret\": \"...\"} and nothing else"))?;
    if new.secret.expose_secret().trim().is_empty() {
        return Err(Problem::new(Kind::Invalid, "the secret is empty"));
    }
    let who = call.caller()?.who();
    let set_at = api.actions.seal_refresh_token(&served.seller.id, region, new.secret, &who).await?;
    Answer::ok(&shapes::SealedAt { kind: kind.to_owned(), set_at: time(set_at) })
}
