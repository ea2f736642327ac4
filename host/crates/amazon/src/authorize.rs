//! Website authorisation: where a seller is sent, and what comes back (Amazon, "Website authorization workflow").

use ml_connector_domain::Region;
use secrecy::SecretString;

/// Seller Central by country (Amazon, "Seller Central URLs").
const SELLER_CENTRAL: [(&str, Region, &str); 16] = [
    ("US", Region::Na, "sellercentral.amazon.com"),
    ("CA", Region::Na, "sellercentral.amazon.ca"),
    ("MX", Region::Na, "sellercentral.amazon.com.mx"),
    ("BR", Region::Na, "sellercentral.amazon.com.br"),
    ("GB", Region::Eu, "sellercentral-europe.amazon.com"),
    ("DE", Region::Eu, "sellercentral-europe.amazon.com"),
    ("FR", Region::Eu, "sellercentral-europe.amazon.com"),
    ("NL", Region::Eu, "sellercentral.amazon.nl"),
    ("SE", Region::Eu, "sellercentral.amazon.se"),
    ("PL", Region::Eu, "sellercentral.amazon.pl"),
    ("TR", Region::Eu, "sellercentral.amazon.com.tr"),
    ("AE", Region::Eu, "sellercentral.amazon.ae"),
    ("IN", Region::Eu, "sellercentral.amazon.in"),
    ("SG", Region::Fe, "sellercentral.amazon.sg"),
    ("AU", Region::Fe, "sellercentral.amazon.com.au"),
    ("JP", Region::Fe, "sellercentral.amazon.co.jp"),
];

/// What a seller's browser is sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent<'a> {
    /// The application's id: `amzn1.sellerapps.app.…`, which is not its client id.
    pub application_id: &'a str,
    /// Where the seller's account is.
    pub region: Region,
    /// Country of the seller's account; without it the region's first.
    pub country: Option<&'a str>,
    /// Comes back unchanged: a random text that only this seller's browser was given.
    pub state: &'a str,
    /// One of the addresses that the application has registered.
    pub redirect_uri: &'a str,
    /// Whether the application is a draft: without this, Amazon shows error MD1000 for one.
    pub draft: bool,
}

impl Consent<'_> {
    /// The address of Amazon's consent page.
    ///
    /// # Errors
    /// The country is not one of the region's.
    pub fn url(&self) -> Result<String, String> {
        let in_region = |(_, region, _): &&(&str, Region, &str)| *region == self.region;
        let known: Vec<&str> = SELLER_CENTRAL.iter().filter(in_region).map(|(name, _, _)| *name).collect();
        let country = self.country.or(known.first().copied()).unwrap_or_default();
        let host = SELLER_CENTRAL.iter().filter(in_region).find(|(name, _, _)| *name == country);
        let (_, _, host) = host.ok_or_else(|| {
            let (region, known) = (self.region, known.join(", "));
            format!("AUT-COUNTRY: {country} has no Seller Central in {region}: write one of {known}")
        })?;
        let mut pairs = vec![
            ("application_id", self.application_id),
            ("state", self.state),
            ("redirect_uri", self.redirect_uri),
        ];
        pairs.extend(self.draft.then_some(("version", "beta")));
        let query = ml_connector_remote::http::encoded(&pairs);
        Ok(format!("https://{host}/apps/authorize/consent?{query}"))
    }
}

/// What Amazon appended to the redirect address.
#[derive(Debug, Clone)]
pub struct Callback {
    /// To be compared with what was sent.
    pub state: String,
    /// The seller's merchant token.
    pub selling_partner_id: String,
    /// Good for one exchange within five minutes.
    pub code: SecretString,
}

impl Callback {
    /// Reads the address that the seller's browser was sent back to.
    ///
    /// # Errors
    /// A parameter is missing; Amazon sends none of them if the seller declined.
    pub fn parse(address: &str) -> Result<Self, String> {
        let pairs = ml_connector_remote::http::query_of(address);
        let get = |name: &str| {
            let value = pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value.clone());
            value
                .filter(|value| !value.is_empty())
                .ok_or_else(|| format!("AUT-CALLBACK: the address has no {name}: did the seller decline?"))
        };
        Ok(Self {
            state: get("state")?,
            selling_partner_id: get("selling_partner_id")?,
            code: get("spapi_oauth_code")?.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret as _;

    fn consent(region: Region, country: Option<&'static str>) -> Consent<'static> {
        let (application_id, state) = ("amzn1.sellerapps.app.1", "s+/=");
        let redirect_uri = "https://books.example/amazon?x=1";
        Consent { application_id, region, country, state, redirect_uri, draft: true }
    }

    #[test]
    fn the_seller_is_sent_to_their_own_seller_central() {
        let url = consent(Region::Fe, Some("JP")).url().expect("a country of the region");
        assert!(url.starts_with("https://sellercentral.amazon.co.jp/apps/authorize/consent?"), "{url}");
        assert!(url.contains("state=s%2B%2F%3D") && url.ends_with("version=beta"), "{url}");
        assert!(consent(Region::Na, None).url().expect("the first").contains("sellercentral.amazon.com/"));
        let refused = consent(Region::Eu, Some("US")).url().expect_err("another region");
        assert!(refused.starts_with("AUT-COUNTRY"), "{refused}");
    }

    #[test]
    fn what_comes_back_is_read_and_the_code_is_not_shown() {
        let address = "https://books.example/amazon?x=1&state=s%2B&selling_partner_id=A3F&mws_auth_token=old&spapi_oauth_code=RHcode";
        let callback = Callback::parse(address).expect("complete");
        assert_eq!((callback.state.as_str(), callback.selling_partner_id.as_str()), ("s+", "A3F"));
        assert_eq!(callback.code.expose_secret(), "RHcode");
        assert!(!format!("{callback:?}").contains("RHcode"));
        assert!(Callback::parse("https://books.example/amazon?state=s").is_err());
    }
}
