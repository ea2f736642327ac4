//! How prices stand to tax in a marketplace.

use ml_connector_sdk::{BatchContext, Reason};

/// A marketplace's regime, as the operator declared it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Regime {
    /// Tax comes on top and is stated (US).
    Exclusive,
    /// Prices contain VAT at this many basis points and no tax is stated (EU, UK, JP).
    Inclusive(u32),
}

/// Reads `tax.<marketplace>`.
///
/// # Errors
/// It is not declared, or not as `exclusive` or `inclusive:<percent>`. Guessing would put VAT into revenue.
pub(crate) fn regime(context: &BatchContext, marketplace: &str) -> Result<Regime, Reason> {
    let key = ["tax.", marketplace].concat();
    let Some(value) = context.setting(&key) else {
        return Err(Reason::new(
            "tax-undeclared",
            marketplace,
            format!("the mapper's setting `{key}` is missing"),
        ));
    };
    parse(value).ok_or_else(|| {
        let message =
            format!("`{key}` is `{value}`: write `exclusive` or `inclusive:<percent>`, e.g. inclusive:19");
        Reason::new("tax-undeclared", marketplace, message)
    })
}

fn parse(value: &str) -> Option<Regime> {
    if value == "exclusive" {
        return Some(Regime::Exclusive);
    }
    let (whole, fraction) = match value.strip_prefix("inclusive:")?.split_once('.') {
        Some((whole, fraction)) if (1..=2).contains(&fraction.len()) => (whole, format!("{fraction:0<2}")),
        Some(_) => return None,
        None => (value.strip_prefix("inclusive:")?, "00".to_owned()),
    };
    let digits = whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit());
    let points: u32 = format!("{whole}{fraction}").parse().ok()?;
    (digits && !whole.is_empty() && points < 10_000).then_some(Regime::Inclusive(points))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_percentages_with_up_to_two_places() {
        let rows = [
            ("exclusive", Some(Regime::Exclusive)),
            ("inclusive:20", Some(Regime::Inclusive(2_000))),
            ("inclusive:5.5", Some(Regime::Inclusive(550))),
            ("inclusive:8.25", Some(Regime::Inclusive(825))),
            ("inclusive:", None),
            ("inclusive:1.234", None),
            ("inclusive:120", None),
            ("inclusive:-5", None),
            ("20", None),
        ];
        for (text, wanted) in rows {
            assert_eq!(parse(text), wanted, "{text}");
        }
    }
}
