//! `include`: other files in the place of the statement.

use std::path::{Path, PathBuf};

use crate::ast::Text;
use crate::diagnostic::Diagnostic;
use crate::glob;
use crate::load::Loader;
use crate::values::{empty_path, io_words, path};

/// The longest path in bytes, the NUL not counted (Linux's `PATH_MAX`).
const MAX_PATH: usize = 4095;

/// How deep files may include one another.
const MAX_DEPTH: usize = 16;

impl Loader<'_> {
    /// Reads the files that a path or a pattern stands for. A pattern may stand for none.
    pub(crate) fn include(&mut self, text: &Text) {
        if text.bytes.is_empty() {
            return self.cx.report.push(empty_path(text));
        }
        if text.bytes.len() > MAX_PATH {
            let error = Diagnostic::error(format!("a path is longer than {MAX_PATH} bytes"));
            return self.cx.report.push(error.at(text.span.opening(), "this one is"));
        }
        let target = self.beside_this_file(&path(text));
        // A file that is named like a pattern is meant by its name.
        if !glob::is_pattern(&target) || self.env.file_kind(&target).is_ok() {
            return self.include_file(&target, text);
        }
        match glob::expand(&target, self.env) {
            Ok(files) => files.iter().for_each(|file| self.include_file(file, text)),
            Err(error) => {
                let problem = Diagnostic::error(format!("can not look for files: {}", io_words(&error)));
                self.cx.report.push(problem.at(text.span, "for this pattern"));
            }
        }
    }

    /// A relative path starts where the file lies that is being read.
    fn beside_this_file(&self, target: &Path) -> PathBuf {
        let directory = self.files.last().and_then(|file| file.parent());
        directory.map_or_else(|| target.to_owned(), |directory| directory.join(target))
    }

    fn include_file(&mut self, target: &Path, text: &Text) {
        let Some(problem) = self.include_problem(target) else {
            return self.file(target, Some(text.span));
        };
        let chain = self.files.iter().map(PathBuf::as_path).chain([target]);
        let chain: Vec<_> = chain.map(|file| file.display().to_string()).collect();
        let note = format!("the chain is {}", chain.join(" → "));
        self.cx.report.push(Diagnostic::error(problem).at(text.span, "not included again").note(note));
    }

    fn include_problem(&self, target: &Path) -> Option<String> {
        if self.files.iter().any(|file| file == target) {
            return Some(format!("{} includes itself", target.display()));
        }
        let too_deep = self.files.len() > MAX_DEPTH;
        too_deep.then(|| format!("files include one another more than {MAX_DEPTH} deep"))
    }
}
