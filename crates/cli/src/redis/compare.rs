//! A carved file beside the Redis that it was built from: some of its keys are asked for there.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

use graven_client::{RedisCommands, ServerTrust, Target, Timeouts};
use graven_format::Store;
use graven_ingest::HashFields;
use graven_wire::resp::Reply;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::{Rng, SeedableRng};

use super::server::{ServerError, is_wrong_type, read_fields, unexpected};
use crate::console::{count, warn};
use crate::failure::{Failure, Outcome};
use crate::table::explain;

/// Keys that are compared together.
const BATCH_KEYS: usize = 256;
/// Keys that differ of which each is named.
const NAMED_MAX: u64 = 10;

/// What a comparison came to.
#[derive(Default)]
struct Comparison {
    compared: u64,
    missing: u64,
    differing: u64,
    expiring: u64,
    named: u64,
}

/// Compares `sample` keys of a table with a Redis, says what it found, and gives whether they
/// agree.
pub(crate) fn compare(
    name: &str,
    store: &Store,
    target: &Target,
    trust: &ServerTrust,
    sample: u64,
) -> Outcome<(bool, String)> {
    let connected = RedisCommands::connect_to(target, Timeouts::default(), trust);
    let mut commands = connected.map_err(super::server::explain)?;
    let mut found = Comparison::default();
    let mut batch = Vec::new();
    let mut chosen = SampledKeys::new(store.len(), sample);
    for pair in store.iter() {
        let pair = pair.map_err(|error| explain(name, &error))?;
        if chosen.takes_next() {
            batch.push(pair);
        }
        if batch.len() == BATCH_KEYS {
            found.compare(name, store, target, &mut commands, &mut batch)?;
        }
    }
    found.compare(name, store, target, &mut commands, &mut batch)?;
    let Comparison { compared, missing, differing, expiring, .. } = found;
    let agrees = missing + differing == 0;
    let verdict = if agrees { "agrees with" } else { "differs from" };
    let mut text = format!(
        "{name} {verdict} {target}: of {compared} of its {} {missing} are missing there and {differing} differ",
        count(store.len(), "key")
    );
    if expiring > 0 {
        text.push_str(&format!("; {} there a time to live", have(expiring)));
    }
    Ok((agrees, text))
}

fn have(keys: u64) -> String {
    if keys == 1 { "1 has".to_owned() } else { format!("{keys} have") }
}

/// Which of the keys of a table are compared: each with the same likelihood, as many as are asked
/// for.
struct SampledKeys {
    left: u64,
    wanted: u64,
    random: Xoshiro256PlusPlus,
}

impl SampledKeys {
    fn new(keys: u64, wanted: u64) -> Self {
        let seed = RandomState::new().hash_one(keys);
        Self { left: keys, wanted: wanted.min(keys), random: Xoshiro256PlusPlus::seed_from_u64(seed) }
    }

    fn takes_next(&mut self) -> bool {
        // Of those that are left, as many are wanted as are wanted still.
        let place = (u128::from(self.random.next_u64()) * u128::from(self.left)) >> 64;
        let takes = place < u128::from(self.wanted);
        self.left = self.left.saturating_sub(1);
        self.wanted -= u64::from(takes);
        takes
    }
}

impl Comparison {
    fn compare(
        &mut self,
        name: &str,
        store: &Store,
        target: &Target,
        commands: &mut RedisCommands,
        batch: &mut Vec<(Vec<u8>, Vec<u8>)>,
    ) -> Outcome<()> {
        let server = target.to_string();
        let failed = |error| match error {
            ServerError::Failed(failure) => failure,
            ServerError::Cause(cause) => Failure::new(format!("{server}: {cause}")),
        };
        for (key, _) in &*batch {
            commands.push([&b"TYPE"[..], key]);
            commands.push([&b"PTTL"[..], key]);
        }
        let mut kinds = vec![Vec::new(); batch.len()];
        let expiring = &mut self.expiring;
        let typed = commands.exchange(|i, reply| match reply {
            Reply::Simple(kind) if i % 2 == 0 => {
                kinds[i / 2] = kind.to_vec();
                Ok(())
            }
            Reply::Integer(left) if i % 2 == 1 => {
                *expiring += u64::from(left >= 0);
                Ok(())
            }
            other => Err(unexpected(&server, if i % 2 == 0 { "TYPE" } else { "PTTL" }, other)),
        });
        typed.map_err(failed)?;
        for ((key, _), kind) in batch.iter().zip(&kinds) {
            // What is neither is asked for as a string, which it is not.
            commands.push([if kind == b"hash" { &b"HGETALL"[..] } else { b"GET" }, key]);
        }
        let mut fields = HashFields::default();
        let read = commands.exchange(|i, reply| {
            let (key, value) = &batch[i];
            self.compared += 1;
            let is_same = match reply {
                Reply::Null => None,
                Reply::Bulk(found) => Some(store.schema().is_none() && found == value),
                Reply::Error(text) if is_wrong_type(text) => Some(false),
                Reply::Array(items) | Reply::Map(items) => {
                    if !read_fields(items, &mut fields) {
                        return Err(unexpected(&server, "HGETALL", reply));
                    }
                    match fields.is_empty() {
                        true => None,
                        false => Some(
                            is_same_hash(store, value, &fields)
                                .map_err(|error| ServerError::Failed(explain(name, &error)))?,
                        ),
                    }
                }
                other => return Err(unexpected(&server, "GET", other)),
            };
            let what = match is_same {
                Some(true) => return Ok(()),
                Some(false) => {
                    self.differing += 1;
                    "has another value"
                }
                None => {
                    self.missing += 1;
                    "is missing"
                }
            };
            if self.named < NAMED_MAX {
                self.named += 1;
                warn(format_args!("{server}: the key {} {what} there", key.escape_ascii()));
            }
            Ok(())
        });
        read.map_err(failed)?;
        batch.clear();
        Ok(())
    }
}

/// Whether a hash is the row, or the JSON object, that a value is. Fields that the table has no
/// column for were left out of it.
fn is_same_hash(store: &Store, value: &[u8], fields: &HashFields) -> Result<bool, graven_format::Error> {
    let Some(schema) = store.schema() else {
        let object = |text: &[u8]| serde_json::from_slice::<BTreeMap<String, String>>(text).ok();
        let mut json = Vec::new();
        let is_written = fields.write_json(&mut json).is_ok();
        return Ok(is_written && object(value).is_some_and(|value| object(&json) == Some(value)));
    };
    let there: BTreeMap<&[u8], &[u8]> =
        fields.iter().filter(|(name, _)| schema.position(name).is_some()).collect();
    let mut same = 0;
    let mut text = Vec::new();
    for field in store.row(value)?.fields() {
        let field = field?;
        if !field.has_value() {
            continue;
        }
        text.clear();
        field.write_text(&mut text)?;
        if there.get(field.column().name().as_bytes()) != Some(&text.as_slice()) {
            return Ok(false);
        }
        same += 1;
    }
    Ok(same == there.len())
}

#[cfg(test)]
mod tests {
    use super::SampledKeys;

    #[test]
    fn as_many_keys_are_chosen_as_are_asked_for() {
        for (keys, wanted, expected) in [(10, 3, 3), (10, 10, 10), (10, 11, 10), (0, 5, 0), (1000, 1, 1)] {
            let mut chosen = SampledKeys::new(keys, wanted);
            assert_eq!((0..keys).filter(|_| chosen.takes_next()).count(), expected, "{wanted} of {keys}");
        }
    }
}
