//! The one table of keys that checking, help and the JSON Schemas come from.

mod mart;
mod project;

pub(super) use mart::MART;
pub(super) use project::{CONFIG, PROJECT};

/// A word that a key takes.
pub(super) struct Word {
    pub text: &'static str,
    /// Known, but not built yet.
    pub later: bool,
}

/// A supported word.
const fn word(text: &'static str) -> Word {
    Word { text, later: false }
}

/// A word that is refused for now.
const fn later_word(text: &'static str) -> Word {
    Word { text, later: true }
}

/// What a key's value may be.
pub(super) enum Type {
    /// Any string.
    Text,
    /// `true` or `false`.
    Bool,
    /// An integer within bounds.
    Integer { min: i64, max: i64 },
    /// `"1h 30m"`.
    Duration,
    /// `"3s"`, `"100ms"`, `"0"`.
    Milliseconds,
    /// `"2GB"`.
    Size,
    /// One of these words.
    Words(&'static [Word]),
    /// `true`, `false` or one of these words.
    BoolOrWords(&'static [Word]),
    /// A list.
    List(&'static Type),
    /// The first type that fits.
    OneOf(&'static [Type]),
    /// A table with these keys.
    Table(&'static [Key]),
    /// `[[key]]`: a list of tables with these keys.
    Tables(&'static [Key]),
    /// A table with keys of the user's choice.
    Map(&'static Type),
    /// A string, a number or a boolean.
    Scalar,
    /// Anything.
    Any,
}

/// One key.
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Type,
    /// The value in TOML, as an example.
    pub example: &'static str,
    /// One line.
    pub doc: &'static str,
    pub required: bool,
    /// Known, but not built yet.
    pub later: bool,
}

const fn key(name: &'static str, kind: Type, example: &'static str, doc: &'static str) -> Key {
    Key { name, kind, example, doc, required: false, later: false }
}

/// A key whose behaviour is not built yet.
const fn later(name: &'static str) -> Key {
    Key { name, kind: Type::Any, example: "", doc: "", required: false, later: true }
}

impl Key {
    const fn required(mut self) -> Self {
        self.required = true;
        self
    }
}

impl Type {
    /// What it is, with an article, as in "takes …".
    pub fn noun(&self) -> String {
        match self {
            Type::Text => "a string".into(),
            Type::Bool => "true or false".into(),
            Type::Integer { .. } => "an integer".into(),
            Type::Duration => "a duration".into(),
            Type::Milliseconds => "a time".into(),
            Type::Size => "a size".into(),
            Type::Words(words) => one_of(words, false),
            Type::BoolOrWords(words) => one_of(words, true),
            Type::List(_) => "a list".into(),
            Type::OneOf(types) => types.iter().map(Type::noun).collect::<Vec<_>>().join(" or "),
            Type::Table(_) | Type::Map(_) => "a table".into(),
            Type::Tables(_) => "a list of tables".into(),
            Type::Scalar => "a string, a number or a boolean".into(),
            Type::Any => "a value".into(),
        }
    }
}

fn one_of(words: &[Word], bool: bool) -> String {
    let mut texts: Vec<String> = Vec::new();
    if bool {
        texts.extend(["true".to_owned(), "false".to_owned()]);
    }
    texts.extend(words.iter().filter(|w| !w.later).map(|w| format!("{:?}", w.text)));
    match texts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => String::new(),
    }
}
