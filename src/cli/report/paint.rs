//! Colours, where there are any.

/// Colours or none.
#[derive(Debug, Clone, Copy)]
pub struct Paint(pub bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        match self.0 && !text.is_empty() {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }

    /// What stands out.
    pub fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    /// What is less important.
    pub fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    /// What comes, and what is well.
    pub fn green(self, text: &str) -> String {
        self.with("32", text)
    }

    /// What goes, and what is wrong.
    pub fn red(self, text: &str) -> String {
        self.with("31", text)
    }

    /// What changes, and what to look at.
    pub fn yellow(self, text: &str) -> String {
        self.with("33", text)
    }

    /// Places in a diff.
    pub fn cyan(self, text: &str) -> String {
        self.with("36", text)
    }

    /// A unified diff, each line by its first character, indented.
    pub fn diff(self, diff: &str, indent: &str) -> String {
        let line = |line: &str| match line.chars().next() {
            Some('+') => self.green(line),
            Some('-') => self.red(line),
            Some('@') => self.cyan(line),
            _ => line.to_owned(),
        };
        diff.lines().map(|text| format!("{indent}{}\n", line(text)).replace(&format!("{indent}\n"), "\n")).collect()
    }
}
