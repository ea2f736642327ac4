//! Mappers: what comes in, what runs beside, and what maps.

use axum::http::StatusCode;
use ml_connector_domain::SellerId;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::versions::life;
use ml_connector_storage::VersionRow;

use super::catalogs::CONFIGURED;
use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::Problem;
use crate::shapes::{self, time};
use crate::state::{Api, Served};

async fn own(api: &Api, served: &Served) -> Result<Vec<VersionRow>, Problem> {
    let mut rows = api.store.mapper_versions().await?;
    rows.retain(|row| row.seller == served.seller.id);
    Ok(rows)
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, page) = (call.seller(api)?, Page::of(call)?);
    let (rows, next) = page.of_all(own(api, served).await?, |row| row.digest.as_str().to_owned())?;
    let pointer = api.store.mapper_pointer(&served.seller.id).await?;
    let row = |row: VersionRow| shapes::MapperRow {
        digest: row.digest.as_str().to_owned(),
        name: row.name,
        version: row.version,
        author: row.author,
        state: row.state,
        why: row.why,
        changed_at: time(row.changed_at),
    };
    Answer::ok(&shapes::Mappers {
        active: pointer.active.map(|digest| digest.as_str().to_owned()),
        shadow: pointer.shadow.map(|digest| digest.as_str().to_owned()),
        items: rows.into_iter().map(row).collect(),
        next,
    })
}

pub(super) async fn upload(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let signatures = call.signature.iter().cloned().collect();
    let who = call.caller()?.who();
    let kept = api.actions.admit(&served.seller.id, call.body.to_vec(), signatures, &who).await?;
    let body = shapes::AdmittedMapper {
        digest: kept.digest.as_str().to_owned(),
        why: kept.why,
        fixtures: kept.fixtures,
    };
    Answer::of(StatusCode::CREATED, &body)
}

/// The seller's version that the path names; `none` is what stands for no version.
async fn version(
    api: &Api,
    call: &Call,
    served: &Served,
    none: &str,
) -> Result<Option<ContentHash>, Problem> {
    let wanted = call.part("digest");
    if wanted == none {
        return Ok(None);
    }
    // Components are kept by their digests for all tenants: what is another's is not there.
    let known = own(api, served).await?.iter().any(|row| row.digest.as_str() == wanted);
    known.then(|| Some(ContentHash::from_stored(wanted))).ok_or_else(Problem::not_found)
}

fn decides(seller: &SellerId, version: String) -> Result<Answer, Problem> {
    Answer::ok(&shapes::Decides { seller: seller.as_str().to_owned(), version })
}

pub(super) async fn shadow(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let digest = version(api, call, served, "none").await?;
    let (seller, who) = (&served.seller.id, call.caller()?.who());
    if digest.is_some() {
        api.actions.may_map(seller, digest.as_ref()).await?;
    }
    decides(seller, life::shadow(&*api.store, seller, digest, (&who, api.clock.now())).await?)
}

pub(super) async fn activate(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let digest = version(api, call, served, CONFIGURED).await?;
    let seller = &served.seller.id;
    api.actions.may_map(seller, digest.as_ref()).await?;
    let why = format!("activated by {}", call.caller()?.who());
    decides(seller, life::activate(&*api.store, seller, digest, (why, api.clock.now())).await?)
}

pub(super) async fn roll_back(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let seller = &call.seller(api)?.seller.id;
    let pointer = api.store.mapper_pointer(seller).await?;
    api.actions.may_map(seller, life::before(seller, &pointer)?.as_ref()).await?;
    let who = call.caller()?.who();
    decides(seller, life::roll_back(&*api.store, seller, (&who, api.clock.now())).await?)
}
