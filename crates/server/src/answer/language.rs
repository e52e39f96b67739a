//! What a language is to the loop that serves all of them.

use graven_blocks::BlockReader;
use graven_catalog::Snapshot;

use super::Responder;
use super::access::{AccessView, Asker};
use super::pending::Lookup;
use super::slot::{ConnectionSlot, StopReason};
use super::tables::TableChoice;
use crate::clients::ClientEntry;
use crate::counters::{LoopCounters, Requests};
use crate::options::ServerOptions;
use crate::request_log::RequestSummary;

/// What is left to answer of a request that has more to do than fits into one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// The request is answered.
    Done,
    /// Nothing is answered yet: the same request again when the block has come that it waits for.
    NotYet,
    /// A part is answered; the session keeps the rest.
    Unfinished(StopReason),
    /// The request is answered, and was the last.
    Close,
}

/// What a language makes of the bytes that were received.
pub(super) enum NextRequest<'i, L: Language> {
    /// A request for one key of a table, and its bytes. Such requests may be looked up together.
    Lookup(&'i [u8], Lookup<'i>, TableChoice, usize),
    /// Any other request, and its bytes.
    Request(L::Request<'i>, usize),
    /// The beginning of a request.
    NeedMore,
    /// No request.
    Invalid(L::Invalid),
}

/// What requests are read with, beside what a connection remembers.
pub(super) struct DecodeContext<'d, 'a> {
    pub(super) http: &'d mut graven_wire::http::RequestDecoder,
    pub(super) snapshot: &'d Snapshot,
    pub(super) access: &'d mut AccessView<'a>,
}

/// One language, with what it remembers between two requests.
pub(super) trait Language: Sized {
    /// A request that is not a lookup of one key.
    type Request<'i>;
    /// What is wrong with bytes that are no request.
    type Invalid;

    /// The protocol's name, as metrics have it.
    const NAME: &'static str;

    /// What is counted of its requests.
    fn counts(counters: &LoopCounters) -> &Requests;

    /// What is written down of a request where requests are recorded; `None` of what is no request of its own. Only where
    /// `with_arguments` is it more than the command and the key.
    fn describe(&self, request: &Self::Request<'_>, with_arguments: bool) -> Option<RequestSummary>;

    /// Reads the request that `input` begins with.
    fn decode<'i>(&mut self, shared: &mut DecodeContext<'_, '_>, input: &'i [u8]) -> NextRequest<'i, Self>;

    /// Who asks.
    fn asker(&self) -> &Asker;

    /// The connection as others may know it.
    fn client(&self) -> &ClientEntry;

    /// Who asks from now on.
    fn set_asker(&mut self, asker: Asker, access: &AccessView<'_>);

    /// The table that is asked where a request names none.
    fn table(&self) -> TableChoice;

    /// The next call of [`Self::decode`] begins with an earlier request than where the last ended.
    fn rewind(&mut self);

    /// Whether a request is kept of which a part is not answered.
    fn is_unfinished(&self) -> bool;

    /// Goes on with the request that is kept.
    fn go_on<R: BlockReader>(&mut self, responder: &mut Responder<'_, R>, slot: &mut ConnectionSlot)
    -> After;

    /// Answers a request. Where a block is not here, nothing may have been written.
    fn answer<R: BlockReader>(
        &mut self,
        request: Self::Request<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After;

    /// Says what is wrong; returned is the reason for the log.
    fn refuse<R: BlockReader>(
        &mut self,
        invalid: Self::Invalid,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> &'static str;

    /// What is sent before the request that `input` is the beginning of has come whole.
    fn interim(&mut self, input: &[u8], options: &ServerOptions) -> Option<&'static [u8]>;
}
