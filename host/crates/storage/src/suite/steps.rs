//! What is told of the steps that records take.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use tracing::Subscriber;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id};
use tracing_subscriber::filter::FilterFn;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

use super::super::tests::Fresh;
use super::{invoice, normalized, plan, raw, review, seller};
use crate::steps::{COMMIT, TARGET};
use crate::{Change, Store as _};

/// What a span says, by name.
type Said = BTreeMap<&'static str, String>;

/// Hears spans of steps.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Said>>>);

struct Fields<'a>(&'a mut Said);

impl Visit for Fields<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        self.0.insert(field.name(), format!("{value:?}"));
    }
}

impl<S: Subscriber> Layer<S> for Heard {
    fn on_new_span(&self, attributes: &Attributes<'_>, _: &Id, _: Context<'_, S>) {
        if attributes.metadata().name() == COMMIT {
            let mut said = Said::new();
            attributes.record(&mut Fields(&mut said));
            self.0.lock().expect("whole").push(said);
        }
    }
}

impl Heard {
    /// Record and outcome of each step since the last time, with the document where there is one.
    fn taken(&self) -> Vec<(String, String, Option<String>)> {
        let all = std::mem::take(&mut *self.0.lock().expect("whole"));
        let told = |said: Said| (said["id"].clone(), said["outcome"].clone(), said.get("document").cloned());
        all.into_iter().map(told).collect()
    }
}

fn step(id: &str, outcome: &str) -> (String, String, Option<String>) {
    (id.to_owned(), outcome.to_owned(), None)
}

#[tokio::test]
async fn a_step_is_told_once_it_is_durable_and_a_known_payload_is_none() {
    let Some(fresh) = Fresh::open().await else { return };
    let heard = Heard::default();
    let of_steps = FilterFn::new(|of| of.target() == TARGET);
    let listening = tracing_subscriber::registry().with(heard.clone().with_filter(of_steps));
    let _listens = tracing::subscriber::set_default(listening);
    fresh.apply(vec![raw("O1", "v1", 0), raw("O2", "v1", 0), raw("O1", "v1", 1)]).await;
    let mut read = heard.taken();
    read.sort();
    assert_eq!(read, [step("O1", "read"), step("O2", "read")]);
    fresh.apply(vec![raw("O1", "v1", 2), raw("O1", "v2", 2)]).await;
    assert_eq!(heard.taken(), [step("O1", "read")]);
    fresh.apply(normalized("O1", "v2", "ready")).await;
    assert_eq!(heard.taken(), [step("O1", "normalized")]);
    let document = invoice("O1", 0);
    let stage = |stage| Change::Stage {
        seller: seller(),
        kind: "order",
        natural_id: "O1".to_owned(),
        stage,
        at: super::at(0),
    };
    // The document and its record's stage are one step.
    fresh.apply(vec![stage("documented"), plan(&document, "O1")]).await;
    let key = document.key.as_str().to_owned();
    assert_eq!(heard.taken(), [("O1".to_owned(), "documented".to_owned(), Some(key))]);
    // What is refused has not happened.
    assert!(fresh.store.apply(vec![stage("documented"), plan(&document, "O1")]).await.is_err());
    assert_eq!(heard.taken(), []);
    fresh.apply(vec![stage("review"), review("no account")]).await;
    assert_eq!(heard.0.lock().expect("whole")[0]["reason"], "unmapped-sku");
}
