//! `graven info`: what a table is made of: of a carved file from its header, of others by reading
//! them.

use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use graven_format::{Column, Info, KeyKind, Store};
use graven_ingest::{Format, ReadOptions, json_field};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::columns_page::{bytes_a_row, columns_page};
use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::lengths::{self, Lengths};
use crate::progress::bar;
use crate::read_options::ReadFlags;
use crate::table::{OpenTable, Table, explain};

/// Tell what a table is made of, and how long its keys and values are
///
/// Of a carved file the header is read; text, tsv, csv and jsonl are read whole.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The table
    file: PathBuf,
    /// Print one JSON object, whose fields stay
    #[arg(long)]
    json: bool,
    /// Tell how long keys and values are, for which a carved file is read as well
    #[arg(long)]
    lengths: bool,
    #[command(flatten)]
    read: ReadFlags,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let text = match Table::open(&arguments.file)? {
        Table::Carved(OpenTable { name, store }) => {
            let info = store.info();
            let lengths = if arguments.lengths { Some(PairLengths::of_store(&name, &store)?) } else { None };
            if arguments.json {
                json(&InfoJson(&info, lengths.as_ref(), &store))?
            } else {
                page(&name, &info, lengths.as_ref(), &store)
            }
        }
        Table::Text(input) => {
            let (name, bytes) = (input.name().to_owned(), input.bytes());
            if input.head().is_empty() {
                return Err(Failure::new(format!("{name} is empty; there is nothing to tell of it")));
            }
            let mut lengths = PairLengths::default();
            // It counts what there is: keys that come again are no harm.
            let options = ReadOptions { repeated_keys: true, ..arguments.read.to_options() };
            let format = input::for_each_pair(input, &options, |pair| {
                lengths.see(pair.key, pair.value);
            })?;
            if arguments.json {
                json(&TextJson(format, bytes, &lengths))?
            } else {
                text_page(&name, format, bytes, &lengths)
            }
        }
    };
    say(text)?;
    Ok(ExitCode::SUCCESS)
}

fn json(object: &impl Serialize) -> Outcome<String> {
    serde_json::to_string_pretty(object).map_err(|error| Failure::new(error.to_string()))
}

/// How many pairs there are, and how long.
#[derive(Default)]
struct PairLengths {
    pairs: u64,
    keys: Lengths,
    values: Lengths,
}

impl PairLengths {
    fn see(&mut self, key: &[u8], value: &[u8]) {
        self.pairs += 1;
        self.keys.see(key.len());
        self.values.see(value.len());
    }

    fn of_store(name: &str, store: &Store) -> Outcome<Self> {
        let (bar, mut lengths) = (bar("reading", Some(store.len())), Self::default());
        for pair in store.iter() {
            let (key, value) = pair.map_err(|error| explain(name, &error))?;
            lengths.see(&key, &value);
            if lengths.pairs.is_multiple_of(4096) {
                bar.set_position(lengths.pairs);
            }
        }
        Ok(lengths)
    }

    fn page(&self) -> String {
        format!(
            "{:<10}{}\n{:<10}{}\n{:<10}{}\n",
            "length",
            lengths::head(),
            "keys",
            self.keys,
            "values",
            self.values
        )
    }
}

fn text_page(name: &str, format: Format, bytes: Option<u64>, lengths: &PairLengths) -> String {
    let size = |bytes: u64| ByteSize(bytes).display().si();
    let mut text = format!("{name}: pairs in the form {format}\n\n");
    let mut line = |what: &str, value: String| text.push_str(&format!("{what:<10}{value}\n"));
    line("pairs", lengths.pairs.to_string());
    if let Some(bytes) = bytes {
        line("bytes", format!("{bytes} ({})", size(bytes)));
    }
    line("keys", format!("{} given", size(lengths.keys.sum())));
    line("values", format!("{} given", size(lengths.values.sum())));
    text.push('\n');
    text.push_str(&lengths.page());
    text.trim_end().to_owned()
}

/// What is told of an input that is not carved, in the form that programs read.
struct TextJson<'a>(Format, Option<u64>, &'a PairLengths);

impl Serialize for TextJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(format, bytes, lengths) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("format", format.name())?;
        map.serialize_entry("file_bytes", bytes)?;
        map.serialize_entry("pairs", &lengths.pairs)?;
        map.serialize_entry("key_bytes", &lengths.keys.sum())?;
        map.serialize_entry("value_bytes", &lengths.values.sum())?;
        map.serialize_entry("key_lengths", &lengths.keys)?;
        map.serialize_entry("value_lengths", &lengths.values)?;
        map.end()
    }
}

/// How values are stored and what that saves, in a few words.
pub(crate) fn values_line(info: &Info) -> String {
    format!("values {}{}", codecs(info), saved(info.value_gain()))
}

/// How values are stored.
fn codecs(info: &Info) -> String {
    let mut codecs = info.value_codec.name().to_owned();
    if let Some(long) = info.long_codec {
        codecs.push_str(&format!(", long ones {}", long.name()));
    }
    if info.shared_values > 0 {
        codecs.push_str(&format!(", {} shared", info.shared_values));
    }
    codecs
}

fn saved(gain: f64) -> String {
    if gain == 0.0 { String::new() } else { format!(" ({:.1}% saved)", gain * 100.0) }
}

fn page(name: &str, info: &Info, lengths: Option<&PairLengths>, store: &Store) -> String {
    let size = |bytes: u64| ByteSize(bytes).display().si();
    let prefix = match &info.key_prefix[..] {
        [] => String::new(),
        prefix => format!(", all begin with {}", prefix.escape_ascii()),
    };
    let keys = match info.key_gain() {
        Some(gain) => format!("{}{}", info.key_codec.name(), saved(gain)),
        None => format!("{} bits that differ", info.key_bits),
    };
    let mut text = format!("{name}: a carved file, version {}\n\n", info.version);
    let mut line = |what: &str, value: String| text.push_str(&format!("{what:<10}{value}\n"));
    line("pairs", info.pairs.to_string());
    let a_pair = info.bytes_per_pair().map_or(String::new(), |bytes| format!(", {bytes:.2} a pair"));
    line("bytes", format!("{} ({}){a_pair}", info.file_bytes, size(info.file_bytes)));
    line("keys", format!("{}{prefix}; {} given; {keys}", info.key_kind.name(), size(info.key_bytes)));
    let json = if store.values_are_json() { "; each is JSON" } else { "" };
    let given = size(info.value_bytes);
    line("values", format!("{}{}; {given} given{json}", codecs(info), saved(info.value_gain())));
    let index =
        info.index_bits_per_pair().map_or(String::new(), |bits| format!(", index {bits:.2} bits a key"));
    line("buckets", format!("{}, {:.2} records each{index}", info.buckets, info.records_per_bucket()));
    line("identity", format!("{:016x}, checked {}", info.identity, checks(info)));
    if let Some(lengths) = lengths {
        text.push_str(&format!("\n{}", lengths.page()));
    }
    if let Some(columns) = columns_page(store) {
        text.push_str(&format!("\n{columns}"));
    }
    text.push_str(&format!("\n{:<10}{:>16}{:>16}  {}\n", "section", "offset", "bytes", "crc-32c"));
    for section in &info.sections {
        text.push_str(&format!(
            "{:<10}{:>16}{:>16}  {:08x}\n",
            section.name, section.offset, section.bytes, section.checksum
        ));
    }
    text.trim_end().to_owned()
}

fn checks(info: &Info) -> String {
    match info.check_buckets {
        1 => "bucket by bucket".into(),
        several => format!("{several} buckets at a time"),
    }
}

/// [`Info`] in the form that programs read. Fields may be added; those that are here stay what
/// they are.
struct InfoJson<'a>(&'a Info, Option<&'a PairLengths>, &'a Store);

impl Serialize for InfoJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(info, lengths, store) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &info.version)?;
        map.serialize_entry("file_bytes", &info.file_bytes)?;
        map.serialize_entry("pairs", &info.pairs)?;
        map.serialize_entry("bytes_per_pair", &info.bytes_per_pair())?;
        map.serialize_entry("key_kind", info.key_kind.name())?;
        let (name, prefix) = json_field("key_prefix", &info.key_prefix);
        map.serialize_entry(&name, &prefix)?;
        map.serialize_entry("key_bits", &(info.key_kind != KeyKind::Bytes).then_some(info.key_bits))?;
        map.serialize_entry("key_codec", info.key_codec.name())?;
        map.serialize_entry("key_bytes", &info.key_bytes)?;
        map.serialize_entry("key_gain", &info.key_gain())?;
        map.serialize_entry("value_type", value_type(store))?;
        map.serialize_entry("value_codec", info.value_codec.name())?;
        map.serialize_entry("long_codec", &info.long_codec.map(|codec| codec.name()))?;
        map.serialize_entry("shared_values", &info.shared_values)?;
        map.serialize_entry("value_bytes", &info.value_bytes)?;
        map.serialize_entry("stored_value_bytes", &info.stored_value_bytes)?;
        map.serialize_entry("value_gain", &info.value_gain())?;
        map.serialize_entry("buckets", &info.buckets)?;
        map.serialize_entry("records_per_bucket", &info.records_per_bucket())?;
        map.serialize_entry("index_bits_per_key", &info.index_bits_per_pair())?;
        if let Some(lengths) = lengths {
            map.serialize_entry("key_lengths", &lengths.keys)?;
            map.serialize_entry("value_lengths", &lengths.values)?;
        }
        map.serialize_entry("identity", &format!("{:016x}", info.identity))?;
        map.serialize_entry("check_buckets", &info.check_buckets)?;
        if let Some(schema) = store.schema() {
            map.serialize_entry("key_column", &schema.key().name)?;
            let columns: Vec<_> =
                schema.columns().iter().map(|column| ColumnJson(column, info.pairs)).collect();
            map.serialize_entry("columns", &columns)?;
        }
        map.serialize_entry("sections", &info.sections.iter().map(SectionJson).collect::<Vec<_>>())?;
        map.end()
    }
}

/// What values are, in a word.
fn value_type(store: &Store) -> &'static str {
    match store.schema() {
        Some(_) => "row",
        None if store.values_are_json() => "json",
        None => "bytes",
    }
}

/// A column, and how many rows there are.
struct ColumnJson<'a>(&'a Column, u64);

impl Serialize for ColumnJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(column, rows) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", column.name())?;
        map.serialize_entry("type", column.column_type().name())?;
        map.serialize_entry("encoding", &column.encoding())?;
        map.serialize_entry("bytes_per_row", &bytes_a_row(column, *rows))?;
        map.serialize_entry("nulls", &column.nulls())?;
        map.serialize_entry("missing", &column.missing())?;
        map.end()
    }
}

struct SectionJson<'a>(&'a graven_format::SectionInfo);

impl Serialize for SectionJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(section) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", &section.name)?;
        map.serialize_entry("offset", &section.offset)?;
        map.serialize_entry("bytes", &section.bytes)?;
        map.serialize_entry("crc32c", &format!("{:08x}", section.checksum))?;
        map.end()
    }
}
