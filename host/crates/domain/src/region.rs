//! Amazon's regions and marketplaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A Selling Partner API region. A seller authorises each one separately, and a token works only in its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
