//! What comes with every batch.

use std::cmp::Ordering;

use crate::{BatchContext, CatalogEntry, Description, Ledger, Setting};

impl BatchContext {
    /// What the catalog says of a product in a marketplace; `None` if it is not mapped. The host hands the catalog
    /// in sorted by SKU and marketplace.
    pub fn product(&self, sku: &str, marketplace: &str) -> Option<&CatalogEntry> {
        let at = self.catalog.binary_search_by(|entry| {
            compare(&entry.sku, sku).then_with(|| compare(&entry.marketplace, marketplace))
        });
        self.catalog.get(at.ok()?)
    }

    /// A setting's value.
    pub fn setting(&self, key: &str) -> Option<&str> {
        self.settings.iter().find(|(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// The whole combination for the ledger's account of a purpose, at a cost centre or the default one.
    pub fn account(&self, purpose: &str, cost_center: Option<&str>) -> Option<String> {
        let (_, account) = self.ledger.accounts.iter().find(|(name, _)| name == purpose)?;
        Some(self.ledger.combination_of(account, cost_center.unwrap_or(&self.ledger.default_cost_center)))
    }

    /// The account of a product's revenue, with the rule that decided it.
    pub fn revenue(&self, product: &CatalogEntry) -> (String, String) {
        (self.ledger.combination_of(&product.revenue_account, &product.cost_center), product.rule.clone())
    }
}

impl Ledger {
    /// The whole combination for a natural account and a cost centre.
    pub fn combination_of(&self, account: &str, cost_center: &str) -> String {
        let size = self.combination.len() + account.len() + cost_center.len();
        let (mut whole, mut rest) = (String::with_capacity(size), self.combination.as_str());
        // In one pass and by bytes: a mapper spends much of its time here, and a template is too short for a search by words.
        while let Some(at) = rest.bytes().position(|byte| byte == b'{') {
            let (before, behind) = (&rest[..at], &rest[at + 1..]);
            whole.push_str(before);
            rest = if let Some(behind) = behind.strip_prefix("account}") {
                whole.push_str(account);
                behind
            } else if let Some(behind) = behind.strip_prefix("cost_center}") {
                whole.push_str(cost_center);
                behind
            } else {
                whole.push('{');
                behind
            };
        }
        whole.push_str(rest);
        whole
    }
}

/// Compares as `str` does. SKUs begin alike, and a component has no `memcmp` but one that goes byte by byte: by words it
/// takes a quarter of the fuel.
fn compare(one: &str, other: &str) -> Ordering {
    let (mut one, mut other) = (one.as_bytes(), other.as_bytes());
    while let (Some((a, after_a)), Some((b, after_b))) =
        (one.split_first_chunk::<8>(), other.split_first_chunk::<8>())
    {
        let (a, b) = (u64::from_le_bytes(*a), u64::from_le_bytes(*b));
        if a != b {
            // The first byte that differs decides: the lowest one, as the words were read.
            let byte = (a ^ b).trailing_zeros() & !7;
            return (a >> byte & 0xff).cmp(&(b >> byte & 0xff));
        }
        (one, other) = (after_a, after_b);
    }
    one.iter().cmp(other)
}

impl Description {
    /// A mapper that reads no settings.
    pub fn new(name: &str, version: &str) -> Self {
        Self { name: name.to_owned(), version: version.to_owned(), settings: Vec::new(), extra: Vec::new() }
    }

    /// Adds a setting that it reads.
    #[must_use]
    pub fn reads(mut self, key: &str, required: bool, description: &str) -> Self {
        self.settings.push(Setting {
            key: key.to_owned(),
            description: description.to_owned(),
            required,
            extra: Vec::new(),
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ledger(combination: &str) -> Ledger {
        Ledger {
            name: String::new(),
            currency: "USD".to_owned(),
            time_zone: "UTC".to_owned(),
            combination: combination.to_owned(),
            default_cost_center: "000".to_owned(),
            accounts: Vec::new(),
            extra: Vec::new(),
        }
    }

    #[test]
    fn a_combination_keeps_what_is_no_place_in_it() {
        let of = |template: &str| ledger(template).combination_of("4", "1");
        assert_eq!(of("01-{cost_center}-{account}-0000"), "01-1-4-0000");
        assert_eq!(of("{account}{account}"), "44");
        assert_eq!(of("{a}{{account}-{cost_centre}{"), "{a}{4-{cost_centre}{");
        assert_eq!(of(""), "");
    }

    proptest! {
        #[test]
        fn a_combination_is_its_template_with_both_replaced(
            parts in prop::collection::vec(prop_oneof!["[0-9-]{0,3}", Just("{account}".to_owned()), Just("{cost_center}".to_owned()), "[{}a-c]{0,4}"], 0..8),
            account in "[0-9]{0,6}",
            center in "[0-9]{0,4}",
        ) {
            let template = parts.concat();
            let replaced = template.replace("{account}", &account).replace("{cost_center}", &center);
            prop_assert_eq!(ledger(&template).combination_of(&account, &center), replaced);
        }

        #[test]
        fn texts_are_in_the_order_of_their_bytes(one in "[aZ\\u{e9}]{0,20}", other in "[aZ\\u{e9}]{0,20}", same in "[a-c-]{0,20}") {
            prop_assert_eq!(compare(&one, &other), one.cmp(&other));
            let (one, other) = (same.clone() + &one, same + &other);
            prop_assert_eq!(compare(&one, &other), one.cmp(&other));
        }
    }
}
