//! What `graven serve` is told, put together from where it can be written: flags come before environment variables, these
//! before the configuration file, and that before the defaults.

mod environment;
mod file;
mod nearest;
mod print;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use graven_catalog::TableName;

use crate::failure::{Failure, Outcome};
use crate::object_store;
use crate::options::Written;
use crate::options::serve::{DECLARED, ServeOptions};
use crate::table_source::{FileSource, RootSource, Sources};

use environment::Environment;
use file::{ConfigFile, TableEntry, TablePlace};

/// Where a value was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ValueOrigin {
    Default,
    /// The configuration file, with the line.
    File(usize),
    Environment,
    Flag,
    /// The command line, without a flag.
    Argument,
}

/// What a process was started with. The configuration file is read each time that a [`Config`] is made of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Given {
    flags: Written,
    tables: Vec<PathBuf>,
    environment: Environment,
    file: Option<PathBuf>,
}

/// All that a server goes by, and where each part of it comes from.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    pub(crate) options: ServeOptions,
    pub(crate) sources: Sources,
    /// The origin of each option, by its name.
    origins: BTreeMap<&'static str, ValueOrigin>,
    file: Option<PathBuf>,
}

impl Given {
    /// From the command line and the environment of this process.
    pub(crate) fn new(flags: Written, tables: Vec<PathBuf>, file: Option<PathBuf>) -> Outcome<Self> {
        let environment = environment::read(std::env::vars_os())?;
        let file = file.or_else(|| environment.file.clone());
        Ok(Self { flags, tables, environment, file })
    }

    /// The configuration file, where one is named.
    pub(crate) fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// What is wrong with the environment and hinders nothing.
    pub(crate) fn warnings(&self) -> &[String] {
        &self.environment.warnings
    }

    /// Reads the configuration file, where one is named, and puts all together.
    pub(crate) fn read(&self) -> Outcome<Config> {
        let file = self.file().map_or_else(|| Ok(ConfigFile::default()), file::read)?;
        let mut options = ServeOptions::default();
        let mut origins = BTreeMap::new();
        for declared in DECLARED {
            let written = |written: &Written| written.get(declared.name).cloned();
            let from_file = || {
                let found = file.options.get(declared.name)?;
                Some((ValueOrigin::File(found.line), found.texts.clone()))
            };
            let found = written(&self.flags).map(|texts| (ValueOrigin::Flag, texts));
            let found = found
                .or_else(|| Some((ValueOrigin::Environment, written(&self.environment.options)?)))
                .or_else(from_file);
            let origin = match found {
                None => ValueOrigin::Default,
                Some((origin, texts)) => {
                    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                    let wrong = |says| Failure::new(format!("{}: {says}", declared.name));
                    declared.read(&mut options, &texts).map_err(wrong)?;
                    origin
                }
            };
            origins.insert(declared.name, origin);
        }
        let mut sources = Sources::sort_out(&self.tables)?;
        let folder = self.file().and_then(Path::parent).unwrap_or(Path::new(""));
        // As the files of tables: a path in a file is relative to that file.
        if let (Some(users), Some(ValueOrigin::File(_))) = (&mut options.users, origins.get("users")) {
            *users = folder.join(&*users);
        }
        if let (Some(directory), Some(ValueOrigin::File(_))) =
            (&mut options.data_dir, origins.get("data-dir"))
        {
            *directory = folder.join(&*directory);
        }
        for entry in file.tables {
            add(&mut sources, entry, folder);
        }
        let config = Config { options, sources, origins, file: self.file.clone() };
        config.check()?;
        Ok(config)
    }
}

/// Adds an entry of the file, unless the command line has a table of that name or the same root.
fn add(sources: &mut Sources, entry: TableEntry, folder: &Path) {
    let TableEntry { name, place, storage, watch, line } = entry;
    let origin = ValueOrigin::File(line);
    let is_taken = |name: &TableName| {
        sources.files.iter().any(|file| file.name == *name && file.origin == ValueOrigin::Argument)
    };
    if name.as_ref().is_some_and(is_taken) {
        return;
    }
    match (place, name) {
        (TablePlace::File(path), Some(name)) => {
            let path = if path == Path::new("-") { path } else { folder.join(path) };
            sources.files.push(FileSource { name, path, storage, watch, origin });
        }
        (TablePlace::Root(path), only) => {
            let path = if object_store::is_url(&path) { path } else { folder.join(path) };
            let root = RootSource { path, only, storage, origin };
            if !sources.roots.iter().any(|other| other.is_same(&root)) {
                sources.roots.push(root);
            }
        }
        // A file is always named, after itself where nothing else is said.
        (TablePlace::File(_), None) => {}
    }
}

impl Config {
    /// Whether a configuration file takes part.
    pub(crate) fn has_file(&self) -> bool {
        self.file.is_some()
    }

    /// Where an option comes from.
    pub(crate) fn origin(&self, name: &str) -> ValueOrigin {
        self.origins.get(name).copied().unwrap_or(ValueOrigin::Default)
    }

    /// The place of an origin in the configuration file.
    fn place(&self, origin: ValueOrigin) -> Option<String> {
        match (origin, &self.file) {
            (ValueOrigin::File(line), Some(file)) => Some(format!("{}:{line}", file.display())),
            _ => None,
        }
    }

    /// A failure with the place of what it is about, if that was written in the configuration file.
    pub(crate) fn at(&self, origin: ValueOrigin, failure: Failure) -> Failure {
        match self.place(origin) {
            Some(place) => Failure::new(format!("{place}: {failure}")),
            None => failure,
        }
    }

    /// What has to hold of everything together.
    fn check(&self) -> Outcome<()> {
        let Sources { files, roots } = &self.sources;
        if files.is_empty() && roots.is_empty() {
            return Err(Failure::new(match &self.file {
                Some(file) => format!(
                    "{}: there is nothing to serve; add a [[tables]] with a `file` or a `root`, or name a TABLE behind \
                     `graven serve`",
                    file.display()
                ),
                None => "there is nothing to serve; name a file or a root, as in `graven serve FILE`, or a \
                         configuration file with `--config FILE`"
                    .to_owned(),
            }));
        }
        let Some(default) = &self.options.default else { return Ok(()) };
        let names = self.sources.names();
        if roots.iter().all(|root| root.only.is_some()) && !names.contains(default) {
            let names: Vec<&str> = names.iter().map(TableName::as_str).collect();
            let names = names.join(", ");
            let subject = self.subject("default");
            return Err(Failure::new(format!(
                "{subject} {default}: there is no such table; there are {names}"
            )));
        }
        Ok(())
    }

    /// An option as an error begins that is about its value.
    fn subject(&self, name: &'static str) -> String {
        match (self.origin(name), self.place(self.origin(name))) {
            (_, Some(place)) => format!("{place}: {name}"),
            (ValueOrigin::Environment, _) => format!("{name} of the environment"),
            _ => format!("--{name}"),
        }
    }

    /// This configuration with all of `next` that can change while a server runs, and the names of the options that cannot.
    pub(crate) fn changed_to(&self, next: Self) -> (Self, Vec<&'static str>) {
        let mut options = self.options.clone();
        options.default = next.options.default.clone();
        options.hold = next.options.hold.clone();
        options.watch = next.options.watch;
        options.poll = next.options.poll;
        options.load_rate = next.options.load_rate;
        options.download_rate = next.options.download_rate;
        options.data_max = next.options.data_max;
        options.log = next.options.log;
        let differs =
            DECLARED.iter().filter(|declared| declared.show(&options) != declared.show(&next.options));
        let restart = differs.map(|declared| declared.name).collect();
        (Self { options, ..next }, restart)
    }
}

impl Sources {
    /// The names that are known without looking into a root.
    pub(crate) fn names(&self) -> BTreeSet<TableName> {
        let of_roots = self.roots.iter().filter_map(|root| root.only.clone());
        self.files.iter().map(|file| file.name.clone()).chain(of_roots).collect()
    }
}

#[cfg(test)]
mod tests;
