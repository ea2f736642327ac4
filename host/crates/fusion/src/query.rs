//! Values in Fusion's `q` parameter. It knows no escaping: a value with an operator in it would change the question,
//! so only harmless characters are let through.

use ml_connector_ports::SourceError;

/// A value in quotes (REST framework version 2 and later).
///
/// # Errors
/// A character that could end the value.
pub(crate) fn quoted(value: &str) -> Result<String, SourceError> {
    let harmless = |c: char| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_' | '.' | '/' | '&' | ':');
    if !value.is_empty() && value.chars().all(harmless) {
        return Ok(format!("'{value}'"));
    }
    Err(SourceError::Refused {
        code: "FUS-QUERY",
        message: format!("`{value}` cannot be asked for: Fusion's queries know no escaping"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_change_the_question_is_refused() {
        assert_eq!(quoted("Vision Operations").ok().as_deref(), Some("'Vision Operations'"));
        for value in ["", "x' or '1'='1", "a;b", "a%", "(x)", "a\nb"] {
            assert!(quoted(value).is_err(), "{value}");
        }
    }
}
