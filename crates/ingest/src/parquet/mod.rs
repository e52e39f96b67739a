//! Parquet: columns by name, in one file or several, row groups decoded on threads of their own.
//!
//! The `parquet` crate decodes footers and pages. It takes lengths for granted and panics on some
//! bytes that no writer writes, so every length is checked before it sees one (`thrift.rs`,
//! `footer.rs`, `pages.rs`), and what is left is caught around each call ([`guarded`]).

mod bounded_queue;
mod dataset;
mod delta;
mod footer;
mod group;
mod leaf;
mod nested;
mod pages;
mod rows;
mod scalar;
mod thrift;
mod unpack;

pub(crate) use dataset::ParquetDataset;

use crate::parquet_problem::{ParquetPlace, ParquetProblem};

/// Why a file is not read.
#[derive(Debug)]
enum UnreadFile {
    /// The system does not open it.
    Open(std::io::Error),
    /// The system does not read it.
    Read(std::io::Error),
    /// What is wrong with it.
    Problem(ParquetPlace, ParquetProblem),
}

impl UnreadFile {
    /// The fault of the file at `path`.
    fn of(self, path: &std::path::Path) -> crate::error::Fault {
        use crate::error::{Cause, Fault, Position};
        let cause = match self {
            Self::Open(error) => Cause::Open(error),
            Self::Read(error) => Cause::Read(error),
            Self::Problem(place, problem) => Cause::Parquet { place, problem: Box::new(problem) },
        };
        Fault::new(Position::WHOLE, cause).in_input(&path.display().to_string())
    }
}

/// Calls the `parquet` crate, and makes an error of what it panics on.
fn guarded<T>(call: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T, ParquetProblem> {
    // What was under way is not used again: the reading ends with the error.
    match std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)) {
        Ok(Ok(given)) => Ok(given),
        Ok(Err(error)) => Err(ParquetProblem::Damaged(said(&error))),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason is given");
            Err(ParquetProblem::Damaged(format!("it cannot be decoded: {text}")))
        }
    }
}

/// What the crate says, without its own name in front.
fn said(error: &parquet::errors::ParquetError) -> String {
    let text = error.to_string();
    for prefix in ["Parquet error: ", "EOF: ", "External: "] {
        if let Some(rest) = text.strip_prefix(prefix) {
            return rest.to_owned();
        }
    }
    text
}
