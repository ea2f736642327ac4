//! One request, once it was let in.

use std::collections::HashMap;

use axum::http::StatusCode;
use bytes::Bytes;
use jiff::Timestamp;
use ml_connector_domain::SellerId;
use ml_connector_storage::ApiKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::Role;
use crate::problem::{Kind, Problem};
use crate::routes::Route;
use crate::state::{Api, Served};

/// Who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub(crate) key: ApiKey,
    pub(crate) role: Role,
}

impl Caller {
    /// As whom the audit log names them.
    pub(crate) fn who(&self) -> String {
        format!("API key {}", self.key.id)
    }

    /// Whether the key is for a seller. **Invariant:** nothing else decides that.
    pub(crate) fn sees(&self, served: &Served) -> bool {
        let listed = self.key.sellers.as_ref();
        served.tenant == self.key.tenant && listed.is_none_or(|list| list.contains(&served.seller.id))
    }
}

/// A request with what it brought.
pub struct Call {
    pub(crate) route: &'static Route,
    /// None where no key is needed.
    pub(crate) caller: Option<Caller>,
    pub(crate) path: HashMap<String, String>,
    pub(crate) query: HashMap<String, String>,
    pub(crate) signature: Option<String>,
    pub(crate) body: Bytes,
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// JSON text, or text where the route says so.
    pub(crate) body: String,
    /// What is kept for the same request later, where that is not the same.
    pub(crate) kept: Option<String>,
}

impl Answer {
    pub(crate) fn of<T: Serialize>(status: StatusCode, body: &T) -> Result<Self, Problem> {
        let body = serde_json::to_string(body)
            .map_err(|error| Problem::new(Kind::Failed, format!("an answer cannot be written: {error}")))?;
        Ok(Self { status, body, kept: None })
    }

    pub(crate) fn ok<T: Serialize>(body: &T) -> Result<Self, Problem> {
        Self::of(StatusCode::OK, body)
    }
}

impl Call {
    /// Who calls; every route but the open ones has one.
    pub(crate) fn caller(&self) -> Result<&Caller, Problem> {
        self.caller.as_ref().ok_or_else(|| Problem::new(Kind::Unauthorized, "send a key"))
    }

    /// A part of the path.
    pub(crate) fn part(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// The seller that the path names, if the key is for it.
    ///
    /// # Errors
    /// Nobody has it, or somebody else: the same answer.
    pub(crate) fn seller<'a>(&self, api: &'a Api) -> Result<&'a Served, Problem> {
        let found = api.served(self.part("seller"));
        let caller = self.caller()?;
        found.filter(|served| caller.sees(served)).ok_or_else(Problem::not_found)
    }

    /// The seller of something that was found by its own id, if the key is for it.
    ///
    /// # Errors
    /// As for [`Call::seller`].
    pub(crate) fn owner<'a>(&self, api: &'a Api, seller: &SellerId) -> Result<&'a Served, Problem> {
        let caller = self.caller()?;
        api.served(seller.as_str()).filter(|served| caller.sees(served)).ok_or_else(Problem::not_found)
    }

    /// A parameter of the query, read.
    pub(crate) fn asked<T>(&self, name: &str) -> Result<Option<T>, Problem>
    where
        T: std::str::FromStr,
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.query.get(name) else { return Ok(None) };
        let wrong = |error: T::Err| Problem::new(Kind::Malformed, format!("{name}: {error}"));
        text.parse().map(Some).map_err(wrong)
    }

    /// A time in the query.
    pub(crate) fn asked_time(&self, name: &str) -> Result<Option<Timestamp>, Problem> {
        self.asked(name)
    }

    /// The body as JSON; an empty one is an empty object.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let bytes: &[u8] = if self.body.is_empty() { b"{}" } else { &self.body };
        serde_json::from_slice(bytes).map_err(|error| Problem::new(Kind::Invalid, error.to_string()))
    }
}
