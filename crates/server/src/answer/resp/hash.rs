//! Hashes: the rows of a table with columns, field by field. A column that a row has no value in is a field that its hash
//! does not have.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graven_blocks::BlockReader;
use graven_format::{Error, Row, Schema, Store, TextRoom, VALUE_BYTES_MAX};
use graven_wire::glob::Matcher;
use graven_wire::resp::{Args, Command, HashPart, HashRead, HashScan, Missing, Refusal, Version, reply};

use super::commands::UnfinishedCommand;
use super::typed::encode_missing;
use super::{DAMAGED, RespSession, integer};
use crate::answer::lookups::LookupOutcome;
use crate::answer::rows::{FIELD_COST, KEPT_BYTES, row_cost};
use crate::answer::{After, ConnectionSlot, Responder, StopReason};
use crate::output::OutputBuffer;
use crate::request_log::RequestSummary;

/// Redis keeps hashes of up to so many fields, none of them longer than this, as lists.
const LISTED_FIELDS_MAX: usize = 128;
const LISTED_BYTES_MAX: usize = 64;

/// Fields that `HRANDFIELD` picks before the cost of the turn is looked at.
const STEP_FIELDS: u64 = 64;

/// Steps that matching the names of one row with the pattern of an `HSCAN` may take: some milliseconds.
const MATCH_STEPS_MAX: u64 = 1_000_000;

/// An `HMGET` is answered with as many bytes as the longest value has, and one field more.
const TOO_LONG: &[u8] = b"ERR the answer is longer than the longest value, ask for fewer fields";

/// `HGET` or `HMGET`, which may be looked up together with others.
#[derive(Clone, Copy, Debug)]
pub(in crate::answer) enum HashLookup<'i> {
    Field(&'i [u8]),
    Fields(Args<'i>),
}

impl<'i> HashLookup<'i> {
    /// The command.
    pub(in crate::answer) fn name(&self) -> &'static str {
        match self {
            Self::Field(_) => "hget",
            Self::Fields(_) => "hmget",
        }
    }

    /// Keeps all arguments for where requests are recorded.
    pub(in crate::answer) fn keep_arguments(&self, key: &[u8], summary: &mut RequestSummary) {
        match self {
            Self::Field(field) => {
                summary.keep_arguments([self.name().as_bytes(), key, field].into_iter(), 3);
            }
            Self::Fields(fields) => {
                let all = [self.name().as_bytes(), key].into_iter().chain(*fields);
                summary.keep_arguments(all, 2 + fields.len());
            }
        }
    }

    /// The key, the name and the lookup of a command that is one of these.
    #[inline]
    pub(super) fn of(command: &Command<'i>) -> Option<(&'i [u8], &'static str, Self)> {
        let Command::Hash(HashRead { command, key, part }) = *command else { return None };
        let lookup = match part {
            HashPart::Field(field) => Self::Field(field),
            HashPart::Fields(fields) => Self::Fields(fields),
            _ => return None,
        };
        Some((key, command, lookup))
    }

    /// What is answered, in a table with the columns of `schema`.
    #[inline]
    pub(in crate::answer) fn answer(
        self,
        schema: Option<&Schema>,
        answer: LookupOutcome<'_>,
        version: Version,
        text: &mut TextRoom,
        slot: &mut ConnectionSlot,
    ) {
        match self {
            Self::Field(field) => say_field(field, schema, answer, version, text, slot),
            Self::Fields(fields) => say(HashPart::Fields(fields), schema, answer, version, text, slot),
        }
    }
}

impl RespSession {
    /// Answers a read of a hash.
    pub(super) fn read_hash<R: BlockReader>(
        &mut self,
        read: HashRead<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let Responder { store, lookups, text, loop_counters, .. } = responder;
        let answer = lookups.get(store, read.key);
        if let LookupOutcome::NotYet = answer {
            return After::NotYet;
        }
        slot.spend_lookup(answer);
        loop_counters.resp.add_lookup(answer.is_hit());
        if let (HashPart::RandomMany { count, with_values }, LookupOutcome::Value(row), Some(_)) =
            (read.part, answer, store.schema())
        {
            let picks = RandomFields::new(store, row.bytes(), count, with_values);
            return match picks {
                Ok(picks) => {
                    picks.begin(self.version, &mut slot.out);
                    self.begin(UnfinishedCommand::RandomFields(picks), responder, slot)
                }
                Err(_) => {
                    reply::error(&mut slot.out, DAMAGED);
                    After::Done
                }
            };
        }
        say(read.part, store.schema(), answer, self.version, text, slot);
        After::Done
    }
}

/// What is said of one field: what `say` says, in one step where all is as it should be.
#[inline]
fn say_field(
    name: &[u8],
    schema: Option<&Schema>,
    answer: LookupOutcome<'_>,
    version: Version,
    text: &mut TextRoom,
    slot: &mut ConnectionSlot,
) {
    if let (LookupOutcome::Value(row), Some(schema)) = (answer, schema)
        && let Ok(row) = schema.row(row.bytes())
        && let Some(column) = column(row, name)
        && let Ok(field) = row.lend_text(column, text)
    {
        match field {
            Some(field) => reply::bulk_prefix(&mut slot.out, field.with_bytes_behind(), field.len()),
            None => reply::null(&mut slot.out, version),
        }
        text.give_back(KEPT_BYTES);
        slot.spend(FIELD_COST);
        return;
    }
    say(HashPart::Field(name), schema, answer, version, text, slot);
}

/// What is said of a part of a hash; `text` is room for that of a field.
#[inline(never)]
fn say(
    part: HashPart<'_>,
    schema: Option<&Schema>,
    answer: LookupOutcome<'_>,
    version: Version,
    text: &mut TextRoom,
    slot: &mut ConnectionSlot,
) {
    let out = &mut slot.out;
    match (answer, schema) {
        (LookupOutcome::Value(row), Some(schema)) => {
            let end = out.end();
            match schema.row(row.bytes()).and_then(|row| say_of_row(part, row, version, text, out)) {
                Ok(true) => {}
                Ok(false) => {
                    out.cut(end);
                    reply::error(out, TOO_LONG);
                }
                Err(_) => {
                    out.cut(end);
                    reply::error(out, DAMAGED);
                }
            }
            text.give_back(KEPT_BYTES);
            let cost = match part {
                HashPart::Field(_) | HashPart::Exists(_) | HashPart::Length(_) => FIELD_COST,
                HashPart::Fields(fields) => fields.len() as u64 * FIELD_COST,
                _ => row_cost(Some(schema)),
            };
            slot.spend(cost);
        }
        (LookupOutcome::Value(_), None) => Refusal::WrongType.encode(out),
        (LookupOutcome::Missing, _) => encode_missing(missing(part), b"", version, out),
        (LookupOutcome::Damaged | LookupOutcome::NotYet, _) => reply::error(out, DAMAGED),
    }
}

fn missing(part: HashPart<'_>) -> Missing<'static> {
    HashRead { command: "", key: b"", part }.missing()
}

/// Whether the answer is no longer than it may be; else a part of it was said.
#[inline]
fn say_of_row(
    part: HashPart<'_>,
    row: Row<'_>,
    version: Version,
    text: &mut TextRoom,
    out: &mut OutputBuffer,
) -> Result<bool, Error> {
    match part {
        HashPart::Field(name) => field_or_null(row, column(row, name), version, text, out)?,
        HashPart::Fields(names) => {
            reply::array_head(out, names.len());
            let end = out.len().saturating_add(VALUE_BYTES_MAX);
            let mut before = None;
            for name in names {
                let column = row.schema().position_behind(before, name);
                before = column;
                field_or_null(row, column, version, text, out)?;
                // One field may be asked for again and again.
                if out.len() > end {
                    return Ok(false);
                }
            }
        }
        _ => say_of_whole_row(part, row, version, text, out)?,
    }
    Ok(true)
}

#[inline(never)]
fn say_of_whole_row(
    part: HashPart<'_>,
    row: Row<'_>,
    version: Version,
    text: &mut TextRoom,
    out: &mut OutputBuffer,
) -> Result<(), Error> {
    match part {
        HashPart::All => {
            reply::map_head(out, version, count(row)?);
            each(row, text, |name, text| {
                reply::bulk(out, name);
                reply::bulk(out, text);
            })
        }
        HashPart::Names => {
            reply::array_head(out, count(row)?);
            each(row, text, |name, _| reply::bulk(out, name))
        }
        HashPart::Values => {
            reply::array_head(out, count(row)?);
            each(row, text, |_, text| reply::bulk(out, text))
        }
        HashPart::Count => {
            reply::integer(out, integer(count(row)?));
            Ok(())
        }
        HashPart::Exists(name) => {
            let is_there = column(row, name).map(|column| row.field(column)).transpose()?;
            reply::integer(out, is_there.is_some_and(|field| field.has_value()).into());
            Ok(())
        }
        HashPart::Length(name) => {
            let text = column(row, name).map(|column| row.lend_text(column, text)).transpose()?.flatten();
            reply::integer(out, integer(text.map_or(0, |text| text.len())));
            Ok(())
        }
        HashPart::Scan(Ok(HashScan { pattern, without_values })) => {
            let (mut found, mut listed) = (0, Vec::new());
            let mut steps = MATCH_STEPS_MAX;
            let mut matches = |pattern: &[u8], name: &[u8]| {
                Matcher::default().go_on(pattern, name, &mut steps).unwrap_or(false)
            };
            each(row, text, |name, text| {
                if pattern.is_none_or(|pattern| matches(pattern, name)) {
                    found += 1;
                    reply::bulk(&mut listed, name);
                    if !without_values {
                        found += 1;
                        reply::bulk(&mut listed, text);
                    }
                }
            })?;
            if steps == 0 {
                reply::error(out, b"ERR the pattern takes too long to match, use a shorter one");
                return Ok(());
            }
            reply::array_head(out, 2);
            reply::bulk(out, b"0");
            reply::array_head(out, found);
            out.extend_from_slice(&listed);
            Ok(())
        }
        HashPart::Scan(Err(error)) => {
            Refusal::from(error).encode(out);
            Ok(())
        }
        HashPart::Random => {
            let there = columns_with_values(row)?;
            match there.get(pick(there.len())) {
                Some(&column) => reply::bulk(out, row.schema().columns()[column].name().as_bytes()),
                None => reply::null(out, version),
            }
            Ok(())
        }
        // These two are answered elsewhere.
        HashPart::RandomMany { .. } | HashPart::Field(_) | HashPart::Fields(_) => Ok(()),
    }
}

#[inline]
fn column(row: Row<'_>, name: &[u8]) -> Option<usize> {
    row.schema().position(name)
}

#[inline]
fn field_or_null(
    row: Row<'_>,
    column: Option<usize>,
    version: Version,
    text: &mut TextRoom,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    let Some(column) = column else {
        reply::null(out, version);
        return Ok(());
    };
    match row.lend_text(column, text)? {
        Some(text) => reply::bulk_prefix(out, text.with_bytes_behind(), text.len()),
        None => reply::null(out, version),
    }
    Ok(())
}

/// How many fields have a value.
fn count(row: Row<'_>) -> Result<usize, Error> {
    row.fields().try_fold(0, |count, field| Ok(count + usize::from(field?.has_value())))
}

/// Calls `each` with the name and the text of every field that has a value.
fn each(row: Row<'_>, text: &mut TextRoom, mut each: impl FnMut(&[u8], &[u8])) -> Result<(), Error> {
    for field in row.fields() {
        let field = field?;
        if let Some(text) = field.lend_text(text)? {
            each(field.column().name().as_bytes(), text.bytes());
        }
    }
    Ok(())
}

fn columns_with_values(row: Row<'_>) -> Result<Vec<usize>, Error> {
    let mut columns = Vec::new();
    for (column, field) in row.fields().enumerate() {
        if field?.has_value() {
            columns.push(column);
        }
    }
    Ok(columns)
}

/// A number below `count`, another with every call.
fn pick(count: usize) -> usize {
    /// Steps of 2^64 divided by the golden ratio; the mixing is that of Steele, Lea and Flood's SplitMix64.
    static STATE: AtomicU64 = AtomicU64::new(0);
    let mut word = STATE.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed);
    word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    word ^= word >> 31;
    ((u128::from(word) * count as u128) >> 64) as usize
}

/// Fields that `HRANDFIELD` picks of a row, some in each turn.
#[derive(Debug)]
pub(super) struct RandomFields {
    store: Arc<Store>,
    row: Vec<u8>,
    /// The columns that the row has values in, of which each may be picked.
    columns: Vec<usize>,
    /// How many are picked yet.
    left: u64,
    /// No column is picked twice.
    are_different: bool,
    with_values: bool,
}

impl RandomFields {
    fn new(store: &Arc<Store>, row: &[u8], count: i64, with_values: bool) -> Result<Self, Error> {
        let columns = columns_with_values(store.row(row)?)?;
        let are_different = count >= 0;
        let wanted = count.unsigned_abs();
        let left = match columns.len() as u64 {
            0 => 0,
            there if are_different => wanted.min(there),
            _ => wanted,
        };
        Ok(Self { store: Arc::clone(store), row: row.to_vec(), columns, left, are_different, with_values })
    }

    pub(super) fn held_bytes(&self) -> usize {
        self.row.len() + size_of_val(&self.columns[..])
    }

    /// Says how many there will be.
    fn begin(&self, version: Version, out: &mut Vec<u8>) {
        let elements = if self.with_values && version == Version::Resp2 { 2 } else { 1 };
        reply::array_head(out, usize::try_from(self.left.saturating_mul(elements)).unwrap_or(usize::MAX));
    }

    /// Picks more; why that was not all.
    pub(super) fn go_on(&mut self, version: Version, slot: &mut ConnectionSlot) -> Option<StopReason> {
        while self.left > 0 {
            if slot.is_full() {
                return Some(StopReason::Full);
            }
            let step = self.left.min(STEP_FIELDS);
            for _ in 0..step {
                let at = pick(self.columns.len());
                let column = if self.are_different { self.columns.swap_remove(at) } else { self.columns[at] };
                self.say(column, version, &mut slot.out);
            }
            slot.spend(step * FIELD_COST);
            self.left -= step;
        }
        None
    }

    fn say(&self, column: usize, version: Version, out: &mut Vec<u8>) {
        if self.with_values && version == Version::Resp3 {
            reply::array_head(out, 2);
        }
        let mut text = TextRoom::default();
        let Ok(row) = self.store.row(&self.row) else { return reply::error(out, DAMAGED) };
        reply::bulk(out, row.schema().columns()[column].name().as_bytes());
        if self.with_values {
            match row.lend_text(column, &mut text) {
                Ok(text) => reply::bulk(out, text.map(|text| text.bytes()).unwrap_or_default()),
                Err(_) => reply::error(out, DAMAGED),
            }
        }
    }
}

/// How Redis would keep the hash that a row is.
pub(super) fn encoding(store: &Store, row: &[u8]) -> Result<&'static [u8], Error> {
    let row = store.row(row)?;
    let mut longest = 0;
    each(row, &mut TextRoom::default(), |name, text| longest = longest.max(name.len()).max(text.len()))?;
    let is_list = count(row)? <= LISTED_FIELDS_MAX && longest <= LISTED_BYTES_MAX;
    Ok(if is_list { b"listpack" } else { b"hashtable" })
}
