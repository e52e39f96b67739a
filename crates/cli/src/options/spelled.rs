//! Values of options that are spelled in a way of their own.

use std::path::PathBuf;

use clap::ValueEnum;
use graven_catalog::root::NotAName;
use graven_catalog::{TableName, VersionName};
use graven_process::LogFormat;
use graven_server::{AccessLogFormat, DiskReads, RowGet};

/// More tables than anybody numbers.
const DATABASE_MAX: u32 = 65_535;

/// Where the server's certificate is, and what belongs to it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct TlsPaths {
    pub(crate) certificate: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) client_ca: Option<PathBuf>,
}

/// [`LogFormat`] as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormatName {
    /// For people
    Text,
    /// A JSON object each, for programs
    Json,
}

/// [`AccessLogFormat`] as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AccessLogFormatName {
    /// Words with spaces between them, the key last
    Text,
    /// A JSON object each
    Json,
}

/// [`RowGet`] as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RowGetName {
    /// The row as JSON
    Json,
    /// An error, as Redis has it for a hash
    Error,
}

/// [`DiskReads`] as the command line spells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum DiskReadsName {
    /// io_uring where the kernel allows it, else threads
    Auto,
    /// io_uring, or not at all
    IoUring,
    /// Sixteen threads for each that answers
    Threads,
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

impl From<LogFormatName> for LogFormat {
    fn from(name: LogFormatName) -> Self {
        match name {
            LogFormatName::Text => Self::Text,
            LogFormatName::Json => Self::Json,
        }
    }
}

impl From<LogFormat> for LogFormatName {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

impl From<AccessLogFormatName> for AccessLogFormat {
    fn from(name: AccessLogFormatName) -> Self {
        match name {
            AccessLogFormatName::Text => Self::Text,
            AccessLogFormatName::Json => Self::Json,
        }
    }
}

impl From<AccessLogFormat> for AccessLogFormatName {
    fn from(format: AccessLogFormat) -> Self {
        match format {
            AccessLogFormat::Text => Self::Text,
            AccessLogFormat::Json => Self::Json,
        }
    }
}

impl From<RowGetName> for RowGet {
    fn from(name: RowGetName) -> Self {
        match name {
            RowGetName::Json => Self::Json,
            RowGetName::Error => Self::Error,
        }
    }
}

impl From<RowGet> for RowGetName {
    fn from(row_get: RowGet) -> Self {
        match row_get {
            RowGet::Json => Self::Json,
            RowGet::Error => Self::Error,
        }
    }
}

impl From<DiskReadsName> for DiskReads {
    fn from(name: DiskReadsName) -> Self {
        match name {
            DiskReadsName::Auto => Self::Auto,
            DiskReadsName::IoUring => Self::IoUring,
            DiskReadsName::Threads => Self::Threads,
        }
    }
}

impl From<DiskReads> for DiskReadsName {
    fn from(reads: DiskReads) -> Self {
        match reads {
            DiskReads::IoUring => Self::IoUring,
            DiskReads::Threads => Self::Threads,
            _ => Self::Auto,
        }
    }
}
