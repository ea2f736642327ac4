//! Sellers v1.

use ml_connector_domain::canonical::Participation;
use serde::Deserialize;

#[derive(Deserialize)]
struct Participations {
    #[serde(default)]
    payload: Vec<WireParticipation>,
}

#[derive(Deserialize)]
struct WireParticipation {
    marketplace: Marketplace,
    participation: State,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Marketplace {
    id: String,
    name: String,
    country_code: String,
    default_currency_code: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct State {
    is_participating: bool,
    has_suspended_listings: bool,
}

/// getMarketplaceParticipations; it names pseudo-marketplaces, too, and never the seller.
pub(crate) fn participations(body: &[u8]) -> Result<Vec<Participation>, serde_json::Error> {
    let answer: Participations = serde_json::from_slice(body)?;
    let of = |wire: WireParticipation| Participation {
        marketplace: wire.marketplace.id.as_str().into(),
        name: wire.marketplace.name,
        country: wire.marketplace.country_code,
        currency: wire.marketplace.default_currency_code,
        participating: wire.participation.is_participating,
        suspended: wire.participation.has_suspended_listings,
    };
    Ok(answer.payload.into_iter().map(of).collect())
}
