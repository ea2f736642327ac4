//! Sellers v1 and Catalog Items 2022-04-01.

use serde_json::{Value, json};

use super::{World, refusal};
use crate::http::{Incoming, Reply};
use crate::scenario::{MARKETPLACES, Region};

pub(super) fn participations(world: &World, seller: usize, region: Region) -> Reply {
    let store = &world.scenario.sellers[seller].name;
    let own = MARKETPLACES.iter().filter(|marketplace| marketplace.region == region);
    let mut list: Vec<Value> = own
        .map(|m| {
            let country = match m.id {
                "ATVPDKIKX0DER" => "US",
                "A1F83G8C2ARO7P" => "GB",
                "A1PA6795UKMFR9" => "DE",
                _ => "JP",
            };
            participation((m.id, m.name, country, m.currency.code()), store, true)
        })
        .collect();
    if region == Region::Na {
        // Listed beside the shops, and none of them.
        list.push(participation(("A2ZV50J4W1RKNI", "Non-Amazon", "US", "USD"), store, true));
        list.push(participation(("A1MQXOICRS2Z7M", "SI CA Prod Marketplace", "CA", "CAD"), store, false));
    }
    Reply::json(200, &json!({ "payload": list }))
}

fn participation(
    (id, name, country, currency): (&str, &str, &str, &str),
    store: &str,
    active: bool,
) -> Value {
    json!({
        "marketplace": {
            "id": id, "name": name, "countryCode": country, "defaultCurrencyCode": currency,
            "defaultLanguageCode": "en_US", "domainName": format!("www.{}", name.to_lowercase()),
        },
        "participation": { "isParticipating": active, "hasSuspendedListings": false },
        "storeName": store,
    })
}

fn bad(details: &str) -> Reply {
    refusal(400, "400", "Invalid input", details)
}

pub(super) fn catalog(world: &World, seller: usize, request: &Incoming) -> Reply {
    let own = &world.scenario.sellers[seller];
    let parameter = |name| request.parameter(name).unwrap_or_default();
    if parameter("marketplaceIds").is_empty() || parameter("marketplaceIds").contains(',') {
        return bad("exactly one marketplace");
    }
    let identifiers: Vec<&str> = parameter("identifiers").split(',').filter(|id| !id.is_empty()).collect();
    if identifiers.is_empty() || identifiers.len() > 20 || parameter("identifiersType") != "SKU" {
        return bad("1 to 20 identifiers of type SKU");
    }
    if parameter("sellerId") != own.id {
        return bad("sellerId is required for SKU");
    }
    let found = own.products.iter().enumerate().filter(|(_, p)| identifiers.contains(&p.sku.as_str()));
    let items: Vec<Value> = found
        .map(|(n, product)| {
            let marketplace = parameter("marketplaceIds");
            json!({
                "asin": format!("B{n:09}"),
                "identifiers": [{ "marketplaceId": marketplace,
                    "identifiers": [{ "identifierType": "SKU", "identifier": product.sku }] }],
                "productTypes": [{ "marketplaceId": marketplace, "productType": product.product_type.to_uppercase() }],
                "summaries": [{ "marketplaceId": marketplace, "itemName": product.title }],
            })
        })
        .collect();
    Reply::json(200, &json!({ "numberOfResults": items.len(), "items": items }))
}
