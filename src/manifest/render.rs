//! Problems as text for people.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Problem, Severity};

/// All problems, each with its place underlined and its help, in the way compilers show them.
pub fn render(problems: &[Problem], color: bool) -> String {
    let renderer = if color {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
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
    let mut group = level
        .primary_title(problem.message.as_str())
        .elements(std::iter::empty::<annotate_snippets::Element<'_>>());
    let path = problem.file.display().to_string();
    if let Some(place) = &problem.place {
        let mark = AnnotationKind::Primary.span(place.span.clone());
        let snippet = Snippet::source(&*place.text).path(path).annotation(mark);
        group = group.element(snippet);
    } else if !path.is_empty() {
        group = group.element(Origin::path(path));
    }
    if let Some(help) = &problem.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    group
}
