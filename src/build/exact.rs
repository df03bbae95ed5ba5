//! JSON of rows, as programs keep it.

/// JSON in which every number that programs would not keep exactly is a string.
pub(super) fn exact(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut rest = json;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => rest.find([',', '}', ']']).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, behind) = rest.split_at(length);
        let digits = token.chars().filter(char::is_ascii_digit).count();
        let kept = first == '"' || digits <= EXACT_DIGITS || token.parse::<i64>().is_ok();
        text.push_str(&if kept { token.to_owned() } else { format!("\"{token}\"") });
        rest = behind;
    }
    text
}

/// Digits that a program's floating-point number keeps.
const EXACT_DIGITS: usize = 15;

/// Bytes of the JSON string at the start of `text`, quotes included.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            b'"' if !escaped => return at + 1,
            b'\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::exact;

    #[test]
    fn numbers_stay_exact() {
        for (json, wanted) in [
            (r#"{"a":12345678901234567890.12,"b":1.50}"#, r#"{"a":"12345678901234567890.12","b":1.50}"#),
            (
                r#"{"a":9223372036854775807,"b":[-0.12345678901234567]}"#,
                r#"{"a":9223372036854775807,"b":["-0.12345678901234567"]}"#,
            ),
            (
                r#"{"1234567890123456.7":"é\\\"1234567890123456.7","b":null}"#,
                r#"{"1234567890123456.7":"é\\\"1234567890123456.7","b":null}"#,
            ),
        ] {
            assert_eq!(exact(json), wanted);
            assert!(serde_json::from_str::<Value>(wanted).is_ok(), "{wanted}");
        }
    }
}
