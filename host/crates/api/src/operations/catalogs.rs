//! Catalogs: versions of the files that say which accounts a product's money goes to.

use axum::http::StatusCode;
use ml_connector_domain::id::ContentHash;
use ml_connector_pipeline::catalog_file;
use ml_connector_pipeline::catalogs::{self, NewVersion};
use ml_connector_storage::CatalogRow;

use crate::call::{Answer, Call};
use crate::paging::Page;
use crate::problem::{Kind, Problem};
use crate::shapes::{self, time};
use crate::state::{Api, Served};

/// The configuration's file, in a path.
pub(super) const CONFIGURED: &str = "configured";
/// Characters of a file's name.
const FILE_CHARS_MAX: usize = 200;

async fn own(api: &Api, served: &Served) -> Result<Vec<CatalogRow>, Problem> {
    let mut rows = api.store.catalog_versions().await?;
    rows.retain(|row| row.seller == served.seller.id);
    Ok(rows)
}

pub(super) async fn list(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, page) = (call.seller(api)?, Page::of(call)?);
    let (rows, next) = page.of_all(own(api, served).await?, |row| row.hash.as_str().to_owned())?;
    let pointer = api.store.catalog_pointer(&served.seller.id).await?;
    let row = |row: CatalogRow| shapes::CatalogRow {
        hash: row.hash.as_str().to_owned(),
        file: row.file,
        why: row.why,
        at: time(row.at),
    };
    Answer::ok(&shapes::Catalogs {
        active: pointer.active.map(|hash| hash.as_str().to_owned()),
        items: rows.into_iter().map(row).collect(),
        next,
    })
}

pub(super) async fn import(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let served = call.seller(api)?;
    let activate = call.asked::<bool>("activate")?.unwrap_or(false);
    let file: String = call.asked("file")?.unwrap_or_else(|| "uploaded.csv".to_owned());
    if file.is_empty() || file.chars().count() > FILE_CHARS_MAX || file.chars().any(char::is_control) {
        return Err(Problem::new(Kind::Malformed, "file: write a file's name"));
    }
    let text = String::from_utf8(call.body.to_vec())
        .map_err(|error| Problem::new(Kind::Refused, format!("CAT-FILE: {error}")))?;
    let catalog = catalog_file::parse(&file, &text).map_err(|errors| {
        let words: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Problem::new(Kind::Refused, words.join("\n"))
    })?;
    let (rules, who, at) = (catalog.rules.len(), call.caller()?.who(), api.clock.now());
    let seller = &served.seller.id;
    let new = NewVersion { seller, file: &file, text, catalog, who: &who, at };
    let hash = catalogs::keep(&*api.store, new).await?;
    if activate {
        catalogs::point(&*api.store, seller, Some(hash.clone()), (&who, at)).await?;
    }
    let body = shapes::ImportedCatalog { hash: hash.as_str().to_owned(), rules, active: activate };
    Answer::of(StatusCode::CREATED, &body)
}

pub(super) async fn activate(api: &Api, call: &Call) -> Result<Answer, Problem> {
    let (served, wanted) = (call.seller(api)?, call.part("hash"));
    let hash = match wanted {
        CONFIGURED => None,
        _ if own(api, served).await?.iter().any(|row| row.hash.as_str() == wanted) => {
            Some(ContentHash::from_stored(wanted))
        }
        _ => return Err(Problem::not_found()),
    };
    let (seller, who) = (&served.seller.id, call.caller()?.who());
    let version = catalogs::point(&*api.store, seller, hash, (&who, api.clock.now())).await?;
    Answer::ok(&shapes::Decides { seller: seller.as_str().to_owned(), version })
}
