//! Why Fusion refused a document: in a form that a person can act on.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Stable, for machines: `FUS-ACCOUNT-UNKNOWN`.
    pub code: String,
    /// The document's line, from 1, if one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Fusion's name of the field, if one is to blame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Fusion's own words, or ours where Fusion was not asked.
    pub words: String,
    /// What to do.
    pub advice: String,
}

/// What to do about a refusal that names nothing better.
const LOOK: &str = "read Fusion's words, mend the cause, and have the document planned again";

impl Refusal {
    /// A refusal without line and field.
    pub fn new(code: &str, words: impl Into<String>, advice: &str) -> Self {
        Self {
            code: code.to_owned(),
            line: None,
            field: None,
            words: words.into(),
            advice: if advice.is_empty() { LOOK.to_owned() } else { advice.to_owned() },
        }
    }

    /// One of our own, written as `FUS-CODE: words`; without a code it is `FUS-REFUSED`.
    pub fn own(text: impl Into<String>) -> Self {
        let text = text.into();
        match text.split_once(": ") {
            Some((code, words)) if code.starts_with("FUS-") && !code.contains(' ') => {
                Self::new(code, words, LOOK)
            }
            _ => Self::new("FUS-REFUSED", text, LOOK),
        }
    }

    /// The same, about a line.
    #[must_use]
    pub fn at_line(mut self, line: Option<u32>) -> Self {
        self.line = line;
        self
    }

    /// The same, about a field.
    #[must_use]
    pub fn in_field(mut self, field: Option<impl Into<String>>) -> Self {
        self.field = field.map(Into::into);
        self
    }

    /// What it is about: `line 2, AccountCombination`, as far as Fusion said it.
    pub fn place(&self) -> Option<String> {
        let line = self.line.map(|line| format!("line {line}"));
        let parts: Vec<String> = line.into_iter().chain(self.field.clone()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.code)?;
        if let Some(place) = self.place() {
            write!(f, "{place}: ")?;
        }
        write!(f, "{}; {}", self.words, self.advice)
    }
}

/// All of them in one text.
pub fn in_words(refusals: &[Refusal]) -> String {
    refusals.iter().map(Refusal::to_string).collect::<Vec<_>>().join(" | ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_words_bring_their_code() {
        let coded = Refusal::own("FUS-BILL-TO: no customer is configured");
        assert_eq!((coded.code.as_str(), coded.words.as_str()), ("FUS-BILL-TO", "no customer is configured"));
        assert_eq!(Refusal::own("what: is this").code, "FUS-REFUSED");
    }

    #[test]
    fn the_place_stands_before_the_words() {
        let refusal = Refusal::new("FUS-X", "no", "mend it").at_line(Some(2)).in_field(Some("Amount"));
        assert_eq!(refusal.to_string(), "FUS-X: line 2, Amount: no; mend it");
        assert_eq!(Refusal::new("FUS-X", "no", "mend it").to_string(), "FUS-X: no; mend it");
    }
}
