//! Amounts of a payload: exact, and rounded where Fusion rounds.

use serde_json::Value;

use crate::fusion::adf::{Refusal, refusal};
use crate::scenario::Currency;

/// Minor units as a JSON number.
pub(in crate::fusion) fn decimal(currency: Currency, minor: i64) -> Value {
    currency.decimal(minor).parse::<serde_json::Number>().map_or(Value::Null, Value::Number)
}

/// The digits of a number or of the text of one.
pub(super) fn digits(value: Option<&Value>) -> Option<String> {
    match value {
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(Value::String(text)) if !text.is_empty() => Some(text.clone()),
        _ => None,
    }
}

/// An amount in minor units.
///
/// # Errors
/// It is absent, or has more places than the currency.
pub(in crate::fusion) fn minor(
    value: Option<&Value>,
    currency: Currency,
    name: &str,
) -> Result<i64, Refusal> {
    let digits =
        digits(value).ok_or_else(|| refusal("27014", name, format!("Attribute {name} is required.")))?;
    currency
        .minor(&digits)
        .ok_or_else(|| refusal("27026", name, format!("{digits} isn't an amount in {}.", currency.code())))
}

/// Sign and digits without the point, and how many digits stand behind it.
fn scaled(text: &str) -> Option<(i128, u32)> {
    let (sign, digits) = text.strip_prefix('-').map_or((1, text), |rest| (-1, rest));
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let plain = all.len() <= 18 && !all.is_empty() && all.bytes().all(|digit| digit.is_ascii_digit());
    let places = u32::try_from(fraction.len()).ok()?;
    plain.then(|| all.parse::<i128>().ok()).flatten().map(|digits| (sign * digits, places))
}

/// Quantity times price in minor units, rounded to the currency's places, halves away from zero.
pub(super) fn product(quantity: &str, price: &str, currency: Currency) -> Option<i64> {
    let ((quantity, a), (price, b)) = (scaled(quantity)?, scaled(price)?);
    let product = quantity.checked_mul(price)?.checked_mul(10_i128.pow(currency.places()))?;
    let unit = 10_i128.pow(a + b);
    let (whole, rest) = (product / unit, product % unit);
    let away = if rest.abs() * 2 >= unit { product.signum() } else { 0 };
    i64::try_from(whole + away).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_rounded_to_the_places_of_its_currency() {
        let rows = [
            ("2", "9.5", Currency::Usd, Some(1_900)),
            ("3", "0.335", Currency::Usd, Some(101)),
            ("1", "-0.005", Currency::Usd, Some(-1)),
            ("1.5", "1.01", Currency::Usd, Some(152)),
            ("2", "100.4", Currency::Jpy, Some(201)),
            ("1", "1e3", Currency::Usd, None),
        ];
        for (quantity, price, currency, wanted) in rows {
            assert_eq!(product(quantity, price, currency), wanted, "{quantity} x {price}");
        }
    }
}
