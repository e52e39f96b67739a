//! What is told to the recorder of requests, where there is one.

use std::sync::Arc;

use graven_catalog::TableVersion;

use super::http::HttpLookup;
use super::memcached::MemcachedLookup;
use super::pending::Lookup;
use super::{After, ConnectionSlot, Language, Responder};
use crate::counters::LoopCounters;
use crate::output::{OutputBuffer, OutputPosition};
use crate::request_log::{OpenRequest, RequestRecorder, RequestSummary};

/// The part of a request is about to be answered that this turn answers.
pub(super) fn begin_part<L: Language>(
    mut open: Box<OpenRequest>,
    slot: &ConnectionSlot,
    counters: &LoopCounters,
) -> Box<OpenRequest> {
    open.go_on(slot.out.end(), L::counts(counters));
    open
}

/// A lookup of one key that was answered.
#[derive(Debug)]
pub(super) struct RecordedLookup<'a> {
    /// Its place among those that were pending, and its connection's.
    pub(super) i: usize,
    pub(super) slot: usize,
    /// Where it ends in the input of that.
    pub(super) end: usize,
    pub(super) key: &'a [u8],
    pub(super) lookup: &'a Lookup<'a>,
    pub(super) version: Option<&'a Arc<TableVersion>>,
    /// Whether the key was there; `None` where nothing was looked up.
    pub(super) is_hit: Option<bool>,
    /// Where its answer begins.
    pub(super) begin: OutputPosition,
}

impl RecordedLookup<'_> {
    #[inline(never)]
    #[cold]
    pub(super) fn record(self, recorder: &mut RequestRecorder, out: &OutputBuffer) {
        let Self { i, slot, end, key, lookup, version, is_hit, begin } = self;
        let (protocol, command, route) = lookup.names();
        let mut summary = RequestSummary::of_key(command, route, key);
        lookup.keep_arguments(recorder.wants_arguments(), key, &mut summary);
        let mut open = OpenRequest::new(protocol, summary);
        open.set_user(recorder.pending_user(i));
        open.looked_up(is_hit, begin, out);
        recorder.looked_up(slot, end, open, version);
    }
}

impl Lookup<'_> {
    /// The protocol, the command, and HTTP's route.
    fn names(&self) -> (&'static str, &'static str, &'static str) {
        match self {
            Self::Http(HttpLookup::Plain | HttpLookup::PlainZstd) => ("http", "GET", "/?key={key}"),
            Self::Http(HttpLookup::Tagged | HttpLookup::TaggedZstd) => ("http", "GET", "/v1/kv/{key}"),
            Self::Resp(_) => ("resp", "get", ""),
            Self::Hash(_, lookup) => ("resp", lookup.name(), ""),
            Self::Memcached(MemcachedLookup::Get(cas)) => ("memcached", cas.command(), ""),
            Self::Memcached(MemcachedLookup::Meta(_)) => ("memcached", "mg", ""),
        }
    }

    /// Keeps all arguments, where something stands behind the key.
    fn keep_arguments(&self, are_wanted: bool, key: &[u8], summary: &mut RequestSummary) {
        if let (true, Self::Hash(_, lookup)) = (are_wanted, self) {
            lookup.keep_arguments(key, summary);
        }
    }
}

impl<R> Responder<'_, R> {
    /// Has a request recorded of which a part was answered, and which ends at `end` of the input.
    #[inline(never)]
    pub(super) fn record<L: Language>(
        &self,
        recorder: &mut RequestRecorder,
        number: usize,
        end: usize,
        mut open: Box<OpenRequest>,
        after: After,
        slot: &ConnectionSlot,
    ) {
        open.pause(&slot.out, L::counts(self.loop_counters));
        recorder.answered(number, end, open, after, self.version.as_ref().ok());
    }
}
