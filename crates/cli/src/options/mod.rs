//! An option that is declared once: its flag, what it reads, its range, its default and its help
//! follow from one entry of a table, and so do its place in a configuration file and its variable.

pub(crate) mod serve;
pub(crate) mod spelled;
pub(crate) mod text;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::{PossibleValue, PossibleValuesParser, ValueParser};
use clap::{Arg, ArgAction, ArgMatches, Command, ValueEnum};

use crate::quantity;

/// One option of a subcommand whose options are kept in `T`. Its value in `T::default()` is its
/// default.
pub(crate) struct Declared<T: 'static> {
    /// The flag is `--name`; in a configuration file it is the key `name` of its group.
    pub(crate) name: &'static str,
    pub(crate) group: Group,
    /// One line.
    pub(crate) help: &'static str,
    /// What `--help` says besides.
    pub(crate) more: &'static str,
    /// How the default is put where its value does not say it, such as "one a core".
    pub(crate) default_said: &'static str,
    pub(crate) audience: Audience,
    pub(crate) value: OptionValue<T>,
}

/// What belongs together on the screen and in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Table,
    Network,
    Tls,
    Storage,
    Limits,
    Timeouts,
    Logs,
}

/// Who looks for an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Many: `-h` lists it.
    Everybody,
    /// Few: only `--help` lists it.
    Few,
}

/// What an option reads, and where it is kept.
pub(crate) enum OptionValue<T: 'static> {
    Count(FieldOf<T, dyn Whole>, RangeInclusive<u64>),
    Size(FieldOf<T, dyn Whole>, RangeInclusive<u64>),
    Time(FieldOf<T, Duration>, RangeInclusive<Duration>),
    /// A time, or `none` for ever.
    TimeOrNone(FieldOf<T, Option<Duration>>),
    /// On where the flag is there alone, or with `=true`.
    Switch(FieldOf<T, bool>),
    /// One of several words.
    Choice {
        value_name: &'static str,
        choices: fn() -> Vec<PossibleValue>,
        read: OptionParser<T>,
        show: fn(&T) -> String,
    },
    /// Anything else; `show` is empty where there is nothing.
    Text {
        value_name: &'static str,
        read: OptionParser<T>,
        show: fn(&T) -> String,
    },
    /// The same, and it may be repeated.
    Texts {
        value_name: &'static str,
        read: fn(&mut T, &[&str]) -> Result<(), String>,
        show: fn(&T) -> Vec<String>,
    },
}

/// Options as they are written in one place, by their names: one text each, but of those that may
/// be repeated.
pub(crate) type Written = BTreeMap<&'static str, Vec<String>>;

type FieldOf<T, V> = fn(&mut T) -> &mut V;
type OptionParser<T> = fn(&mut T, &str) -> Result<(), String>;

/// A whole number, whatever its type.
pub(crate) trait Whole {
    fn get(&self) -> u64;
    /// Sets the number; one that is too large for the type becomes the largest that it holds.
    fn set(&mut self, value: u64);
}

impl Whole for u64 {
    fn get(&self) -> u64 {
        *self
    }

    fn set(&mut self, value: u64) {
        *self = value;
    }
}

impl Whole for u32 {
    fn get(&self) -> u64 {
        (*self).into()
    }

    fn set(&mut self, value: u64) {
        *self = Self::try_from(value).unwrap_or(Self::MAX);
    }
}

impl Whole for usize {
    fn get(&self) -> u64 {
        *self as u64
    }

    fn set(&mut self, value: u64) {
        *self = Self::try_from(value).unwrap_or(Self::MAX);
    }
}

impl Whole for NonZeroUsize {
    fn get(&self) -> u64 {
        Self::get(*self) as u64
    }

    fn set(&mut self, value: u64) {
        *self = usize::try_from(value).ok().and_then(Self::new).unwrap_or(Self::MIN);
    }
}

/// The word of an enumeration that `text` is.
pub(crate) fn choose<E: ValueEnum>(text: &str) -> Result<E, String> {
    E::from_str(text, false)
}

/// The words of an enumeration.
pub(crate) fn choices<E: ValueEnum>() -> Vec<PossibleValue> {
    E::value_variants().iter().filter_map(E::to_possible_value).collect()
}

/// The word for one value of an enumeration.
pub(crate) fn chosen<E: ValueEnum>(value: &E) -> String {
    value.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

/// An entry that everybody looks for.
pub(crate) const fn common<T>(
    group: Group,
    name: &'static str,
    help: &'static str,
    value: OptionValue<T>,
) -> Declared<T> {
    Declared { name, group, help, more: "", default_said: "", audience: Audience::Everybody, value }
}

/// An entry that few look for.
pub(crate) const fn rare<T>(
    group: Group,
    name: &'static str,
    help: &'static str,
    value: OptionValue<T>,
) -> Declared<T> {
    Declared { name, group, help, more: "", default_said: "", audience: Audience::Few, value }
}

impl<T> Declared<T> {
    pub(crate) const fn more(mut self, more: &'static str) -> Self {
        self.more = more;
        self
    }

    pub(crate) const fn default_said(mut self, said: &'static str) -> Self {
        self.default_said = said;
        self
    }
}

impl<T: Clone + Default> Declared<T> {
    /// Sets the option in `options` to what was written: one text, but for options that may be
    /// repeated.
    pub(crate) fn read(&self, options: &mut T, texts: &[&str]) -> Result<(), String> {
        let text = texts.last().copied().unwrap_or_default();
        match &self.value {
            OptionValue::Count(field, range) => {
                field(options).set(quantity::count(text, range.clone()).map_err(|error| error.to_string())?);
            }
            OptionValue::Size(field, range) => {
                field(options).set(quantity::size(text, range.clone()).map_err(|error| error.to_string())?);
            }
            OptionValue::Time(field, range) => {
                *field(options) = quantity::time(text, range.clone()).map_err(|error| error.to_string())?;
            }
            OptionValue::TimeOrNone(field) => *field(options) = time_or_none(text)?,
            OptionValue::Switch(field) => {
                *field(options) = match text {
                    // As variables of the environment are set.
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err("write true or false, or nothing".to_owned()),
                };
            }
            OptionValue::Choice { read, .. } => {
                let choices = self.choices();
                if !choices.iter().any(|choice| choice.get_name() == text) {
                    return Err(format!("expected {}, found `{text}`", alternatives(&choices)));
                }
                read(options, text)?;
            }
            OptionValue::Text { read, .. } => read(options, text)?,
            OptionValue::Texts { read, .. } => read(options, texts)?,
        }
        Ok(())
    }

    /// Reads what was written of the option, and forgets it.
    pub(crate) fn check(&self, texts: &[&str]) -> Result<(), String> {
        self.read(&mut T::default(), texts)
    }

    /// The environment variable that sets it.
    pub(crate) fn variable(&self) -> String {
        format!("GRAVEN_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }

    /// The option's value in `options` as a configuration file has it; `None` where it has none.
    pub(crate) fn to_toml(&self, options: &T) -> Option<toml::Value> {
        let shown = self.show(options);
        Some(match &self.value {
            OptionValue::Count(..) | OptionValue::Size(..) => {
                shown.parse().map_or(toml::Value::String(shown), toml::Value::Integer)
            }
            OptionValue::Switch(_) => toml::Value::Boolean(shown == "true"),
            OptionValue::Time(..) | OptionValue::TimeOrNone(_) => toml::Value::String(shown),
            OptionValue::Choice { .. } | OptionValue::Text { .. } if shown.is_empty() => return None,
            OptionValue::Choice { .. } | OptionValue::Text { .. } => toml::Value::String(shown),
            OptionValue::Texts { show, .. } => {
                toml::Value::Array(show(options).into_iter().map(toml::Value::String).collect())
            }
        })
    }

    /// The option's value in `options`, as [`read`](Self::read) takes it.
    pub(crate) fn show(&self, options: &T) -> String {
        // Fields are reached for writing, and an option is shown a few times in the life of a
        // process.
        let mut options = options.clone();
        match &self.value {
            OptionValue::Count(field, _) => quantity::show_count(field(&mut options).get()),
            OptionValue::Size(field, _) => quantity::show_size(field(&mut options).get()),
            OptionValue::Time(field, _) => quantity::show_time(*field(&mut options)),
            OptionValue::TimeOrNone(field) => {
                field(&mut options).map_or_else(|| NONE.to_owned(), quantity::show_time)
            }
            OptionValue::Switch(field) => field(&mut options).to_string(),
            OptionValue::Choice { show, .. } | OptionValue::Text { show, .. } => show(&options),
            OptionValue::Texts { show, .. } => show(&options).join(" "),
        }
    }

    /// The default, as people are told.
    pub(crate) fn default_text(&self) -> String {
        match (self.default_said, self.show(&T::default())) {
            ("", shown) if shown.is_empty() => NONE.to_owned(),
            ("", shown) => shown,
            (said, _) => said.to_owned(),
        }
    }

    /// What it takes, where that is less than numbers have room for: "16 to 16384".
    pub(crate) fn range_text(&self) -> Option<String> {
        let (least, most) = match &self.value {
            OptionValue::Count(_, range) => (range.start(), range.end()),
            OptionValue::Size(_, range) => (range.start(), range.end()),
            _ => return None,
        };
        let show = |number: &u64| match &self.value {
            OptionValue::Size(..) => quantity::show_size(*number),
            _ => quantity::show_count(*number),
        };
        (*most < u32::MAX.into()).then(|| format!("{} to {}", show(least), show(most)))
    }

    fn value_name(&self) -> &'static str {
        match &self.value {
            OptionValue::Count(..) => "N",
            OptionValue::Size(..) => "SIZE",
            OptionValue::Time(..) | OptionValue::TimeOrNone(..) => "TIME",
            OptionValue::Switch(..) => "BOOL",
            OptionValue::Choice { value_name, .. }
            | OptionValue::Text { value_name, .. }
            | OptionValue::Texts { value_name, .. } => value_name,
        }
    }

    /// The words that can be chosen.
    pub(crate) fn choices(&self) -> Vec<PossibleValue> {
        match &self.value {
            OptionValue::Choice { choices, .. } => choices(),
            _ => Vec::new(),
        }
    }

    /// The line of `-h`.
    fn line(&self) -> String {
        let choices = self.choices();
        let words = match &choices[..] {
            [] => String::new(),
            choices => format!(": {}", alternatives(choices)),
        };
        format!("{}{words} [default: {}]", self.help, self.default_text())
    }

    /// What `--help` says.
    fn paragraph(&self) -> String {
        let more = if self.more.is_empty() { String::new() } else { format!(". {}", self.more) };
        let range = self.range_text().map_or_else(String::new, |range| format!("; {range}"));
        let mut text = format!("{}{more} [default: {}{range}]", self.help, self.default_text());
        let choices = self.choices();
        let explained = choices.iter().filter_map(|choice| Some((choice.get_name(), choice.get_help()?)));
        for (name, about) in explained.clone() {
            text.push_str(&format!("\n- {name}: {about}"));
        }
        if explained.count() == 0 && !choices.is_empty() {
            let words: Vec<&str> = choices.iter().map(PossibleValue::get_name).collect();
            text.push_str(&format!("\n- {}", words.join(", ")));
        }
        text
    }

    /// The line of a document's table.
    #[cfg(test)]
    fn row(&self) -> String {
        let range = self.range_text().map_or_else(String::new, |range| format!("; {range}"));
        let words: Vec<String> =
            self.choices().iter().map(|choice| format!("`{}`", choice.get_name())).collect();
        let words = if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) };
        let more = if self.more.is_empty() { String::new() } else { format!(". {}", self.more) };
        format!(
            "| `--{}{}` | {}{range} | {}{words}{more} |\n",
            self.name,
            if matches!(self.value, OptionValue::Switch(_)) {
                String::new()
            } else {
                format!(" {}", self.value_name())
            },
            self.default_text(),
            self.help
        )
    }

    fn arg(&'static self) -> Arg {
        let parser = match self.choices() {
            // Read here for what is wrong with it; what is right is read once more, into the
            // options.
            none if none.is_empty() => ValueParser::new(move |text: &str| {
                self.read(&mut T::default(), &[text]).map(|()| text.to_owned())
            }),
            choices => PossibleValuesParser::new(choices).into(),
        };
        let action = match self.value {
            OptionValue::Texts { .. } => ArgAction::Append,
            _ => ArgAction::Set,
        };
        let argument = match self.value {
            OptionValue::Switch(_) => {
                Arg::new(self.name).num_args(0..=1).require_equals(true).default_missing_value("true")
            }
            _ => Arg::new(self.name),
        };
        argument
            .long(self.name)
            .value_name(self.value_name())
            .help(self.line())
            .long_help(self.paragraph())
            .help_heading(self.group.heading())
            .hide_short_help(self.audience == Audience::Few)
            .hide_possible_values(true)
            .value_parser(parser)
            .action(action)
    }
}

/// Words of which one is chosen: "auto, ram or disk".
pub(crate) fn alternatives(choices: &[PossibleValue]) -> String {
    let words: Vec<&str> = choices.iter().map(PossibleValue::get_name).collect();
    match &words[..] {
        [] => String::new(),
        [only] => (*only).to_owned(),
        [others @ .., last] => format!("{} or {last}", others.join(", ")),
    }
}

/// What stands for a time without end.
const NONE: &str = "none";

fn time_or_none(text: &str) -> Result<Option<Duration>, String> {
    if text == NONE {
        return Ok(None);
    }
    let time = quantity::time(text, Duration::ZERO..=Duration::MAX);
    time.map(Some).map_err(|error| format!("{error}; or write {NONE}"))
}

impl Group {
    /// Its section in a configuration file.
    pub(crate) fn section(self) -> &'static str {
        match self {
            Self::Table => "all-tables",
            Self::Network => "network",
            Self::Tls => "tls",
            Self::Storage => "storage",
            Self::Limits => "limits",
            Self::Timeouts => "timeouts",
            Self::Logs => "logs",
        }
    }

    fn heading(self) -> Option<&'static str> {
        Some(match self {
            // What a table is made of stands with the table itself.
            Self::Table => return None,
            Self::Network => "Network",
            Self::Tls => "TLS",
            Self::Storage => "Storage",
            Self::Limits => "Limits",
            Self::Timeouts => "Timeouts",
            Self::Logs => "Logs",
        })
    }
}

/// `command` with a flag for each of the options.
pub(crate) fn augment<T: Clone + Default>(command: Command, all: &'static [Declared<T>]) -> Command {
    command.args(all.iter().map(Declared::arg))
}

/// The options with which a command was called.
pub(crate) fn written<T>(matches: &ArgMatches, all: &'static [Declared<T>]) -> Written {
    let texts = |declared: &Declared<T>| Some(matches.get_many::<String>(declared.name)?.cloned().collect());
    all.iter().filter_map(|declared| Some((declared.name, texts(declared)?))).collect()
}
