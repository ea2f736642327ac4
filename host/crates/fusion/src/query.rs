//! Questions to Fusion's collections. `q` knows no escaping: a value that could end its own quotes would change the
//! question. So there is one builder; attributes are constants of ours, values are checked, and the order is not
//! optional, because offset paging skips and doubles rows without one.

use jiff::tz::TimeZone;
use ml_connector_domain::Timestamp;
use ml_connector_ports::SourceError;

/// A question to a collection.
///
/// ```ignore
/// Query::by("CustomerTransactionId").is("TransactionNumber", key)?.is("BusinessUnit", unit)?
/// Query::finder("ESSJobStatusRF").with("requestId", request)?
/// ```
#[derive(Debug, Clone, Default)]
pub(crate) struct Query {
    conditions: Vec<String>,
    finder: Option<String>,
    order: Option<&'static str>,
    expand: Option<&'static str>,
    links: bool,
    limit: Option<u16>,
}

impl Query {
    /// Rows in the order of an attribute, which has to be unique.
    pub(crate) fn by(order: &'static str) -> Self {
        Self { order: Some(order), ..Self::default() }
    }

    /// What a finder finds; there is one row for its arguments, or none.
    pub(crate) fn finder(name: &'static str) -> Self {
        Self { finder: Some(name.to_owned()), links: true, ..Self::default() }
    }

    /// An argument of the finder.
    ///
    /// # Errors
    /// Anything but letters, digits, `_` and `-`.
    pub(crate) fn with(mut self, variable: &'static str, value: &str) -> Result<Self, SourceError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-');
        if value.is_empty() || !value.chars().all(plain) {
            return Err(refused(value));
        }
        let finder = self.finder.take().unwrap_or_default();
        let separator = if finder.contains(';') { ',' } else { ';' };
        self.finder = Some(format!("{finder}{separator}{variable}={value}"));
        Ok(self)
    }

    /// Rows whose attribute is this text.
    ///
    /// # Errors
    /// A character that could end the value.
    pub(crate) fn is(mut self, attribute: &'static str, value: &str) -> Result<Self, SourceError> {
        self.conditions.push(format!("{attribute}='{}'", harmless(value)?));
        Ok(self)
    }

    /// Rows whose attribute is this number: an id, or an application.
    ///
    /// # Errors
    /// Anything but digits.
    pub(crate) fn number(mut self, attribute: &'static str, value: &str) -> Result<Self, SourceError> {
        if value.is_empty() || !value.chars().all(|c| c.is_ascii_digit()) {
            return Err(refused(value));
        }
        self.conditions.push(format!("{attribute}={value}"));
        Ok(self)
    }

    /// Rows whose attribute has this text somewhere in it.
    ///
    /// # Errors
    /// As for [`Query::is`].
    pub(crate) fn contains(mut self, attribute: &'static str, value: &str) -> Result<Self, SourceError> {
        self.conditions.push(format!("{attribute} LIKE '%{}%'", harmless(value)?));
        Ok(self)
    }

    /// Rows whose time is this or later; Fusion's times have whole seconds here.
    pub(crate) fn since(mut self, attribute: &'static str, from: Timestamp) -> Self {
        let time = from.to_zoned_datetime(TimeZone::UTC).strftime("%Y-%m-%d %H:%M:%S");
        self.conditions.push(format!("{attribute}>='{time}'"));
        self
    }

    /// Brings children along.
    pub(crate) fn expanding(mut self, children: &'static str) -> Self {
        self.expand = Some(children);
        self
    }

    /// Brings links along: some keys stand nowhere else.
    pub(crate) fn linked(mut self) -> Self {
        self.links = true;
        self
    }

    /// No more rows than this.
    pub(crate) fn first(mut self, rows: u16) -> Self {
        self.limit = Some(rows);
        self
    }

    /// As query parameters.
    pub(crate) fn pairs(&self) -> Vec<(&'static str, String)> {
        let mut pairs = Vec::new();
        let mut add = |name, value: Option<String>| pairs.extend(value.map(|value| (name, value)));
        add("q", (!self.conditions.is_empty()).then(|| self.conditions.join(" and ")));
        add("finder", self.finder.clone());
        add("expand", self.expand.map(str::to_owned));
        add("orderBy", self.order.map(str::to_owned));
        add("onlyData", (!self.links).then(|| "true".to_owned()));
        add("limit", self.limit.map(|rows| rows.to_string()));
        pairs
    }
}

/// The value, if nothing in it can end a quoted value or stand for other characters.
fn harmless(value: &str) -> Result<&str, SourceError> {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | '&' | ':');
    if !value.is_empty() && value.chars().all(harmless) { Ok(value) } else { Err(refused(value)) }
}

fn refused(value: &str) -> SourceError {
    SourceError::Refused {
        code: "FUS-QUERY",
        message: format!(
            "`{}` cannot be asked for: Fusion's queries know no escaping; use a name of letters, digits, spaces and -_./&:",
            value.escape_debug()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn q(query: &Query) -> String {
        let pairs = query.pairs();
        pairs.iter().find(|(name, _)| *name == "q").map(|(_, value)| value.clone()).unwrap_or_default()
    }

    #[test]
    fn what_could_change_the_question_is_refused() {
        let hostile = [
            "",
            "x' or '1'='1",
            "x'; DeleteFlag='Y",
            "a;b",
            "a%",
            "a*",
            "(x)",
            "a\nb",
            "a\u{0}b",
            "a\"b",
            "a\\b",
            "a\u{2019}b",
            "=1",
            "a,b",
        ];
        for value in hostile {
            let by = || Query::by("Id");
            for refused in [by().is("A", value), by().contains("A", value), by().number("A", value)] {
                let words = refused.expect_err(value).to_string();
                assert!(words.starts_with("FUS-QUERY: ") && words.lines().count() == 1, "{words}");
            }
            assert!(Query::finder("F").with("a", value).is_err(), "{value}");
        }
        for id in ["12a", "-1", "1.5", "١"] {
            assert!(Query::by("Id").number("A", id).is_err(), "{id}");
        }
        assert!(Query::finder("F").with("a", "1,fileType=ALL").is_err());
    }

    #[test]
    fn a_question_has_its_conditions_and_always_an_order() {
        let at = "2026-09-02T10:00:00.999Z".parse().expect("a time");
        let query = Query::by("Id").is("BusinessUnit", "Vision Operations").expect("harmless");
        let query = query.number("LedgerId", "300000046975971").expect("digits").since("LastUpdateDate", at);
        let wanted = "BusinessUnit='Vision Operations' and LedgerId=300000046975971 \
                      and LastUpdateDate>='2026-09-02 10:00:00'";
        assert_eq!(q(&query), wanted);
        let names: Vec<_> = query.expanding("lines").first(1).pairs().iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["q", "expand", "orderBy", "onlyData", "limit"]);
        let finder = Query::finder("F").with("requestId", "7").and_then(|f| f.with("fileType", "ALL"));
        assert_eq!(finder.expect("plain").pairs(), [("finder", "F;requestId=7,fileType=ALL".to_owned())]);
    }

    proptest::proptest! {
        #[test]
        fn a_value_that_is_let_through_stays_between_its_quotes(value in "\\PC{1,20}|[ -~]{1,20}") {
            if let Ok(query) = Query::by("Id").is("A", &value) {
                proptest::prop_assert_eq!(q(&query), format!("A='{value}'"));
                proptest::prop_assert!(!value.contains(['\'', ';', '%', '*', '"', '\\', '(', ')']));
            }
        }
    }
}
