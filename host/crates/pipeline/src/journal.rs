//! Journals on their way into the plan: those of settlements and those of deferred money.

use ml_connector_domain::audit::Action;
use ml_connector_domain::document::{Body, Document, JournalOf, Origin, Part};
use ml_connector_domain::id::ContentHash;
use ml_connector_domain::mapping::Reason;
use ml_connector_domain::validate::{self, Expectation};
use ml_connector_domain::{Money, Timestamp};
use ml_connector_storage::{Change, MadeBy};

use crate::audit;
use crate::map::Facts;

/// A journal that is to be planned.
pub(crate) struct Journal {
    pub(crate) document: Document,
    /// What Fusion must show on the settlement account.
    pub(crate) expected: Money,
    /// What it must put on which account, by Amazon's figures, in whichever currency they are.
    pub(crate) moves: Vec<(String, Money)>,
    pub(crate) recognizes: Vec<(String, &'static str)>,
    /// What is to be said of its rate and its date, beginning with a comma; empty if nothing.
    pub(crate) said: String,
}

impl Journal {
    pub(crate) fn accounts(&self) -> Vec<String> {
        self.document.accounts().into_iter().map(str::to_owned).collect()
    }

    /// The changes that plan it, with what the audit log says of it under `subject`.
    pub(crate) fn plan(self, subject: &str, now: Timestamp) -> [Change; 2] {
        let Self { document, expected, recognizes, said, .. } = self;
        let (what, transactions) = match &document.body {
            Body::Journal { of, transactions, .. } => (what(of), *transactions),
            _ => (String::new(), 0),
        };
        let detail = format!(
            "journal {}{what} over {expected} of {transactions} transactions dated {}{said}",
            document.key, document.date
        );
        [
            audit(now, &document.seller, subject, Action::Planned, detail),
            Change::Plan { document: Box::new(document), expected, recognizes, at: now },
        ]
    }
}

fn what(of: &JournalOf) -> String {
    match of {
        JournalOf::Settlement { adjustment: Some(adjustment), .. } => format!(" (adjustment {adjustment})"),
        JournalOf::Settlement { part: None, .. } => String::new(),
        JournalOf::Settlement { part: Some(Part { number, of, .. }), .. } => {
            format!(" (part {number} of {of})")
        }
        JournalOf::Deferred { accrual } => format!(" of money deferred in {}", accrual.month),
    }
}

/// Dates each by the policy for closed periods and checks it; all are postable, or none is planned.
pub(crate) fn place_and_judge(
    mut journals: Vec<Journal>,
    facts: &Facts,
) -> Result<Vec<Journal>, Vec<Reason>> {
    let mut violations = Vec::new();
    for journal in &mut journals {
        journal.said.push_str(&facts.place(&mut journal.document));
        let expectation = Expectation::Moves(journal.moves.clone());
        let facts = facts.at(journal.document.date);
        violations.extend(validate::document(&journal.document, &expectation, &facts));
    }
    if violations.is_empty() { Ok(journals) } else { Err(violations) }
}

/// A journal is mapped in many batches: its input is the hash over theirs, in order.
pub(crate) fn origin(behind: Vec<(ContentHash, MadeBy)>) -> Origin {
    let mut batches: Vec<&str> = behind.iter().map(|(batch, _)| batch.as_str()).collect();
    batches.sort_unstable();
    batches.dedup();
    let input = ContentHash::of(batches.join("\n").as_bytes());
    let Some((_, first)) = behind.first() else {
        let nothing = || ContentHash::of(b"");
        return Origin::new(nothing(), input, nothing());
    };
    let mut other_mappers: Vec<ContentHash> =
        behind.iter().map(|(_, made)| made.mapper.clone()).filter(|mapper| *mapper != first.mapper).collect();
    other_mappers.sort();
    other_mappers.dedup();
    Origin {
        mapper: first.mapper.clone(),
        input,
        catalog: first.catalog.clone(),
        contract: first.contract.clone(),
        settings: Some(first.settings.clone()),
        other_mappers,
    }
}
