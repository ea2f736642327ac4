//! How long Amazon can still serve a record, so that it is known what cannot be read a second time.

use jiff::civil::Date;

use crate::marketplace;

/// Where orders are kept from 2016 on, instead of for two years (Amazon, Orders API, description).
const KEPT_SINCE_2016: [&str; 3] = ["JP", "AU", "SG"];
/// Settlement reports (Amazon, Reports API: "retained for a maximum of 90 days").
const REPORT_DAYS: i64 = 90;

/// What Amazon can still say about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Until this day.
    Until(Date),
    /// No end is known.
    Always,
    /// No longer since this day: what is stored here is all there is.
    Outside(Date),
}

/// Whether Amazon can still serve a record of a kind (`order`, `transaction`, `report`) from `day`.
///
/// Outside of its time a read brings nothing, and never says that there was something.
pub fn served(kind: &str, marketplace: Option<&str>, day: Date, today: Date) -> Served {
    let country = marketplace.and_then(marketplace::find).map(|marketplace| marketplace.country);
    let kept_long = country.is_some_and(|country| KEPT_SINCE_2016.contains(&country));
    let end = match kind {
        "report" => day.saturating_add(jiff::Span::new().days(REPORT_DAYS)),
        "order" if kept_long && day.year() >= 2016 => return Served::Always,
        _ => day.saturating_add(jiff::Span::new().years(2)),
    };
    if end < today { Served::Outside(end) } else { Served::Until(end) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn two_years_but_not_everywhere_and_not_for_reports() {
        let today = date(2026, 11, 24);
        let (us, jp) = (Some("ATVPDKIKX0DER"), Some("A1VC38T7YXB528"));
        let rows = [
            ("order", us, date(2024, 11, 24), Served::Until(today)),
            ("order", us, date(2024, 11, 23), Served::Outside(date(2026, 11, 23))),
            ("order", jp, date(2017, 1, 1), Served::Always),
            ("order", jp, date(2015, 12, 31), Served::Outside(date(2017, 12, 31))),
            ("transaction", jp, date(2017, 1, 1), Served::Outside(date(2019, 1, 1))),
            ("report", us, date(2026, 8, 26), Served::Until(today)),
            ("report", us, date(2026, 8, 25), Served::Outside(date(2026, 11, 23))),
            ("order", Some("A2ZV50J4W1RKNI"), date(2026, 1, 1), Served::Until(date(2028, 1, 1))),
            ("order", None, date(2020, 1, 1), Served::Outside(date(2022, 1, 1))),
        ];
        for (kind, place, day, wanted) in rows {
            assert_eq!(served(kind, place, day, today), wanted, "{kind} {place:?} {day}");
        }
    }
}
