//! What a version has to pass before it may map a seller's records: the rules of the seller's door, its settings, and
//! fixtures of the host's and of the seller's own.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::SignedDuration;
use ml_connector_domain::SellerId;
use ml_connector_domain::catalog::CatalogEntry;
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::BatchContext;
use ml_connector_mapper::{Batch, Description, Fixture, LoadedMapper};
use ml_connector_pipeline::versions::{Records, unpack};
use serde_json::{Value, json};

use crate::app::App;
use crate::config::SellerConfig;
use crate::sandbox::{Door, Sandbox};

type Failure = Box<dyn std::error::Error>;

/// How far back a seller's recorded batches are looked for, in days.
const RECORDED_DAYS: i64 = 90;
/// So many of them are mapped: the first by their hashes, which is as good as drawn by lot and the same every time.
const RECORDED_BATCHES: u32 = 20;

/// The sandbox with the sellers' doors.
pub(crate) struct Trials<'a> {
    app: &'a App,
    doors: HashMap<SellerId, (Door, &'a SellerConfig)>,
}

impl<'a> Trials<'a> {
    /// Starts the sandbox.
    ///
    /// # Errors
    /// As [`Sandbox::open`].
    pub(crate) fn open(app: &'a App) -> Result<Self, Failure> {
        Ok(Self::within(app, &Sandbox::open(&app.config)?))
    }

    /// In a sandbox that is there already.
    pub(crate) fn within(app: &'a App, sandbox: &Arc<Sandbox>) -> Self {
        let door = |seller: &'a SellerConfig| {
            (seller.id.clone(), (Door::of(sandbox, &app.config.mappers, seller), seller))
        };
        Self { app, doors: app.config.sellers.iter().map(door).collect() }
    }

    /// What all commands need.
    pub(crate) fn app(&self) -> &'a App {
        self.app
    }

    /// A seller's door.
    ///
    /// # Errors
    /// `MAP-SELLER`: the configuration does not name it.
    pub(crate) fn door(&self, seller: &SellerId) -> Result<&(Door, &'a SellerConfig), Failure> {
        let door = self.doors.get(seller);
        Ok(door.ok_or_else(|| format!("MAP-SELLER: the configuration names no seller {seller}"))?)
    }

    /// Loads a kept version as the daemon will.
    ///
    /// # Errors
    /// The store does not have it, or the seller's rules refuse it.
    pub(super) async fn kept(
        &self,
        seller: &SellerId,
        digest: &ContentHash,
    ) -> Result<LoadedMapper, Failure> {
        let (door, _) = self.door(seller)?;
        let component = self.app.store.mapper_component(digest).await?;
        let component = component.ok_or_else(|| format!("MAP-VERSION: the store does not have {digest}"))?;
        let mapper = door.load(&component.bytes, &component.signatures);
        Ok(mapper.map_err(|error| format!("seller {seller}: {error}"))?)
    }

    /// Sees whether a kept version may map a seller's records: rules may have changed since it was uploaded, and it may
    /// have been uploaded for another.
    ///
    /// # Errors
    /// It may not, in words that begin with a code.
    pub(super) async fn may_map(&self, seller: &SellerId, digest: &ContentHash) -> Result<(), Failure> {
        let mapper = self.kept(seller, digest).await?;
        let (door, _) = self.door(seller)?;
        match door.settings_problems(&mapper, &self.in_use(seller).await?).first() {
            None => Ok(()),
            Some(problem) => Err(format!("seller {seller}: {problem}").into()),
        }
    }

    /// As [`Trials::may_map`]; without a digest, of the configuration's file.
    ///
    /// # Errors
    /// As [`Trials::may_map`].
    pub(crate) async fn may_map_or_configured(
        &self,
        seller: &SellerId,
        digest: Option<&ContentHash>,
    ) -> Result<(), Failure> {
        match digest {
            Some(digest) => self.may_map(seller, digest).await,
            None => {
                let (door, config) = self.door(seller)?;
                self.app.configured_mapper(door, config).map(|_| ())
            }
        }
    }

    /// Who reads a seller's settings now: the configuration's file, and the active version where there is one. What
    /// cannot be loaded reads nothing.
    ///
    /// # Errors
    /// The store failed.
    pub(super) async fn in_use(&self, seller: &SellerId) -> Result<Vec<Description>, Failure> {
        let (door, config) = self.door(seller)?;
        let mut found: Vec<LoadedMapper> =
            self.app.configured_mapper(door, config).ok().into_iter().collect();
        if let Some(active) = self.app.store.mapper_pointer(seller).await?.active {
            found.extend(self.kept(seller, &active).await.ok());
        }
        Ok(found.iter().map(|mapper| mapper.description().clone()).collect())
    }

    /// What a version is tried on before it may map anything for a seller: the host's own fixtures, then some of what
    /// the seller's mappers were given lately, with the settings of today.
    ///
    /// # Errors
    /// The store failed, or what it has is not what its name says.
    pub(super) async fn fixtures(&self, seller: &SellerId) -> Result<Vec<Fixture>, Failure> {
        let (_, config) = self.door(seller)?;
        let context = self.app.seller(config)?.context([]);
        let settings = context.settings.clone();
        let mut fixtures = own(context)?;
        let now = self.app.clock.shared().now();
        let since = now.saturating_add(-SignedDuration::from_hours(24 * RECORDED_DAYS)).unwrap_or(now);
        for batch in self.app.store.recorded_batches(seller, since, "", RECORDED_BATCHES).await? {
            let Some(packed) = &batch.packed else { continue };
            let input = unpack(&batch.input, &batch.kind, packed)?;
            fixtures.push(Fixture {
                name: format!("recorded batch {}", batch.input),
                context: BatchContext { settings: settings.clone(), ..input.context },
                batch: records(input.records),
            });
        }
        Ok(fixtures)
    }
}

/// Recorded records as the sandbox takes them.
pub(super) fn records(records: Records) -> Batch {
    match records {
        Records::Orders(orders) => Batch::Orders(orders),
        Records::Transactions(transactions) => Batch::Transactions(transactions),
    }
}

/// The host's own fixtures: what no mapper may fail on, whatever it makes of it.
pub(crate) fn own(context: BatchContext) -> Result<Vec<Fixture>, serde_json::Error> {
    let currency = context.ledger.ledger_currency;
    let money = |minor: i64| json!({ "minor": minor, "currency": currency });
    let context = BatchContext { catalog: vec![entry(&context)], ..context };
    let fixture =
        |name: &str, batch| Fixture { name: format!("host: {name}"), context: context.clone(), batch };
    let orders = |values: Vec<Value>| Ok(Batch::Orders(serde_json::from_value(Value::Array(values))?));
    let transactions = |values: Vec<Value>| {
        Ok::<_, serde_json::Error>(Batch::Transactions(serde_json::from_value(Value::Array(values))?))
    };
    let sale = |sku: &str| {
        order("SHIPPED", sku, Some(money(2_150)), vec![("ITEM", money(1_999)), ("TAX/ITEM", money(151))])
    };
    Ok(vec![
        fixture("an order of a product that the catalog names", orders(vec![sale(SKU)])?),
        fixture("an order of a product that it does not name", orders(vec![sale("FIXTURE-UNKNOWN")])?),
        fixture("an order that has not shipped", orders(vec![order("UNSHIPPED", SKU, None, vec![])])?),
        fixture("an order without a charge", orders(vec![order("SHIPPED", SKU, Some(money(0)), vec![])])?),
        fixture("a hundred orders", orders((0..100).map(|_| sale(SKU)).collect())?),
        fixture(
            "a sale's transaction",
            transactions(vec![transaction(
                "Shipment",
                money(1_699),
                vec![("ProductCharges/Base", money(1_999)), ("AmazonFees/Commission/Base", money(-300))],
            )])?,
        ),
        fixture(
            "a refund",
            transactions(vec![transaction(
                "Refund",
                money(-1_999),
                vec![("ProductCharges/Base", money(-1_999))],
            )])?,
        ),
        fixture(
            "a transaction of an unknown kind without a leg",
            transactions(vec![transaction("FixtureOfTomorrow", money(-5), vec![])])?,
        ),
    ])
}

/// The product that the fixtures' catalog names.
const SKU: &str = "FIXTURE-1";
/// The marketplace of the fixtures: America's.
const MARKETPLACE: &str = "ATVPDKIKX0DER";

fn entry(context: &BatchContext) -> CatalogEntry {
    CatalogEntry {
        sku: SKU.into(),
        marketplace: MARKETPLACE.into(),
        revenue: "0".to_owned(),
        cogs: None,
        cost_center: context.ledger.default_cost_center.clone(),
        rule: "fixture".to_owned(),
        extra: Vec::new(),
    }
}

/// The time of all fixtures.
const AT: &str = "2026-01-31T23:30:00Z";

fn order(status: &str, sku: &str, total: Option<Value>, charges: Vec<(&str, Value)>) -> Value {
    let charges = charges.into_iter().map(|(kind, amount)| json!({ "kind": kind, "amount": amount }));
    json!({
        "id": "000-0000000-0000000", "marketplace": MARKETPLACE, "status": status, "fulfilled_by": "AMAZON",
        "channel": "AMAZON", "created": AT, "updated": AT, "shipped": (status == "SHIPPED").then_some(AT),
        "replaces": null, "total": total,
        "items": [{
            "id": "1", "sku": sku, "title": "A fixture", "quantity_ordered": 1,
            "quantity_fulfilled": u8::from(status == "SHIPPED"), "charges": charges.collect::<Vec<_>>(),
            "tax_collection": "",
        }],
    })
}

fn transaction(kind: &str, total: Value, legs: Vec<(&str, Value)>) -> Value {
    let leg = |(path, amount)| json!({ "path": path, "amount": amount, "sku": SKU, "order_item": "1" });
    json!({
        "id": "FIXTURE", "kind": kind, "status": "RELEASED", "description": "a fixture", "posted": AT,
        "group": "FIXTURE", "settlement": null, "order": "000-0000000-0000000", "deferred_twin": null,
        "release_twin": null, "marketplace": MARKETPLACE, "total": total,
        "legs": legs.into_iter().map(leg).collect::<Vec<_>>(),
    })
}
