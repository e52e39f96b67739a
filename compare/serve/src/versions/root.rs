//! A root in a temporary folder with prepared versions of tables, and a server that answers from
//! it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

use crate::servers::process::Running;
use crate::servers::{System, program};
use crate::stop::Stop;
use crate::versions::content::Content;

/// The table of a root with one.
pub(crate) const TABLE: &str = "table";

/// A root, and beside it what is prepared and removed with it.
pub(crate) struct RootFolder {
    folder: TempDir,
    pub(crate) graven: PathBuf,
}

/// The content of a version, by its name behind `TABLE@` or without: that of `v3` is 3, that of
/// `p11` is that of switch 11.
pub(crate) fn content_of(version: &str, cycle: u64) -> Option<u64> {
    let name = version.rsplit('@').next()?;
    let number: u64 = name.get(1..)?.parse().ok()?;
    match name.as_bytes()[0] {
        b'v' => Some(number),
        b'p' => Some(number % cycle),
        _ => None,
    }
}

impl RootFolder {
    pub(crate) fn make(graven: Option<&Path>, folder: Option<&Path>) -> Result<Self> {
        let graven = program(System::Graven, graven)?;
        let folder = match folder {
            Some(folder) => TempDir::new_in(folder),
            None => tempfile::tempdir(),
        };
        let made = Self { folder: folder.context("cannot make a temporary folder")?, graven };
        fs::create_dir(made.root())?;
        Ok(made)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    pub(crate) fn table(&self, table: &str) -> PathBuf {
        self.root().join(table)
    }

    pub(crate) fn version(&self, table: &str, version: &str) -> PathBuf {
        self.table(table).join(format!("{version}.graven"))
    }

    pub(crate) fn add_table(&self, table: &str) -> Result<()> {
        fs::create_dir(self.table(table)).context("cannot make a table")
    }

    /// Builds the file of a content at `path`.
    pub(crate) fn build(&self, content: Content, number: u64, path: &Path, for_disk: bool) -> Result<()> {
        let text = self.folder.path().join("text.data");
        content.write(number, BufWriter::new(File::create(&text)?))?;
        let mut command = Command::new(&self.graven);
        command.arg("build").arg(&text).args(["--format", "data", "-o"]).arg(path);
        if for_disk {
            command.args(["--for", "disk"]);
        }
        run(command)?;
        fs::remove_file(text)?;
        Ok(())
    }

    /// Has `CURRENT` of a table say this, in one step; the moment of that step.
    pub(crate) fn set_current(&self, table: &str, text: &str) -> Result<Instant> {
        let next = self.folder.path().join("next");
        fs::write(&next, text)?;
        let began = Instant::now();
        fs::rename(next, self.table(table).join("CURRENT"))?;
        Ok(began)
    }

    /// Publishes a copy of a file as people do.
    pub(crate) fn publish(&self, file: &Path, table: &str, version: &str) -> Result<()> {
        let mut command = Command::new(&self.graven);
        command.arg("publish").arg(file).arg(self.table(table)).args(["--as", version]);
        run(command)
    }

    /// Starts a server that answers from the root.
    pub(crate) fn serve(&self, cores: &str, options: &[String], stop: &Stop) -> Result<Running> {
        let arguments = |port| {
            let mut words: Vec<OsString> = vec!["serve".into(), self.root().into()];
            words.extend(["--listen".into(), format!("127.0.0.1:{port}").into()]);
            words.extend(options.iter().map(OsString::from));
            Ok(words)
        };
        Running::start(&self.graven, cores, self.folder.path(), arguments, stop)
    }

    /// What a server has printed.
    pub(crate) fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).unwrap_or_default()
    }
}

fn run(mut command: Command) -> Result<()> {
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} failed: {}", said.trim());
    Ok(())
}

/// Options of the server as they are typed.
pub(crate) fn server_options(options: &[(&str, Option<String>)]) -> Vec<String> {
    let given = options.iter().filter_map(|(name, value)| Some([(*name).to_owned(), value.clone()?]));
    given.flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::content_of;

    #[test]
    fn the_names_of_versions_say_their_contents() {
        assert_eq!(content_of("table@v3", 8), Some(3));
        assert_eq!(content_of("p11", 8), Some(3));
        assert_eq!([content_of("", 8), content_of("x1", 8), content_of("v", 8)], [None; 3]);
    }
}
