//! A configuration as a file that can be used as one, with the origin of each value behind it.

use std::fmt::Write;
use std::path::Path;

use toml::Value;

use super::{Config, ValueOrigin};
use crate::failure::{Failure, Outcome};
use crate::options::serve::DECLARED;
use crate::storage;

impl Config {
    /// The configuration as TOML.
    pub(crate) fn to_toml(&self) -> Outcome<String> {
        let mut text = String::new();
        let mut section = None;
        for declared in DECLARED {
            let origin = self.said(self.origin(declared.name));
            if section.replace(declared.group) != Some(declared.group) {
                let gap = if text.is_empty() { "" } else { "\n" };
                let _ = writeln!(text, "{gap}[{}]", declared.group.section());
            }
            let _ = match declared.to_toml(&self.options) {
                Some(value) => writeln!(text, "{} = {value}  # {origin}", declared.name),
                // TOML has no word for what is not said.
                None => writeln!(text, "# {}: {}  # {origin}", declared.name, declared.default_text()),
            };
        }
        for file in &self.sources.files {
            let origin = self.said(file.origin);
            let mut entry = PrintedTable { text: &mut text, origin: &origin };
            entry.begin();
            entry.line("name", file.name.as_str().into());
            entry.line("file", path(&file.path)?);
            entry.storage(file.storage);
            if let Some(watch) = file.watch {
                entry.line("watch", watch.into());
            }
        }
        for root in &self.sources.roots {
            let origin = self.said(root.origin);
            let mut entry = PrintedTable { text: &mut text, origin: &origin };
            entry.begin();
            if let Some(name) = &root.only {
                entry.line("name", name.as_str().into());
            }
            entry.line("root", path(&root.path)?);
            entry.storage(root.storage);
        }
        Ok(text)
    }

    /// An origin as the comment behind a value.
    fn said(&self, origin: ValueOrigin) -> String {
        match (origin, &self.file) {
            (ValueOrigin::File(line), Some(file)) => {
                // What ends a comment, or may not stand in one.
                let file = file.display().to_string().replace(char::is_control, "?");
                format!("{file}:{line}")
            }
            (ValueOrigin::Default | ValueOrigin::File(_), _) => "default".into(),
            (ValueOrigin::Environment, _) => "environment".into(),
            (ValueOrigin::Flag, _) => "flag".into(),
            (ValueOrigin::Argument, _) => "argument".into(),
        }
    }
}

/// An entry of `[[tables]]`.
struct PrintedTable<'t> {
    text: &'t mut String,
    origin: &'t str,
}

impl PrintedTable<'_> {
    fn begin(&mut self) {
        self.text.push_str("\n[[tables]]\n");
    }

    fn line(&mut self, key: &str, value: Value) {
        let _ = writeln!(self.text, "{key} = {value}  # {}", self.origin);
    }

    fn storage(&mut self, storage: Option<Option<graven_format::Storage>>) {
        if let Some(storage) = storage {
            self.line("storage", storage.map_or(storage::AUTO, storage::word).into());
        }
    }
}

/// A path that means the same wherever the file is put.
fn path(path: &Path) -> Outcome<Value> {
    if path == Path::new("-") {
        return Ok("-".into());
    }
    let whole = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    match whole.to_str() {
        Some(text) => Ok(text.into()),
        None => Err(Failure::new(format!(
            "{}: a path in a configuration file is UTF-8, and this one is not",
            whole.display()
        ))),
    }
}
