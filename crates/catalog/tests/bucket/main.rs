//! Roots in an object store: published to, switched, and fetched from, while the store fails.

#[path = "../../../objects/tests/stores/fake_s3.rs"]
mod fake_s3;
mod operations;
mod pulling;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use fake_s3::{BUCKET, FakeS3};
use graven_catalog::root::{Publish, Published, RootError, publish};
use graven_catalog::{BucketRoot, Root, TableName, VersionName};
use graven_format::{Builder, Options};
use graven_objects::Objects;
use tempfile::TempDir;

/// Nothing here takes this long.
const PATIENCE: Duration = Duration::from_secs(60);

/// A store, and files to be published.
struct Shop {
    store: FakeS3,
    folder: TempDir,
}

impl Shop {
    fn new() -> Self {
        Self { store: FakeS3::start(), folder: tempfile::tempdir().unwrap() }
    }

    fn bucket(&self) -> BucketRoot {
        let environment = self.store.environment().into_iter().map(|(name, value)| (name.to_owned(), value));
        BucketRoot::of(Objects::open_with(&format!("s3://{BUCKET}/root"), environment).unwrap())
    }

    /// A table in which each of so many keys has the value `value`.
    fn file(&self, value: &str, pairs: u32) -> PathBuf {
        let path = self.folder.path().join(format!("{value}.graven"));
        let mut builder = Builder::new(Options::default());
        (0..pairs).for_each(|i| builder.add(format!("k{i}").as_bytes(), value.as_bytes()).unwrap());
        builder.write(&path).unwrap();
        path
    }

    /// Publishes a version whose values are its name.
    fn publish(&self, version: &str) -> Published {
        self.publish_to(&self.bucket(), version).unwrap()
    }

    fn publish_to(&self, root: &dyn Root, version: &str) -> Result<Published, RootError> {
        let options = Publish {
            version: Some(name(version)),
            note: String::new(),
            switch: true,
            force: false,
            progress: &mut |_, _| true,
        };
        publish(root, &table(), &self.file(version, 100), options)
    }

    /// The version that answers as the store has it.
    fn current(&self) -> Option<String> {
        let bytes = self.store.get("root/prices/CURRENT")?;
        Some(String::from_utf8(bytes).unwrap().lines().next().unwrap().to_owned())
    }
}

fn table() -> TableName {
    "prices".parse().unwrap()
}

fn name(version: &str) -> VersionName {
    version.parse().unwrap()
}

fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        std::thread::yield_now();
    }
}
