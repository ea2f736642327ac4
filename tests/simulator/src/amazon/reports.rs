//! Reports 2021-06-30: settlement reports, which Amazon makes by itself, and their files.

use std::io::Write as _;

use serde_json::{Value, json};

use super::finances::{known_only, settlement_id, time};
use super::{World, clock, invalid, paging, refusal};
use crate::clock::{DAY, HOUR, text};
use crate::http::{Incoming, Reply};
use crate::scenario::{Breakdown, Currency, Group, Region, Transaction};

const TYPE: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";
/// After a settlement's end, when its report is there.
const AFTER_CLOSE: i64 = 6 * HOUR;
/// Reports are kept for 90 days.
const KEPT: i64 = 90 * DAY;
/// A file's address lasts five minutes.
const ADDRESS_LIFE: i64 = HOUR / 12;
/// Reports on a page at the most; few, so that pages are turned.
const PAGE: usize = 5;

pub(super) fn list(world: &World, seller: usize, region: Region, request: &Incoming) -> Reply {
    match page(world, seller, region, request) {
        Ok(reply) | Err(reply) => reply,
    }
}

fn page(world: &World, seller: usize, region: Region, request: &Incoming) -> Result<Reply, Reply> {
    let now = clock(world);
    let (after, before, from) = match request.parameter("nextToken") {
        // A token travels alone: it holds everything.
        Some(_) if request.query.len() > 1 => {
            return Err(refusal(400, "400", "Invalid input", "nextToken must be the only parameter"));
        }
        Some(token) => {
            let token = paging::decode(request, &["nextToken"], token);
            let token = token.ok_or_else(|| refusal(400, "400", "Invalid input", "nextToken"))?;
            (0, now, token.after.1)
        }
        None => {
            known_only(
                request,
                &[
                    "reportTypes",
                    "processingStatuses",
                    "marketplaceIds",
                    "pageSize",
                    "createdSince",
                    "createdUntil",
                ],
            )?;
            if request.parameter("reportTypes") != Some(TYPE) {
                return Err(refusal(400, "400", "Invalid input", "Invalid input in report types"));
            }
            let after = time(request, "createdSince")?.unwrap_or(0);
            if after < now - KEPT && request.parameter("createdSince").is_some() {
                return Err(refusal(400, "400", "Invalid input", "createdSince is more than 90 days ago"));
            }
            (after, time(request, "createdUntil")?.unwrap_or(now), 0)
        }
    };
    let after = after.max(now - KEPT);
    // A page's token goes by the report's place in the list, so that it needs no bounds.
    let found: Vec<(usize, &Group)> = world
        .scenario
        .groups
        .iter()
        .enumerate()
        .skip(from)
        .filter(|(_, group)| group.seller == seller && group.region == region && group.transactions > 0)
        .filter(|(_, group)| (after..=before.min(now)).contains(&(group.end + AFTER_CLOSE)))
        .take(PAGE + 1)
        .collect();
    let shown = &found[..found.len().min(PAGE)];
    let mut body = json!({ "reports": shown.iter().map(|(n, group)| report(*n, group)).collect::<Vec<_>>() });
    if let Some((next, _)) = found.get(PAGE) {
        body["nextToken"] = json!(paging::encode_alone((0, *next), now));
    }
    Ok(Reply::json(200, &body))
}

fn report(n: usize, group: &Group) -> Value {
    let made = text(group.end + AFTER_CLOSE);
    json!({
        "reportId": report_id(n), "reportType": TYPE, "processingStatus": "DONE",
        "dataStartTime": text(group.start), "dataEndTime": text(group.end), "createdTime": made,
        "processingStartTime": made, "processingEndTime": made, "reportDocumentId": format!("amzn1.spdoc.1.{n}"),
    })
}

fn report_id(n: usize) -> String {
    format!("50{n:08}")
}

/// Settlement reports cannot be asked for.
pub(super) fn create(_: &Incoming) -> Reply {
    invalid("Request for report type 1118 is not allowed at this time")
}

pub(super) fn document(world: &World, seller: usize, region: Region, id: &str, request: &Incoming) -> Reply {
    let number = id.strip_prefix("amzn1.spdoc.1.").and_then(|n| n.parse::<usize>().ok());
    let group = number.and_then(|n| world.scenario.groups.get(n).map(|group| (n, group)));
    let own = group.filter(|(_, group)| group.seller == seller && group.region == region);
    let Some((n, group)) = own else {
        return refusal(400, "400", "Invalid input", "Invalid input");
    };
    let host = request.header("host").unwrap_or("127.0.0.1");
    let until = world.clock.now() + ADDRESS_LIFE;
    let mut body = json!({
        "reportDocumentId": id, "url": format!("http://{host}/files/{n}?X-Amz-Expires={until}&X-Amz-Signature=simulated"),
    });
    if packed(group) {
        body["compressionAlgorithm"] = json!("GZIP");
    }
    Reply::json(200, &body)
}

fn packed(group: &Group) -> bool {
    group.currency != Currency::Gbp
}

/// The file behind a signed address: no token may be sent to it, and after five minutes it is refused in XML.
pub(super) fn file(world: &World, id: &str, request: &Incoming) -> Reply {
    world.journal.count("amazon", "file", 200);
    if request.header("x-amz-access-token").is_some() {
        world.journal.unexpected("an access token was sent to a signed address".to_owned());
        return Reply::text(400, "<Error><Code>InvalidArgument</Code></Error>");
    }
    let until = request.parameter("X-Amz-Expires").and_then(|until| until.parse::<i64>().ok()).unwrap_or(0);
    if until < world.clock.now() {
        return Reply::text(
            403,
            "<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>",
        );
    }
    let Some(n) = id.parse::<usize>().ok().filter(|n| *n < world.scenario.groups.len()) else {
        return Reply::text(404, "<Error><Code>NoSuchKey</Code></Error>");
    };
    let body = flat_file(world, n);
    let body = if packed(&world.scenario.groups[n]) { gzip(&body) } else { body };
    Reply::Answer {
        status: 200,
        headers: vec![("content-type", "application/octet-stream".to_owned())],
        body,
    }
}

fn gzip(plain: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(plain).and_then(|()| packer.finish()).unwrap_or_default()
}

const COLUMNS: [&str; 24] = [
    "settlement-id",
    "settlement-start-date",
    "settlement-end-date",
    "deposit-date",
    "total-amount",
    "currency",
    "transaction-type",
    "order-id",
    "merchant-order-id",
    "adjustment-id",
    "shipment-id",
    "marketplace-name",
    "amount-type",
    "amount-description",
    "amount",
    "fulfillment-id",
    "posted-date",
    "posted-date-time",
    "order-item-code",
    "merchant-order-item-id",
    "merchant-adjustment-item-id",
    "sku",
    "quantity-purchased",
    "promotion-id",
];

/// How a marketplace writes.
struct Style {
    date: &'static str,
    comma: bool,
    encoding: &'static encoding_rs::Encoding,
    mark: bool,
}

fn style(currency: Currency) -> Style {
    match currency {
        Currency::Usd => {
            Style { date: "%Y-%m-%d %H:%M:%S UTC", comma: false, encoding: encoding_rs::UTF_8, mark: false }
        }
        Currency::Gbp => {
            Style { date: "%d.%m.%Y %H:%M:%S UTC", comma: false, encoding: encoding_rs::UTF_8, mark: true }
        }
        Currency::Eur => Style {
            date: "%d.%m.%Y %H:%M:%S UTC",
            comma: true,
            encoding: encoding_rs::WINDOWS_1252,
            mark: false,
        },
        Currency::Jpy => Style {
            date: "%Y/%m/%d %H:%M:%S UTC",
            comma: false,
            encoding: encoding_rs::SHIFT_JIS,
            mark: false,
        },
    }
}

impl Style {
    fn time(&self, millis: i64) -> String {
        jiff::Timestamp::from_millisecond(millis)
            .map_or_else(|_| String::new(), |at| at.strftime(self.date).to_string())
    }

    fn amount(&self, currency: Currency, minor: i64) -> String {
        let plain = currency.decimal(minor);
        if !self.comma {
            return plain;
        }
        let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |rest| ("-", rest));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "00"));
        let mut parted = String::new();
        for (n, digit) in whole.chars().enumerate() {
            if n > 0 && (whole.len() - n) % 3 == 0 {
                parted.push('.');
            }
            parted.push(digit);
        }
        format!("{sign}{parted},{fraction}")
    }
}

fn flat_file(world: &World, n: usize) -> Vec<u8> {
    let group = &world.scenario.groups[n];
    let style = style(group.currency);
    let id = settlement_id(n);
    let mut rows = vec![COLUMNS.join("\t")];
    let mut summary = vec![
        id.clone(),
        style.time(group.start),
        style.time(group.end),
        style.time(group.end + DAY),
        style.amount(group.currency, group.total),
        group.currency.code().to_owned(),
    ];
    summary.resize(COLUMNS.len(), String::new());
    rows.push(summary.join("\t"));
    for transaction in world.scenario.transactions.iter().filter(|transaction| transaction.group == Some(n)) {
        detail(world, transaction, &id, &style, &mut rows);
    }
    let text = rows.join("\r\n") + "\r\n";
    let (bytes, _, _) = style.encoding.encode(&text);
    if style.mark { [b"\xef\xbb\xbf", &*bytes].concat() } else { bytes.into_owned() }
}

fn detail(world: &World, transaction: &Transaction, id: &str, style: &Style, rows: &mut Vec<String>) {
    let kind = match transaction.kind {
        "Shipment" => "Order",
        "Refund" => "Refund",
        "GuaranteeClaim" => "A-to-z Guarantee Refund",
        "Chargeback" => "Chargeback Refund",
        _ => "other-transaction",
    };
    let order = transaction.order.map(|order| world.scenario.orders[order].id.clone()).unwrap_or_default();
    let mut leaves: Vec<(&str, &str, i64, String)> = Vec::new();
    if transaction.items.is_empty() {
        transaction.breakdowns.iter().for_each(|b| collect(b, b.name, "", &mut leaves));
    }
    for item in &transaction.items {
        item.breakdowns.iter().for_each(|b| collect(b, b.name, &item.order_item, &mut leaves));
    }
    for (root, leaf, minor, item) in leaves {
        let mut row = vec![String::new(); COLUMNS.len()];
        let mut put = |name: &str, value: String| {
            if let Some(n) = COLUMNS.iter().position(|column| *column == name) {
                row[n] = value;
            }
        };
        put("settlement-id", id.to_owned());
        put("transaction-type", kind.to_owned());
        put("order-id", order.clone());
        put("marketplace-name", transaction.marketplace.name.to_owned());
        put("amount-type", root.to_owned());
        // Labels are written in the language of the place.
        let label = match (transaction.marketplace.currency, leaf) {
            (Currency::Jpy, "OurPricePrincipal") => "商品代金",
            (Currency::Eur, "Subscription") => "Abonnementgebühr",
            (_, other) => other,
        };
        put("amount-description", label.to_owned());
        put("amount", style.amount(transaction.marketplace.currency, minor));
        put("posted-date-time", style.time(transaction.posted));
        put("order-item-code", item);
        rows.push(row.join("\t"));
    }
}

fn collect<'a>(
    node: &'a Breakdown,
    root: &'a str,
    item: &str,
    leaves: &mut Vec<(&'a str, &'a str, i64, String)>,
) {
    if node.parts.is_empty() {
        leaves.push((root, node.name, node.amount, item.to_owned()));
    }
    node.parts.iter().for_each(|part| collect(part, root, item, leaves));
}
