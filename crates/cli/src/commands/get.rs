//! `graven get`: prints the values of keys that a server or a file holds.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::ExitCode;

use graven_client::{Client, Target, Timeouts};
use graven_format::{Column, KEY_BYTES_MAX, Projection};
use graven_ingest::{Input, ReadOptions, json_field};
use graven_wire::address::Protocol;
use serde::ser::{SerializeMap, Serializer};
use serde_json::value::RawValue;

use crate::console::warn;
use crate::failure::{Failure, Outcome, reason};
use crate::input;
use crate::object_store;
use crate::output::{self, STANDARD_OUTPUT, Stop};
use crate::row_members::RowMembers;
use crate::table::{self, OpenTable};
use crate::target::{ask_in, serve_there, with_fields};
use crate::tls::{self, TrustFlags};

/// Print the values of keys, one a line, in the order of the keys
#[derive(clap::Args)]
#[command(
    after_help = "Exit status: 0 when every key was found, 1 when one was missing (it is named on standard \
    error, and no line is printed for it unless --json or --null says how), 2 for everything else."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    form: AnswerForm,
    /// Drop spaces and tabs around the keys and values of a text
    #[arg(long)]
    trim: bool,
    #[command(flatten)]
    trust: TrustFlags,
    /// A server as HOST:PORT (HTTP), `http://HOST:PORT/PATH/{key}`, `redis://HOST[:PORT]`,
    /// `memcached://HOST[:PORT]`, with TLS `https://`, `rediss://` or `memcacheds://`, or [redis+|memcached+]unix:PATH, or the path of a file; what
    /// exists as a file is a file. A table in a bucket is s3://BUCKET/PREFIX/TABLE, a carved file behind a web server
    /// https://HOST/PATH.graven
    target: OsString,
    /// The keys; `-` alone reads them from standard input, one a line
    #[arg(value_name = "KEY", required = true)]
    keys: Vec<OsString>,
}

/// How an answer is written.
#[derive(Clone, Debug, clap::Args)]
struct AnswerForm {
    /// Print each key, a tab and its value
    #[arg(long)]
    with_keys: bool,
    /// Print a JSON object a key, with null where a key is missing; what is not UTF-8 is base64
    #[arg(long, conflicts_with_all = ["with_keys", "null"])]
    json: bool,
    /// Of a table with columns print these alone, as a JSON object; not over memcached
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', num_args = 1)]
    fields: Vec<String>,
    /// Print this where a key is missing, so that there is a line for each key
    #[arg(long, value_name = "MARK")]
    null: Option<OsString>,
}

impl AnswerForm {
    /// Writes the line of a key; `false` where there is none because the key is missing.
    ///
    /// A row is JSON already.
    fn write(
        &self,
        key: &[u8],
        value: Option<&[u8]>,
        is_row: bool,
        out: &mut impl Write,
    ) -> io::Result<bool> {
        if self.json {
            let mut json = serde_json::Serializer::new(&mut *out);
            let mut object = json.serialize_map(None)?;
            let (name, text) = json_field("key", key);
            object.serialize_entry(&name, &text)?;
            let row = value.filter(|_| is_row).and_then(|row| serde_json::from_slice::<&RawValue>(row).ok());
            match value.map(|value| json_field("value", value)) {
                _ if row.is_some() => object.serialize_entry("value", &row)?,
                Some((name, text)) => object.serialize_entry(&name, &text)?,
                None => object.serialize_entry("value", &())?,
            }
            object.end()?;
        } else {
            let Some(shown) = value.or(self.null.as_ref().map(|mark| mark.as_bytes())) else {
                return Ok(false);
            };
            if self.with_keys {
                out.write_all(key)?;
                out.write_all(b"\t")?;
            }
            out.write_all(shown)?;
        }
        out.write_all(b"\n")?;
        Ok(true)
    }
}

/// Where the values are.
enum LookupSource {
    Server(Box<Client>),
    /// A server of which columns are asked for. A Redis answers whole rows, of which these are kept:
    /// `HMGET` does not tell a number from a text.
    ServerRows(Box<Client>, Option<RowMembers>),
    Carved(OpenTable),
    /// A carved file in an object store or behind a web server.
    Object(Box<object_store::ObjectTable>),
    /// A carved file whose values have columns, of which these are asked for, if not all.
    Rows(OpenTable, Option<Projection>),
    /// Read once, for all keys.
    Text(Option<Input>, Box<ReadOptions>),
}

/// Keys read from a pipe before they are looked up together.
const BATCH_KEYS_MAX: usize = 1024;

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    let mut table = LookupSource::open(arguments)?;
    let out = BufWriter::new(io::stdout().lock());
    let mut answers = Answers { form: &arguments.form, out, missing: false, found: false };
    let looked_up = match &arguments.keys[..] {
        [dash] if dash == "-" => look_up_lines(&mut table, &mut answers),
        keys => look_up(&mut table, &keys.iter().map(|key| key.as_bytes()).collect::<Vec<_>>(), &mut answers),
    };
    if let LookupSource::ServerRows(_, Some(members)) = &table
        && answers.found
    {
        members.unseen().for_each(|name| warn(format_args!("no row that was found has a column `{name}`")));
    }
    let done = looked_up.and_then(|()| Ok(answers.out.flush()?));
    output::written(done, Path::new(STANDARD_OUTPUT))?;
    Ok(if answers.missing { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

impl From<graven_client::Error> for Stop {
    fn from(error: graven_client::Error) -> Self {
        Self::Failure(explain(error))
    }
}

impl LookupSource {
    fn open(arguments: &Arguments) -> Outcome<Self> {
        let target = &arguments.target;
        let path = Path::new(target);
        let text = target.to_string_lossy();
        if !text.contains("://") && path.exists() {
            return Ok(match table::Table::open(path)? {
                table::Table::Carved(carved) => Self::of_carved(carved, &arguments.form.fields)?,
                table::Table::Text(text) if !arguments.form.fields.is_empty() => {
                    return Err(Failure::new(format!(
                        "{} is text, and --fields reads carved files with columns; make one with `graven build --columns`",
                        text.name()
                    )));
                }
                table::Table::Text(text) => {
                    let read = ReadOptions { trim: arguments.trim, ..ReadOptions::default() };
                    Self::Text(Some(text), Box::new(read))
                }
            });
        }
        if object_store::names_table(&text) {
            if !arguments.form.fields.is_empty() {
                return Err(Failure::new(format!("{text}: --fields is for servers and files; leave it out")));
            }
            return object_store::ObjectTable::open(&text).map(|table| Self::Object(Box::new(table)));
        }
        match text.parse::<Target>() {
            Ok(server) => {
                let fields = &arguments.form.fields[..];
                let (server, members) = match (fields, server.protocol()) {
                    ([], _) => (server, None),
                    (fields, Protocol::Redis) => (server, Some(RowMembers::new(fields))),
                    (fields, _) => (with_fields(&server, fields)?, None),
                };
                let trust = arguments.trust.trust();
                let client = Client::connect_to(&server, Timeouts::default(), &trust);
                let client = Box::new(client.map_err(explain)?);
                Ok(if fields.is_empty() { Self::Server(client) } else { Self::ServerRows(client, members) })
            }
            Err(error) if names_a_scheme(&text) => Err(Failure::new(error.to_string())),
            Err(_) => Err(Failure::new(format!(
                "{text} is neither a file here nor a server; name a file that exists, or HOST:PORT as in 127.0.0.1:8000"
            ))),
        }
    }

    fn of_carved(carved: OpenTable, fields: &[String]) -> Outcome<Self> {
        let name = &carved.name;
        let projection = match (carved.store.schema(), fields) {
            (None, []) => return Ok(Self::Carved(carved)),
            (None, _) => {
                return Err(Failure::new(format!("{name} has no columns; leave out --fields")));
            }
            (Some(_), []) => None,
            (Some(schema), fields) => Some(schema.project(fields).map_err(|error| {
                let names: Vec<&str> = schema.columns().iter().map(Column::name).collect();
                Failure::new(format!("{name}: {error}; its columns are {}", names.join(", ")))
            })?),
        };
        Ok(Self::Rows(carved, projection))
    }

    /// Whether values are rows.
    fn has_rows(&self) -> bool {
        match self {
            Self::Object(table) => table.has_rows(),
            _ => matches!(self, Self::Rows(..) | Self::ServerRows(..)),
        }
    }

    /// Hands the value of each of `keys` to `each`, in their order.
    fn look_up<K: AsRef<[u8]>>(
        &mut self,
        keys: &[K],
        mut each: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match self {
            Self::Server(client) | Self::ServerRows(client, None) => {
                client.get_many(keys, |i, value| each(keys[i].as_ref(), value))
            }
            Self::ServerRows(client, Some(members)) => {
                let mut json = Vec::new();
                client.get_many(keys, |i, value| {
                    let key = keys[i].as_ref();
                    json.clear();
                    if value.is_some_and(|row| !members.write(row, &mut json)) {
                        return Err(Failure::new(format!(
                            "the value of {} has no columns; leave out --fields",
                            key.escape_ascii()
                        ))
                        .into());
                    }
                    each(key, value.is_some().then_some(&json))
                })
            }
            Self::Carved(OpenTable { name, store }) => {
                let mut value = Vec::new();
                keys.iter().try_for_each(|key| {
                    value.clear();
                    let found = store.get(key.as_ref(), &mut value);
                    let found = found.map_err(|error| table::explain(name, &error))?;
                    each(key.as_ref(), found.then_some(&value))
                })
            }
            Self::Object(table) => {
                let mut value = Vec::new();
                keys.iter().try_for_each(|key| {
                    value.clear();
                    let found = table.get(key.as_ref(), &mut value)?;
                    each(key.as_ref(), found.then_some(&value))
                })
            }
            Self::Rows(OpenTable { name, store }, projection) => {
                let (mut value, mut json) = (Vec::new(), Vec::new());
                keys.iter().try_for_each(|key| {
                    value.clear();
                    json.clear();
                    let mut look = || {
                        let found = store.get(key.as_ref(), &mut value)?;
                        if found {
                            let row = store.row(&value)?;
                            match projection {
                                Some(projection) => projection.write_json(row, &mut json)?,
                                None => row.write_json(&mut json)?,
                            }
                        }
                        Ok(found)
                    };
                    let found = look().map_err(|error| table::explain(name, &error))?;
                    each(key.as_ref(), found.then_some(&json))
                })
            }
            Self::Text(text, read) => {
                let mut values: HashMap<&[u8], Option<Vec<u8>>> =
                    keys.iter().map(|key| (key.as_ref(), None)).collect();
                // The last value of a key counts, as when the text is served.
                let Some(text) = text.take() else { return Ok(()) };
                input::for_each_pair(text, read, |pair| {
                    if let Some(value) = values.get_mut(pair.key) {
                        *value = Some(pair.value.to_vec());
                    }
                })?;
                keys.iter().try_for_each(|key| each(key.as_ref(), values[key.as_ref()].as_deref()))
            }
        }
    }
}

/// Whether `text` can only be meant as an address.
fn names_a_scheme(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    text.contains("://") || text.starts_with("unix:") || text.contains("+unix:")
}

/// Where values and the names of missing keys go.
struct Answers<'a, W: Write> {
    form: &'a AnswerForm,
    out: W,
    missing: bool,
    found: bool,
}

fn look_up<K: AsRef<[u8]>>(
    table: &mut LookupSource,
    keys: &[K],
    answers: &mut Answers<'_, impl Write>,
) -> Result<(), Stop> {
    if let Some(long) = keys.iter().map(AsRef::as_ref).find(|key| key.len() > KEY_BYTES_MAX) {
        let start = long[..20].escape_ascii();
        return Err(Failure::new(format!(
            "the key that begins with {start} is longer than {KEY_BYTES_MAX} bytes"
        ))
        .into());
    }
    let is_row = table.has_rows();
    table.look_up(keys, |key, value| {
        answers.missing |= value.is_none();
        answers.found |= value.is_some();
        if !answers.form.write(key, value, is_row, &mut answers.out)? {
            warn(format_args!("the key {} is not there", key.escape_ascii()));
        }
        Ok(())
    })
}

/// Looks up the keys that standard input gives, as many together as are there: a pipe is answered
/// in batches, and whoever types is answered line by line. A text file is read once, for all of
/// them.
fn look_up_lines(table: &mut LookupSource, answers: &mut Answers<'_, impl Write>) -> Result<(), Stop> {
    let mut input = BufReader::with_capacity(64 * 1024, io::stdin().lock());
    let keys_max = if matches!(table, LookupSource::Text(..)) { usize::MAX } else { BATCH_KEYS_MAX };
    let mut keys: Vec<Vec<u8>> = Vec::new();
    loop {
        let mut line = Vec::new();
        let bytes =
            io::Read::take(&mut input, KEY_BYTES_MAX as u64 + 3).read_until(b'\n', &mut line).map_err(
                |error| Failure::new(format!("cannot read keys from standard input: {}", reason(&error))),
            )?;
        if line.ends_with(b"\n") {
            line.pop();
            if line.ends_with(b"\r") {
                line.pop();
            }
        }
        if !line.is_empty() {
            keys.push(line);
        }
        let more_is_here = bytes > 0 && input.buffer().contains(&b'\n');
        if bytes == 0 || keys.len() >= keys_max || (keys_max == BATCH_KEYS_MAX && !more_is_here) {
            look_up(table, &keys, answers)?;
            answers.out.flush().map_err(Stop::Output)?;
            keys.clear();
        }
        if bytes == 0 {
            return Ok(());
        }
    }
}

/// What is wrong with a server, and what to type next.
pub(crate) fn explain(error: graven_client::Error) -> Failure {
    use graven_client::Error;
    Failure::new(match error {
        Error::Connect { target, source }
            if matches!(source.kind(), io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound) =>
        {
            let advice = target.parse().map(|target| format!("; {}", serve_there(&target)));
            format!("nothing listens on {target}{}", advice.unwrap_or_default())
        }
        Error::Connect { target, source } => format!("cannot connect to {target}: {}", reason(&source)),
        Error::UnknownHost { target, .. } => {
            format!("the host of {target} is not known; check its spelling")
        }
        error @ (Error::NoTls { .. } | Error::Tls { .. }) => tls::explained(&error),
        error @ Error::TimedOut { .. } => {
            format!("{error}; check the server and the network, then try again")
        }
        Error::Malformed { ref target, found: Some(found), .. } => {
            let advice = target.parse().map(|target| format!("; {}", ask_in(&target, found)));
            format!("{error}{}", advice.unwrap_or_default())
        }
        error @ Error::UnaskableKey { .. } => format!("{error}; ask over HTTP or Redis"),
        error => error.to_string(),
    })
}
