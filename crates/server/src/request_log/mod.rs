//! What is written down of single requests, where somebody wants it: a line of the access log, and an entry of the slow log.
//!
//! A loop that records serves its turns with a [`RequestRecorder`], any other with [`Unobserved`]. The turns are compiled for
//! both, so that recording costs the others one branch for each turn of several connections.

mod access_log;
mod escape;
mod record;
mod recorder;
mod slow_log;

pub use access_log::{AccessLog, AccessLogFormat, AccessLogTarget};
pub(crate) use record::{OpenRequest, RequestSummary, ShortBytes};
pub(crate) use recorder::{RequestRecorder, WaitReason};
pub(crate) use slow_log::{SlowEntry, SlowLog};

/// Whether requests are recorded while they are answered.
pub(crate) trait RequestObserver {
    /// What records them; the same at every call.
    fn recorder(&mut self) -> Option<&mut RequestRecorder>;
}

/// Nothing is recorded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unobserved;

impl RequestObserver for Unobserved {
    #[inline(always)]
    fn recorder(&mut self) -> Option<&mut RequestRecorder> {
        None
    }
}

impl RequestObserver for RequestRecorder {
    #[inline(always)]
    fn recorder(&mut self) -> Option<&mut RequestRecorder> {
        Some(self)
    }
}
