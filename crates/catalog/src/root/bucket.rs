//! A root in an object store.
//!
//! There are no locks. `CURRENT` is replaced on the condition that it is still the one that was
//! read, and who puts a version there claims its name first, by an object that nobody else may
//! have made. A store that knows no such conditions has one writer at a time, which is logged.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use graven_objects::{Download, ObjectError, ObjectInfo, ObjectProblem, Objects, PutCondition, PutOutcome};

use crate::root::current::{CURRENT_BYTES_MAX, Current};
use crate::root::directory::{
    BESIDE_BYTES_MAX, CURRENT, SAME_NAME_MAX, SETTINGS, SETTINGS_BYTES_MAX, VERSION_SUFFIX,
};
use crate::root::error::RootError;
use crate::root::front_copy::copy_front;
use crate::root::gates::TableSettings;
use crate::root::name::{TableName, VersionName};
use crate::root::{CurrentState, Root, VersionFile};

/// What the names of claims end with; they begin with a dot.
const CLAIM_SUFFIX: &str = ".claim";

/// What a `CURRENT` without a tag of the store is told by begins with this, and no tag does.
const UNTAGGED: &[u8] = b"\0";

/// After this time, whoever made a claim is dead.
const CLAIM_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// A place in an object store with a folder for every table.
#[derive(Debug)]
pub struct BucketRoot {
    objects: Objects,
    /// Versions that are here as a whole: put by this process, or fetched.
    whole: Mutex<BTreeMap<String, File>>,
}

impl BucketRoot {
    /// The root that a URL such as `s3://BUCKET/PREFIX` names. Nothing is asked yet.
    ///
    /// # Errors
    /// When it is none, and when what the environment says of the store does not fit together.
    pub fn open(url: &str) -> Result<Self, RootError> {
        Ok(Self::of(Objects::open(url)?))
    }

    /// The root at a place that is open.
    pub fn of(objects: Objects) -> Self {
        Self { objects, whole: Mutex::default() }
    }

    /// The place.
    pub(crate) fn objects(&self) -> &Objects {
        &self.objects
    }

    fn whole(&self, key: &str) -> Option<Result<File, RootError>> {
        let whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let file = whole.get(key)?.try_clone();
        Some(file.map_err(RootError::io("open the copy of", self.objects.url().of(key))))
    }

    fn keep(&self, key: String, file: &File) -> Result<(), RootError> {
        let file =
            file.try_clone().map_err(RootError::io("open the copy of", self.objects.url().of(&key)))?;
        self.whole.lock().unwrap_or_else(PoisonError::into_inner).insert(key, file);
        Ok(())
    }

    fn info_of(&self, table: &TableName, version: &VersionName) -> Result<ObjectInfo, RootError> {
        match self.objects.info_of(&version_key(table, version))? {
            Some(info) => Ok(info),
            None => {
                let found = self.versions(table)?.into_iter().map(|version| version.name).collect();
                Err(RootError::NoVersion { table: table.clone(), version: version.clone(), found })
            }
        }
    }

    /// Claims a free name for a version, which nobody else then puts there.
    fn claim(&self, table: &TableName, version: &VersionName, exact: bool) -> Result<Claim<'_>, RootError> {
        for attempt in 0..=SAME_NAME_MAX {
            let name = if attempt == 0 { version.clone() } else { version.later(attempt) };
            let key = version_key(table, &name);
            let exists = RootError::VersionExists { table: table.clone(), version: name.clone() };
            if self.objects.info_of(&key)?.is_some() {
                if exact {
                    return Err(exists);
                }
                continue;
            }
            let claim = format!("{table}/.{name}{CLAIM_SUFFIX}");
            match self.write_claim(&claim)? {
                Claimed::Here | Claimed::Alone => {
                    let claim = Claim { bucket: self, key: claim, name };
                    // Whoever had claimed it before may be done with it by now.
                    if self.objects.info_of(&key)?.is_none() {
                        return Ok(claim);
                    }
                    if exact {
                        return Err(exists);
                    }
                }
                Claimed::ByAnother if exact => {
                    let claim = self.objects.url().of(&claim);
                    return Err(RootError::Claimed { table: table.clone(), version: name, claim });
                }
                Claimed::ByAnother => {}
            }
        }
        Err(RootError::VersionExists { table: table.clone(), version: version.clone() })
    }

    fn write_claim(&self, key: &str) -> Result<Claimed, RootError> {
        let id = format!("{:016x}{:016x}\n", random(), random());
        match self.objects.write(key, id.as_bytes(), &PutCondition::Absent) {
            Ok(PutOutcome::Refused) => return Ok(Claimed::ByAnother),
            Ok(PutOutcome::Written { .. }) => {}
            Err(ObjectError { problem: ObjectProblem::Unsupported { .. }, .. }) => {
                self.warn_of_one_writer();
                return Ok(Claimed::Alone);
            }
            Err(error) => return Err(error.into()),
        }
        // Some stores take conditions and pass over them.
        if let Ok(PutOutcome::Written { .. }) = self.objects.write(key, b"again\n", &PutCondition::Absent) {
            self.warn_of_one_writer();
            return Ok(Claimed::Alone);
        }
        Ok(Claimed::Here)
    }

    fn warn_of_one_writer(&self) {
        tracing::warn!(
            "{} knows no conditional writes: only one may publish or switch there at a time",
            self.name()
        );
    }

    /// Removes the claims of publishers that were killed.
    fn remove_old_claims(&self, table: &TableName) -> Result<(), RootError> {
        let now = SystemTime::now();
        for object in self.objects.list(table.as_str())? {
            let is_old = now.duration_since(object.modified).is_ok_and(|age| age > CLAIM_AGE_MAX);
            let name = object.key.rsplit('/').next().unwrap_or_default();
            if is_old && name.starts_with('.') && name.ends_with(CLAIM_SUFFIX) {
                self.objects.remove(&object.key)?;
            }
        }
        Ok(())
    }
}

/// Whether a name was claimed.
enum Claimed {
    Here,
    ByAnother,
    /// Nobody can: the store has one writer.
    Alone,
}

/// A name that is claimed, until this is dropped.
struct Claim<'b> {
    bucket: &'b BucketRoot,
    key: String,
    name: VersionName,
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.bucket.objects.remove(&self.key) {
            tracing::warn!(%error, "a claim stays for a day");
        }
    }
}

/// A number that no other process takes.
pub(crate) fn random() -> u64 {
    use std::hash::{BuildHasher, Hasher, RandomState};
    RandomState::new().build_hasher().finish()
}

pub(crate) fn version_key(table: &TableName, version: &VersionName) -> String {
    format!("{table}/{version}{VERSION_SUFFIX}")
}

/// The version that an object is, by its name behind the table's.
pub(crate) fn version_of_name(name: &str) -> Option<VersionName> {
    name.strip_suffix(VERSION_SUFFIX)?.parse().ok()
}

/// What tells a file from what it was before somebody wrote to it.
fn stamp(file: &File) -> Option<(u64, i64, i64)> {
    let about = file.metadata().ok()?;
    Some((about.size(), about.mtime(), about.mtime_nsec()))
}

impl Root for BucketRoot {
    fn name(&self) -> String {
        self.objects.url().to_string()
    }

    fn tables(&self) -> Result<Vec<TableName>, RootError> {
        let listed = self.objects.list("")?;
        let tables = listed.iter().filter_map(|object| object.key.split_once('/')?.0.parse().ok());
        let mut tables: Vec<TableName> = tables.collect();
        tables.sort();
        tables.dedup();
        Ok(tables)
    }

    fn versions(&self, table: &TableName) -> Result<Vec<VersionFile>, RootError> {
        let listed = self.objects.list(table.as_str())?;
        let versions = listed.into_iter().filter_map(|object| {
            let name = version_of_name(object.key.strip_prefix(table.as_str())?.strip_prefix('/')?)?;
            Some(VersionFile { name, bytes: object.bytes, put: object.modified })
        });
        let mut versions: Vec<_> = versions.collect();
        versions.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(versions)
    }

    fn current(&self, table: &TableName) -> Result<CurrentState, RootError> {
        let read = self.objects.read(&format!("{table}/{CURRENT}"), CURRENT_BYTES_MAX as u64)?;
        let Some((bytes, tag)) = read else { return Ok(CurrentState::default()) };
        // Where a store has no tags, what it says tells it from another.
        let tag = match tag {
            Some(tag) => tag.into_bytes(),
            None => [UNTAGGED, &bytes].concat(),
        };
        Ok(CurrentState { current: Some(Current::read(&bytes)), tag: Some(tag) })
    }

    fn replace_current(
        &self,
        table: &TableName,
        before: &CurrentState,
        next: &Current,
    ) -> Result<bool, RootError> {
        let key = format!("{table}/{CURRENT}");
        let condition = match before.tag.as_deref() {
            None => Some(PutCondition::Absent),
            Some(tag) if tag.starts_with(UNTAGGED) => None,
            Some(tag) => Some(PutCondition::Tag(String::from_utf8_lossy(tag).into_owned())),
        };
        let bytes = next.to_bytes();
        let written = match condition.map(|condition| self.objects.write(&key, &bytes, &condition)) {
            None | Some(Err(ObjectError { problem: ObjectProblem::Unsupported { .. }, .. })) => {
                self.warn_of_one_writer();
                if self.current(table)?.tag != before.tag {
                    return Ok(false);
                }
                self.objects.write(&key, &bytes, &PutCondition::None)?
            }
            Some(written) => written?,
        };
        let PutOutcome::Written { tag } = written else { return Ok(false) };
        // It may have been removed meanwhile, by a publisher that did not know that it would
        // answer.
        if self.objects.info_of(&version_key(table, next.version()))?.is_none() {
            if let (Some(Ok(before)), Some(tag)) = (&before.current, tag) {
                self.objects.write(&key, &before.to_bytes(), &PutCondition::Tag(tag))?;
            }
            return self.info_of(table, next.version()).map(|_| true);
        }
        Ok(true)
    }

    fn settings(&self, table: &TableName) -> Result<TableSettings, RootError> {
        let key = format!("{table}/{SETTINGS}");
        let Some((bytes, _)) = self.objects.read(&key, SETTINGS_BYTES_MAX as u64)? else {
            return Ok(TableSettings::default());
        };
        let path = self.objects.url().of(&key).into();
        TableSettings::read_bytes(&bytes).map_err(|reason| RootError::Settings { path, reason })
    }

    fn beside(&self, table: &TableName, file: &str) -> Result<Option<Vec<u8>>, RootError> {
        let read = self.objects.read(&format!("{table}/{file}"), BESIDE_BYTES_MAX as u64)?;
        Ok(read.map(|(bytes, _)| bytes))
    }

    /// A file of the version's length that has what is read when it is opened, unless all of it
    /// is here.
    fn open(&self, table: &TableName, version: &VersionName) -> Result<File, RootError> {
        let key = version_key(table, version);
        if let Some(whole) = self.whole(&key) {
            return whole;
        }
        let info = self.info_of(table, version)?;
        copy_front(&self.objects, &info)
    }

    fn open_whole(
        &self,
        table: &TableName,
        version: &VersionName,
        progress: &mut dyn FnMut(u64, u64) -> bool,
    ) -> Result<File, RootError> {
        let key = version_key(table, version);
        if let Some(whole) = self.whole(&key) {
            return whole;
        }
        let info = self.info_of(table, version)?;
        let folder =
            tempfile::tempdir().map_err(RootError::io("make a directory in", std::env::temp_dir()))?;
        // Its name goes with the folder, its bytes with the last who has it open.
        let download = Download { rate: None, progress };
        let file = self.objects.download(&info, &folder.path().join("version"), download)?;
        self.keep(key, &file)?;
        Ok(file)
    }

    fn put(
        &self,
        table: &TableName,
        version: &VersionName,
        exact: bool,
        file: &File,
        check: &mut dyn FnMut(&File) -> Result<(), RootError>,
    ) -> Result<VersionName, RootError> {
        let before = stamp(file);
        check(file)?;
        self.remove_old_claims(table)?;
        let claim = self.claim(table, version, exact)?;
        let key = version_key(table, &claim.name);
        self.objects.upload(&key, file, &mut |_, _| true)?;
        if stamp(file) != before {
            self.objects.remove(&key)?;
            let changed = std::io::Error::other("the file was written to meanwhile");
            return Err(RootError::io("copy the file to", self.objects.url().of(&key))(changed));
        }
        self.keep(key, file)?;
        Ok(claim.name.clone())
    }

    fn remove(&self, table: &TableName, version: &VersionName) -> Result<(), RootError> {
        Ok(self.objects.remove(&version_key(table, version))?)
    }

    /// Nobody is kept away: what is done on a condition fails if another was faster.
    fn lock(&self, _: &TableName) -> Result<Box<dyn Debug>, RootError> {
        Ok(Box::new(()))
    }
}
