//! A place in an object store, and what can be done there at once.

use std::ffi::OsString;
use std::pin::pin;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use futures_util::future::{Either, select};
use futures_util::{StreamExt, TryStreamExt};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, GetResult, ObjectMeta, ObjectStore, ObjectStoreExt,
    PutMode, PutOptions, RetryConfig, UpdateVersion,
};
use tokio::runtime::Runtime;
use tokio::sync::watch;

use crate::download::PARALLEL_READS;
use crate::error::{ObjectError, ObjectProblem};
use crate::scheme::ObjectScheme;
use crate::url::ObjectUrl;

/// How often a request is made again that failed for a moment.
pub const RETRIES_MAX: usize = 5;

/// How often an answer may break off in the middle.
const BROKEN_OFF_MAX: usize = 2;

/// How long a request is made again; after that it has failed.
const RETRY_TIME_MAX: Duration = Duration::from_secs(40);

/// The first wait before a request is made again, and the longest; each is chosen by chance below
/// one that doubles.
const BACKOFF: BackoffConfig = BackoffConfig {
    init_backoff: Duration::from_millis(100),
    max_backoff: Duration::from_secs(8),
    base: 2.0,
};

/// How long a connection may take to come about.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);

/// How long the next bytes of an answer may take to come.
const SILENCE_MAX: Duration = Duration::from_secs(20);

/// Objects that are listed, at most: a page of a listing is 1,000, and each costs a request.
pub const LISTED_MAX: usize = 100_000;

/// Threads that carry requests.
const THREADS: usize = 2;

/// An object, as a store lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectInfo {
    /// What it is called below the place that was listed.
    pub key: String,
    /// Its bytes.
    pub bytes: u64,
    /// By what it is told from any other of its name; not every store has that.
    pub tag: Option<String>,
    /// When it was written.
    pub modified: SystemTime,
}

/// What has to hold for an object to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PutCondition {
    /// There is none of its name.
    Absent,
    /// The one that is there has this tag.
    Tag(String),
    /// Nothing.
    None,
}

/// What came of writing an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PutOutcome {
    /// It is there.
    Written {
        /// Its tag.
        tag: Option<String>,
    },
    /// The condition did not hold, and nothing was written.
    Refused,
}

/// The bytes of a small object, and its tag.
pub type SmallObject = (Vec<u8>, Option<String>);

/// A place in an object store, and a connection to it.
#[derive(Debug)]
pub struct Objects {
    url: ObjectUrl,
    pub(crate) store: Arc<dyn ObjectStore>,
    runtime: Runtime,
    is_stopped: watch::Sender<bool>,
}

impl Objects {
    /// The place that a URL names, in the store that the environment of the process says. Nothing
    /// is asked yet.
    ///
    /// # Errors
    /// When it is no such URL, and when what the environment says of the store does not fit
    /// together.
    pub fn open(url: &str) -> Result<Self, ObjectError> {
        let text =
            |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value.into_string().ok()?));
        Self::open_with(url, std::env::vars_os().filter_map(text))
    }

    /// As [`Self::open`], with these names and values in place of the environment.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_with(
        url: &str,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ObjectError> {
        let url = ObjectUrl::parse(url)?;
        let cannot = |problem| ObjectError { doing: "use", url: url.to_string(), problem };
        let environment: Vec<_> = environment.into_iter().collect();
        let store = build(&url, &environment)
            .map_err(|error| cannot(ObjectProblem::Configuration { reason: error.to_string() }))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .max_blocking_threads(THREADS)
            .thread_name("objects")
            .enable_all()
            .build()
            .map_err(|error| cannot(ObjectProblem::File(error)))?;
        Ok(Self { url, store, runtime, is_stopped: watch::Sender::new(false) })
    }

    /// Where it is.
    pub fn url(&self) -> &ObjectUrl {
        &self.url
    }

    pub(crate) fn failed(&self, doing: &'static str, key: &str) -> impl FnOnce(ObjectProblem) -> ObjectError {
        let url = self.url.of(key);
        move |problem| ObjectError { doing, url, problem }
    }

    fn info(&self, about: ObjectMeta) -> Option<ObjectInfo> {
        let key = self.url.key_of(&about.location)?.to_owned();
        let modified = about.last_modified.into();
        Some(ObjectInfo { key, bytes: about.size, tag: strong(about.e_tag), modified })
    }

    /// Ends what is under way, and what is begun later, with [`ObjectProblem::Stopped`].
    pub fn stop(&self) {
        self.is_stopped.send_replace(true);
    }

    /// Waits for what is done with the store, until it is stopped.
    pub(crate) fn wait<T>(
        &self,
        what: impl Future<Output = Result<T, ObjectProblem>>,
    ) -> Result<T, ObjectProblem> {
        let mut is_stopped = self.is_stopped.subscribe();
        self.runtime.block_on(async {
            let stopped = pin!(is_stopped.wait_for(|is_stopped| *is_stopped));
            match select(stopped, pin!(what)).await {
                Either::Left(_) => Err(ObjectProblem::Stopped),
                Either::Right((done, _)) => done,
            }
        })
    }

    async fn head(&self, key: &str) -> Result<ObjectMeta, ObjectProblem> {
        Ok(self.store.head(&self.url.path(key)).await?)
    }

    fn again<T>(&self, what: impl AsyncFn() -> Result<T, ObjectProblem>) -> Result<T, ObjectProblem> {
        self.wait(again(what))
    }

    /// All objects below the folder `under`, or below the whole place where that is empty. One
    /// request for each 1,000.
    ///
    /// # Errors
    /// When they cannot be listed, or are more than [`LISTED_MAX`].
    pub fn list(&self, under: &str) -> Result<Vec<ObjectInfo>, ObjectError> {
        let prefix = self.url.path(under);
        let prefix = Some(&prefix).filter(|prefix| !prefix.as_ref().is_empty());
        let listing = async || {
            let mut objects = Vec::new();
            let mut listed = self.store.list(prefix);
            while let Some(about) = listed.next().await {
                if objects.len() == LISTED_MAX {
                    return Err(ObjectProblem::TooMany { objects_max: LISTED_MAX });
                }
                objects.extend(self.info(about?));
            }
            Ok(objects)
        };
        self.again(listing).map_err(self.failed("list", under))
    }

    /// What an object is; `None` when there is none of this name.
    ///
    /// # Errors
    /// When the store cannot say that.
    pub fn info_of(&self, key: &str) -> Result<Option<ObjectInfo>, ObjectError> {
        match self.wait(self.head(key)) {
            Ok(about) => {
                let modified = about.last_modified.into();
                let tag = strong(about.e_tag);
                Ok(Some(ObjectInfo { key: key.to_owned(), bytes: about.size, tag, modified }))
            }
            Err(problem) if is_absent(&problem) => Ok(None),
            Err(problem) => Err(self.failed("look at", key)(problem)),
        }
    }

    /// The bytes of a small object, and its tag; `None` when there is none of this name.
    ///
    /// # Errors
    /// When it cannot be read, or has more than `bytes_max` bytes.
    pub fn read(&self, key: &str, bytes_max: u64) -> Result<Option<SmallObject>, ObjectError> {
        let read = self.again(async || self.fetch_small(key, bytes_max).await);
        self.unless_absent(key, read)
    }

    /// As [`Self::read`] of many at once; what comes of each, in their order.
    pub fn read_many(
        &self,
        keys: &[String],
        bytes_max: u64,
    ) -> Vec<Result<Option<SmallObject>, ObjectError>> {
        let reads = keys
            .iter()
            .map(|key| async move { (key, again(async || self.fetch_small(key, bytes_max).await).await) });
        let reads = futures_util::stream::iter(reads).buffered(PARALLEL_READS);
        match self.wait(async { Ok(reads.collect::<Vec<_>>().await) }) {
            Ok(read) => read.into_iter().map(|(key, read)| self.unless_absent(key, read)).collect(),
            Err(_) => keys.iter().map(|key| self.unless_absent(key, Err(ObjectProblem::Stopped))).collect(),
        }
    }

    fn unless_absent<T>(&self, key: &str, read: Result<T, ObjectProblem>) -> Result<Option<T>, ObjectError> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(problem) if is_absent(&problem) => Ok(None),
            Err(problem) => Err(self.failed("read", key)(problem)),
        }
    }

    async fn fetch_small(&self, key: &str, bytes_max: u64) -> Result<SmallObject, ObjectProblem> {
        let got = self.store.get(&self.url.path(key)).await?;
        let (tag, size) = (strong(got.meta.e_tag.clone()), got.meta.size);
        if size > bytes_max {
            return Err(ObjectProblem::TooLarge { bytes_max });
        }
        Ok((whole(got, size).await?, tag))
    }

    /// The bytes of `range` of an object, if it is still the one with this tag. The range is
    /// within its bytes.
    ///
    /// # Errors
    /// When these cannot be read, and [`ObjectProblem::Changed`].
    pub fn read_range(
        &self,
        key: &str,
        range: std::ops::Range<u64>,
        tag: Option<&str>,
    ) -> Result<Vec<u8>, ObjectError> {
        let path = self.url.path(key);
        let expected = range.end - range.start;
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: tag.map(str::to_owned),
            ..GetOptions::default()
        };
        let reading = async || {
            let got = self.store.get_opts(&path, options.clone()).await?;
            check_length(expected, got.range.end - got.range.start)?;
            whole(got, expected).await
        };
        self.again(reading).map_err(self.failed("read", key))
    }

    /// Writes a small object in one request, if `condition` holds.
    ///
    /// # Errors
    /// When it cannot be written; then it is what it was, or what it was to be.
    /// [`ObjectProblem::Unsupported`] when the store knows no such conditions.
    pub fn write(
        &self,
        key: &str,
        bytes: &[u8],
        condition: &PutCondition,
    ) -> Result<PutOutcome, ObjectError> {
        let path = self.url.path(key);
        let mode = match condition {
            PutCondition::Absent => PutMode::Create,
            PutCondition::Tag(tag) => {
                let Some(version) = self.version_of(key, tag)? else { return Ok(PutOutcome::Refused) };
                PutMode::Update(UpdateVersion { e_tag: Some(tag.clone()), version })
            }
            PutCondition::None => PutMode::Overwrite,
        };
        let options = PutOptions { mode, ..PutOptions::default() };
        let writing = self.store.put_opts(&path, bytes.to_vec().into(), options);
        match self.wait(async { Ok(writing.await?) }) {
            Ok(put) => Ok(PutOutcome::Written { tag: put.e_tag }),
            // It may have been written by a request whose answer was lost, and that was made
            // again.
            Err(ObjectProblem::Changed) if *condition != PutCondition::None => {
                match self.read(key, bytes.len() as u64) {
                    Ok(Some((found, tag))) if found == bytes => Ok(PutOutcome::Written { tag }),
                    Ok(_) => Ok(PutOutcome::Refused),
                    Err(ObjectError { problem: ObjectProblem::TooLarge { .. }, .. }) => {
                        Ok(PutOutcome::Refused)
                    }
                    Err(error) => Err(error),
                }
            }
            Err(problem) => Err(self.failed("write", key)(problem)),
        }
    }

    /// By what the store knows the object with this tag besides that: Google's has numbers for
    /// the writes of an object, and takes these alone as conditions. `None` where another object
    /// is there.
    fn version_of(&self, key: &str, tag: &str) -> Result<Option<Option<String>>, ObjectError> {
        if self.url.scheme() != ObjectScheme::Google {
            return Ok(Some(None));
        }
        match self.wait(self.head(key)) {
            Ok(about) => Ok((about.e_tag.as_deref() == Some(tag)).then_some(about.version)),
            Err(problem) if is_absent(&problem) => Ok(None),
            Err(problem) => Err(self.failed("look at", key)(problem)),
        }
    }

    /// Removes an object. That it is not there is no error.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn remove(&self, key: &str) -> Result<(), ObjectError> {
        let path = self.url.path(key);
        match self.wait(async { Ok(self.store.delete(&path).await?) }) {
            Err(problem) if !is_absent(&problem) => Err(self.failed("remove", key)(problem)),
            _ => Ok(()),
        }
    }
}

/// The bytes of an answer, of which there are to be so many: no more are kept.
async fn whole(got: GetResult, expected: u64) -> Result<Vec<u8>, ObjectProblem> {
    let mut bytes = Vec::new();
    let mut chunks = got.into_stream();
    while let Some(chunk) = chunks.try_next().await? {
        let found = (bytes.len() + chunk.len()) as u64;
        if found > expected {
            return Err(ObjectProblem::Length { expected, found });
        }
        bytes.extend_from_slice(&chunk);
    }
    check_length(expected, bytes.len() as u64)?;
    Ok(bytes)
}

/// Does again what was broken off in the middle of an answer. Requests that were not answered the
/// library has made again; when it has given up, so does this.
async fn again<T>(what: impl AsyncFn() -> Result<T, ObjectProblem>) -> Result<T, ObjectProblem> {
    let began = Instant::now();
    let mut wait = BACKOFF.init_backoff;
    for _ in 0..BROKEN_OFF_MAX {
        let done = what().await;
        let was_broken_off = matches!(
            done,
            Err(ObjectProblem::Unreachable { was_repeated: false, .. } | ObjectProblem::Length { .. })
        );
        if !was_broken_off || began.elapsed() > RETRY_TIME_MAX {
            return done;
        }
        tokio::time::sleep(wait).await;
        wait *= 2;
    }
    what().await
}

/// A tag that a request can be made conditional on: for a weak one, no such condition holds.
fn strong(tag: Option<String>) -> Option<String> {
    tag.filter(|tag| !tag.starts_with("W/"))
}

/// Whether there is a bucket, and nothing of that name in it.
fn is_absent(problem: &ObjectProblem) -> bool {
    let names_bucket = |code: &str| ["NoSuchBucket", "ContainerNotFound"].contains(&code);
    matches!(problem, ObjectProblem::Missing { code } if !code.as_deref().is_some_and(names_bucket))
}

pub(crate) fn check_length(expected: u64, found: u64) -> Result<(), ObjectProblem> {
    if expected == found { Ok(()) } else { Err(ObjectProblem::Length { expected, found }) }
}

/// The store of a URL, as the environment says.
fn build(url: &ObjectUrl, environment: &[(String, String)]) -> object_store::Result<Arc<dyn ObjectStore>> {
    // The one that all of graven takes; where another part of the process was first, it is the
    // same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let retry = RetryConfig { backoff: BACKOFF, max_retries: RETRIES_MAX, retry_timeout: RETRY_TIME_MAX };
    // Where the place of the store is written as http://, that is meant.
    let is_plain =
        |(name, value): &(String, String)| name.contains("ENDPOINT") && value.starts_with("http://");
    let client = ClientOptions::new()
        .with_connect_timeout(CONNECT_TIME_MAX)
        .with_read_timeout(SILENCE_MAX)
        // A large object takes as long as it takes.
        .with_timeout_disabled()
        .with_allow_http(url.base().starts_with("http://") || environment.iter().any(is_plain));
    Ok(match url.scheme() {
        ObjectScheme::S3 => {
            let builder = AmazonS3Builder::new().with_client_options(client);
            let set = |builder: AmazonS3Builder, key, value| builder.with_config(key, value);
            let builder = configured(builder, "AWS_", environment, set);
            Arc::new(
                builder
                    .with_bucket_name(url.container())
                    .with_retry(retry)
                    // Not every store that speaks S3 removes many objects in one request.
                    .with_disable_bulk_delete(true)
                    .build()?,
            )
        }
        ObjectScheme::Google => {
            let builder = GoogleCloudStorageBuilder::new().with_client_options(client);
            let set = |builder: GoogleCloudStorageBuilder, key, value| builder.with_config(key, value);
            let builder = configured(builder, "GOOGLE_", environment, set);
            Arc::new(builder.with_bucket_name(url.container()).with_retry(retry).build()?)
        }
        ObjectScheme::Azure => {
            let builder = MicrosoftAzureBuilder::new().with_client_options(client);
            let set = |builder: MicrosoftAzureBuilder, key, value| builder.with_config(key, value);
            let builder = configured(builder, "AZURE_", environment, set);
            Arc::new(builder.with_container_name(url.container()).with_retry(retry).build()?)
        }
        ObjectScheme::Web => Arc::new(
            HttpBuilder::new().with_client_options(client).with_url(url.base()).with_retry(retry).build()?,
        ),
    })
}

/// `builder` with all settings that the environment has under names that begin so.
fn configured<B, K: FromStr>(
    builder: B,
    beginning: &str,
    environment: &[(String, String)],
    set: impl Fn(B, K, String) -> B,
) -> B {
    let settings =
        environment.iter().filter(|(name, value)| name.starts_with(beginning) && !value.is_empty());
    // What else begins so is some other program's.
    let known =
        settings.filter_map(|(name, value)| Some((name.to_ascii_lowercase().parse().ok()?, value.clone())));
    known.fold(builder, |builder, (key, value)| set(builder, key, value))
}
