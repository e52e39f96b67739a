//! The configuration file: TOML whose sections are the groups of the options and whose keys are their names, and an entry of
//! `[[tables]]` for each table or root. What is wrong with it is said with its line and column.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::{Path, PathBuf};

use graven_catalog::TableName;
use graven_format::Storage;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::nearest::nearest;
use crate::failure::{Failure, Outcome, reason};
use crate::options::serve::{DECLARED, ServeOptions};
use crate::options::{Declared, OptionValue, alternatives};

/// More than anybody writes by hand or by a template.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// What a configuration file says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct ConfigFile {
    /// The options, by their names.
    pub(crate) options: BTreeMap<&'static str, FileOption>,
    pub(crate) tables: Vec<TableEntry>,
}

/// An option as it is written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct FileOption {
    pub(crate) texts: Vec<String>,
    pub(crate) line: usize,
}

/// An entry of `[[tables]]`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TableEntry {
    pub(crate) name: Option<TableName>,
    pub(crate) place: TablePlace,
    /// `Some(None)` where the entry itself says that it is chosen by the memory that there is.
    pub(crate) storage: Option<Option<Storage>>,
    pub(crate) watch: Option<bool>,
    pub(crate) line: usize,
}

/// Where the table is; relative paths begin at the folder of the configuration file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum TablePlace {
    File(PathBuf),
    Root(PathBuf),
}

/// The keys of an entry of `[[tables]]`.
const TABLE_KEYS: [&str; 7] = ["name", "file", "root", "storage", "redis", "watch", "default"];

/// What is wrong, and with which bytes of the file.
#[derive(Debug)]
struct FileProblem {
    span: Range<usize>,
    says: String,
}

type Checked<T> = Result<T, FileProblem>;

fn problem<T>(span: Range<usize>, says: impl Into<String>) -> Checked<T> {
    Err(FileProblem { span, says: says.into() })
}

/// Reads the file at `path`.
pub(crate) fn read(path: &Path) -> Outcome<ConfigFile> {
    let name = path.display();
    let cannot = |error| Failure::new(format!("cannot read {name}: {}", reason(&error)));
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(cannot)?;
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(cannot)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(Failure::new(format!("{name}: a configuration has at most 1 MiB, found more")));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let (line, column) = place(error.as_bytes(), error.utf8_error().valid_up_to());
        Failure::new(format!("{name}:{line}:{column}: expected UTF-8, found another byte"))
    })?;
    parse(&text).map_err(|FileProblem { span, says }| {
        let (line, column) = place(text.as_bytes(), span.start);
        Failure::new(format!("{name}:{line}:{column}: {says}"))
    })
}

/// The line and column of a byte, from 1; a column is a character.
fn place(text: &[u8], at: usize) -> (usize, usize) {
    let before = &text[..at.min(text.len())];
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
    (line, String::from_utf8_lossy(&before[start..]).chars().count() + 1)
}

/// Reads `text`; of several problems, the first in the file is said.
fn parse(text: &str) -> Checked<ConfigFile> {
    let document = DeTable::parse(text).map_err(|error| FileProblem {
        span: error.span().unwrap_or_default(),
        says: error.message().trim().replace('\n', "; "),
    })?;
    let mut reading = FileReading { text, file: ConfigFile::default(), numbers: BTreeMap::new() };
    let mut problems = Vec::new();
    for (key, value) in document.get_ref() {
        let found: &str = key.get_ref();
        if found == TABLES {
            reading.tables(key.span(), value, &mut problems);
        } else if let Some(section) = sections().into_iter().find(|section| *section == found) {
            reading.section(section, key.span(), value, &mut problems);
        } else {
            problems.push(FileProblem { span: key.span(), says: unknown_section(found) });
        }
    }
    match problems.into_iter().min_by_key(|problem| problem.span.start) {
        Some(problem) => Err(problem),
        None => {
            reading.number_tables()?;
            Ok(reading.file)
        }
    }
}

const TABLES: &str = "tables";

/// The sections with options, in the order in which people are shown them.
fn sections() -> Vec<&'static str> {
    let mut sections: Vec<_> = DECLARED.iter().map(|declared| declared.group.section()).collect();
    sections.dedup();
    sections
}

fn find(name: &str) -> Option<&'static Declared<ServeOptions>> {
    DECLARED.iter().find(|declared| declared.name == name)
}

fn unknown_section(found: &str) -> String {
    if let Some(declared) = find(found) {
        return format!(
            "`{found}` stands outside of its section; it belongs to [{}]",
            declared.group.section()
        );
    }
    let all: Vec<&str> = sections().into_iter().chain([TABLES]).collect();
    let brackets = |section: &str| {
        if section == TABLES { "[[tables]]".to_owned() } else { format!("[{section}]") }
    };
    match nearest(found, all.iter().copied()) {
        Some(section) => format!("unknown section [{found}]; did you mean {}?", brackets(section)),
        None => {
            let all: Vec<String> = all.into_iter().map(brackets).collect();
            format!("unknown section [{found}]; there are {}", all.join(", "))
        }
    }
}

fn unknown_key(found: &str, section: &str, known: &[&'static str]) -> String {
    let elsewhere = find(found).map(|declared| format!("[{}]", declared.group.section()));
    let elsewhere = elsewhere.or_else(|| TABLE_KEYS.contains(&found).then(|| "[[tables]]".to_owned()));
    if let Some(elsewhere) = elsewhere {
        return format!("`{found}` is no key of {section}; it belongs to {elsewhere}");
    }
    let everywhere = DECLARED.iter().map(|declared| declared.name);
    match nearest(found, known.iter().copied()) {
        Some(key) => format!("unknown key `{found}` in {section}; did you mean `{key}`?"),
        None => match nearest(found, everywhere).and_then(find) {
            Some(declared) => format!(
                "unknown key `{found}` in {section}; did you mean `{}` of [{}]?",
                declared.name,
                declared.group.section()
            ),
            None => format!("unknown key `{found}` in {section}; there are {}", known.join(", ")),
        },
    }
}

/// What a value is called.
fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) | DeValue::Float(_) => "a number",
        DeValue::Boolean(true) => "true",
        DeValue::Boolean(false) => "false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a section",
    }
}

/// What an option expects.
fn expected(declared: &Declared<ServeOptions>) -> String {
    match &declared.value {
        OptionValue::Count(..) => "a number".into(),
        OptionValue::Size(..) => "a size such as 65536 or \"64MiB\"".into(),
        OptionValue::Time(..) => "a time such as 30 or \"250ms\"".into(),
        OptionValue::TimeOrNone(_) => "a time such as 30 or \"250ms\", or \"none\"".into(),
        OptionValue::Switch(_) => "true or false".into(),
        OptionValue::Choice { .. } => format!("the text {}", alternatives(&declared.choices())),
        OptionValue::Text { .. } => "a text".into(),
        OptionValue::Texts { .. } => "a list of texts".into(),
    }
}

/// The texts of an option, as flags have them, checked.
fn texts(declared: &Declared<ServeOptions>, value: &Spanned<DeValue<'_>>) -> Checked<Vec<String>> {
    let check = |text: String, span| match declared.check(&[&text]) {
        Ok(()) => Ok(text),
        Err(says) => problem(span, format!("{}: {says}", declared.name)),
    };
    let takes_numbers = matches!(
        declared.value,
        OptionValue::Count(..) | OptionValue::Size(..) | OptionValue::Time(..) | OptionValue::TimeOrNone(_)
    );
    let is_switch = matches!(declared.value, OptionValue::Switch(_));
    let unexpected = |span, found: &DeValue<'_>| {
        problem(span, format!("{}: expected {}, found {}", declared.name, expected(declared), kind(found)))
    };
    let text = match value.get_ref() {
        DeValue::Boolean(on) if is_switch => on.to_string(),
        DeValue::Integer(number) if takes_numbers => {
            match i128::from_str_radix(number.as_str(), number.radix()) {
                Ok(number) => number.to_string(),
                Err(_) => number.to_string(),
            }
        }
        DeValue::Float(number) if takes_numbers => number.as_str().to_owned(),
        DeValue::String(text) if !is_switch => text.to_string(),
        DeValue::Array(list) if matches!(declared.value, OptionValue::Texts { .. }) => {
            if let (true, Err(says)) = (list.is_empty(), declared.check(&[])) {
                return problem(value.span(), format!("{}: {says}", declared.name));
            }
            let one = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => check(text.to_string(), item.span()),
                other => problem(
                    item.span(),
                    format!("{}: expected a text in the list, found {}", declared.name, kind(other)),
                ),
            };
            return list.iter().map(one).collect();
        }
        other => return unexpected(value.span(), other),
    };
    Ok(vec![check(text, value.span())?])
}

/// A file that is being read.
struct FileReading<'t> {
    text: &'t str,
    file: ConfigFile,
    /// The tables that entries give numbers to, and where.
    numbers: BTreeMap<String, (TableName, Range<usize>)>,
}

impl FileReading<'_> {
    fn line(&self, span: &Range<usize>) -> usize {
        place(self.text.as_bytes(), span.start).0
    }

    fn section(
        &mut self,
        section: &'static str,
        at: Range<usize>,
        value: &Spanned<DeValue<'_>>,
        problems: &mut Vec<FileProblem>,
    ) {
        let DeValue::Table(keys) = value.get_ref() else {
            let says = format!("expected the section [{section}], found {}", kind(value.get_ref()));
            return problems.push(FileProblem { span: at, says });
        };
        let known: Vec<&str> = DECLARED
            .iter()
            .filter(|declared| declared.group.section() == section)
            .map(|declared| declared.name)
            .collect();
        for (key, value) in keys {
            let found = find(key.get_ref()).filter(|declared| declared.group.section() == section);
            let Some(declared) = found else {
                let says = unknown_key(key.get_ref(), &format!("[{section}]"), &known);
                problems.push(FileProblem { span: key.span(), says });
                continue;
            };
            match texts(declared, value) {
                Ok(texts) => {
                    let line = self.line(&key.span());
                    // What an entry of `[[tables]]` has said already is checked against this.
                    self.add(declared.name, texts, line, &key.span(), problems);
                }
                Err(wrong) => problems.push(wrong),
            }
        }
    }

    /// Notes an option; `default` may have been said in an entry of `[[tables]]` as well.
    fn add(
        &mut self,
        name: &'static str,
        texts: Vec<String>,
        line: usize,
        span: &Range<usize>,
        problems: &mut Vec<FileProblem>,
    ) {
        match self.file.options.get_mut(name) {
            None => {
                self.file.options.insert(name, FileOption { texts, line });
            }
            Some(known) if known.texts == texts => {}
            Some(known) => {
                let says = format!("the {name} is {} already, in line {}", known.texts.join(" "), known.line);
                problems.push(FileProblem { span: span.clone(), says });
            }
        }
    }

    fn tables(&mut self, at: Range<usize>, value: &Spanned<DeValue<'_>>, problems: &mut Vec<FileProblem>) {
        let DeValue::Array(entries) = value.get_ref() else {
            let says = "expected [[tables]], an entry for each table, in two brackets".into();
            return problems.push(FileProblem { span: at, says });
        };
        for entry in entries.iter() {
            match entry.get_ref() {
                DeValue::Table(keys) => self.table(entry.span(), keys, problems),
                other => {
                    let says = format!("expected an entry of [[tables]], found {}", kind(other));
                    problems.push(FileProblem { span: entry.span(), says });
                }
            }
        }
    }

    fn table(&mut self, at: Range<usize>, keys: &DeTable<'_>, problems: &mut Vec<FileProblem>) {
        let line = self.line(&at);
        match self.entry(line, &at, keys, problems) {
            Ok(entry) => {
                let same = |other: &&TableEntry| other.name.is_some() && other.name == entry.name;
                if let (Some(name), Some(other)) = (&entry.name, self.file.tables.iter().find(same)) {
                    let says = format!("the table {name} is in line {} already", other.line);
                    problems.push(FileProblem { span: at, says });
                }
                self.file.tables.push(entry);
            }
            Err(wrong) => problems.push(wrong),
        }
    }

    fn entry(
        &mut self,
        line: usize,
        at: &Range<usize>,
        keys: &DeTable<'_>,
        problems: &mut Vec<FileProblem>,
    ) -> Checked<TableEntry> {
        for key in keys.keys().filter(|key| !TABLE_KEYS.contains(&&**key.get_ref())) {
            let says = unknown_key(key.get_ref(), "[[tables]]", &TABLE_KEYS);
            problems.push(FileProblem { span: key.span(), says });
        }
        let key = |name: &str| keys.iter().find(|(key, _)| key.get_ref() == name).map(|(_, value)| value);
        let text = |name: &str| match key(name) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::String(text) if !text.is_empty() => Ok(Some((text.to_string(), value.span()))),
                DeValue::String(_) => {
                    problem(value.span(), format!("{name}: expected a text, found none in it"))
                }
                other => problem(value.span(), format!("{name}: expected a text, found {}", kind(other))),
            },
        };
        let switch = |name: &str| match key(name) {
            None => Ok(None),
            Some(value) => match value.get_ref() {
                DeValue::Boolean(on) => Ok(Some((*on, value.span()))),
                other => {
                    problem(value.span(), format!("{name}: expected true or false, found {}", kind(other)))
                }
            },
        };
        let place = match (text("file")?, text("root")?) {
            (Some((file, _)), None) => TablePlace::File(file.into()),
            (None, Some((root, _))) => TablePlace::Root(root.into()),
            (Some(_), Some((_, span))) => return problem(span, "expected `file` or `root`, found both"),
            (None, None) => return problem(at.clone(), "expected `file` or `root`, found neither"),
        };
        let name = match (text("name")?, &place) {
            (Some((name, span)), _) => match name.parse::<TableName>() {
                Ok(name) => Some(name),
                Err(error) => return problem(span, format!("name: {error}")),
            },
            (None, TablePlace::File(path)) => Some(TableName::of_file(path)),
            (None, TablePlace::Root(_)) => None,
        };
        let storage = match key("storage").zip(find("storage")) {
            None => None,
            Some((value, declared)) => {
                let mut read = ServeOptions::default();
                let texts = texts(declared, value)?;
                let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
                declared.read(&mut read, &texts).map_err(|says| FileProblem { span: value.span(), says })?;
                Some(read.storage)
            }
        };
        let watch = switch("watch")?;
        if let (Some((_, span)), TablePlace::Root(_)) = (&watch, &place) {
            return problem(span.clone(), "`watch` is for files; the tables of a root are always followed");
        }
        let is_default = switch("default")?;
        for (what, value) in [("redis", key("redis")), ("default", key("default"))] {
            if let (Some(value), None) = (value, &name) {
                let says = format!("`{what}` is for one table, and this root has many; add its `name`");
                return problem(value.span(), says);
            }
        }
        if let (Some((true, span)), Some(name)) = (is_default, &name) {
            self.add("default", vec![name.to_string()], line, &span, problems);
        }
        if let (Some(value), Some(name)) = (key("redis"), &name) {
            self.number(name, value)?;
        }
        Ok(TableEntry { name, place, storage, watch: watch.map(|(on, _)| on), line })
    }

    /// Notes the number by which Redis clients select a table.
    fn number(&mut self, name: &TableName, value: &Spanned<DeValue<'_>>) -> Checked<()> {
        let DeValue::Integer(number) = value.get_ref() else {
            return problem(
                value.span(),
                format!("redis: expected a number, found {}", kind(value.get_ref())),
            );
        };
        let number = number.to_string();
        if let Some(says) = find("database").and_then(|all| all.check(&[&format!("{number}={name}")]).err()) {
            return problem(value.span(), format!("redis: {says}"));
        }
        match self.numbers.get(&number) {
            Some((other, span)) => {
                let line = self.line(span);
                problem(value.span(), format!("redis: {number} is the table {other} already, in line {line}"))
            }
            None => {
                self.numbers.insert(number, (name.clone(), value.span()));
                Ok(())
            }
        }
    }

    /// Has the numbers of entries be among those of the option.
    fn number_tables(&mut self) -> Checked<()> {
        let Some(first) = self.numbers.values().map(|(_, span)| span.start).min() else { return Ok(()) };
        let line = self.line(&(first..first));
        let option = self.file.options.entry("database");
        let option = option.or_insert_with(|| FileOption { texts: Vec::new(), line });
        for (number, (name, span)) in &self.numbers {
            let text = format!("{number}={name}");
            let is_same_number = |other: &&String| other.split('=').next() == Some(number);
            match option.texts.iter().find(is_same_number) {
                Some(other) if *other == text => {}
                Some(other) => {
                    let says = format!("redis: {number} is another table in line {}: {other}", option.line);
                    return problem(span.clone(), says);
                }
                None => option.texts.push(text),
            }
        }
        Ok(())
    }
}
