//! Problems as text for people.

use std::borrow::Cow;
use std::sync::LazyLock;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use regex::Regex;

use super::{Problem, Severity};

/// All problems, each with its place underlined and its help, in the way compilers show them.
pub fn render(problems: &[Problem], color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut out = String::new();
    for problem in problems {
        let group = group(problem);
        out.push_str(&renderer.render(&[group]));
        out.push_str("\n\n");
    }
    out
}

fn group(problem: &Problem) -> Group<'_> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let mut group =
        level.primary_title(problem.message.as_str()).elements(std::iter::empty::<annotate_snippets::Element<'_>>());
    let path = problem.file.display().to_string();
    if let Some(place) = &problem.place {
        let mark = AnnotationKind::Primary.span(place.span.clone());
        let snippet = Snippet::source(without_passwords(&place.text)).path(path).annotation(mark);
        group = group.element(snippet);
    } else if !path.is_empty() {
        group = group.element(Origin::path(path));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}

/// The text with every password of a URL made illegible, so that no log keeps it; every other byte stays where it was.
fn without_passwords(text: &str) -> Cow<'_, str> {
    static PASSWORD: LazyLock<Option<Regex>> =
        LazyLock::new(|| Regex::new(r#"(?:postgres(?:ql)?://[^\s"'/@:]*:|[?&]password=)([^\s"'@&]+)"#).ok());
    let Some(pattern) = LazyLock::force(&PASSWORD) else { return Cow::Borrowed(text) };
    let mut masked = String::new();
    let mut from = 0;
    for found in pattern.captures_iter(text).filter_map(|captures| captures.get(1)) {
        // A variable's name is no secret.
        if !found.as_str().contains("${") {
            masked.push_str(&text[from..found.start()]);
            masked.push_str(&"*".repeat(found.len()));
            from = found.end();
        }
    }
    if from == 0 {
        return Cow::Borrowed(text);
    }
    masked.push_str(&text[from..]);
    Cow::Owned(masked)
}

#[cfg(test)]
mod tests {
    use super::without_passwords;

    #[test]
    fn passwords_are_illegible() {
        for (text, shown) in [
            ("url = \"postgres://ana:s3cret@db/shop\"", "url = \"postgres://ana:******@db/shop\""),
            ("url = 'postgresql:///shop?user=ana&password=ñ1'", "url = 'postgresql:///shop?user=ana&password=***'"),
            ("url = \"postgres://ana:${PASSWORD}@db/shop\"", "url = \"postgres://ana:${PASSWORD}@db/shop\""),
            ("url = \"postgres://ana@db:5432/shop\"", "url = \"postgres://ana@db:5432/shop\""),
            ("query = \"SELECT 'a:b@c'\"", "query = \"SELECT 'a:b@c'\""),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }
}
