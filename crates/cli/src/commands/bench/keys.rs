//! The keys of a run and the requests for them, and what is shown while they are made ready.

use std::io::{self, IsTerminal};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use graven_bench::{KeySet, LoadPlan, Protocol, RequestPool, Target};
use graven_format::{Error, Field};
use graven_ingest::{Format, ReadOptions};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};

use super::STOPPED_EARLY;
use crate::console::{count, warn};
use crate::failure::{Failure, Outcome};
use crate::input;
use crate::table::{self, OpenTable, Table};

/// Keys that are read between two looks at the terminal and at signals.
const KEYS_AT_ONCE: usize = 1024;

/// The requests of `plan` for the keys in `path`.
pub(super) fn draw(plan: &LoadPlan, path: &Path, stop: &AtomicBool) -> Outcome<RequestPool> {
    let mut keys = read(path, &plan.target, plan.workload.verify, stop)?;
    keys.retain(|key| plan.target.takes(key));
    if keys.left_out() > 0 {
        warn(format_args!(
            "{} not asked for: the limits are in docs/BENCHMARKING.md",
            count(keys.left_out(), "key")
        ));
    }
    if keys.is_empty() {
        return Err(Failure::new(format!(
            "{} holds no key that can be asked for; write one key, or one `key value` pair, a line into it",
            path.display()
        )));
    }
    if plan.workload.verify && !keys.has_values() {
        return Err(Failure::new(format!(
            "{} holds keys without values, so --verify has nothing to compare with; give it `key value` pairs",
            path.display()
        )));
    }
    let bar = bar("{msg} {bar:40} {percent}%", "drawing requests");
    let drawn = RequestPool::draw_with(&keys, plan, |done, of| {
        bar.set_length(of as u64);
        bar.set_position(done as u64);
        if stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drawn.ok_or_else(|| Failure::new(STOPPED_EARLY))
}

/// The keys of a carved file, or of text, with the answers that `target` must give for them.
fn read(path: &Path, target: &Target, keeps_values: bool, stop: &AtomicBool) -> Outcome<KeySet> {
    let mut keys = KeySet::new(keeps_values);
    let fields = target.fields();
    let has_no_columns = |name: &str| {
        let advice = "give it a carved file with these columns, made with `graven build --columns`";
        Failure::new(format!("{name} has no columns, so --verify has no --fields to compare with; {advice}"))
    };
    let bar = bar("{msg} {spinner} {pos}", "reading keys");
    let mut add = |key: &[u8], answer: Expected<'_>| {
        match answer {
            Expected::Value(value) => keys.push(key, value),
            Expected::Fields(fields) => keys.push_fields(key, fields.iter().map(Option::as_deref)),
        }
        if keys.len().is_multiple_of(KEYS_AT_ONCE) {
            bar.set_position(keys.len() as u64);
            if stop.load(Ordering::Relaxed) {
                return Err(Failure::new(STOPPED_EARLY));
            }
        }
        Ok(())
    };
    match Table::open(path)? {
        Table::Carved(OpenTable { name, store }) => {
            let failed = |error| table::explain(&name, &error);
            let projection = match (store.schema(), fields) {
                (None, [_, ..]) if keeps_values => return Err(has_no_columns(&name)),
                (None, _) | (_, []) => None,
                (Some(schema), fields) => Some(schema.project(fields).map_err(failed)?),
            };
            let mut json = Vec::new();
            for pair in store.iter() {
                let (key, value) = pair.map_err(failed)?;
                let Some(schema) = store.schema().filter(|_| keeps_values) else {
                    add(&key, Expected::Value(&value))?;
                    continue;
                };
                let row = schema.row(&value).map_err(failed)?;
                json.clear();
                match &projection {
                    Some(projection) if target.protocol() == Protocol::Redis => {
                        let texts: Result<Vec<_>, _> = projection.fields(row).map(text_of).collect();
                        add(&key, Expected::Fields(&texts.map_err(failed)?))?;
                        continue;
                    }
                    Some(projection) => projection.write_json(row, &mut json),
                    None => row.write_json(&mut json),
                }
                .map_err(failed)?;
                add(&key, Expected::Value(&json))?;
            }
        }
        Table::Text(text) if keeps_values && !fields.is_empty() => return Err(has_no_columns(text.name())),
        Table::Text(text) => {
            // A list of keys is text, whatever else its lines look like.
            let format = Format::of(path).unwrap_or(Format::Data);
            let options = ReadOptions { format: Some(format), repeated_keys: true, ..ReadOptions::default() };
            let mut added = Ok(());
            input::for_each_pair(text, &options, |pair| {
                if added.is_ok() {
                    added = add(pair.key, Expected::Value(pair.value));
                }
            })?;
            added?;
        }
    }
    Ok(keys)
}

/// What a server must answer for a key.
enum Expected<'a> {
    Value(&'a [u8]),
    /// For `HMGET`: the text of each field.
    Fields(&'a [Option<Vec<u8>>]),
}

fn text_of(field: Result<Field<'_>, Error>) -> Result<Option<Vec<u8>>, Error> {
    let mut text = Vec::new();
    Ok(field?.write_text(&mut text)?.then_some(text))
}

/// A bar on a terminal, which takes itself away when it is dropped; nothing anywhere else.
fn bar(template: &str, doing: &'static str) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(template).expect("the templates above are well formed");
    ProgressBar::new_spinner().with_style(style).with_message(doing).with_finish(ProgressFinish::AndClear)
}
