//! What is said of tables: `/readyz`, `/v1/tables` and `/v1/tables/NAME`.

use std::time::SystemTime;

use graven_catalog::{Condition, Snapshot, SourceCondition, TableState, TableVersion, VersionName};
use serde::Serialize;

use crate::answer::access::Asker;

/// What a table is, as JSON.
#[derive(Serialize)]
pub(super) struct Description<'a> {
    name: &'a str,
    /// Whether it answers where no table is named.
    default: bool,
    /// `serving`, `loading`, `refused` or `frozen`.
    state: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The version that answers.
    version: Option<&'a str>,
    pairs: u64,
    bytes: u64,
    storage: Option<&'static str>,
    /// When the version was made, and when it came to answer here; seconds since 1970, UTC.
    made: Option<u64>,
    since: Option<u64>,
    age_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    loading: Option<Loading<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<SourceReport<'a>>,
    /// Versions that were fetched from an object store and are here, whichever answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    fetched: Option<Vec<&'a str>>,
    /// Every version that may be named.
    versions: Vec<&'a str>,
}

/// A version that is on its way.
#[derive(Serialize)]
struct Loading<'a> {
    version: &'a str,
    done_bytes: u64,
    total_bytes: u64,
}

/// How it stands with the object store that versions are fetched from.
#[derive(Serialize)]
#[serde(tag = "state", rename_all = "lowercase")]
enum SourceReport<'a> {
    Fetching { version: &'a str, done_bytes: u64, total_bytes: u64 },
    Failing { reason: &'a str },
}

impl<'a> SourceReport<'a> {
    fn of(source: &'a SourceCondition) -> Option<Self> {
        match source {
            SourceCondition::Fine => None,
            SourceCondition::Fetching { version, done, total } => {
                Some(Self::Fetching { version: version.as_str(), done_bytes: *done, total_bytes: *total })
            }
            SourceCondition::Failing { reason } => Some(Self::Failing { reason }),
        }
    }
}

#[derive(Serialize)]
struct All<'a> {
    ready: bool,
    tables: Vec<Description<'a>>,
}

/// All tables that may be asked.
pub(super) fn all(snapshot: &Snapshot, asker: &Asker) -> String {
    let tables = asker.rule().of(snapshot).map(|table| describe(snapshot, table)).collect();
    json(&All { ready: readiness(snapshot, asker).is_ok(), tables })
}

/// One table.
pub(super) fn one(snapshot: &Snapshot, table: &TableState) -> String {
    json(&describe(snapshot, table))
}

/// Whether every table answers that must, and there is one, whoever may ask them; or a line for each that does not and that
/// `asker` may ask. Where a listener has a table, it is that alone.
pub(super) fn readiness(snapshot: &Snapshot, asker: &Asker) -> Result<&'static str, String> {
    let is_meant = |table: &&TableState| asker.listener().is_none_or(|only| only == table.id());
    let missing: Vec<&TableState> = snapshot.missing().filter(is_meant).collect();
    if missing.is_empty() {
        let answers = snapshot.tables().filter(is_meant).any(|table| table.current().is_some());
        return if answers { Ok("ready") } else { Err("no table answers".to_owned()) };
    }
    let named = missing.into_iter().filter(|table| asker.rule().permits(table.id()));
    let lines: Vec<String> = named.map(why_missing).collect();
    Err(if lines.is_empty() { "not ready".to_owned() } else { lines.join("\n") })
}

fn why_missing(table: &TableState) -> String {
    let name = table.name();
    match table.condition() {
        Condition::Loading { version, done, total } if *total > 0 => {
            format!("{name}: {version} is loading, {} %", done * 100 / total)
        }
        Condition::Refused { version, reason } => format!("{name}: {version} is refused: {reason}"),
        _ => match table.source() {
            SourceCondition::Fetching { version, done, total } => {
                let percent = (u128::from(*done) * 100).checked_div((*total).into()).unwrap_or(100);
                format!("{name}: {version} is being fetched, {percent} %")
            }
            SourceCondition::Failing { reason } => format!("{name}: no version is here: {reason}"),
            SourceCondition::Fine => format!("{name}: no version answers yet"),
        },
    }
}

pub(super) fn describe<'a>(snapshot: &Snapshot, table: &'a TableState) -> Description<'a> {
    let version = table.current();
    let made = version.map(|version| version.made());
    let (state, reason) = match table.condition() {
        Condition::Loading { .. } => ("loading", None),
        Condition::Refused { version, reason } => ("refused", Some(format!("{version}: {reason}"))),
        Condition::Frozen => ("frozen", None),
        Condition::Serving if version.is_none() => ("loading", None),
        Condition::Serving => ("serving", None),
    };
    let loading = match table.condition() {
        Condition::Loading { version, done, total } => {
            Some(Loading { version: version.as_str(), done_bytes: *done, total_bytes: *total })
        }
        _ => None,
    };
    Description {
        name: table.name().as_str(),
        default: snapshot.default_table().is_some_and(|default| default.id() == table.id()),
        state,
        reason,
        version: version.map(|version| version.name().as_str()),
        pairs: version.map_or(0, |version| version.store().len()),
        bytes: version.map_or(0, |version| version.store().carved_bytes()),
        storage: version.map(|version| storage(version)),
        made: made.map(unix_seconds),
        since: version.map(|version| unix_seconds(version.since())),
        age_seconds: made.map(|made| made.elapsed().unwrap_or_default().as_secs()),
        loading,
        source: SourceReport::of(table.source()),
        fetched: table.fetched().map(|fetched| fetched.iter().map(VersionName::as_str).collect()),
        versions: table.versions().map(|version| version.name().as_str()).collect(),
    }
}

/// Where a version answers from.
fn storage(version: &TableVersion) -> &'static str {
    let store = version.store();
    if store.disk().is_some() {
        "disk"
    } else if store.is_mapped() {
        "mmap"
    } else if store.is_loaded() {
        "ram"
    } else {
        // It is on its way into memory.
        "file"
    }
}

pub(super) fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
}

pub(super) fn json(value: &impl Serialize) -> String {
    // Names, numbers and reasons cannot fail to be written into memory.
    let mut text = serde_json::to_string(value).unwrap_or_default();
    text.push('\n');
    text
}
