//! What a check found.

use std::collections::BTreeSet;

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Postings will be refused or held.
    Missing,
    /// Some may be, or it is worth knowing.
    Note,
}

/// Something that is not as the configuration needs it. `code` is stable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// How bad it is.
    pub level: Level,
    /// `FUS-CHECK-…`.
    pub code: &'static str,
    /// What was found, in plain words.
    pub message: String,
    /// What to do.
    pub remedy: String,
}

/// Something that Fusion's REST resources do not tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unreadable {
    /// What it is, with the configured value.
    pub what: String,
    /// What the first posting would say if it is wrong.
    pub first_posting: String,
}

/// What was found about one seller.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// What is missing; empty is good.
    pub missing: Vec<Missing>,
    /// What cannot be read.
    pub unreadable: Vec<Unreadable>,
    /// What was read and is as configured.
    pub right: Vec<String>,
    #[serde(skip)]
    said: BTreeSet<(&'static str, &'static str)>,
}

impl Report {
    /// Whether nothing stands in the way of a posting.
    pub fn is_ready(&self) -> bool {
        self.missing.iter().all(|missing| missing.level == Level::Note)
    }

    pub(super) fn missing(&mut self, code: &'static str, message: String, remedy: impl Into<String>) {
        self.missing.push(Missing { level: Level::Missing, code, message, remedy: remedy.into() });
    }

    pub(super) fn note(&mut self, code: &'static str, message: String, remedy: impl Into<String>) {
        self.missing.push(Missing { level: Level::Note, code, message, remedy: remedy.into() });
    }

    /// As [`Report::missing`], once for each resource.
    pub(super) fn missing_once(
        &mut self,
        code: &'static str,
        resource: &'static str,
        message: String,
        remedy: String,
    ) {
        if self.said.insert((code, resource)) {
            self.missing(code, message, remedy);
        }
    }

    pub(super) fn not_signed_in(&mut self, message: &str) {
        if self.signed_in() {
            let remedy =
                "make a Fusion user with the client id as its name, in the identity domain of the instance";
            self.missing("FUS-CHECK-TOKEN", message.to_owned(), remedy);
        }
    }

    pub(super) fn signed_in(&self) -> bool {
        self.missing.iter().all(|missing| missing.code != "FUS-CHECK-TOKEN")
    }

    pub(super) fn right(&mut self, what: impl Into<String>) {
        self.right.push(what.into());
    }
}
