//! What is wrong with an input, in the binary's words: what `graven-ingest` says, and what to type
//! next.

use std::io;
use std::path::Path;

use graven_ingest::{
    Cause, Compression, Content, Error, Format, LikelyFields, ParquetProblem, RdbFault, RedisProblem, Role,
};

use crate::column_list::{self, ColumnList};
use crate::failure::{Failure, reason};
use crate::input::{STANDARD_INPUT, default_output};
use crate::shell;

/// What the subcommand that reads can be told of its input.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// All that `graven build` can.
    Anything,
    /// Nothing: what does not go without saying is for `graven build`.
    WhatNeedsNoFlags,
    /// Nothing, and no pairs either: a carved file.
    CarvedFiles,
}

/// What is wrong with an input, and what to type next.
pub(crate) fn explain(error: &Error, reads: Reads) -> Failure {
    let name = &error.input;
    let place = match error.position.line {
        Some(_) => format!("{name}:{}", error.position),
        None => name.clone(),
    };
    let sentence = match &error.cause {
        Cause::Open(source) => return Failure::new(cannot_open(name, source, reads)),
        Cause::Directory => format!("{name} is a directory; name one file in it"),
        Cause::Read(source) => {
            let line = error.position.line.map_or(String::new(), |line| format!(":{line}"));
            format!("{name}{line}: cannot read further: {}", reason(source))
        }
        Cause::Compressed { compression, source } => format!(
            "{place}: the {compression} data cannot be read: {}; is the file whole? `{compression} -t < {}` says it",
            reason(source),
            file_to_type(name)
        ),
        Cause::Content(content) => match foreign(name, content, error.compression) {
            Some(sentence) => sentence,
            None => advised(format!("{place}: {}", error.cause), &error.cause, name, reads),
        },
        cause => advised(format!("{place}: {cause}"), cause, name, reads),
    };
    Failure::new(sentence)
}

fn cannot_open(name: &str, error: &io::Error, reads: Reads) -> String {
    let file = shell::file(name);
    match error.kind() {
        io::ErrorKind::NotFound if reads == Reads::CarvedFiles => format!(
            "{name} does not exist; check the path, or make a carved file with `graven build INPUT -o {file}`"
        ),
        io::ErrorKind::NotFound => format!(
            "{name} does not exist; check the path, or make a sample with `graven gen -n 10000 -o {file}`"
        ),
        io::ErrorKind::PermissionDenied => format!(
            "{name} may not be read by this user; allow it with `chmod a+r {file}` or run as its owner"
        ),
        _ => format!("cannot open {name}: {}", reason(error)),
    }
}

/// An input as a word of a command line.
fn file_to_type(name: &str) -> String {
    if name == STANDARD_INPUT { "FILE".to_owned() } else { shell::file(name) }
}

/// What the content of a compressed input is called once it was unpacked.
const UNPACKED: &str = "UNPACKED";

/// Where the table of a dump goes in an example.
fn redis_output(name: &str) -> String {
    match name {
        STANDARD_INPUT => "table.graven".to_owned(),
        name => default_output(Path::new(name)).display().to_string(),
    }
}

/// The sentence for content that no flag of `graven build` reads.
fn foreign(name: &str, content: &Content, compression: Option<Compression>) -> Option<String> {
    let packed = file_to_type(name);
    let (before, file) = match (compression, content) {
        (Some(compression), content) if *content != Content::CompressedTwice => (
            format!("unpack it with `{compression} -dc < {packed} > {UNPACKED}`, then "),
            UNPACKED.to_owned(),
        ),
        _ => (String::new(), packed),
    };
    let advice = match content {
        Content::Carved if compression.is_some() => format!("name {file}: a carved file is used as it is"),
        Content::CompressedTwice => "unpack it once, and give what comes out".to_owned(),
        Content::OtherCompression("bzip2") => format!("unpack it with `bunzip2 -k {file}`"),
        Content::OtherCompression("xz") => format!("unpack it with `unxz -k {file}`"),
        Content::OtherCompression("lz4") => format!("unpack it with `unlz4 {file}`"),
        Content::OtherCompression(_) => "unpack it, or compress it with gzip or zstd".to_owned(),
        Content::Archive("tar") => format!("take the table out of it with `tar -xf {file}`"),
        Content::Archive("zip") => format!("take the table out of it with `unzip {file}`"),
        Content::Archive(_) => "take the table out of it".to_owned(),
        Content::Parquet if cfg!(feature = "parquet") => {
            "name that file: Parquet is read from its end, and not while it is unpacked".to_owned()
        }
        Content::Parquet => {
            let duckdb = format!("duckdb -csv -c {} > table.csv", select_from(&file));
            format!(
                "this build does not read those, one with the feature parquet does: `cargo install --locked --path \
                 crates/cli --features full`; or turn it into csv, as with `{duckdb}`"
            )
        }
        Content::Sqlite => {
            format!(
                "turn a table of it into csv, as with `sqlite3 -csv {file} 'SELECT KEY, VALUE FROM TABLE' > table.csv`"
            )
        }
        Content::RedisDump => {
            format!(
                "make a carved file of it with `graven build {file} -o {}`",
                shell::file(&redis_output(name))
            )
        }
        Content::OtherKind(_) => "export the table as csv or JSON lines".to_owned(),
        Content::Utf16 => format!("turn it into UTF-8 with `iconv -f UTF-16 -t UTF-8 {file} > NEW`"),
        Content::Utf32 => format!("turn it into UTF-8 with `iconv -f UTF-32 -t UTF-8 {file} > NEW`"),
        Content::LoneCarriageReturns => {
            format!("turn these into line feeds with `tr '\\r' '\\n' < {file} > NEW`")
        }
        _ => return None,
    };
    Some(match content {
        Content::LoneCarriageReturns => format!("{name} has {content}; {before}{advice}"),
        _ => format!("{name} is {content}; {before}{advice}"),
    })
}

/// The word of a shell that reads all of the Parquet file `file`, a word itself.
fn select_from(file: &str) -> String {
    if file.starts_with('\'') {
        let name = file[1..file.len() - 1].replace("'\\''", "''");
        shell::word(&format!("SELECT KEY, VALUE FROM '{name}'"))
    } else {
        format!("\"SELECT KEY, VALUE FROM '{file}'\"")
    }
}

/// `sentence` with what to type next, where there is something to type.
fn advised(sentence: String, cause: &Cause, name: &str, reads: Reads) -> String {
    let Some((advice, flags)) = advice(cause) else { return sentence };
    match reads {
        // It says what to do.
        Reads::WhatNeedsNoFlags if matches!(cause, Cause::LeadingSeparator) => sentence,
        Reads::Anything | Reads::CarvedFiles => format!("{sentence}; {advice}"),
        Reads::WhatNeedsNoFlags if flags.is_empty() => format!("{sentence}; {advice}"),
        Reads::WhatNeedsNoFlags => {
            let (input, output) = match name {
                STANDARD_INPUT => ("-".to_owned(), "table.graven".to_owned()),
                name => {
                    let output = default_output(Path::new(name)).display().to_string();
                    (shell::file(name), shell::file(&output))
                }
            };
            format!("{sentence}; make a carved file of it with `graven build {input} {flags} -o {output}`")
        }
    }
}

/// What to do about a cause, and the flags of `graven build` that do it, if it is flags that do
/// it.
fn advice(cause: &Cause) -> Option<(String, String)> {
    let flags = |flags: &str, what: &str| Some((format!("{what} `{flags}`"), flags.to_owned()));
    let words = |what: &str| Some((what.to_owned(), String::new()));
    match cause {
        Cause::Content(Content::JsonLines) => {
            flags("--format jsonl --key FIELD --value FIELD", "read it with")
        }
        Cause::Content(Content::JsonArray) => flags("--format json", "read it with"),
        Cause::Content(Content::JsonObject { member, field }) => {
            Some(document(member.as_deref(), field.as_deref()))
        }
        Cause::Content(Content::NulBytes) => {
            flags("--format data", "a text has none; if this is one all the same, say so with")
        }
        Cause::Content(Content::Columns { delimiter: b'\t', .. }) => flags("--format tsv", "read it with"),
        Cause::Content(Content::Columns { delimiter, likely }) => {
            let separator = quoted(*delimiter);
            let (key, value) = (likely.key + 1, likely.value + 1);
            flags(&format!("--delimiter {separator} --key {key} --value {value}"), "read it with, say,")
        }
        Cause::Content(Content::Comment { prefix }) => Some((
            format!(
                "pass over them with `--comment '{prefix}'`, or say the form with `--format` if they are pairs"
            ),
            format!("--comment '{prefix}'"),
        )),
        Cause::Stream { .. } => words("name the path of a file"),
        Cause::SeveralInputs { format: Format::Csv | Format::Tsv | Format::Jsonl, .. } => {
            words("make rows of all with `--columns '*'`, join them into one, or make a table of each")
        }
        Cause::FormDiffers { .. } | Cause::SeveralDumps { .. } => words("make a table of each"),
        Cause::SeveralInputs { .. } => words("join them into one, or make a table of each"),
        Cause::KeyUndecided { likely: Some(likely), .. } => {
            flags(&format!("--key {}", column_list::word(likely)), "say which it is, as with")
        }
        Cause::FileDiffers { .. } => {
            words("name the columns that all have with `--columns`, or make a table of each")
        }
        Cause::KeyUndecided { .. } => flags("--key COLUMN", "say it with"),
        Cause::NoMarker { .. } => words("wait for it, or leave out `--require-marker`"),
        Cause::NoFiles => words("names that begin with `_` or a point are passed over; check the path"),
        Cause::Parquet { problem, .. } if matches!(**problem, ParquetProblem::Memory { .. }) => {
            words("allow the build more with `--memory`, or write the file with smaller row groups")
        }
        Cause::Parquet { problem, .. } if matches!(**problem, ParquetProblem::TooManyRows { .. }) => {
            words("if the rows are meant, write them anew with less compression, or as csv")
        }
        Cause::NotForFormat { .. } => words("leave that flag out, or say another form with `--format`"),
        Cause::ValueUndecided { columns, keys, value } => {
            let keys = shell::word(&ColumnList(keys.to_vec()).to_string());
            let value = columns.get(*value).map_or("2", String::as_str);
            let flags = format!("--key {keys} --value {}", column_list::word(value));
            let sentence =
                format!("say which they are, as with `{flags}`, or keep all columns with `--columns '*'`");
            Some((sentence, flags))
        }
        Cause::KeyRepeats { other, has_header, are_short, .. } => {
            let mut flags = format!("--key {} --value '*'", column_list::word(other));
            for (is_needed, flag) in [(!has_header, " --no-header"), (*are_short, " --short-rows")] {
                flags.push_str(if is_needed { flag } else { "" });
            }
            let sentence = format!(
                "make it the key with `{flags}`, or keep the first as it is, with all values of a key by \
                 `--duplicates list` or one by `--duplicates last`"
            );
            Some((sentence, flags))
        }
        Cause::KeyIsValue { .. } => flags("--value COLUMN", "name the value's with"),
        Cause::HeaderUndecided { .. } => {
            Some(("say whether it does, with `--header` or `--no-header`".to_owned(), "--header".to_owned()))
        }
        Cause::HeaderDoubtful { .. } => {
            Some(("say whether it is, with `--header` or `--no-header`".to_owned(), "--no-header".to_owned()))
        }
        Cause::RepeatedColumn { .. } => words("give its number"),
        Cause::NoSuchColumn { found: 1, .. } => {
            flags("--delimiter", "if columns are separated by something else, say by what with")
        }
        Cause::NoField { role: Role::Column, fields, .. } => match &fields[..] {
            [] => None,
            [first, ..] => flags(&format!("--at {}", shell::word(first)), "go down into another, as with"),
        },
        Cause::NoField { likely: Some(likely), .. } if likely.value.is_none() => {
            flags(&format!("--key {}", column_list::word(&likely.key)), "say which it is, as with")
        }
        Cause::NoField { fields, .. } if fields.len() < 2 => {
            flags("--key FIELD --value FIELD", "name the fields with")
        }
        Cause::NoField { fields, likely, .. } => {
            let (key, value) = match likely.as_deref() {
                Some(LikelyFields { key, value: Some(value) }) => (key, value),
                _ => (&fields[0], &fields[1]),
            };
            let (key, value) = (column_list::word(key), column_list::word(value));
            let flags = format!("--key {key} --value {value}");
            let sentence = format!("say which they are, as with `{flags}`; `--value '*'` is all but the key");
            Some((sentence, flags))
        }
        Cause::SeparatorInKey { .. } => {
            flags("--key-separator '|'", "put something else between the parts, as with")
        }
        Cause::RepeatedMember { .. } => words("say which columns the value is to have with `--value`"),
        Cause::Null { role: Role::Value } => flags(
            "--null skip",
            "`--null empty` or `--null json` says what they become; leave such pairs out with",
        ),
        Cause::LeadingSeparator => flags(
            "--comment ' '",
            "`--trim` drops spaces and tabs around keys and values; pass over such lines with",
        ),
        Cause::RowsInQuotes { .. } => flags(
            "--rows-in-quotes",
            "correct the quotes, or, if the cell is to hold these lines, say so with",
        ),
        Cause::OpenQuote | Cause::AfterQuote { .. } => words("a quote inside of quotes is written twice"),
        Cause::Redis(problems) => words(&redis_advice(problems)),
        Cause::Rdb(damage) => rdb_advice(&damage.fault).and_then(words),
        Cause::TooManyColumns { .. } => words(
            "the widest of the first 200 rows in the first 64 KiB says how many columns there are; put a row that has all of \
             them first, such as their names",
        ),
        Cause::NoFieldName => flags("--comment '#'", "if lines that begin with # are comments, say so with"),
        Cause::ColumnCount { expected, found } if found < expected => {
            flags("--short-rows", "if rows may lack columns at their end, say so with")
        }
        Cause::ColumnCount { .. } => words(
            "a cell of a csv that holds a separator is written in quotes; if rows may lack columns at their end, say so \
             with `--short-rows`",
        ),
        _ => None,
    }
}

/// What to do about a JSON object of which it does not follow where its pairs are: the member that may
/// hold them, and the first field of the first of them.
fn document(member: Option<&str>, field: Option<&str>) -> (String, String) {
    let Some(member) = member else {
        let flags = "--format json".to_owned();
        return (format!("read a pair a member with `{flags}`"), flags);
    };
    let mut flags = format!("--at {}", shell::word(member));
    if let Some(field) = field {
        flags.push_str(&format!(" --key {} --value '*'", column_list::word(field)));
    }
    let sentence =
        format!("go down into a member, as with `{flags}`, or read a pair a member with `--format json`");
    (sentence, flags)
}

/// What to do about a dump that cannot be read.
fn rdb_advice(fault: &RdbFault) -> Option<&'static str> {
    match fault {
        RdbFault::Version { .. } | RdbFault::Valkey { .. } => {
            Some("ask the running server with `graven build redis://HOST:PORT -o FILE`")
        }
        RdbFault::Trailing => Some(
            "an append-only file holds commands that are newer than its dump; have the server write one with `BGSAVE`",
        ),
        RdbFault::TooLong { .. } => Some("leave such keys out with `--match PATTERN`"),
        RdbFault::Type { .. } | RdbFault::OldModule => {
            Some("ask the running server with `graven build redis://HOST:PORT -o FILE`")
        }
        _ => Some("is the file whole? `redis-check-rdb` says it"),
    }
}

/// The flags that say what to do about what a Redis holds.
fn redis_advice(problems: &[RedisProblem]) -> String {
    let advice = problems.iter().map(|problem| match problem {
        RedisProblem::Databases { keys } => {
            format!("choose one with `--database {}`", keys.first().map_or(0, |&(number, _)| number))
        }
        RedisProblem::Mixed { .. } => "take one kind with `--only strings` or `--only hashes`, or both, each hash as a \
                                       JSON object, with `--hashes json`"
            .to_owned(),
        RedisProblem::Expiring(_) => {
            "leave out keys that expire with `--ttl skip`, or keep their values for good with `--ttl keep-value`"
                .to_owned()
        }
        RedisProblem::Others(_) => "leave out all but strings and hashes with `--other skip`".to_owned(),
        RedisProblem::NoColumns { .. } => "leave out --columns".to_owned(),
        RedisProblem::TooManyFields { .. } => {
            "make each hash a JSON object with `--hashes json`, or name the fields with `--columns A,B`".to_owned()
        }
        RedisProblem::KeyName { .. } => "call the key something else with `--key NAME`".to_owned(),
        _ => "leave such keys out with `--match PATTERN`, or hashes with `--only strings`".to_owned(),
    });
    advice.collect::<Vec<_>>().join("; ")
}

/// A byte as a shell takes it.
fn quoted(byte: u8) -> String {
    format!("'{}'", char::from(byte))
}
