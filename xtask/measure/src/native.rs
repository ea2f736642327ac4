//! The same mapper without a sandbox: compiled for this machine and called as a function. It starts from the same
//! records and ends with the same outcomes as everybody else, so what it spends on the SDK's types counts.

use jiff::tz::TimeZone;
use ml_connector_domain::canonical;
use ml_connector_domain::mapping::{BatchContext, OrderOutcome};
use ml_connector_domain::money::MoneyError;
use ml_connector_sdk as sdk;
use ml_connector_sdk::Mapper as _;
use plugin_standard::Standard;

use crate::convert::conversions;

conversions!(sdk);

/// Maps a batch.
pub(crate) fn map(
    given: &BatchContext,
    orders: &[canonical::Order],
    zone: &TimeZone,
) -> Result<Vec<OrderOutcome>, MoneyError> {
    let context = context(given);
    let orders: Vec<sdk::Order> = orders.iter().map(|own| order(own, zone)).collect();
    Standard::map_orders(&context, &orders).into_iter().map(outcome).collect()
}
