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
    /// The zone in which Amazon dates what sellers see; its interfaces tell UTC.
    pub zone: &'static str,
}

const fn of(
    region: Region,
    country: &'static str,
    id: &'static str,
    currency: &'static str,
    zone: &'static str,
) -> Marketplace {
    Marketplace { id, country, currency, region, zone }
}

/// All that Amazon lists.
pub const ALL: [Marketplace; 23] = [
    of(Region::Na, "US", "ATVPDKIKX0DER", "USD", "America/Los_Angeles"),
    of(Region::Na, "CA", "A2EUQ1WTGCTBG2", "CAD", "America/Los_Angeles"),
    of(Region::Na, "MX", "A1AM78C64UM0Y8", "MXN", "America/Mexico_City"),
    of(Region::Na, "BR", "A2Q3Y263D00KWC", "BRL", "America/Sao_Paulo"),
    of(Region::Eu, "IE", "A28R8C7NBKEWEA", "EUR", "Europe/Dublin"),
    of(Region::Eu, "ES", "A1RKKUPIHCS9HS", "EUR", "Europe/Madrid"),
    of(Region::Eu, "GB", "A1F83G8C2ARO7P", "GBP", "Europe/London"),
    of(Region::Eu, "FR", "A13V1IB3VIYZZH", "EUR", "Europe/Paris"),
    of(Region::Eu, "BE", "AMEN7PMS3EDWL", "EUR", "Europe/Brussels"),
    of(Region::Eu, "NL", "A1805IZSGTT6HS", "EUR", "Europe/Amsterdam"),
    of(Region::Eu, "DE", "A1PA6795UKMFR9", "EUR", "Europe/Berlin"),
    of(Region::Eu, "IT", "APJ6JRA9NG5V4", "EUR", "Europe/Rome"),
    of(Region::Eu, "SE", "A2NODRKZP88ZB9", "SEK", "Europe/Stockholm"),
    of(Region::Eu, "ZA", "AE08WJ6YKNBMC", "ZAR", "Africa/Johannesburg"),
    of(Region::Eu, "PL", "A1C3SOZRARQ6R3", "PLN", "Europe/Warsaw"),
    of(Region::Eu, "EG", "ARBP9OOSHTCHU", "EGP", "Africa/Cairo"),
    of(Region::Eu, "TR", "A33AVAJ2PDY3EV", "TRY", "Europe/Istanbul"),
    of(Region::Eu, "SA", "A17E79C6D8DWNP", "SAR", "Asia/Riyadh"),
    of(Region::Eu, "AE", "A2VIGQ35RCS4UG", "AED", "Asia/Dubai"),
    of(Region::Eu, "IN", "A21TJRUUN4KGV", "INR", "Asia/Kolkata"),
    of(Region::Fe, "SG", "A19VAU5U5O7RUS", "SGD", "Asia/Singapore"),
    of(Region::Fe, "AU", "A39IBJ37TRP1C6", "AUD", "Australia/Sydney"),
    of(Region::Fe, "JP", "A1VC38T7YXB528", "JPY", "Asia/Tokyo"),
];

/// The marketplace of an id, if it is one that Amazon lists.
pub fn find(id: &str) -> Option<&'static Marketplace> {
    ALL.iter().find(|marketplace| marketplace.id == id)
}

/// Marketplaces that Amazon lists among a seller's without being shops: orders there come from elsewhere and are only
/// fulfilled by Amazon, so there is no receivable, only fees. More exist than are listed here.
pub const PSEUDO: [(&str, &str); 5] = [
    ("A2ZV50J4W1RKNI", "Non-Amazon"),
    ("A1MQXOICRS2Z7M", "SI CA Prod Marketplace"),
    ("A38D8NSA03LJTC", "Non-Amazon DE"),
    ("AFQLKURYRPEL8", "Non-Amazon ES"),
    ("AT614YYYNOC1S", "Amazon.se"),
];

/// Whether a marketplace is known to be no shop, by its id or by the name that Amazon gives such.
pub fn is_pseudo(id: &str, name: &str) -> bool {
    let named = name.starts_with("Non-Amazon") || name.starts_with("SI ");
    named || PSEUDO.iter().any(|(pseudo, name)| *pseudo == id && !name.starts_with("Amazon."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_zones_exist() {
        for (n, marketplace) in ALL.iter().enumerate() {
            assert!(ALL[..n].iter().all(|other| other.id != marketplace.id), "{}", marketplace.id);
            assert!(jiff::tz::TimeZone::get(marketplace.zone).is_ok(), "{}", marketplace.zone);
            let region = ml_connector_domain::region::of_marketplace(marketplace.id);
            assert_eq!(region, Some(marketplace.region), "{}", marketplace.country);
        }
    }

    #[test]
    fn what_is_no_shop_is_told_by_id_or_name() {
        assert!(is_pseudo("A2ZV50J4W1RKNI", "") && is_pseudo("new", "SI Prod IT Marketplace"));
        assert!(!is_pseudo("ATVPDKIKX0DER", "Amazon.com") && !is_pseudo("AT614YYYNOC1S", "Amazon.se"));
    }
}
