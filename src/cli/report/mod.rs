//! Results, as people, programs and pull requests read them. Pure: `print` writes them.

pub mod checks;
mod comment;
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
pub mod status;
pub mod table;
pub mod verify;

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
    use super::plain;

    #[test]
    fn a_terminal_acts_on_nothing() {
        assert_eq!(plain("a\u{1b}]0;b\u{7}\nñ"), "a\\u{1b}]0;b\\u{7}\\nñ");
    }
}
