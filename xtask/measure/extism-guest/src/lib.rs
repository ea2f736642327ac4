//! The standard mapper behind Extism's interface. It takes records and gives outcomes in the domain's JSON form.

use extism_pdk::{FnResult, plugin_fn};
use ml_connector_domain::canonical::Order;
use ml_connector_domain::mapping::BatchContext;

#[path = "../../src/convert.rs"]
mod convert;
#[path = "../../src/native.rs"]
mod native;

/// Maps a batch.
#[plugin_fn]
pub fn map(input: String) -> FnResult<String> {
    let (context, orders): (BatchContext, Vec<Order>) = serde_json::from_str(&input)?;
    // The standard mapper looks at no day of an order, so the zone does not matter and costs nothing.
    let outcomes = native::map(&context, &orders, &jiff::tz::TimeZone::UTC)?;
    Ok(serde_json::to_string(&outcomes)?)
}
