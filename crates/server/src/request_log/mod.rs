//! What is written down of single requests, where somebody wants it: a line of the access log, and an entry of the slow log.
//!
//! A loop that records hands a [`RequestRecorder`] through its turns, and any other none: one branch, where a request is
//! answered, finds none.

mod access_log;
mod escape;
mod record;
mod recorder;
mod slow_log;

pub use access_log::{AccessLog, AccessLogFormat, AccessLogTarget};
pub(crate) use record::{OpenRequest, RequestSummary, ShortBytes};
pub(crate) use recorder::{RequestRecorder, WaitReason};
pub(crate) use slow_log::{SlowEntry, SlowLog};
