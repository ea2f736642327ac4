//! Where in a payload a refusal belongs, if Fusion does not say it.

use ml_connector_domain::refusal::Refusal;
use serde_json::Value;

use crate::refusals::is_too_long;

/// The refusal with its line, where Fusion names a field that is too long and not where it stands: the one line of the
/// payload that has more characters in it than Fusion's words allow. `lines` is Fusion's name of the lines.
pub(crate) fn placed(refusal: Refusal, body: &Value, lines: &str) -> Refusal {
    let (None, Some(field), true) = (refusal.line, &refusal.field, is_too_long(&refusal)) else {
        return refusal;
    };
    let number = |word: &str| word.trim_matches(|c: char| !c.is_ascii_digit()).parse::<usize>().ok();
    let Some(longest) = refusal.words.split_whitespace().filter_map(number).next_back() else {
        return refusal;
    };
    let too_long = |line: &Value| line[field].as_str().is_some_and(|text| text.chars().count() > longest);
    let all = body[lines].as_array().into_iter().flatten().zip(1_u32..);
    let found: Vec<u32> = all.filter(|(line, _)| too_long(line)).map(|(_, n)| n).collect();
    match found.as_slice() {
        [one] => refusal.at_line(Some(*one)),
        _ => refusal,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::refusals::of_words;
    use serde_json::json;

    #[test]
    fn a_field_that_is_too_long_is_found_in_the_line_that_has_it() {
        let words = "Attribute Description has more than 10 characters.";
        let refusal = of_words(Some("27040"), Some("/Description"), words);
        let body = |texts: [&str; 2]| json!({ "lines": texts.map(|text| json!({ "Description": text })) });
        let line = |texts| placed(refusal.clone(), &body(texts), "lines").line;
        assert_eq!(line(["a mug", "a very long mug"]), Some(2));
        assert_eq!(line(["a mug", "a bowl"]), None, "no line has it");
        assert_eq!(line(["a very long bowl", "a very long mug"]), None, "Fusion does not say which");
        let other = of_words(None, None, "Enter a value for item, memo line, or description.");
        assert_eq!(placed(other.clone(), &body(["a very long bowl", ""]), "lines"), other);
    }
}
