//! What each operation does.

mod api_keys;
mod books;
mod catalogs;
mod documents;
mod mappers;
mod review;
mod sellers;

use crate::call::{Answer, Call};
use crate::problem::{Kind, Problem};
use crate::routes::Operation;
use crate::state::Api;
use crate::{figures, health, openapi};

/// Does what a request asks.
pub(crate) async fn act(api: &Api, call: &Call) -> Result<Answer, Problem> {
    match call.route.operation {
        Operation::Health => health::alive(api),
        Operation::Ready => health::ready(api).await,
        Operation::Metrics => metrics(api, call).await,
        Operation::OpenApi => Answer::ok(&openapi::document()),
        Operation::Sellers => sellers::list(api, call).await,
        Operation::Seller => sellers::standing(api, call).await,
        Operation::Pause => sellers::pause(api, call).await,
        Operation::Resume => sellers::resume(api, call).await,
        Operation::SetCredential => sellers::set_credential(api, call).await,
        Operation::Mappers => mappers::list(api, call).await,
        Operation::UploadMapper => mappers::upload(api, call).await,
        Operation::ShadowMapper => mappers::shadow(api, call).await,
        Operation::ActivateMapper => mappers::activate(api, call).await,
        Operation::RollBackMapper => mappers::roll_back(api, call).await,
        Operation::Catalogs => catalogs::list(api, call).await,
        Operation::ImportCatalog => catalogs::import(api, call).await,
        Operation::ActivateCatalog => catalogs::activate(api, call).await,
        Operation::Documents => documents::list(api, call).await,
        Operation::Document => documents::whole(api, call).await,
        Operation::Reviews => review::list(api, call).await,
        Operation::Review => review::whole(api, call).await,
        Operation::ResolveReview => review::resolve(api, call).await,
        Operation::DismissReview => review::dismiss(api, call).await,
        Operation::RetryReview => review::retry(api, call).await,
        Operation::Reconciliation => books::reconciliation(api, call).await,
        Operation::Audit => books::events(api, call).await,
        Operation::ApiKeys => api_keys::list(api, call).await,
        Operation::AddApiKey => api_keys::add(api, call).await,
        Operation::RevokeApiKey => api_keys::revoke(api, call).await,
    }
}

async fn metrics(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let caller = call.caller()?;
    let seen: Vec<_> = api.sellers.iter().filter(|served| caller.sees(served)).collect();
    let body = figures::text(api, Some(&seen)).await?;
    Ok(Answer { status: axum::http::StatusCode::OK, body, kept: None })
}

/// A part of the path that is a number; another is nothing that exists.
fn number(call: &Call, name: &str) -> Result<i64, Problem> {
    call.part(name).parse().map_err(|_| Problem::not_found())
}

/// A value as JSON.
fn value<T: serde::Serialize>(of: &T) -> Result<serde_json::Value, Problem> {
    serde_json::to_value(of)
        .map_err(|error| Problem::new(Kind::Failed, format!("an answer cannot be written: {error}")))
}
