//! Markdown of a pull request's comment: what fits into one, and text that stays text.

/// Forges take 65,536 characters; some is left for what stands around it.
pub(super) const MOST: usize = 48_000;
/// What the note about left-out text may take.
const NOTE: usize = 200;

/// Appends the pieces that fit into a comment; how many do not. What is `ordered` ends with the first of these.
pub(super) fn append(text: &mut String, pieces: Vec<String>, ordered: bool) -> usize {
    let mut length = text.chars().count();
    let mut left_out = 0;
    for piece in pieces {
        let more = piece.chars().count();
        if length + more <= MOST - NOTE && !(ordered && left_out > 0) {
            text.push_str(&piece);
            length += more;
        } else {
            left_out += 1;
        }
    }
    left_out
}

/// A text behind its title, unfolded by a click.
pub(super) fn folded(title: &str, body: &str, language: &str) -> String {
    // A fence longer than any in the text.
    let longest = body.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest.max(2) + 1);
    format!("<details><summary>{title}</summary>\n\n{fence}{language}\n{}\n{fence}\n\n</details>\n\n", body.trim_end())
}

/// Text that neither ends a table's cell nor becomes markup.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '|' | '\\' | '*' | '_' | '`' | '[' | ']' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\n' | '\r' => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
