//! What a node is to have of a root in an object store: decided from what the store lists and
//! what is here, and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use graven_objects::ObjectInfo;

use crate::root::{Current, TableName, VersionName};

/// Versions that are fetched before anybody has switched to them, at most: the newest.
const AHEAD_MAX: usize = 3;

/// A table as the store has it.
#[derive(Clone, Debug, Default)]
pub(crate) struct RemoteTable {
    /// The bytes of its `CURRENT`, and what they say.
    pub(crate) current: Option<(Vec<u8>, Current)>,
    pub(crate) versions: BTreeMap<VersionName, ObjectInfo>,
}

impl RemoteTable {
    fn known(&self) -> Option<&Current> {
        self.current.as_ref().map(|(_, current)| current)
    }

    /// The version that a rollback would go back to.
    fn rollback_target(&self) -> Option<&VersionName> {
        self.known()?.rollback_target(|version| self.versions.contains_key(version))
    }

    /// Versions that somebody may switch to, the newest first.
    fn ahead(&self) -> impl Iterator<Item = &VersionName> {
        let bad = self.known().map(Current::bad).unwrap_or_default();
        let current = self.known().map(Current::version);
        let newer = self.versions.keys().rev().take_while(move |version| Some(*version) > current);
        newer.filter(move |version| !bad.contains(*version)).take(AHEAD_MAX)
    }

    fn is_ahead(&self, version: &VersionName) -> bool {
        self.ahead().any(|ahead| ahead == version)
    }
}

/// Why a version is to be here; the first is the most urgent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Urgency {
    /// It is to answer.
    Current,
    /// A rollback would go back to it.
    Rollback,
    /// Somebody may switch to it.
    Ahead,
}

/// A version that is to be fetched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct WantedVersion {
    pub(crate) urgency: Urgency,
    pub(crate) table: TableName,
    pub(crate) version: VersionName,
    pub(crate) object: ObjectInfo,
}

/// The bytes of each version of each table that is here.
pub(crate) type LocalVersions = BTreeMap<TableName, BTreeMap<VersionName, u64>>;

/// Versions that are to be here and are not, the most urgent first.
pub(crate) fn wanted(remote: &BTreeMap<TableName, RemoteTable>, local: &LocalVersions) -> Vec<WantedVersion> {
    let mut wanted = Vec::new();
    for (table, listed) in remote {
        let here = local.get(table);
        let current = listed.known().map(|current| (Urgency::Current, current.version()));
        let rollback = listed.rollback_target().map(|version| (Urgency::Rollback, version));
        let ahead = listed.ahead().map(|version| (Urgency::Ahead, version));
        for (urgency, version) in current.into_iter().chain(rollback).chain(ahead) {
            let Some(object) = listed.versions.get(version) else { continue };
            // One of another length is another.
            if here.and_then(|here| here.get(version)) == Some(&object.bytes) {
                continue;
            }
            let (table, version) = (table.clone(), version.clone());
            wanted.push(WantedVersion { urgency, table, version, object: object.clone() });
        }
    }
    wanted.sort_by_key(|wanted| wanted.urgency);
    wanted
}

/// The versions of each table that answer here: the one that `CURRENT` names, and the one that is
/// still served.
pub(crate) type AnsweringVersions = BTreeMap<TableName, BTreeSet<VersionName>>;

/// Versions of a table that are never removed here: those that answer, the one that is to, and
/// the one that a rollback would go back to.
fn kept<'p>(
    listed: Option<&'p RemoteTable>,
    answers: Option<&'p BTreeSet<VersionName>>,
) -> BTreeSet<&'p VersionName> {
    let current = listed.and_then(RemoteTable::known).map(Current::version);
    let rollback = listed.and_then(RemoteTable::rollback_target);
    answers.into_iter().flatten().chain(current).chain(rollback).collect()
}

/// Versions that are here and that the store no longer has; the ones that are needed stay all the
/// same.
pub(crate) fn gone(
    remote: &BTreeMap<TableName, RemoteTable>,
    local: &LocalVersions,
    answers: &AnsweringVersions,
) -> Vec<(TableName, VersionName)> {
    let mut gone = Vec::new();
    for (table, here) in local {
        // Of a table that is not listed, nothing is known.
        let Some(listed) = remote.get(table) else { continue };
        let kept = kept(Some(listed), answers.get(table));
        let absent =
            |version: &&VersionName| !listed.versions.contains_key(*version) && !kept.contains(*version);
        gone.extend(here.keys().filter(absent).map(|version| (table.clone(), version.clone())));
    }
    gone
}

/// What is removed here so that `wanted` has room within `bytes_max`: the oldest of the versions
/// that need not be kept. `None` when that does not make enough room.
pub(crate) fn evicted(
    remote: &BTreeMap<TableName, RemoteTable>,
    local: &LocalVersions,
    answers: &AnsweringVersions,
    wanted: &WantedVersion,
    bytes_max: u64,
) -> Option<Vec<(TableName, VersionName)>> {
    let mut here: u64 = local.values().flat_map(BTreeMap::values).sum();
    let mut removable = Vec::new();
    for (table, versions) in local {
        let listed = remote.get(table);
        let kept = kept(listed, answers.get(table));
        for (version, bytes) in versions.iter().filter(|(version, _)| !kept.contains(*version)) {
            // What may be switched to goes after what has answered.
            let is_ahead = listed.is_some_and(|listed| listed.is_ahead(version));
            // It would be fetched again, and what is fetched now be removed for it, and so on. An
            // older one of the same table gives way to a newer one, which does not give way to it.
            let comes_back = wanted.urgency == Urgency::Ahead
                && is_ahead
                && (*table != wanted.table || *version > wanted.version);
            if !comes_back {
                removable.push((is_ahead, version, table, *bytes));
            }
        }
    }
    removable.sort();
    let fits = |here: u64| here.saturating_add(wanted.object.bytes) <= bytes_max;
    let mut evicted = Vec::new();
    for (_, version, table, freed) in removable {
        if fits(here) {
            break;
        }
        here -= freed;
        evicted.push((table.clone(), version.clone()));
    }
    fits(here).then_some(evicted)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::root::{HistoryEntry, Verb};

    fn name(text: &str) -> VersionName {
        text.parse().unwrap()
    }

    /// A table with versions of ten bytes, of which the last that `answered` does.
    fn remote(versions: &[&str], answered: &[&str], from: Option<&str>) -> BTreeMap<TableName, RemoteTable> {
        let object = |version: &&str| {
            let info = ObjectInfo {
                key: (*version).to_owned(),
                bytes: 10,
                tag: None,
                modified: SystemTime::UNIX_EPOCH,
            };
            (name(version), info)
        };
        let mut current = None;
        for (i, version) in answered.iter().enumerate() {
            let from = from.filter(|_| i + 1 == answered.len()).map(name);
            let verb = if from.is_some() { Verb::Rollback } else { Verb::Switch };
            let entry = HistoryEntry {
                version: name(version),
                time: SystemTime::UNIX_EPOCH,
                verb,
                from,
                forced: false,
                note: String::new(),
            };
            current = Some(Current::after(current.as_ref(), entry));
        }
        let versions = versions.iter().map(object).collect();
        let current = current.map(|current| (current.to_bytes(), current));
        BTreeMap::from([("t".parse().unwrap(), RemoteTable { current, versions })])
    }

    fn local(versions: &[&str]) -> LocalVersions {
        BTreeMap::from([("t".parse().unwrap(), versions.iter().map(|version| (name(version), 10)).collect())])
    }

    fn found(wanted: &[WantedVersion]) -> Vec<(Urgency, &str)> {
        wanted.iter().map(|wanted| (wanted.urgency, wanted.version.as_str())).collect()
    }

    #[test]
    fn what_answers_comes_first_then_what_a_rollback_needs_then_what_may_be_switched_to() {
        use Urgency::{Ahead, Current, Rollback};
        let all = ["a", "b", "c", "d", "e", "f", "g"];
        let listed = remote(&all, &["a", "b", "c"], None);
        let expected = [(Current, "c"), (Rollback, "b"), (Ahead, "g"), (Ahead, "f"), (Ahead, "e")];
        assert_eq!(found(&wanted(&listed, &local(&[]))), expected);
        assert_eq!(found(&wanted(&listed, &local(&["c", "b", "g", "f", "e"]))), []);
        // Of another length.
        let mut here = local(&["c", "b", "g", "f", "e"]);
        here.values_mut().next().unwrap().insert(name("c"), 9);
        assert_eq!(found(&wanted(&listed, &here)), [(Current, "c")]);
        // What was rolled back from is not fetched again.
        let rolled_back = remote(&["a", "b", "c"], &["a", "b", "a"], Some("b"));
        assert_eq!(found(&wanted(&rolled_back, &local(&["a"]))), [(Ahead, "c")]);
        // What nobody has switched to yet.
        assert_eq!(found(&wanted(&remote(&["a"], &[], None), &local(&[]))), [(Ahead, "a")]);
        // A version that is not there cannot be fetched.
        assert_eq!(found(&wanted(&remote(&["a"], &["a", "b"], None), &local(&["a"]))), []);
    }

    fn answering(version: &str) -> AnsweringVersions {
        BTreeMap::from([("t".parse().unwrap(), BTreeSet::from([name(version)]))])
    }

    #[test]
    fn the_oldest_goes_first_and_what_is_needed_never() {
        let listed = remote(&["a", "b", "c", "d", "e"], &["a", "b", "c"], None);
        let answers = answering("c");
        let here = local(&["a", "b", "c", "d"]);
        let evict = |bytes, bytes_max| {
            let mut wanted = wanted(&listed, &here).remove(0);
            assert_eq!(wanted.version, name("e"));
            wanted.object.bytes = bytes;
            let evicted = evicted(&listed, &here, &answers, &wanted, bytes_max)?;
            Some(evicted.into_iter().map(|(_, version)| version.to_string()).collect::<Vec<_>>())
        };
        assert_eq!(evict(10, 50), Some(vec![]));
        assert_eq!(evict(10, 49), Some(vec!["a".to_owned()]));
        assert_eq!(evict(10, 30), Some(vec!["a".to_owned(), "d".to_owned()]));
        assert_eq!(evict(10, 29), None, "what answers and what a rollback needs stay");
        assert_eq!(evict(u64::MAX, 50), None);
    }

    /// Fetches and makes room as a node does, until nothing changes; what is here then.
    #[track_caller]
    fn settle(
        listed: &BTreeMap<TableName, RemoteTable>,
        mut here: LocalVersions,
        answers: &AnsweringVersions,
        bytes_max: u64,
    ) -> LocalVersions {
        for _ in 0..10 {
            let before = here.clone();
            for wanted in wanted(listed, &here) {
                let Some(evicted) = evicted(listed, &here, answers, &wanted, bytes_max) else { continue };
                for (table, version) in evicted {
                    here.get_mut(&table).unwrap().remove(&version).unwrap();
                }
                here.entry(wanted.table).or_default().insert(wanted.version, wanted.object.bytes);
                assert!(here.values().flat_map(BTreeMap::values).sum::<u64>() <= bytes_max);
            }
            if here == before {
                return here;
            }
        }
        panic!("what is fetched is removed again, for ever");
    }

    #[test]
    fn what_may_be_switched_to_is_not_removed_for_what_may_be_switched_to() {
        // Rolled back from b, and three were published since.
        let listed = remote(&["a", "b", "c", "d", "e"], &["a", "b", "a"], Some("b"));
        let answers = answering("a");
        for (bytes_max, here, expected) in [
            (10, &["a"][..], &["a"][..]),
            (20, &["a", "b"], &["a", "e"]),
            (30, &["a", "b"], &["a", "d", "e"]),
            (30, &["a"], &["a", "d", "e"]),
            (40, &["a", "b"], &["a", "c", "d", "e"]),
            (50, &["a", "b"], &["a", "b", "c", "d", "e"]),
        ] {
            assert_eq!(settle(&listed, local(here), &answers, bytes_max), local(expected), "{bytes_max}");
        }
        // A newer one takes the place of an older one, and stays.
        let settled = settle(&listed, local(&["a", "c", "d"]), &answers, 30);
        assert_eq!(settled, local(&["a", "d", "e"]));
    }

    #[test]
    fn tables_do_not_take_each_others_room_for_what_may_be_switched_to() {
        let one = remote(&["a", "b", "c"], &["a"], None).remove("t").unwrap();
        let listed: BTreeMap<TableName, RemoteTable> =
            ["t", "u"].iter().map(|table| (table.parse().unwrap(), one.clone())).collect();
        let answers: AnsweringVersions =
            listed.keys().map(|table| (table.clone(), BTreeSet::from([name("a")]))).collect();
        for bytes_max in [20, 30, 40, 50, 60] {
            let settled = settle(&listed, LocalVersions::new(), &answers, bytes_max);
            assert_eq!(settled.values().flat_map(BTreeMap::values).sum::<u64>(), bytes_max);
            assert!(settled.values().all(|versions| versions.contains_key(&name("a"))));
        }
    }

    #[test]
    fn what_is_still_served_stays_though_current_names_another() {
        let listed = remote(&["a", "b", "c", "d"], &["b", "c", "d"], None);
        let answers = BTreeMap::from([("t".parse().unwrap(), BTreeSet::from([name("a"), name("c")]))]);
        let here = local(&["a", "b", "c"]);
        let wanted = wanted(&listed, &here).remove(0);
        assert_eq!((wanted.urgency, &wanted.version), (Urgency::Current, &name("d")));
        let evicted = evicted(&listed, &here, &answers, &wanted, 30);
        assert_eq!(evicted, Some(vec![("t".parse().unwrap(), name("b"))]));
        let listed = remote(&["d"], &["b", "c", "d"], None);
        let gone: Vec<String> =
            gone(&listed, &here, &answers).into_iter().map(|(_, version)| version.to_string()).collect();
        assert_eq!(gone, ["b"]);
    }

    #[test]
    fn what_the_store_has_no_longer_goes_unless_it_is_needed() {
        let listed = remote(&["b"], &["a", "b"], None);
        let here = local(&["a", "b", "x", "y"]);
        let answers = answering("x");
        let gone = gone(&listed, &here, &answers);
        let gone: Vec<&str> = gone.iter().map(|(_, version)| version.as_str()).collect();
        assert_eq!(gone, ["a", "y"]);
        let unlisted = BTreeMap::new();
        assert!(super::gone(&unlisted, &here, &answers).is_empty());
    }
}
