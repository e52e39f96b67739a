//! The table that the keys of a Redis become, while they come.

use std::collections::{BTreeMap, HashMap};

use graven_format::{Builder, ColumnType, FieldInput, Options, RowBuilder};

use super::counts::{RedisCounts, RedisKind};
use super::fields::HashFields;
use super::options::{HashForm, OtherPolicy, RedisOptions, TakenKind, TtlPolicy};
use super::problem::RedisProblem;
use crate::error::Cause;
use crate::table_rows::ColumnOptions;

/// Databases whose keys are counted one by one; a Redis has sixteen unless it is told otherwise.
const DATABASES_COUNTED: usize = 16;

/// A key and what is known of it before its value is read.
#[derive(Clone, Copy, Debug)]
pub struct RedisKey<'a> {
    /// The number of its database.
    pub database: u64,
    /// The key.
    pub key: &'a [u8],
    /// What its value is.
    pub kind: RedisKind,
    /// Whether it expires, or a field of its hash does.
    pub expires: bool,
}

/// The table that the keys of a Redis become.
///
/// Whoever reads asks for each key whether the table [wants](Self::wants) it, reads its value if
/// it does, and adds it. What is not wanted is counted; what is refused is known at the end, when
/// all of it is counted. Nothing is kept of a table that will be refused.
#[allow(missing_debug_implementations)]
pub struct RedisTable {
    options: RedisOptions,
    columns: Option<ColumnOptions>,
    build: Options,
    builder: Option<RedisBuilder>,
    places: FieldPlaces,
    counts: RedisCounts,
    databases: BTreeMap<u64, u64>,
    first: Option<(Vec<u8>, Vec<u8>)>,
    json: Vec<u8>,
}

/// The builder that has what was taken.
#[allow(missing_debug_implementations)]
pub enum RedisBuilder {
    /// Keys and values.
    Pairs(Box<Builder>),
    /// Keys and rows.
    Rows(Box<RowBuilder>),
}

/// Where the fields of hashes go.
#[derive(Default)]
struct FieldPlaces {
    /// The column of each name; none of a field that is not wanted.
    by_name: HashMap<Vec<u8>, Option<usize>>,
    /// Names in the order of the columns: most hashes have their fields in one order.
    in_order: Vec<Vec<u8>>,
    /// The name of the key, which no field has.
    key_name: String,
    takes_all: bool,
    types: Vec<(String, ColumnType)>,
    ignored: Vec<String>,
}

/// Names of fields that are not in the table of which anything is kept.
const IGNORED_MAX: usize = 100;

impl RedisTable {
    /// A table without keys yet. With `columns`, hashes are rows of these.
    pub fn new(options: RedisOptions, columns: Option<ColumnOptions>, build: Options) -> Self {
        Self {
            options,
            columns,
            build,
            builder: None,
            places: FieldPlaces::default(),
            counts: RedisCounts::default(),
            databases: BTreeMap::new(),
            first: None,
            json: Vec::new(),
        }
    }

    /// What was met so far.
    pub fn counts(&self) -> &RedisCounts {
        &self.counts
    }

    /// What was met so far, for whoever counts what only it can see.
    pub fn counts_mut(&mut self) -> &mut RedisCounts {
        &mut self.counts
    }

    /// How it was asked for.
    pub fn options(&self) -> &RedisOptions {
        &self.options
    }

    /// The first key and value that were taken; none of rows.
    pub fn first(&self) -> Option<(&[u8], &[u8])> {
        self.first.as_ref().map(|(key, value)| (key.as_slice(), value.as_slice()))
    }

    /// Fields that were met and are in no column, the first hundred.
    pub fn ignored(&self) -> &[String] {
        &self.places.ignored
    }

    /// Whether hashes become rows.
    fn has_rows(&self) -> bool {
        self.columns.is_some() || self.options.hashes == HashForm::Row
    }

    /// Whether keys of a kind are left out because of it.
    fn leaves_out(&self, kind: RedisKind) -> bool {
        matches!(
            (self.options.kinds, kind),
            (Some(TakenKind::Strings), RedisKind::Hash) | (Some(TakenKind::Hashes), RedisKind::String)
        )
    }

    /// Whether the value of a key is to be read and added. Each key is asked for once.
    pub fn wants(&mut self, key: RedisKey<'_>) -> bool {
        if self.options.database.is_some_and(|database| database != key.database) {
            self.counts.other_databases += 1;
            return false;
        }
        if self.options.keys.as_ref().is_some_and(|keys| !keys.takes(key.key)) {
            self.counts.unmatched += 1;
            return false;
        }
        if self.databases.len() < DATABASES_COUNTED || self.databases.contains_key(&key.database) {
            *self.databases.entry(key.database).or_default() += 1;
        }
        if !matches!(key.kind, RedisKind::String | RedisKind::Hash) {
            self.counts.others.add(key.kind, key.key);
            return false;
        }
        if self.leaves_out(key.kind) {
            self.counts.other_kind += 1;
            return false;
        }
        if key.expires {
            self.counts.expiring.add(key.key);
            if self.options.ttl == TtlPolicy::Skip {
                return false;
            }
        }
        match key.kind {
            RedisKind::Hash => self.counts.hashes += 1,
            _ => self.counts.strings += 1,
        }
        if self.is_refused() {
            self.builder = None;
            return false;
        }
        true
    }

    /// Whether something was met that is refused.
    fn is_refused(&self) -> bool {
        let is_mixed = self.counts.strings > 0 && self.counts.hashes > 0 && self.has_rows();
        is_mixed
            || self.databases.len() > 1
            || self.counts.expiring.count > 0 && self.options.ttl == TtlPolicy::Refuse
            || self.counts.others.all() > 0 && self.options.others == OtherPolicy::Refuse
            || self.columns.is_some() && self.counts.strings > 0
    }

    /// Takes back that a key was wanted: it was gone when its value was read.
    pub fn vanished(&mut self, kind: RedisKind) {
        self.counts.vanished += 1;
        match kind {
            RedisKind::Hash => self.counts.hashes -= 1,
            _ => self.counts.strings -= 1,
        }
    }

    /// Adds a string that is wanted.
    ///
    /// # Errors
    /// [`Cause::Table`] when the builder does not take it.
    pub fn add_string(&mut self, key: &[u8], value: &[u8]) -> Result<(), Cause> {
        let build = &self.build;
        let builder =
            self.builder.get_or_insert_with(|| RedisBuilder::Pairs(Box::new(Builder::new(build.clone()))));
        let RedisBuilder::Pairs(builder) = builder else { return Ok(()) };
        if self.first.is_none() {
            self.first = Some((key.to_vec(), value.to_vec()));
        }
        builder.add(key, value).map_err(|error| Cause::Table(error.into()))
    }

    /// Adds a hash that is wanted.
    ///
    /// # Errors
    /// [`Cause::Redis`] for a field that no table has, and [`Cause::Table`] when the builder does
    /// not take it.
    pub fn add_hash(&mut self, key: &[u8], fields: &HashFields) -> Result<(), Cause> {
        if !self.has_rows() {
            let mut json = std::mem::take(&mut self.json);
            json.clear();
            let written = fields.write_json(&mut json);
            let added = match written {
                Ok(()) => self.add_string(key, &json),
                Err(field) => Err(Cause::Redis(vec![RedisProblem::FieldName { key: key.to_vec(), field }])),
            };
            self.json = json;
            return added;
        }
        if self.builder.is_none() {
            let rows = self.rows()?;
            self.builder = Some(RedisBuilder::Rows(Box::new(rows)));
        }
        let Some(RedisBuilder::Rows(builder)) = &mut self.builder else { return Ok(()) };
        let mut row = vec![FieldInput::Missing; builder.columns()];
        for (i, (name, value)) in fields.iter().enumerate() {
            let Some(place) = self.places.find(i, name, key, builder)? else { continue };
            if place >= row.len() {
                row.resize(place + 1, FieldInput::Missing);
            }
            // An empty cell is null in a column of numbers; a field of a hash is never null.
            row[place] = if value.is_empty() { FieldInput::Text("") } else { FieldInput::Cell(value) };
        }
        builder.add(key, &row).map_err(|error| Cause::Table(error.into()))
    }

    /// The builder of rows, with the columns that are asked for.
    fn rows(&mut self) -> Result<RowBuilder, Cause> {
        let asked = self.columns.clone().unwrap_or_default();
        let key_name = self.options.key_name.clone().unwrap_or_else(|| "key".to_owned());
        let mut builder = RowBuilder::new(key_name.clone(), self.build.clone());
        self.places.key_name = key_name;
        self.places.takes_all = asked.columns.is_none();
        self.places.types = asked.types;
        let names = asked.columns.unwrap_or_default();
        if !self.places.takes_all
            && let Some((wanted, _)) = self.places.types.iter().find(|(name, _)| !names.contains(name))
        {
            return Err(Cause::UntypedColumn { wanted: wanted.clone(), columns: names });
        }
        for name in names {
            if name != self.places.key_name {
                let added = self.places.add(name.as_bytes(), &name, &mut builder);
                added.map_err(|error| Cause::Table(error.into()))?;
            }
        }
        Ok(builder)
    }

    /// What was taken, when all was read; none where there was nothing.
    ///
    /// # Errors
    /// [`Cause::Redis`] with everything that is refused.
    pub fn finish(self) -> Result<Option<RedisBuilder>, Cause> {
        let RedisCounts { strings, hashes, .. } = self.counts;
        let mut problems = Vec::new();
        if self.databases.len() > 1 {
            let keys = self.databases.iter().map(|(&database, &keys)| (database, keys)).collect();
            problems.push(RedisProblem::Databases { keys });
        }
        let options = &self.options;
        if self.counts.others.all() > 0 && options.others == OtherPolicy::Refuse {
            problems.push(RedisProblem::Others(self.counts.others.clone()));
        }
        if self.counts.expiring.count > 0 && options.ttl == TtlPolicy::Refuse {
            problems.push(RedisProblem::Expiring(self.counts.expiring.clone()));
        }
        if self.columns.is_some() && strings > 0 && hashes == 0 {
            problems.push(RedisProblem::NoColumns { strings });
        } else if self.has_rows() && strings > 0 && hashes > 0 {
            problems.push(RedisProblem::Mixed { strings, hashes });
        }
        if problems.is_empty() { Ok(self.builder) } else { Err(Cause::Redis(problems)) }
    }
}

impl FieldPlaces {
    fn add(
        &mut self,
        name: &[u8],
        text: &str,
        builder: &mut RowBuilder,
    ) -> Result<usize, graven_format::Error> {
        let said = self.types.iter().rev().find(|(said, _)| said == text);
        let place = builder.column(text, said.map(|&(_, column_type)| column_type))?;
        self.by_name.insert(name.to_vec(), Some(place));
        self.in_order.push(name.to_vec());
        Ok(place)
    }

    /// The column of the `i`th field of a hash, which in most hashes is the `i`th.
    fn find(
        &mut self,
        i: usize,
        name: &[u8],
        key: &[u8],
        builder: &mut RowBuilder,
    ) -> Result<Option<usize>, Cause> {
        if self.in_order.get(i).is_some_and(|next| next == name) {
            return Ok(Some(i));
        }
        if let Some(&place) = self.by_name.get(name) {
            return Ok(place);
        }
        if !self.takes_all {
            if self.ignored.len() < IGNORED_MAX {
                self.ignored.push(String::from_utf8_lossy(name).into_owned());
                self.by_name.insert(name.to_vec(), None);
            }
            return Ok(None);
        }
        let problem = match std::str::from_utf8(name) {
            Err(_) => RedisProblem::FieldName { key: key.to_vec(), field: name.to_vec() },
            Ok(text) if text == self.key_name => {
                RedisProblem::KeyName { key: key.to_vec(), name: text.to_owned() }
            }
            Ok(_) if builder.columns() == graven_format::layout::COLUMNS_MAX => {
                RedisProblem::TooManyFields { key: key.to_vec(), most: graven_format::layout::COLUMNS_MAX }
            }
            Ok(text) => {
                let added = self.add(name, text, builder).map(Some);
                return added.map_err(|error| Cause::Table(error.into()));
            }
        };
        Err(Cause::Redis(vec![problem]))
    }
}
