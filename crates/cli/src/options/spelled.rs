//! Values of options that are spelled in a way of their own.

use std::path::PathBuf;

use graven_catalog::root::NotAName;
use graven_catalog::{TableName, VersionName};

/// More tables than anybody numbers.
const DATABASE_MAX: u32 = 65_535;

/// Where the server's certificate is, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsPaths {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
}

pub(super) fn show_path(path: Option<&PathBuf>) -> String {
    path.map_or_else(String::new, |path| path.display().to_string())
}

/// `NAME@VERSION`.
pub(super) fn held(text: &str) -> Result<(TableName, VersionName), String> {
    let (table, version) = text.split_once('@').ok_or("write NAME@VERSION, a table and a version of it")?;
    let wrong = |error: NotAName| error.to_string();
    Ok((table.parse().map_err(wrong)?, version.parse().map_err(wrong)?))
}

/// `N=NAME`.
pub(super) fn database(text: &str) -> Result<(u32, TableName), String> {
    let (number, name) = text.split_once('=').ok_or("write N=NAME, a number and a table")?;
    let number = number.parse().ok().filter(|number| (1..=DATABASE_MAX).contains(number));
    let number =
        number.ok_or_else(|| format!("a number is from 1 to {DATABASE_MAX}; 0 is the default table"))?;
    Ok((number, name.parse().map_err(|error: NotAName| error.to_string())?))
}
