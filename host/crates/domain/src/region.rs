//! Amazon's regions and marketplaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Selling Partner API region. A seller authorises each one separately, and a token works only in its own.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Region {
    /// North America and Brazil.
    Na,
    /// Europe, India, the Middle East and Africa.
    Eu,
    /// The Far East and Australia.
    Fe,
}

impl Region {
    /// All regions.
    pub const ALL: [Self; 3] = [Self::Na, Self::Eu, Self::Fe];

    /// `na`, `eu` or `fe`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Na => "na",
            Self::Eu => "eu",
            Self::Fe => "fe",
        }
    }

    /// Production base URL (Amazon, "SP-API endpoints").
    pub fn endpoint(self) -> &'static str {
        match self {
            Self::Na => "https://sellingpartnerapi-na.amazon.com",
            Self::Eu => "https://sellingpartnerapi-eu.amazon.com",
            Self::Fe => "https://sellingpartnerapi-fe.amazon.com",
        }
    }
}

/// The marketplaces that Amazon lists, by region (Amazon, "Marketplace IDs"). An open set.
const MARKETPLACES: [(Region, &[&str]); 3] = [
    (Region::Na, &["ATVPDKIKX0DER", "A2EUQ1WTGCTBG2", "A1AM78C64UM0Y8", "A2Q3Y263D00KWC"]),
    (
        Region::Eu,
        &[
            "A28R8C7NBKEWEA",
            "A1RKKUPIHCS9HS",
            "A1F83G8C2ARO7P",
            "A13V1IB3VIYZZH",
            "AMEN7PMS3EDWL",
            "A1805IZSGTT6HS",
            "A1PA6795UKMFR9",
            "APJ6JRA9NG5V4",
            "A2NODRKZP88ZB9",
            "AE08WJ6YKNBMC",
            "A1C3SOZRARQ6R3",
            "ARBP9OOSHTCHU",
            "A33AVAJ2PDY3EV",
            "A17E79C6D8DWNP",
            "A2VIGQ35RCS4UG",
            "A21TJRUUN4KGV",
        ],
    ),
    (Region::Fe, &["A19VAU5U5O7RUS", "A39IBJ37TRP1C6", "A1VC38T7YXB528"]),
];

/// The region of a marketplace, if it is one that Amazon lists.
pub fn of_marketplace(id: &str) -> Option<Region> {
    let found = MARKETPLACES.iter().find(|(_, ids)| ids.contains(&id));
    found.map(|(region, _)| *region)
}

/// The marketplaces of a region that Amazon lists.
pub fn marketplaces(of: Region) -> &'static [&'static str] {
    let found = MARKETPLACES.iter().find(|(region, _)| *region == of);
    found.map(|(_, ids)| *ids).unwrap_or_default()
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A region's name was not one of `na`, `eu`, `fe`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a region: write na, eu or fe")]
pub struct UnknownRegion(pub String);

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|region| region.as_str() == text)
            .ok_or_else(|| UnknownRegion(text.to_owned()))
    }
}
