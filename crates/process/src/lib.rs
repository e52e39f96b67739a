//! What the process of `graven` asks of the system for as long as it runs: memory, whose lack is a sentence where Rust would
//! abort; descriptors; a log on standard error; and pages of the program and of a stack, given back when only the start
//! needed them. A program that depends on this crate gets its allocator with it.
//!
//! A crate of its own because this is what runs of the binary beside the event loops once a server has started. It is
//! compiled for size; what reads arguments and configurations need not be.
//!
//! ```
//! use graven_process::{LevelFilter, LogFormat, start_log};
//!
//! let level = start_log(LevelFilter::INFO, LogFormat::Text);
//! tracing::info!("serving");
//! level.set(LevelFilter::WARN);
//! ```

mod allocator;
mod descriptors;
mod log;
mod resident;
mod startup_pages;

pub use allocator::{end_without_memory, explain_aborts};
pub use descriptors::allow_connections;
pub use log::{LogFormat, LogLevel, start_log};
pub use resident::resident_bytes;
pub use startup_pages::{give_back_after_start, give_back_stack};
pub use tracing_subscriber::filter::LevelFilter;
