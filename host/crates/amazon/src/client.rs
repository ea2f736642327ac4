//! The client: streams by page, files, participations and products.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use ml_connector_domain::canonical::{
    Group, Order, Participation, Payout, Product, SettlementReport, Transaction,
};
use ml_connector_domain::{Clock, MarketplaceId, OrderId, Region, Sku, Timestamp};
use ml_connector_ports::{
    Account, AmazonSource, Ask, Page, PauseMemory, RawRecord, SourceError, Stream, Unreadable, Urgency,
};
use ml_connector_remote::{HttpClient, Request, Response};
use rand_chacha::ChaCha8Rng;
use secrecy::ExposeSecret as _;

use crate::auth::{CredentialSource, refused, transient};
use crate::call::{Call, Caller};
use crate::operation::Operation;
use crate::{orders, wire};

/// Which version of the Orders API is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OrdersApi {
    /// 2026-01-01.
    #[default]
    Current,
    /// v0, which Amazon serves until 2027-03-27: a call more for each order, and restricted data by another token.
    V0,
}

/// Where Amazon is and who calls.
#[derive(Debug, Clone)]
pub struct AmazonOptions {
    /// Login with Amazon's token endpoint, one for the world.
    pub lwa_url: String,
    /// Endpoints that replace production's, by region.
    pub endpoints: HashMap<Region, String>,
    /// The application's id, which the rate limits go by.
    pub application: String,
    /// Which orders API is read.
    pub orders_api: OrdersApi,
    /// Whether buyer and recipient are asked for with an order.
    pub buyer_data: bool,
}

/// The Selling Partner API.
pub struct SpApiClient {
    caller: Caller,
    /// Data sets that Amazon refuses for an account at the moment.
    refused_sets: orders::RefusedSets,
}

impl SpApiClient {
    /// A client; `rng` draws the jitter.
    pub fn new(
        options: AmazonOptions,
        http: HttpClient,
        credentials: Arc<dyn CredentialSource>,
        clock: Arc<dyn Clock>,
        memory: Arc<dyn PauseMemory>,
        rng: ChaCha8Rng,
    ) -> Self {
        let caller = Caller::new(options, http, credentials, clock, memory, rng);
        Self { caller, refused_sets: orders::RefusedSets::default() }
    }

    /// Makes Amazon issue a new client secret. The answer is empty: the secret itself is delivered to the queue that
    /// the application has registered, and the old one works for seven more days.
    ///
    /// # Errors
    /// The application is not enrolled for rotation notifications, or the call failed.
    pub async fn rotate_client_secret(&self, region: Region) -> Result<(), SourceError> {
        const SCOPE: &str = "sellingpartnerapi::client_credential:rotation";
        let token = self.caller.grantless_token(SCOPE).await?.secret;
        // Counted for the application only: there is no seller.
        let account = Account { seller: "(application)".into(), region };
        let operation = Operation::RotateClientSecret;
        let restricted = Some(token);
        let body = Some(serde_json::json!({}));
        let call = Call { restricted, body, ..Call::get(&account, operation, &[], Urgency::Live) };
        self.caller.call(call).await.map(|_| ())
    }

    /// What Finances v0 holds of a settlement, as a second opinion on what listTransactions says.
    ///
    /// # Errors
    /// A call failed, or an event is not understood.
    pub async fn group_events(
        &self,
        account: &Account,
        group: &str,
    ) -> Result<Vec<wire::events::Event>, SourceError> {
        let operation = Operation::ListFinancialEventsByGroupId;
        let segments = [group, "financialEvents"];
        let (mut events, mut token): (Vec<wire::events::Event>, Option<String>) = (Vec::new(), None);
        let mut results = RESULTS_MAX;
        loop {
            let query: Vec<(&str, &str)> = token.iter().map(|token| ("NextToken", token.as_str())).collect();
            let call =
                Call { segments: &segments, ..Call::get(account, operation, &query, Urgency::Backfill) };
            let answer = self.in_small_pages(call, &mut results).await?;
            let page = wire::events::page(&answer.body).map_err(|error| not_understood(operation, &error))?;
            events.extend(page.events);
            let next = page.next;
            loops(operation, next.as_deref(), token.as_deref())?;
            token = next;
            if token.is_none() {
                return Ok(wire::events::numbered(events));
            }
        }
    }

    /// One order as it is now, `None` if Amazon does not serve it (2026-01-01, whichever version is polled). It costs a
    /// call in two seconds, where a search costs one in three minutes.
    ///
    /// # Errors
    /// The call failed, or the answer is not understood.
    pub async fn order_now(
        &self,
        account: &Account,
        order: &OrderId,
    ) -> Result<Option<RawRecord>, SourceError> {
        orders::one(&self.caller, &self.refused_sets, account, order).await
    }

    /// Calls an operation of Finances v0 with as many results a page as Amazon takes: it refuses a page of more than
    /// 10 MB as an invalid input, whatever the input.
    async fn in_small_pages(&self, call: Call<'_>, results: &mut u32) -> Result<Response, SourceError> {
        loop {
            let most = results.to_string();
            let mut query = call.query.to_vec();
            query.push(("MaxResultsPerPage", most.as_str()));
            let asked = Call {
                segments: call.segments,
                ..Call::get(call.account, call.operation, &query, call.urgency)
            };
            match self.caller.call(asked).await {
                Err(SourceError::Refused { code: "AMZ-REFUSED", message })
                    if *results > 1 && message.contains("InvalidInput") && !message.contains("Date") =>
                {
                    *results /= 2;
                }
                result => return result,
            }
        }
    }

    /// Reads a page of a stream that is one operation.
    async fn simple_page(&self, account: &Account, ask: Ask<'_>) -> Result<Page, SourceError> {
        let (from, to) = (instant(ask.window.from), instant(ask.window.to));
        let bounds = |a: &'static str, b: &'static str| vec![(a, from.as_str()), (b, to.as_str())];
        let (operation, mut query, token_name) = match ask.stream {
            // No marketplaceId: with it, orders fulfilled by the merchant are left out in the US.
            Stream::Orders | Stream::Transactions => {
                (Operation::ListTransactions, bounds("postedAfter", "postedBefore"), "nextToken")
            }
            Stream::Groups => {
                let query = bounds("FinancialEventGroupStartedAfter", "FinancialEventGroupStartedBefore");
                (Operation::ListFinancialEventGroups, query, "NextToken")
            }
            Stream::Payouts => (Operation::ListPayouts, bounds("createdAfter", "createdBefore"), "nextToken"),
            Stream::Reports => {
                let mut query = bounds("createdSince", "createdUntil");
                query.push(("reportTypes", SETTLEMENT_REPORT));
                query.push(("processingStatuses", "DONE"));
                query.push(("pageSize", "100"));
                (Operation::GetReports, query, "nextToken")
            }
        };
        match ask.token {
            // Here, and only here, a page token travels alone.
            Some(token) if ask.stream == Stream::Reports => query = vec![(token_name, token)],
            Some(token) => query.push((token_name, token)),
            None => {}
        }
        let call = Call::get(account, operation, &query, ask.urgency);
        let answer = match ask.stream {
            Stream::Groups => self.in_small_pages(call, &mut { RESULTS_MAX }).await?,
            _ => self.caller.call(call).await?,
        };
        page_of(operation, ask, &answer)
    }
}

/// Results on a page of Finances v0 at the most.
const RESULTS_MAX: u32 = 100;

/// Settlement reports are made by Amazon at the close of a settlement and cannot be requested (Amazon, "Report type
/// values"); the older flat file and the XML end on 2026-11-11.
const SETTLEMENT_REPORT: &str = "GET_V2_SETTLEMENT_REPORT_DATA_FLAT_FILE_V2";

/// Products asked for in one call (Catalog Items, searchCatalogItems: identifiers).
const IDENTIFIERS_MAX: usize = 20;

/// Reads an answer as a page.
pub(crate) fn page_of(operation: Operation, ask: Ask<'_>, answer: &Response) -> Result<Page, SourceError> {
    let page = wire::page(ask.stream, &answer.body).map_err(|error| not_understood(operation, &error))?;
    loops(operation, page.next.as_deref(), ask.token)?;
    Ok(page)
}

/// A token that leads to itself would be followed for ever.
pub(crate) fn loops(operation: Operation, next: Option<&str>, sent: Option<&str>) -> Result<(), SourceError> {
    if next.is_some() && next == sent {
        let message = format!("{}: a page's token leads to itself", operation.name());
        return Err(refused("AMZ-PAGE-LOOP", message));
    }
    Ok(())
}

pub(crate) fn not_understood(operation: Operation, error: &serde_json::Error) -> SourceError {
    refused("AMZ-ANSWER", format!("{}: the answer is not understood: {error}", operation.name()))
}

/// Amazon takes UTC with `Z` only, to the second.
pub(crate) fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

#[async_trait]
impl AmazonSource for SpApiClient {
    async fn page(&self, account: &Account, ask: Ask<'_>) -> Result<Page, SourceError> {
        match (ask.stream, self.caller.options.orders_api) {
            (Stream::Orders, OrdersApi::Current) => {
                orders::current(&self.caller, &self.refused_sets, account, ask).await
            }
            (Stream::Orders, OrdersApi::V0) => orders::v0(&self.caller, account, ask).await,
            _ => self.simple_page(account, ask).await,
        }
    }

    async fn report_file(&self, account: &Account, report: &str) -> Result<Vec<u8>, SourceError> {
        let document = wire::reports::document_id(report)
            .map_err(|error| refused("AMZ-ANSWER", format!("getReports: {error}")))?;
        let operation = Operation::GetReportDocument;
        let segments = [document.as_str()];
        let call = Call { segments: &segments, ..Call::get(account, operation, &[], Urgency::Live) };
        let answer = self.caller.call(call).await?;
        let url = wire::reports::url(&answer.body).map_err(|error| not_understood(operation, &error))?;
        // The address is signed and lasts five minutes; nothing of ours may be sent to it. If it fails, the stage
        // asks for another one.
        let file = self.caller.http.send(Request::get(url.expose_secret())).await;
        let file = file.map_err(|error| transient("AMZ-FILE", &error))?;
        if !file.is_success() {
            let message = format!("the file of report {document} is answered with HTTP {}", file.status);
            return Err(SourceError::Transient { code: "AMZ-FILE", message, retry_after: None });
        }
        wire::settlement::unpacked(file.body).map_err(|error| refused("AMZ-FILE", error))
    }

    async fn participations(&self, account: &Account) -> Result<Vec<Participation>, SourceError> {
        let operation = Operation::GetMarketplaceParticipations;
        let answer = self.caller.call(Call::get(account, operation, &[], Urgency::Live)).await?;
        wire::sellers::participations(&answer.body).map_err(|error| not_understood(operation, &error))
    }

    async fn products(
        &self,
        account: &Account,
        marketplace: &MarketplaceId,
        skus: &[Sku],
    ) -> Result<Vec<Product>, SourceError> {
        let operation = Operation::SearchCatalogItems;
        let mut products = Vec::with_capacity(skus.len());
        for chunk in skus.chunks(IDENTIFIERS_MAX) {
            // A comma parts identifiers: a SKU that holds one cannot be asked for.
            let list: Vec<&str> = chunk.iter().map(Sku::as_str).filter(|sku| !sku.contains(',')).collect();
            let identifiers = list.join(",");
            let query = [
                ("identifiers", identifiers.as_str()),
                ("identifiersType", "SKU"),
                ("sellerId", account.seller.as_str()),
                ("marketplaceIds", marketplace.as_str()),
                ("includedData", "identifiers,productTypes,summaries"),
                ("pageSize", "20"),
            ];
            let answer = self.caller.call(Call::get(account, operation, &query, Urgency::Live)).await?;
            let found =
                wire::catalog::products(&answer.body).map_err(|error| not_understood(operation, &error))?;
            products.extend(found);
        }
        Ok(products)
    }

    fn order(&self, json: &str) -> Result<Order, Unreadable> {
        if wire::orders_v0::is_one(json) { wire::orders_v0::order(json) } else { wire::orders::order(json) }
    }

    fn transaction(&self, json: &str) -> Result<Transaction, Unreadable> {
        wire::finances::transaction(json)
    }

    fn group(&self, json: &str) -> Result<Group, Unreadable> {
        wire::finances::group(json)
    }

    fn payout(&self, json: &str) -> Result<Payout, Unreadable> {
        wire::transfers::payout(json)
    }

    fn settlement_report(&self, file: &[u8]) -> Result<SettlementReport, Unreadable> {
        wire::settlement::report(file)
    }

    fn without_buyer_data(&self, json: &str) -> Result<String, Unreadable> {
        wire::buyer::removed(json)
    }
}
