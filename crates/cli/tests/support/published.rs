//! A table in a root on disk with three versions, and what must hold of it whatever was done to it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Ended, graven};

/// The table, as it is typed in the folder that the commands run in.
pub(crate) const TABLE: &str = "root/ids";

/// A folder with the carved files `a.graven` and `b.graven`, and a root with the table `ids`, whose versions `v1` and `v3` are
/// copies of the one and `v2` of the other. `v3` answers.
pub(crate) struct PublishedTable {
    folder: TempDir,
    /// What the two files hold.
    contents: [Vec<u8>; 2],
    /// The files of the table as they were made.
    made: BTreeMap<String, Vec<u8>>,
}

/// What `graven versions` says of a table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub(crate) current: Option<String>,
    pub(crate) frozen: bool,
    pub(crate) versions: Vec<String>,
    /// Verbs and versions, the newest first.
    pub(crate) history: Vec<(String, String)>,
}

impl PublishedTable {
    /// The files have so many pairs.
    pub(crate) fn new(pairs: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let contents = ["a", "b"].map(|name| {
            let lines: Vec<String> = (0..pairs).map(|i| format!("k{i} {name}{i}\n")).collect();
            let (text, carved) = (format!("{name}.data"), format!("{name}.graven"));
            fs::write(folder.path().join(&text), lines.concat()).unwrap();
            run_in(folder.path(), &["build", &text, "-o", &carved]).ends_with(0);
            fs::read(folder.path().join(carved)).unwrap()
        });
        for (file, version) in [("a.graven", "v1"), ("b.graven", "v2"), ("a.graven", "v3")] {
            run_in(folder.path(), &["publish", file, TABLE, "--as", version]).ends_with(0);
        }
        let mut table = Self { folder, contents, made: BTreeMap::new() };
        table.keep_as_made();
        table
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn table(&self) -> PathBuf {
        self.folder.path().join(TABLE)
    }

    /// From here on [`Self::restore`] comes back to the state that the table has now.
    pub(crate) fn keep_as_made(&mut self) {
        let names = self.files();
        self.made = names
            .into_iter()
            .map(|name| (name.clone(), fs::read(self.table().join(name)).unwrap()))
            .collect();
    }

    pub(crate) fn restore(&self) {
        fs::remove_dir_all(self.table()).unwrap();
        fs::create_dir(self.table()).unwrap();
        for (name, bytes) in &self.made {
            fs::write(self.table().join(name), bytes).unwrap();
        }
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = graven();
        command.current_dir(self.folder.path()).args(arguments);
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        run_in(self.folder.path(), arguments)
    }

    /// Everything in the table's directory but its lock.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(self.table()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut files: Vec<String> = names.filter(|name| name != ".lock").collect();
        files.sort();
        files
    }

    pub(crate) fn listed(&self) -> Listed {
        let listed = self.run(&["versions", TABLE, "--json"]).ends_with(0);
        let table = serde_json::from_str::<Value>(&listed.out).unwrap()[0].take();
        assert!(table.get("error").is_none(), "{table}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let all = |field: &str| table[field].as_array().unwrap().clone();
        Listed {
            current: table["current"].as_str().map(str::to_owned),
            frozen: table["frozen"].as_bool().unwrap(),
            versions: all("versions").iter().map(|version| text(&version["version"])).collect(),
            history: all("history")
                .iter()
                .map(|entry| (text(&entry["verb"]), text(&entry["version"])))
                .collect(),
        }
    }

    /// That a version of the root answers, that every version is whole, and that the history says the same as the first line.
    #[track_caller]
    pub(crate) fn assert_sound(&self) -> Listed {
        let listed = self.listed();
        let current = listed.current.clone().unwrap();
        assert!(listed.versions.contains(&current), "{listed:?}");
        assert_eq!(listed.history.first().map(|(_, version)| version), Some(&current), "{listed:?}");
        for version in &listed.versions {
            let bytes = fs::read(self.table().join(format!("{version}.graven"))).unwrap();
            assert!(self.contents.contains(&bytes), "{version} has {} bytes and is not whole", bytes.len());
        }
        listed
    }

    /// That another version can be published, and that nothing is in the table then but `CURRENT` and its versions.
    #[track_caller]
    pub(crate) fn assert_next_publish_cleans_up(&self, before: &Listed) {
        let status = if before.frozen { 3 } else { 0 };
        self.run(&["publish", "b.graven", TABLE, "--as", "next"]).ends_with(status);
        let after = self.assert_sound();
        assert_eq!(after.current.as_deref() == Some("next"), !before.frozen, "{after:?}");
        let mut expected = before.versions.clone();
        expected.push("next".to_owned());
        let mut expected: Vec<String> = expected.into_iter().map(|version| version + ".graven").collect();
        expected.push("CURRENT".to_owned());
        expected.sort();
        assert_eq!(self.files(), expected);
    }
}

impl Ended {
    #[track_caller]
    pub(crate) fn ends_with(self, status: i32) -> Self {
        assert_eq!(self.status, Some(status), "{self:?}");
        self
    }
}

fn run_in(folder: &Path, arguments: &[&str]) -> Ended {
    graven().current_dir(folder).args(arguments).output().unwrap().into()
}
