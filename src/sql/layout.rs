//! Queries laid out for people: PostgreSQL prints them right-aligned, without regard to width.

mod page;
mod rules;
#[cfg(test)]
mod tests;

use squawk_syntax::{SourceFile, SyntaxKind, SyntaxNode, SyntaxToken};

use super::query::Query;
use page::{Doc, print};

/// Syntax within syntax: beyond this a text is left as it is.
const MAX_DEPTH: usize = 400;

/// Lays a query out: clauses and joins begin lines, what they list stands below them, one on each line; what is short stays
/// together. A final semicolon is left out. Constants, names and comments are never touched; a text that is no query only
/// loses the indentation that all its lines have.
///
/// The result means the same, and laying it out again changes nothing.
pub fn layout(text: &str) -> String {
    let text = text.trim();
    let root = SourceFile::parse(text).syntax_node();
    if Query::parse(text).is_err() || depth(&root) > MAX_DEPTH {
        return dedent(&root);
    }
    let mut builder = Builder::default();
    builder.group(rules::SHORT_QUERY, |builder| builder.children(&root));
    let out = print(&builder.docs);
    let again = SourceFile::parse(&out).syntax_node();
    if tokens(&root).eq(tokens(&again)) { out } else { dedent(&root) }
}

/// The tokens that mean something.
fn tokens(root: &SyntaxNode) -> impl Iterator<Item = String> {
    let tokens = root.descendants_with_tokens().filter_map(|element| element.into_token());
    let meant = tokens.filter(|t| !matches!(t.kind(), SyntaxKind::WHITESPACE | SyntaxKind::SEMICOLON));
    meant.map(|token| token.text().to_owned())
}

fn depth(root: &SyntaxNode) -> usize {
    let (mut deepest, mut at) = (0usize, root.clone());
    let mut depth = 0usize;
    loop {
        if let Some(child) = at.first_child() {
            (at, depth) = (child, depth + 1);
            deepest = deepest.max(depth);
            continue;
        }
        loop {
            if let Some(next) = at.next_sibling() {
                at = next;
                break;
            }
            match at.parent() {
                Some(parent) if depth > 0 => (at, depth) = (parent, depth - 1),
                _ => return deepest,
            }
        }
    }
}

/// The text without the indentation that all lines but the first have.
fn dedent(root: &SyntaxNode) -> String {
    let is_break = |t: &SyntaxToken| t.kind() == SyntaxKind::WHITESPACE && t.text().contains('\n');
    let all = || root.descendants_with_tokens().filter_map(|element| element.into_token());
    let indent = |text: &str| text.rsplit('\n').next().map_or(0, str::len);
    let common = all().filter(is_break).map(|t| indent(t.text())).min().unwrap_or(0);
    let text: String = all()
        .map(|t| {
            let text = t.text();
            if is_break(&t) { text[..text.len() - common].to_owned() } else { text.to_owned() }
        })
        .collect();
    text.trim().to_owned()
}

/// What stands before the next token.
#[derive(Debug, Default, PartialEq)]
enum Before {
    /// What the text had: a blank or nothing.
    #[default]
    Text,
    /// Already written.
    Written,
    /// A new line, whatever else.
    Hard,
}

#[derive(Debug, Default)]
struct Builder {
    docs: Vec<Doc>,
    before: Before,
    /// The white space since the last token.
    blank: String,
    last: Option<SyntaxKind>,
}

impl Builder {
    fn nested(&mut self, build: impl FnOnce(&mut Self)) -> Vec<Doc> {
        let outer = std::mem::take(&mut self.docs);
        build(self);
        std::mem::replace(&mut self.docs, outer)
    }

    fn group(&mut self, limit: usize, build: impl FnOnce(&mut Self)) {
        let docs = self.nested(build);
        self.docs.push(Doc::group(docs, limit));
    }

    fn indent(&mut self, build: impl FnOnce(&mut Self)) {
        let docs = self.nested(build);
        self.docs.push(Doc::Indent(docs));
    }

    /// A place where a line may end; a comment may have ended it already.
    fn line(&mut self, doc: Doc) {
        if self.last.is_none() || self.before == Before::Written {
            return;
        }
        let hard = self.before == Before::Hard || self.comment_ended();
        self.docs.push(if hard { Doc::Hard } else { doc });
        self.before = Before::Written;
    }

    fn token(&mut self, token: &SyntaxToken) {
        let kind = token.kind();
        match kind {
            SyntaxKind::SEMICOLON => return,
            SyntaxKind::WHITESPACE => return self.blank.push_str(token.text()),
            _ => {}
        }
        let has_line = self.blank.contains('\n');
        // String constants are one only where a new line is between them.
        let strings = has_line && is_string(kind) && self.last.is_some_and(is_string);
        if strings || self.comment_ended() || (has_line && kind == SyntaxKind::COMMENT) {
            self.force();
        }
        match self.before {
            Before::Hard => self.docs.push(Doc::Hard),
            Before::Text if self.has_blank(kind) => self.docs.push(Doc::Space),
            Before::Text | Before::Written => {}
        }
        self.docs.push(Doc::Text(token.text().to_owned()));
        self.before = if token.text().starts_with("--") { Before::Hard } else { Before::Text };
        self.blank.clear();
        self.last = Some(kind);
    }

    /// Whether a blank stands between the last token and one of this kind.
    fn has_blank(&self, kind: SyntaxKind) -> bool {
        use SyntaxKind::{COMMA, COMMENT, L_BRACK, L_PAREN, R_BRACK, R_PAREN};
        match (self.last, kind) {
            (None | Some(L_PAREN | L_BRACK), _) => false,
            (Some(COMMENT), _) => !self.blank.is_empty(),
            (_, R_PAREN | R_BRACK | COMMA) => false,
            (Some(COMMA), _) => true,
            _ => !self.blank.is_empty(),
        }
    }

    /// Whether a comment has the rest of its line for itself.
    fn comment_ended(&self) -> bool {
        self.last == Some(SyntaxKind::COMMENT) && self.blank.contains('\n')
    }

    /// Begins a line, unless nothing is before it.
    fn force(&mut self) {
        if self.before != Before::Written {
            self.before = if self.last.is_none() { Before::Written } else { Before::Hard };
        } else if let Some(last @ (Doc::Line | Doc::Soft | Doc::Fill)) = self.docs.last_mut() {
            *last = Doc::Hard;
        }
    }
}

fn is_string(kind: SyntaxKind) -> bool {
    use SyntaxKind::{BIT_STRING, BYTE_STRING, ESC_STRING, STRING, UNICODE_ESC_STRING};
    matches!(kind, STRING | ESC_STRING | UNICODE_ESC_STRING | BIT_STRING | BYTE_STRING)
}
