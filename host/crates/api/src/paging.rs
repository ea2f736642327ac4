//! Pages: a limit, and an opaque mark of where the page before ended.

use data_encoding::BASE64URL_NOPAD;

use crate::call::Call;
use crate::problem::{Kind, Problem};

/// Rows of a page that says nothing.
const DEFAULT: u32 = 50;
/// Rows of the largest page.
const LARGEST: u32 = 200;

/// What page is asked for.
pub(crate) struct Page {
    /// Rows at the most.
    pub(crate) limit: u32,
    after: Option<String>,
}

impl Page {
    /// Reads it from the query.
    pub(crate) fn of(call: &Call) -> Result<Self, Problem> {
        let limit = call.asked::<u32>("limit")?.unwrap_or(DEFAULT);
        if !(1..=LARGEST).contains(&limit) {
            return Err(Problem::new(Kind::Malformed, format!("limit: write 1 to {LARGEST}")));
        }
        let after = call.query.get("after").map(|text| opened(text)).transpose()?;
        Ok(Self { limit, after })
    }

    /// Where the page before ended, as it was marked.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// Where the page before ended, read.
    pub(crate) fn after_as<T: std::str::FromStr>(&self) -> Result<Option<T>, Problem> {
        self.after().map(|text| text.parse().map_err(|_| unknown())).transpose()
    }

    /// One row more than is shown: whether there is a next page.
    pub(crate) fn fetched(&self) -> u32 {
        self.limit + 1
    }

    /// Rows of which one more was fetched than is shown, and the mark of the next page.
    pub(crate) fn cut<T>(&self, mut rows: Vec<T>, mark: impl Fn(&T) -> String) -> (Vec<T>, Option<String>) {
        let limit = usize::try_from(self.limit).unwrap_or(usize::MAX);
        if rows.len() <= limit {
            return (rows, None);
        }
        rows.truncate(limit);
        let next = rows.last().map(|row| BASE64URL_NOPAD.encode(mark(row).as_bytes()));
        (rows, next)
    }

    /// A page of rows that are all at hand, in an order of their own.
    pub(crate) fn of_all<T>(
        &self,
        rows: Vec<T>,
        mark: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, Option<String>), Problem> {
        let begin = match self.after() {
            None => 0,
            Some(after) => 1 + rows.iter().position(|row| mark(row) == after).ok_or_else(unknown)?,
        };
        let limit = usize::try_from(self.fetched()).unwrap_or(usize::MAX);
        Ok(self.cut(rows.into_iter().skip(begin).take(limit).collect(), mark))
    }
}

fn unknown() -> Problem {
    Problem::new(Kind::Malformed, "after: this is no `next` of a page of this list")
}

fn opened(text: &str) -> Result<String, Problem> {
    let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| unknown())?;
    String::from_utf8(bytes).map_err(|_| unknown())
}
