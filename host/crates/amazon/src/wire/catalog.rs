//! Catalog Items 2022-04-01.

use ml_connector_domain::canonical::Product;
use serde::Deserialize;

#[derive(Deserialize)]
struct Found {
    #[serde(default)]
    items: Vec<Item>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    asin: String,
    #[serde(default)]
    identifiers: Vec<Identifiers>,
    #[serde(default)]
    product_types: Vec<ProductType>,
    #[serde(default)]
    summaries: Vec<Summary>,
}

#[derive(Deserialize)]
struct Identifiers {
    #[serde(default)]
    identifiers: Vec<Identifier>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identifier {
    identifier_type: String,
    identifier: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProductType {
    product_type: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    item_name: Option<String>,
}

/// The products that were found, one for each SKU.
pub(crate) fn products(body: &[u8]) -> Result<Vec<Product>, serde_json::Error> {
    let found: Found = serde_json::from_slice(body)?;
    let of = |item: &Item| -> Vec<Product> {
        let all = item.identifiers.iter().flat_map(|list| &list.identifiers);
        all.filter(|identifier| identifier.identifier_type == "SKU")
            .map(|identifier| Product {
                sku: identifier.identifier.as_str().into(),
                asin: item.asin.clone(),
                product_type: item.product_types.first().map(|kind| kind.product_type.clone()),
                title: item.summaries.first().and_then(|summary| summary.item_name.clone()),
            })
            .collect()
    };
    Ok(found.items.iter().flat_map(of).collect())
}
