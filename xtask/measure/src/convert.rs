//! From the domain's types to the contract's and back. The SDK's types and those of default bindings look alike and are
//! not the same, so this is written once, for a module's name.

/// Makes `context`, `order` and `outcome` for the types of a module.
macro_rules! conversions {
    ($types:ident) => {
        fn money(money: ml_connector_domain::Money) -> $types::Money {
            $types::Money { minor: money.minor, currency: money.currency.code().to_owned() }
        }

        /// The context in the SDK's types.
        fn context(context: &ml_connector_domain::mapping::BatchContext) -> $types::BatchContext {
            let ledger = &context.ledger;
            let entry = |entry: &ml_connector_domain::catalog::CatalogEntry| $types::CatalogEntry {
                sku: entry.sku.as_str().to_owned(),
                marketplace: entry.marketplace.as_str().to_owned(),
                revenue_account: entry.revenue.clone(),
                cogs_account: entry.cogs.clone(),
                cost_center: entry.cost_center.clone(),
                rule: entry.rule.clone(),
                extra: Vec::new(),
            };
            $types::BatchContext {
                seller: context.seller.as_str().to_owned(),
                settings: context.settings.clone(),
                ledger: $types::Ledger {
                    name: ledger.ledger_name.clone(),
                    currency: ledger.ledger_currency.code().to_owned(),
                    time_zone: ledger.time_zone.clone(),
                    combination: ledger.combination.template.clone(),
                    default_cost_center: ledger.default_cost_center.clone(),
                    accounts: ledger.accounts.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
                    extra: Vec::new(),
                },
                catalog: context.catalog.iter().map(entry).collect(),
                extra: Vec::new(),
            }
        }

        /// An order in the SDK's types.
        fn order(order: &ml_connector_domain::canonical::Order, zone: &jiff::tz::TimeZone) -> $types::Order {
            $types::Order {
                id: order.id.as_str().to_owned(),
                marketplace: order.marketplace.as_str().to_owned(),
                status: order.status.clone(),
                fulfilled_by: order.fulfilled_by.clone(),
                created: order.created.as_millisecond(),
                updated: order.updated.as_millisecond(),
                shipped_on: order
                    .shipped
                    .map(|at| ml_connector_domain::canonical::day_in(at, zone).to_string()),
                replaces: order.replaces.as_ref().map(|id| id.as_str().to_owned()),
                total: order.total.map(money),
                items: order.items.iter().map(item).collect(),
                extra: vec![("channel".to_owned(), order.channel.clone())],
            }
        }

        fn item(item: &ml_connector_domain::canonical::OrderItem) -> $types::OrderItem {
            let charge = |charge: &ml_connector_domain::canonical::Charge| $types::Charge {
                kind: charge.kind.clone(),
                amount: money(charge.amount),
                extra: Vec::new(),
            };
            $types::OrderItem {
                id: item.id.as_str().to_owned(),
                sku: item.sku.as_str().to_owned(),
                title: item.title.clone(),
                quantity_ordered: item.quantity_ordered,
                quantity_fulfilled: item.quantity_fulfilled,
                charges: item.charges.iter().map(charge).collect(),
                tax_collection: item.tax_collection.clone(),
                extra: Vec::new(),
            }
        }

        fn outcome(
            outcome: $types::OrderOutcome,
        ) -> Result<ml_connector_domain::mapping::OrderOutcome, ml_connector_domain::money::MoneyError> {
            let line = |line: $types::DocumentLine| -> Result<
                ml_connector_domain::mapping::DocumentLine,
                ml_connector_domain::money::MoneyError,
            > {
                Ok(ml_connector_domain::mapping::DocumentLine {
                    amount: ml_connector_domain::Money::new(line.amount.minor, line.amount.currency.parse()?),
                    description: line.description,
                    quantity: line.quantity,
                    account: line.account,
                    sku: line.sku.map(ml_connector_domain::id::Sku::new),
                    order_item: line.order_item_id.map(ml_connector_domain::id::OrderItemId::new),
                    rule: line.rule,
                    // As the host reads it: the contract has no field of its own.
                    class: match line.extra.iter().any(|(key, value)| key == "class" && value == "tax") {
                        true => ml_connector_domain::mapping::LineClass::Tax,
                        false => ml_connector_domain::mapping::LineClass::Revenue,
                    },
                })
            };
            let reason = |reason: $types::Reason| ml_connector_domain::mapping::Reason {
                code: reason.code,
                message: reason.message,
                subject: reason.subject,
            };
            Ok(match outcome {
                $types::OrderOutcome::Invoice(invoice) => {
                    ml_connector_domain::mapping::OrderOutcome::Invoice(
                        invoice.lines.into_iter().map(line).collect::<Result<_, _>>()?,
                    )
                }
                $types::OrderOutcome::Review(why) => {
                    ml_connector_domain::mapping::OrderOutcome::Review(why.into_iter().map(reason).collect())
                }
                $types::OrderOutcome::Skip(why) => ml_connector_domain::mapping::OrderOutcome::Skip(why),
            })
        }
    };
}

pub(crate) use conversions;
