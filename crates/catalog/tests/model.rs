//! A table in a root, held against a simple model over random sequences of what can be done to it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use graven_catalog::root::{Publish, Retention, SwitchTarget, publish, resume, retain, rollback, switch};
use graven_catalog::{Directory, Root, TableName, VersionName};
use graven_format::{Builder, Options};
use proptest::prelude::*;
use proptest::test_runner::Config;

#[derive(Clone, Debug)]
enum Step {
    Publish {
        version: u8,
        switch: bool,
        force: bool,
    },
    Switch {
        version: u8,
        force: bool,
    },
    SwitchToLatest,
    Rollback,
    RollbackTo(u8),
    Resume,
    /// Later or at once.
    Retain {
        keep: usize,
        is_later: bool,
    },
    /// A person writes the first line of CURRENT, and nothing else.
    WriteByHand(u8),
    /// A person removes a version.
    RemoveByHand(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let version = || 0..12_u8;
    prop_oneof![
        6 => (version(), prop::bool::weighted(0.8), prop::bool::weighted(0.1))
            .prop_map(|(version, switch, force)| Step::Publish { version, switch, force }),
        3 => (version(), prop::bool::weighted(0.2)).prop_map(|(version, force)| Step::Switch { version, force }),
        2 => Just(Step::SwitchToLatest),
        3 => Just(Step::Rollback),
        1 => version().prop_map(Step::RollbackTo),
        4 => Just(Step::Resume),
        3 => (0..4_usize, any::<bool>()).prop_map(|(keep, is_later)| Step::Retain { keep, is_later }),
        1 => version().prop_map(Step::WriteByHand),
        1 => version().prop_map(Step::RemoveByHand),
    ]
}

fn name(version: u8) -> String {
    format!("v{version:02}")
}

/// What a table must be like.
#[derive(Debug, Default)]
struct Model {
    versions: BTreeSet<String>,
    /// Those that answered, the newest first; the first answers.
    answered: Vec<String>,
    bad: BTreeSet<String>,
    frozen: bool,
}

impl Model {
    fn answers(&mut self, version: &str) {
        self.answered.insert(0, version.to_owned());
    }

    fn may_switch(&self, version: &str, force: bool) -> bool {
        !self.frozen && self.versions.contains(version) && (force || !self.bad.contains(version))
    }

    fn rollback_target(&self) -> Option<String> {
        let current = self.answered.first()?;
        let is_good = |version: &&String| {
            *version != current && !self.bad.contains(*version) && self.versions.contains(*version)
        };
        self.answered.iter().find(is_good).cloned()
    }

    fn may_roll_back_to(&self, version: &str) -> bool {
        self.answered.first().is_some_and(|current| current != version)
            && !self.bad.contains(version)
            && self.versions.contains(version)
    }

    fn roll_back_to(&mut self, version: &str) {
        let current = self.answered[0].clone();
        self.bad.insert(current);
        self.frozen = true;
        self.answers(version);
    }

    /// What retention leaves, long after everything.
    fn kept(&self, keep: usize) -> BTreeSet<String> {
        let Some(current) = self.answered.first() else { return self.versions.clone() };
        let newest: BTreeSet<&String> = self.versions.iter().rev().take(keep).collect();
        let target = self.rollback_target();
        let is_kept = |version: &&String| {
            *version >= current || newest.contains(*version) || Some(*version) == target.as_ref()
        };
        self.versions.iter().filter(is_kept).cloned().collect()
    }
}

struct Run {
    folder: tempfile::TempDir,
    root: Directory,
    file: PathBuf,
    model: Model,
}

impl Run {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file.graven");
        let mut builder = Builder::new(Options::default());
        builder.add(b"k", b"v").unwrap();
        builder.write(&file).unwrap();
        let root = Directory::create(&folder.path().join("root")).unwrap();
        Self { folder, root, file, model: Model::default() }
    }

    fn table_folder(&self) -> PathBuf {
        self.folder.path().join("root/prices")
    }

    /// Does a step to both; whether it was done must be the same.
    fn take(&mut self, step: &Step) {
        let (root, table): (_, TableName) = (&self.root, "prices".parse().unwrap());
        let version = |version: u8| name(version).parse::<VersionName>().unwrap();
        let model = &mut self.model;
        let table_folder = self.folder.path().join("root/prices");
        match *step {
            Step::Publish { version: number, switch, force } => {
                let options = Publish {
                    version: Some(version(number)),
                    note: String::new(),
                    switch,
                    force,
                    progress: &mut |_, _| true,
                };
                let published = publish(root, &table, &self.file, options);
                let is_new = model.versions.insert(name(number));
                assert_eq!(published.is_ok(), is_new, "{published:?}");
                let Some(switched) = published.ok().and_then(|published| published.switched) else { return };
                let may = model.may_switch(&name(number), force);
                assert_eq!(switched.is_ok(), may, "{switched:?}");
                if may {
                    model.answers(&name(number));
                }
            }
            Step::Switch { version: number, force } => {
                let target = SwitchTarget::Version(version(number));
                let switched = switch(root, &table, &target, "", force, &mut |_, _| true);
                let may = model.may_switch(&name(number), force);
                assert_eq!(switched.is_ok(), may, "{switched:?}");
                if may {
                    model.answers(&name(number));
                }
            }
            Step::SwitchToLatest => {
                let switched = switch(root, &table, &SwitchTarget::Latest, "", false, &mut |_, _| true);
                let latest = model.versions.difference(&model.bad).last().cloned();
                let latest = latest.filter(|_| !model.frozen);
                assert_eq!(switched.is_ok(), latest.is_some(), "{switched:?}");
                if let Some(latest) = latest {
                    model.answers(&latest);
                }
            }
            Step::Rollback => {
                let target = model.rollback_target();
                let rolled_back = rollback(root, &table, None, "");
                assert_eq!(rolled_back.is_ok(), target.is_some(), "{rolled_back:?}");
                if let Some(target) = target {
                    model.roll_back_to(&target);
                }
            }
            Step::RollbackTo(number) => {
                let rolled_back = rollback(root, &table, Some(&version(number)), "");
                let may = model.may_roll_back_to(&name(number));
                assert_eq!(rolled_back.is_ok(), may, "{rolled_back:?}");
                if may {
                    model.roll_back_to(&name(number));
                }
            }
            Step::Resume => {
                let resumed = resume(root, &table, "");
                assert_eq!(resumed.is_ok(), !model.answered.is_empty(), "{resumed:?}");
                model.frozen = false;
            }
            Step::Retain { keep, is_later } => {
                let grace = Duration::from_secs(3600);
                let now = SystemTime::now() + if is_later { 2 * grace } else { Duration::ZERO };
                let removed = retain(root, &table, Retention { keep, grace }, now);
                let kept = if is_later { model.kept(keep) } else { model.versions.clone() };
                let goes: Vec<String> = model.versions.difference(&kept).cloned().collect();
                let found = removed.unwrap_or_default();
                assert_eq!(found.iter().map(ToString::to_string).collect::<Vec<_>>(), goes);
                model.versions = kept;
            }
            Step::WriteByHand(number) => {
                if table_folder.exists() {
                    fs::write(table_folder.join("CURRENT"), name(number) + "\n").unwrap();
                    *model = Model {
                        versions: std::mem::take(&mut model.versions),
                        answered: vec![name(number)],
                        ..Model::default()
                    };
                }
            }
            Step::RemoveByHand(number) => {
                let _ = fs::remove_file(table_folder.join(name(number) + ".graven"));
                model.versions.remove(&name(number));
            }
        }
    }

    fn check(&self) {
        let table: TableName = "prices".parse().unwrap();
        let state = self.root.current(&table).unwrap();
        let current = state.known();
        let (model, version) = (&self.model, current.map(|current| current.version().as_str()));
        assert_eq!(version, model.answered.first().map(String::as_str));
        assert_eq!(current.is_some_and(|current| current.is_frozen()), model.frozen);
        let bad = current.map(|current| current.bad()).unwrap_or_default();
        assert_eq!(bad.into_iter().map(ToString::to_string).collect::<BTreeSet<_>>(), model.bad);
        let versions =
            self.root.versions(&table).unwrap().into_iter().map(|version| version.name.to_string());
        assert_eq!(versions.collect::<BTreeSet<_>>(), model.versions);
        let is_ours = |path: &Path| {
            let name = path.file_name().unwrap().to_str().unwrap();
            name.ends_with(".graven") || name == "CURRENT" || name == ".lock"
        };
        for entry in fs::read_dir(self.table_folder()).into_iter().flatten() {
            let path = entry.unwrap().path();
            assert!(is_ours(&path), "{} is a stray", path.display());
        }
    }
}

proptest! {
    #![proptest_config(Config { cases: 200, failure_persistence: None, ..Config::default() })]

    #[test]
    fn a_table_is_what_a_simple_model_says_whatever_is_done_to_it(steps in prop::collection::vec(step(), 1..40)) {
        let mut run = Run::new();
        for step in &steps {
            run.take(step);
            run.check();
        }
    }
}
