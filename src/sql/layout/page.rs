//! Text with places where lines may be broken, and putting it on pages of a width.

/// The widest line, where it can be helped.
const WIDTH: usize = 120;

/// Blanks of one level.
const INDENT: usize = 4;

/// A piece of text.
#[derive(Debug)]
pub(super) enum Doc {
    /// As it is.
    Text(String),
    /// A blank.
    Space,
    /// A blank, or a new line where its group is broken.
    Line,
    /// Nothing, or a new line where its group is broken.
    Soft,
    /// A blank, or a new line where its group is broken and what follows does not fit.
    Fill,
    /// A new line always.
    Hard,
    /// One level deeper.
    Indent(Vec<Doc>),
    /// On one line if that is no wider than `limit` and fits.
    Group { docs: Vec<Doc>, limit: usize, width: Option<usize> },
}

impl Doc {
    /// A group; it knows its width.
    pub fn group(docs: Vec<Doc>, limit: usize) -> Self {
        let width = width(&docs);
        Self::Group { docs, limit, width }
    }

    /// Characters on one line; `None` where there have to be several.
    fn width(&self) -> Option<usize> {
        match self {
            Doc::Text(text) => Some(text.chars().count()),
            Doc::Space | Doc::Line | Doc::Fill => Some(1),
            Doc::Soft => Some(0),
            Doc::Hard => None,
            Doc::Indent(docs) => width(docs),
            Doc::Group { width, .. } => *width,
        }
    }
}

fn width(docs: &[Doc]) -> Option<usize> {
    docs.iter().map(Doc::width).sum()
}

/// What is still to be written: with its indentation, and whether its group is broken.
type Rest<'a> = Vec<(usize, bool, &'a Doc)>;

/// The text on lines.
pub(super) fn print(docs: &[Doc]) -> String {
    let mut out = String::new();
    let mut column = 0;
    let mut rest: Rest<'_> = docs.iter().rev().map(|doc| (0, true, doc)).collect();
    while let Some((indent, broken, doc)) = rest.pop() {
        match doc {
            Doc::Text(text) => {
                out.push_str(text);
                column = match text.rsplit_once('\n') {
                    Some((_, last)) => last.chars().count(),
                    None => column + text.chars().count(),
                };
            }
            Doc::Space => {
                out.push(' ');
                column += 1;
            }
            Doc::Indent(docs) => rest.extend(docs.iter().rev().map(|doc| (indent + INDENT, broken, doc))),
            Doc::Group { docs, limit, width } => {
                let flat = width.is_some_and(|width| width <= *limit && fits(docs, &rest, column));
                rest.extend(docs.iter().rev().map(|doc| (indent, !flat, doc)));
            }
            Doc::Hard => column = new_line(&mut out, indent),
            Doc::Line | Doc::Soft if broken => column = new_line(&mut out, indent),
            Doc::Fill if broken && !fits(&[], &rest, column + 1) => column = new_line(&mut out, indent),
            Doc::Line | Doc::Fill => {
                out.push(' ');
                column += 1;
            }
            Doc::Soft => {}
        }
    }
    out
}

fn new_line(out: &mut String, indent: usize) -> usize {
    out.truncate(out.trim_end_matches(' ').len());
    out.push('\n');
    out.push_str(&" ".repeat(indent));
    indent
}

/// Whether `docs` on one line, with what follows them up to the next new line, fit.
fn fits(docs: &[Doc], rest: &Rest<'_>, mut column: usize) -> bool {
    let mut next: Vec<(bool, &Doc)> = docs.iter().rev().map(|doc| (false, doc)).collect();
    let mut behind = rest.iter().rev();
    while column <= WIDTH {
        let Some((broken, doc)) = next.pop().or_else(|| behind.next().map(|(_, broken, doc)| (*broken, *doc))) else {
            return true;
        };
        match doc {
            Doc::Line | Doc::Soft | Doc::Fill if broken => return true,
            Doc::Hard => return true,
            Doc::Indent(docs) => next.extend(docs.iter().rev().map(|doc| (broken, doc))),
            // A group that follows may still be broken; its first line is what counts.
            Doc::Group { docs, limit, width } => {
                let broken = broken && width.is_none_or(|width| width > *limit || column + width > WIDTH);
                next.extend(docs.iter().rev().map(|doc| (broken, doc)));
            }
            _ => column += doc.width().unwrap_or(0),
        }
    }
    false
}
