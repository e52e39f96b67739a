//! Files that stand for objects while a table is built: what is in an object store or behind a web
//! server is downloaded first, and what goes there is uploaded when it is whole.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use graven_catalog::RootError;
use graven_catalog::root::VERSION_SUFFIX;
use graven_objects::{Download, ObjectError, ObjectInfo, ObjectScheme, ObjectUrl, Objects, remove_notes};
use tempfile::TempDir;

use super::stands_for_object;
use crate::failure::{Failure, Outcome, reason};
use crate::output::directory_of;
use crate::progress::bar;
use crate::root::explain;
use crate::signals::stop_on_signals;

/// What the name of the directory begins with that the files are in.
const PREFIX: &str = ".graven-";

/// Files that stand for objects, until this is dropped.
pub(crate) struct Staging {
    folder: TempDir,
    inputs: Vec<PathBuf>,
    output: Option<StagedOutput>,
    stopped: Arc<AtomicBool>,
}

/// A file that becomes an object.
struct StagedOutput {
    objects: Objects,
    file: PathBuf,
}

impl Staging {
    /// Files for these inputs and this output, where any of them is a URL: the inputs are here
    /// then, beside the output if that is a file.
    pub(crate) fn begin(inputs: &[PathBuf], output: Option<&Path>) -> Outcome<Option<Self>> {
        if !inputs.iter().map(PathBuf::as_path).chain(output).any(stands_for_object) {
            return Ok(None);
        }
        let is_output_url = output.is_some_and(stands_for_object);
        let Some(output) = output else {
            return Err(Failure::new(
                "an input at a URL has no directory to build in; name the output with -o FILE",
            ));
        };
        let objects = if is_output_url { Some(open_output(output)?) } else { None };
        let beside = if is_output_url { std::env::temp_dir() } else { directory_of(output).to_owned() };
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(&beside);
        let folder = folder.map_err(|error| cannot("make a directory in", &beside, &error))?;
        let stopped = Arc::default();
        stop_on_signals(&stopped)?;
        let mut staging = Self { folder, inputs: Vec::new(), output: None, stopped };
        if let Some(objects) = objects {
            let file = staging.place(&objects.url().to_string())?;
            staging.output = Some(StagedOutput { objects, file });
        }
        for input in inputs {
            let input = if stands_for_object(input) {
                staging.fetch(&input.display().to_string())?
            } else {
                input.clone()
            };
            staging.inputs.push(input);
        }
        Ok(Some(staging))
    }

    /// What to read in place of the inputs.
    pub(crate) fn inputs(&self) -> &[PathBuf] {
        &self.inputs
    }

    /// What to write in place of the output, where that is a URL.
    pub(crate) fn output(&self) -> Option<&Path> {
        self.output.as_ref().map(|output| &*output.file)
    }

    /// A text in which the files are called what they stand for.
    pub(crate) fn unstaged(&self, text: &str) -> String {
        let folder = self.folder.path().display().to_string();
        ["s3", "gs", "az", "https", "http"].iter().fold(text.to_owned(), |text, scheme| {
            text.replace(&format!("{folder}/{scheme}/"), &format!("{scheme}://"))
        })
    }

    /// Uploads the output, where it is a URL: whatever was there is replaced when all of it is.
    pub(crate) fn finish(&self) -> Outcome<()> {
        let Some(StagedOutput { objects, file }) = &self.output else { return Ok(()) };
        let opened = fs::File::open(file).map_err(|error| cannot("open", file, &error))?;
        let bar = bar("uploading", Some(0));
        let mut progress = |done, of| {
            bar.set_length(of);
            bar.set_position(done);
            !self.stopped.load(Ordering::Relaxed)
        };
        objects.upload("", &opened, &mut progress).map(drop).map_err(failed)
    }

    /// Where the file for the object at this URL is. Its path has what the URL has, for that says
    /// what form it is of, and names columns.
    fn place(&self, url: &str) -> Outcome<PathBuf> {
        let (scheme, rest) = url.split_once("://").unwrap_or_default();
        let is_plain = |part: Component<'_>| matches!(part, Component::Normal(_));
        if !Path::new(rest).components().all(is_plain) {
            return Err(Failure::new(format!(
                "{url} has a part that no file can have; give it another name"
            )));
        }
        let path = self.folder.path().join(scheme).join(rest);
        let folder = directory_of(&path);
        fs::create_dir_all(folder).map_err(|error| cannot("make the directory", folder, &error))?;
        Ok(path)
    }

    /// Downloads an object, or, where the URL ends with a slash, all that are below it.
    fn fetch(&self, url: &str) -> Outcome<PathBuf> {
        let objects = Objects::open(url).map_err(failed)?;
        let base = objects.url().to_string();
        if !url.ends_with('/') {
            let Some(info) = objects.info_of("").map_err(failed)? else {
                return Err(Failure::new(format!(
                    "{base}: there is no such object; a URL that ends with a slash is all objects below it"
                )));
            };
            return self.download(&objects, &info);
        }
        let found = objects.list("").map_err(failed)?;
        if found.is_empty() {
            return Err(Failure::new(format!("there are no objects below {base}/; check the URL")));
        }
        // What ends with a slash is a folder that somebody made by hand.
        for info in found.iter().filter(|info| !info.key.ends_with('/')) {
            self.download(&objects, info)?;
        }
        self.place(&base)
    }

    fn download(&self, objects: &Objects, info: &ObjectInfo) -> Outcome<PathBuf> {
        let path = self.place(&objects.url().of(&info.key))?;
        let bar = bar("downloading", Some(info.bytes));
        let mut progress = |done, _| {
            bar.set_position(done);
            !self.stopped.load(Ordering::Relaxed)
        };
        objects.download(info, &path, Download { rate: None, progress: &mut progress }).map_err(failed)?;
        remove_notes(&path);
        Ok(path)
    }
}

fn open_output(output: &Path) -> Outcome<Objects> {
    let url = ObjectUrl::parse(&output.display().to_string()).map_err(failed)?;
    if url.scheme() == ObjectScheme::Web {
        return Err(Failure::new(format!(
            "{url} is behind a web server, which is read only; name a file or a bucket"
        )));
    }
    let name = url.to_string();
    if !name.ends_with(VERSION_SUFFIX) || url.of("").len() == format!("s3://{}", url.container()).len() {
        return Err(Failure::new(format!(
            "expected the name of a file in a bucket, as {name}/table{VERSION_SUFFIX}, found {name}; a table of a root is built \
             as a file and then put there with `graven publish FILE {name}`"
        )));
    }
    Objects::open(&name).map_err(failed)
}

fn failed(error: ObjectError) -> Failure {
    explain(&RootError::from(error), "")
}

fn cannot(doing: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(format!("cannot {doing} {}: {}", path.display(), reason(error)))
}
