//! The chart of accounts: which combinations exist, and in what state.

use std::collections::HashMap;

use crate::scenario::{all_combinations, combination, names};

/// A code combination.
#[derive(Debug, Clone)]
pub(super) struct Combination {
    pub(super) text: String,
    pub(super) enabled: bool,
    /// Whether lines may be posted to it: not to a parent.
    pub(super) detail_posting: bool,
    /// The last day on which it is active.
    pub(super) until: Option<&'static str>,
}

/// All combinations.
#[derive(Debug, Default)]
pub(super) struct Chart {
    all: Vec<Combination>,
    places: HashMap<String, usize>,
}

impl Chart {
    /// The scenario's, and three that show what a chart can hold: a parent, one whose days are over, and the suspense
    /// account.
    pub(super) fn new() -> Self {
        let usual = |text| Combination { text, enabled: true, detail_posting: true, until: None };
        let mut all: Vec<Combination> = all_combinations().map(usual).collect();
        all.push(usual(combination(names::SUSPENSE_ACCOUNT, "000")));
        let parent = usual(combination(names::PARENT_ACCOUNT, "000"));
        all.push(Combination { detail_posting: false, ..parent });
        let expired = usual(combination(names::EXPIRED_ACCOUNT, "000"));
        all.push(Combination { until: Some("2020-12-31"), ..expired });
        let places = all.iter().enumerate().map(|(n, one)| (one.text.clone(), n)).collect();
        Self { all, places }
    }

    /// All of them, in the order of their ids.
    pub(super) fn all(&self) -> &[Combination] {
        &self.all
    }

    /// Enables or disables one; says whether it exists.
    pub(super) fn enable(&mut self, text: &str, enabled: bool) -> bool {
        let found = self.places.get(text).map(|n| &mut self.all[*n]);
        found.map(|one| one.enabled = enabled).is_some()
    }

    /// Why a combination cannot be posted to on a day (`YYYY-MM-DD`), as Journal Import's code.
    pub(super) fn problem(&self, text: &str, day: &str) -> Option<&'static str> {
        let Some(one) = self.places.get(text).map(|n| &self.all[*n]) else { return Some("EF04") };
        match one {
            _ if !one.enabled => Some("EF03"),
            _ if !one.detail_posting => Some("EF02"),
            _ if one.until.is_some_and(|until| day > until) => Some("EF01"),
            _ => None,
        }
    }
}
