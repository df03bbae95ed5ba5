//! Files of a repository go by their paths in it: where its work tree stands is nobody's concern.

use std::path::Path;

use datamart::manifest::Problem;

use super::error::CommandError;

impl CommandError {
    /// The same for who knows the files by their paths below `folder`, where there is one.
    pub fn below(mut self, folder: Option<&Path>) -> Self {
        let Some(from) = folder.and_then(|folder| folder.to_str()).map(|folder| format!("{folder}/")) else {
            return self;
        };
        self.problems = below(self.problems, folder);
        let messages = self.problems.iter_mut().map(|problem| &mut problem.message);
        let texts = messages.chain([&mut self.message]).chain(&mut self.causes).chain(&mut self.hints);
        texts.for_each(|text| *text = text.replace(&from, ""));
        self
    }
}

/// Problems of files that go by their paths below `folder`, where there is one.
pub fn below(mut problems: Vec<Problem>, folder: Option<&Path>) -> Vec<Problem> {
    for problem in &mut problems {
        if let Some(file) = folder.and_then(|folder| problem.file.strip_prefix(folder).ok()) {
            problem.file = file.to_owned();
        }
    }
    problems
}
