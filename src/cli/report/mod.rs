//! Results, as people, programs and pull requests read them. Pure: `print` writes them.

pub mod checks;
pub mod diff;
mod diff_markdown;
mod diff_words;
pub mod drift;
pub mod findings;
pub mod graph;
mod graph_dot;
mod graph_mermaid;
pub mod import;
pub mod mart;
pub mod migration;
pub mod paint;
pub mod plan;
pub mod plan_markdown;
pub mod plan_text;
mod plan_words;
pub mod rows;
pub mod runs;
pub mod table;

/// A number with its thousands apart: `1,234,567`.
pub fn thousands(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    if number < 0 {
        text.push('-');
    }
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Milliseconds as seconds.
pub fn seconds(milliseconds: f64) -> String {
    format!("{:.2}s", milliseconds / 1_000.0)
}

/// A text on one line, with nothing in it that a terminal would act on.
pub fn plain(text: &str) -> String {
    let shown = |c: char| if c.is_control() { c.escape_default().to_string() } else { c.to_string() };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::{plain, thousands};

    #[test]
    fn a_terminal_acts_on_nothing() {
        assert_eq!(plain("a\u{1b}]0;b\u{7}\nñ"), "a\\u{1b}]0;b\\u{7}\\nñ");
    }

    #[test]
    fn thousands_stand_apart() {
        let told: Vec<String> = [0, 999, 1_000, -1_234_567].into_iter().map(thousands).collect();
        assert_eq!(told, ["0", "999", "1,000", "-1,234,567"]);
    }
}
