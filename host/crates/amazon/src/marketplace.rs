//! Amazon's marketplaces (Amazon, "Marketplace IDs"). An open set: an id that is missing here is no error.

use ml_connector_domain::Region;

/// A marketplace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marketplace {
    /// Its id.
    pub id: &'static str,
    /// Country, ISO 3166.
    pub country: &'static str,
    /// Currency, ISO 4217.
    pub currency: &'static str,
    /// Region.
    pub region: Region,
}

const fn of(region: Region, country: &'static str, id: &'static str, currency: &'static str) -> Marketplace {
    Marketplace { id, country, currency, region }
}

/// All that Amazon lists.
pub const ALL: [Marketplace; 23] = [
    of(Region::Na, "US", "ATVPDKIKX0DER", "USD"),
    of(Region::Na, "CA", "A2EUQ1WTGCTBG2", "CAD"),
    of(Region::Na, "MX", "A1AM78C64UM0Y8", "MXN"),
    of(Region::Na, "BR", "A2Q3Y263D00KWC", "BRL"),
    of(Region::Eu, "IE", "A28R8C7NBKEWEA", "EUR"),
    of(Region::Eu, "ES", "A1RKKUPIHCS9HS", "EUR"),
    of(Region::Eu, "GB", "A1F83G8C2ARO7P", "GBP"),
    of(Region::Eu, "FR", "A13V1IB3VIYZZH", "EUR"),
    of(Region::Eu, "BE", "AMEN7PMS3EDWL", "EUR"),
    of(Region::Eu, "NL", "A1805IZSGTT6HS", "EUR"),
    of(Region::Eu, "DE", "A1PA6795UKMFR9", "EUR"),
    of(Region::Eu, "IT", "APJ6JRA9NG5V4", "EUR"),
    of(Region::Eu, "SE", "A2NODRKZP88ZB9", "SEK"),
    of(Region::Eu, "ZA", "AE08WJ6YKNBMC", "ZAR"),
    of(Region::Eu, "PL", "A1C3SOZRARQ6R3", "PLN"),
    of(Region::Eu, "EG", "ARBP9OOSHTCHU", "EGP"),
    of(Region::Eu, "TR", "A33AVAJ2PDY3EV", "TRY"),
    of(Region::Eu, "SA", "A17E79C6D8DWNP", "SAR"),
    of(Region::Eu, "AE", "A2VIGQ35RCS4UG", "AED"),
    of(Region::Eu, "IN", "A21TJRUUN4KGV", "INR"),
    of(Region::Fe, "SG", "A19VAU5U5O7RUS", "SGD"),
    of(Region::Fe, "AU", "A39IBJ37TRP1C6", "AUD"),
    of(Region::Fe, "JP", "A1VC38T7YXB528", "JPY"),
];

/// The marketplace of an id, if it is one that Amazon lists.
pub fn find(id: &str) -> Option<&'static Marketplace> {
    ALL.iter().find(|marketplace| marketplace.id == id)
}
