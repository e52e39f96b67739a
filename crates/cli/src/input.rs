//! What a subcommand reads: a path or standard input, opened, and the sentences for what cannot be read.

use std::io;
use std::path::{Path, PathBuf};

use graven_ingest::{Cause, Content, Error, Input, Pair, Pairs, ReadOptions};

use crate::failure::{Failure, Outcome, reason};
use crate::progress::bar;

/// What people call the input in messages when the path is `-`.
const STANDARD_INPUT: &str = "standard input";

/// Opens `path`, where `-` is standard input.
pub(crate) fn open(path: &Path) -> Outcome<Input> {
    let opened = if path == Path::new("-") {
        Input::from_reader(STANDARD_INPUT, io::stdin())
    } else {
        Input::open(path)
    };
    opened.map_err(|error| explain(&error, Reads::Anything))
}

/// Calls `each` with every pair of an input that is not carved, and shows a bar.
pub(crate) fn for_each_pair(
    input: Input,
    options: &ReadOptions,
    mut each: impl FnMut(Pair<'_>),
) -> Outcome<()> {
    let (bar, meter) = (bar("reading", input.bytes()), input.meter());
    let read = || {
        let mut pairs = Pairs::new(input, options)?;
        for number in 0_u64.. {
            let Some(pair) = pairs.next_pair()? else { break };
            each(pair);
            if number.is_multiple_of(LOOK_PAIRS) {
                bar.set_position(meter.read());
            }
        }
        Ok(())
    };
    read().map_err(|error| explain(&error, Reads::WhatNeedsNoFlags))
}

/// Pairs after which the bar is moved.
const LOOK_PAIRS: u64 = 4096;

/// What the subcommand that reads can be told of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// All that `graven build` can.
    Anything,
    /// Nothing: what does not go without saying is for `graven build`.
    WhatNeedsNoFlags,
}

/// What is wrong with an input, and what to type next.
pub(crate) fn explain(error: &Error, reads: Reads) -> Failure {
    let name = &error.input;
    let place = match error.position.line {
        Some(_) => format!("{name}:{}", error.position),
        None => name.clone(),
    };
    let sentence = match &error.cause {
        Cause::Open(source) => return Failure::new(cannot_open(name, source)),
        Cause::Directory => format!("{name} is a directory; name one file in it"),
        Cause::Read(source) => {
            let line = error.position.line.map_or(String::new(), |line| format!(":{line}"));
            format!("{name}{line}: cannot read further: {}", reason(source))
        }
        Cause::Compressed { compression, source } => format!(
            "{place}: the {compression} data cannot be read: {}; is the file whole? `{compression} -t` says it",
            reason(source)
        ),
        Cause::Content(content) => match foreign(name, *content) {
            Some(sentence) => sentence,
            None => advised(format!("{place}: {}", error.cause), &error.cause, name, reads),
        },
        cause => advised(format!("{place}: {cause}"), cause, name, reads),
    };
    Failure::new(sentence)
}

fn cannot_open(name: &str, error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => format!(
            "{name} does not exist; check the path, or make a sample with `graven gen -n 10000 -o {name}`"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "{name} may not be read by this user; allow it with `chmod a+r {name}` or run as its owner"
        ),
        _ => format!("cannot open {name}: {}", reason(error)),
    }
}

/// The sentence for content that no flag of `graven build` reads.
fn foreign(name: &str, content: Content) -> Option<String> {
    let advice = match content {
        Content::CompressedTwice => "unpack it once, and give what comes out".to_owned(),
        Content::OtherCompression("bzip2") => format!("unpack it with `bunzip2 -k {name}`"),
        Content::OtherCompression("xz") => format!("unpack it with `unxz -k {name}`"),
        Content::OtherCompression("lz4") => format!("unpack it with `unlz4 {name}`"),
        Content::OtherCompression(_) => "unpack it, or compress it with gzip or zstd".to_owned(),
        Content::Archive("tar") => format!("take the table out of it with `tar -xf {name}`"),
        Content::Archive("zip") => format!("take the table out of it with `unzip {name}`"),
        Content::Archive(_) => "take the table out of it".to_owned(),
        Content::Parquet => format!(
            "turn it into csv, as with `duckdb -csv -c \"SELECT KEY, VALUE FROM '{name}'\" > table.csv`"
        ),
        Content::Sqlite => {
            format!(
                "turn a table of it into csv, as with `sqlite3 -csv {name} 'SELECT KEY, VALUE FROM TABLE' > table.csv`"
            )
        }
        Content::RedisDump => {
            "a running Redis can be asked for its pairs; this release does not read its dumps".to_owned()
        }
        Content::OtherBinary(_) => "export the table as csv or JSON lines".to_owned(),
        Content::Utf16 => format!("turn it into UTF-8 with `iconv -f UTF-16 -t UTF-8 {name} > NEW`"),
        Content::Utf32 => format!("turn it into UTF-8 with `iconv -f UTF-32 -t UTF-8 {name} > NEW`"),
        Content::JsonArray => {
            format!("turn it into an object a line with `jq -c '.[]' {name} > table.jsonl`")
        }
        Content::JsonObject => {
            format!("turn it into an object a line with `jq -c 'to_entries[]' {name} > table.jsonl`")
        }
        Content::LoneCarriageReturns => {
            format!("turn these into line feeds with `tr '\\r' '\\n' < {name} > NEW`")
        }
        _ => return None,
    };
    Some(match content {
        Content::LoneCarriageReturns => format!("{name} has {content}; {advice}"),
        _ => format!("{name} is {content}; {advice}"),
    })
}

/// `sentence` with what to type next, where there is something to type.
fn advised(sentence: String, cause: &Cause, name: &str, reads: Reads) -> String {
    let Some((advice, flags)) = advice(cause) else { return sentence };
    match reads {
        Reads::Anything => format!("{sentence}; {advice}"),
        Reads::WhatNeedsNoFlags if flags.is_empty() => format!("{sentence}; {advice}"),
        Reads::WhatNeedsNoFlags => {
            let output = default_output(Path::new(name));
            format!(
                "{sentence}; make a carved file of it with `graven build {name} {flags} -o {}`",
                output.display()
            )
        }
    }
}

/// What to do about a cause, and the flags of `graven build` that do it, if it is flags that do it.
fn advice(cause: &Cause) -> Option<(String, String)> {
    let flags = |flags: &str, what: &str| Some((format!("{what} `{flags}`"), flags.to_owned()));
    let words = |what: &str| Some((what.to_owned(), String::new()));
    match cause {
        Cause::Content(Content::JsonLines) => {
            flags("--format jsonl --key FIELD --value FIELD", "read it with")
        }
        Cause::Content(Content::NulBytes) => {
            flags("--format data", "a text has none; if this is one all the same, say so with")
        }
        Cause::Content(Content::Columns { delimiter }) => {
            let separator = quoted(*delimiter);
            flags(&format!("--format csv --delimiter {separator} --key 1 --value 2"), "read it with, say,")
        }
        Cause::Content(Content::Comment { prefix }) => Some((
            format!(
                "pass over them with `--comment '{0}'`, or say the form with `--format` if they are pairs",
                char::from(*prefix)
            ),
            format!("--comment '{}'", char::from(*prefix)),
        )),
        Cause::NotForFormat { .. } => words("leave that flag out, or say another form with `--format`"),
        Cause::ValueUndecided { columns } => {
            let column = |i: usize| columns.get(i).map_or("2", String::as_str);
            flags(
                &format!("--key {} --value {}", word(column(0)), word(column(1))),
                "say which they are, as with",
            )
        }
        Cause::KeyIsValue { .. } => flags("--value COLUMN", "name the value's with"),
        Cause::HeaderUndecided { .. } => {
            Some(("say whether it does, with `--header` or `--no-header`".to_owned(), "--header".to_owned()))
        }
        Cause::RepeatedColumn { .. } => words("give its number"),
        Cause::NoSuchColumn { found: 1, .. } => {
            flags("--delimiter", "if columns are separated by something else, say by what with")
        }
        Cause::NoField { .. } => flags("--key FIELD --value FIELD", "name the fields with"),
        Cause::Null { role: graven_ingest::Role::Value } => flags(
            "--null skip",
            "`--null empty` or `--null json` says what they become; leave such pairs out with",
        ),
        Cause::OpenQuote | Cause::AfterQuote { .. } => words("a quote inside of quotes is written twice"),
        Cause::ColumnCount { .. } => words("a cell that holds a separator is written in quotes"),
        _ => None,
    }
}

/// A byte as a shell takes it.
fn quoted(byte: u8) -> String {
    if byte == b'\t' { "tab".into() } else { format!("'{}'", char::from(byte)) }
}

/// A word as a shell takes it.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "_-.:/@%+=".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) {
        text.into()
    } else {
        format!("'{}'", text.replace('\'', "'\\''"))
    }
}

/// Where a table that is built from `input` goes when nothing is said: beside it, under its name without the extensions
/// of a compression and of a form.
pub(crate) fn default_output(input: &Path) -> PathBuf {
    let is_compressed =
        matches!(input.extension().and_then(|extension| extension.to_str()), Some("gz" | "zst"));
    let input = if is_compressed { input.with_extension("") } else { input.to_owned() };
    input.with_extension("graven")
}
