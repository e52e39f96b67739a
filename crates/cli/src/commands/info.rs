//! `graven info`: what a carved file is made of, read from its header.

use std::path::PathBuf;
use std::process::ExitCode;

use bytesize::ByteSize;
use graven_format::{Info, KeyKind};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::console::say;
use crate::failure::{Failure, Outcome};
use crate::json_bytes;
use crate::table::{explain, open_carved};

/// Tell what a carved file is made of
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The carved file
    file: PathBuf,
    /// Print one JSON object, whose fields stay
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let name = arguments.file.display().to_string();
    let table = open_carved(&arguments.file)?.map_err(|error| explain(&name, &error))?;
    let info = table.store.info();
    let text = if arguments.json {
        serde_json::to_string_pretty(&Json(&info)).map_err(|error| Failure::new(error.to_string()))?
    } else {
        page(&name, &info)
    };
    say(text)?;
    Ok(ExitCode::SUCCESS)
}

/// How values are stored and what that saves, in a few words.
pub(crate) fn values_line(info: &Info) -> String {
    format!("values {}{}", info.value_codec.name(), saved(info.value_gain()))
}

fn saved(gain: f64) -> String {
    if gain == 0.0 { String::new() } else { format!(" ({:.1}% saved)", gain * 100.0) }
}

fn page(name: &str, info: &Info) -> String {
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
    line(
        "values",
        format!("{}{}; {} given", info.value_codec.name(), saved(info.value_gain()), size(info.value_bytes)),
    );
    let index =
        info.index_bits_per_pair().map_or(String::new(), |bits| format!(", index {bits:.2} bits a key"));
    line("buckets", format!("{}, {:.2} records each{index}", info.buckets, info.records_per_bucket()));
    text.push_str(&format!("\n{:<10}{:>16}{:>16}  {}\n", "section", "offset", "bytes", "crc-32c"));
    for section in &info.sections {
        text.push_str(&format!(
            "{:<10}{:>16}{:>16}  {:08x}\n",
            section.section.name(),
            section.offset,
            section.bytes,
            section.checksum
        ));
    }
    text.trim_end().to_owned()
}

/// [`Info`] in the form that programs read. Fields may be added; those that are here stay what they are.
struct Json<'a>(&'a Info);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(info) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("version", &info.version)?;
        map.serialize_entry("file_bytes", &info.file_bytes)?;
        map.serialize_entry("pairs", &info.pairs)?;
        map.serialize_entry("bytes_per_pair", &info.bytes_per_pair())?;
        map.serialize_entry("key_kind", info.key_kind.name())?;
        let (name, prefix) = json_bytes::field("key_prefix", &info.key_prefix);
        map.serialize_entry(&name, &prefix)?;
        map.serialize_entry("key_bits", &(info.key_kind != KeyKind::Bytes).then_some(info.key_bits))?;
        map.serialize_entry("key_codec", info.key_codec.name())?;
        map.serialize_entry("key_bytes", &info.key_bytes)?;
        map.serialize_entry("key_gain", &info.key_gain())?;
        map.serialize_entry("value_codec", info.value_codec.name())?;
        map.serialize_entry("value_bytes", &info.value_bytes)?;
        map.serialize_entry("stored_value_bytes", &info.stored_value_bytes)?;
        map.serialize_entry("value_gain", &info.value_gain())?;
        map.serialize_entry("buckets", &info.buckets)?;
        map.serialize_entry("records_per_bucket", &info.records_per_bucket())?;
        map.serialize_entry("index_bits_per_key", &info.index_bits_per_pair())?;
        map.serialize_entry("sections", &info.sections.each_ref().map(Section))?;
        map.end()
    }
}

struct Section<'a>(&'a graven_format::SectionInfo);

impl Serialize for Section<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self(section) = self;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", section.section.name())?;
        map.serialize_entry("offset", &section.offset)?;
        map.serialize_entry("bytes", &section.bytes)?;
        map.serialize_entry("crc32c", &format!("{:08x}", section.checksum))?;
        map.end()
    }
}
