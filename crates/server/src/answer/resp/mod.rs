//! Commands of Redis answered: what it remembers of a connection, and how its requests are read. The commands that look
//! something up are in `commands.rs` and `walk.rs`, those about connections and the server in `connection.rs`.

mod bits;
mod client;
mod commands;
mod connection;
mod describe;
mod hash;
mod info;
mod lcs;
mod slowlog;
mod transaction;
mod typed;
mod walk;

use std::sync::Arc;

use graven_blocks::BlockReader;
use graven_catalog::TableId;
use graven_wire::Decoded;
use graven_wire::resp::{
    Args, Command, Inline, Invalid, KeyRead, Known, Limits, Refusal, ReplyMode, Request, RequestDecoder,
    Version, reply,
};

use super::access::{AccessRefusal, AccessView, Asker};
use super::lookups::LookupOutcome;
use super::pending::Lookup;
use super::tables::{TableChoice, Unavailable};
use super::{After, ConnectionSlot, DecodeContext, Language, NextRequest, Responder};
use crate::clients::{ClientEntry, RespState};
use crate::counters::{LoopCounters, Requests};
use crate::options::{RowGet, ServerOptions};
use crate::output::{OutputBuffer, OutputPosition, Value};
use crate::request_log::{RequestSummary, ShortBytes};
use client::TrackingState;
use commands::UnfinishedCommand;
pub(super) use hash::HashLookup;
use transaction::{Executing, Transaction};

/// What is said where no version answers. Clients know `LOADING`, and ask again later.
pub(super) fn say_unavailable(why: Unavailable, out: &mut Vec<u8>) {
    match why {
        Unavailable::Refused(AccessRefusal::LoginFirst) => return Refusal::NoAuth.encode(out),
        Unavailable::Refused(AccessRefusal::NotPermitted) => return Refusal::TableNotPermitted.encode(out),
        _ => {}
    }
    let code = if why.passes() { "LOADING" } else { "ERR" };
    let advice = if why == Unavailable::NoDefault { " with SELECT" } else { "" };
    reply::error(out, format!("{code} {}{advice}", why.words()).as_bytes());
}

pub(super) const DAMAGED: &[u8] = b"ERR the table is damaged where this key would lie";

/// What RESP remembers between two requests.
#[derive(Debug)]
pub(crate) struct RespSession {
    decoder: RequestDecoder,
    version: Version,
    /// Who asks, and the table that is asked.
    asker: Asker,
    table: TableChoice,
    /// What others may know of the connection; the names that the client gave itself are there.
    client: Arc<ClientEntry>,
    /// The last command.
    command: &'static str,
    /// Bytes of what the client says of itself, which the record of the connection has.
    text_bytes: usize,
    /// Nothing below keeps a `GET` from being looked up together with others.
    is_plain: bool,
    replies: ReplyMode,
    /// What is being answered now is not sent, from `settled` on.
    is_silent: bool,
    settled: OutputPosition,
    tracking: TrackingState,
    /// Commands of a transaction are being answered.
    in_exec: bool,
    /// A command of which a part is not answered; one of `executing`, where there are such.
    unfinished: Option<Box<UnfinishedCommand>>,
    transaction: Transaction,
    /// Commands of a transaction that are not answered yet.
    executing: Option<Box<Executing>>,
}

impl RespSession {
    pub(super) fn new(client: Arc<ClientEntry>, limits: Limits, listener: Option<TableId>) -> Self {
        let asker = Asker::new(listener);
        Self {
            decoder: RequestDecoder::new(limits),
            version: Version::Resp2,
            table: asker.rule().first(),
            asker,
            client,
            command: "NULL",
            text_bytes: 0,
            is_plain: true,
            replies: ReplyMode::On,
            is_silent: false,
            settled: OutputPosition::default(),
            tracking: TrackingState::default(),
            in_exec: false,
            unfinished: None,
            transaction: Transaction::None,
            executing: None,
        }
    }

    pub(super) fn held_bytes(&self) -> usize {
        let unfinished = self.unfinished.as_ref().map_or(0, |unfinished| unfinished.held_bytes());
        let executing = self.executing.as_ref().map_or(0, |executing| executing.held_bytes());
        unfinished + executing + self.transaction.held_bytes() + self.tracking.held_bytes() + self.text_bytes
    }

    /// Whether the client wants no answers for now.
    pub(super) fn is_silent(&self) -> bool {
        self.replies != ReplyMode::On
    }

    /// Writes down for others what the client has made of the connection.
    pub(super) fn record(&self, state: &mut RespState) {
        state.version = if self.version == Version::Resp3 { 3 } else { 2 };
        state.command = self.command;
        (state.queued, state.queued_bytes) = (self.transaction.queued(), self.transaction.held_bytes());
        (state.tracking, state.broadcast) = (self.tracking.is_on(), self.tracking.is_broadcast());
    }

    fn find_whether_plain(&mut self) {
        self.is_plain = !self.transaction.is_open()
            && self.replies == ReplyMode::On
            && !self.is_silent
            && !self.tracking.has_caching();
    }

    /// What every request begins with but a `GET` of a plain connection.
    fn begin_request(&mut self) {
        if !self.in_exec {
            self.is_silent = self.replies != ReplyMode::On;
            if self.replies == ReplyMode::Skip {
                self.replies = ReplyMode::On;
            }
        }
    }

    /// What it ends with. `began` is the mode of replies before it.
    fn end_request(&mut self, after: After, began: ReplyMode, slot: &mut ConnectionSlot) {
        if after == After::NotYet {
            // It comes again.
            self.replies = began;
        } else if self.is_silent {
            slot.out.cut(self.settled);
        }
        if !self.in_exec && !matches!(after, After::Unfinished(_)) {
            self.is_silent = false;
        }
        self.find_whether_plain();
    }

    pub(super) fn forget_requests(&mut self) {
        (self.unfinished, self.executing) = (None, None);
        self.transaction = Transaction::None;
        self.find_whether_plain();
    }
}

/// A request that is not a `GET`.
pub(super) enum RespRequest<'i> {
    Command(Args<'i>, Result<Command<'i>, Refusal<'i>>),
    Inline(Inline<'i>),
    Empty,
}

impl Language for RespSession {
    type Request<'i> = RespRequest<'i>;
    type Invalid = Invalid;

    const NAME: &'static str = "resp";

    fn counts(counters: &LoopCounters) -> &Requests {
        &counters.resp
    }

    fn describe(&self, request: &RespRequest<'_>, with_arguments: bool) -> Option<RequestSummary> {
        match request {
            RespRequest::Command(args, command) => Some(describe(*args, command, with_arguments)),
            RespRequest::Inline(inline) => {
                let mut line = Vec::new();
                let args = inline.to_args(&mut line);
                Some(describe(args, &Command::parse(args), with_arguments))
            }
            RespRequest::Empty => None,
        }
    }

    #[inline]
    fn decode<'i>(&mut self, _: &mut DecodeContext<'_, '_>, input: &'i [u8]) -> NextRequest<'i, Self> {
        if self.is_plain
            && let Some((read, bytes)) = self.decoder.key_read(input)
        {
            let (key, name, lookup) = match read {
                KeyRead::Value { key } => (key, "get", Lookup::Resp(self.version)),
                KeyRead::Field { key, field } => {
                    (key, "hget", Lookup::Hash(self.version, HashLookup::Field(field)))
                }
            };
            self.command = name;
            return NextRequest::Lookup(key, lookup, self.table, bytes);
        }
        match self.decoder.decode(input) {
            Decoded::Message(Request::Command(args), bytes) => match Command::parse(args) {
                Ok(Command::Get { key }) if self.is_plain => {
                    self.command = "get";
                    NextRequest::Lookup(key, Lookup::Resp(self.version), self.table, bytes)
                }
                command => match command.as_ref().ok().and_then(HashLookup::of).filter(|_| self.is_plain) {
                    Some((key, name, lookup)) => {
                        self.command = name;
                        NextRequest::Lookup(key, Lookup::Hash(self.version, lookup), self.table, bytes)
                    }
                    None => NextRequest::Request(RespRequest::Command(args, command), bytes),
                },
            },
            Decoded::Message(Request::Inline(inline), bytes) => {
                NextRequest::Request(RespRequest::Inline(inline), bytes)
            }
            Decoded::Message(Request::Empty, bytes) => NextRequest::Request(RespRequest::Empty, bytes),
            Decoded::NeedMore => NextRequest::NeedMore,
            Decoded::Invalid(invalid) => NextRequest::Invalid(invalid),
        }
    }

    #[inline]
    fn asker(&self) -> &Asker {
        &self.asker
    }

    fn client(&self) -> &ClientEntry {
        &self.client
    }

    fn set_asker(&mut self, asker: Asker, _: &AccessView<'_>) {
        // A table that was selected stays selected while it may be asked.
        let stays = match self.table {
            TableChoice::Table(table) => asker.rule().allows(table) && asker.name() == self.asker.name(),
            _ => false,
        };
        self.asker = asker;
        self.asker.note_user(&self.client);
        if !stays {
            self.table = self.asker.rule().first();
        }
    }

    #[inline]
    fn table(&self) -> TableChoice {
        self.table
    }

    fn rewind(&mut self) {
        self.decoder.rewind();
    }

    #[inline]
    fn is_unfinished(&self) -> bool {
        self.unfinished.is_some() || self.executing.is_some()
    }

    fn go_on<R: BlockReader>(
        &mut self,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        if let Some(mut unfinished) = self.unfinished.take() {
            let end = slot.out.end();
            let stop = unfinished.go_on(self.version, responder, slot);
            if self.is_silent {
                slot.out.cut(end);
            }
            if let Some(stop) = stop {
                self.unfinished = Some(unfinished);
                return After::Unfinished(stop);
            }
        }
        match self.executing.take() {
            Some(executing) => self.execute(executing, responder, slot),
            None => {
                self.is_silent = false;
                self.find_whether_plain();
                After::Done
            }
        }
    }

    fn answer<R: BlockReader>(
        &mut self,
        request: RespRequest<'_>,
        responder: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> After {
        let began = self.replies;
        let settled = std::mem::replace(&mut self.settled, slot.out.end());
        self.begin_request();
        let after = match request {
            RespRequest::Command(args, command) => self.answer_or_queue(args, command, responder, slot),
            RespRequest::Inline(inline) => {
                let mut line = std::mem::take(&mut responder.line);
                let args = inline.to_args(&mut line);
                let after = self.answer_or_queue(args, Command::parse(args), responder, slot);
                responder.line = line;
                after
            }
            RespRequest::Empty => After::Done,
        };
        self.end_request(after, began, slot);
        self.settled = settled;
        after
    }

    fn refuse<R: BlockReader>(
        &mut self,
        invalid: Invalid,
        _: &mut Responder<'_, R>,
        slot: &mut ConnectionSlot,
    ) -> &'static str {
        if !self.is_silent() {
            invalid.encode(&mut slot.out);
        }
        match invalid {
            Invalid::HttpRequest => "an HTTP request came where RESP is spoken",
            _ => "the peer breaks the rules of RESP",
        }
    }

    fn interim(&mut self, _: &[u8], _: &ServerOptions) -> Option<&'static [u8]> {
        None
    }
}

/// What is written down of a command. Arguments of what is no command are not: they may be a secret in the wrong place, as those
/// of the commands are by which clients say who they are.
fn describe(
    args: Args<'_>,
    command: &Result<Command<'_>, Refusal<'_>>,
    with_arguments: bool,
) -> RequestSummary {
    let name = match command {
        Ok(command) => command.name(),
        Err(_) => args.clone().next().and_then(Known::find).map_or("unknown", |known| known.name),
    };
    let mut summary = RequestSummary::new(name, "");
    match command {
        Ok(Command::Auth { .. } | Command::Hello(_)) if args.len() > 1 => {
            summary.keep_arguments([name.as_bytes(), b"(redacted)"].into_iter(), 2);
        }
        Ok(_) => {
            let keys = Known::keys_of(args).unwrap_or_default();
            summary.key = keys.first().map(|key| ShortBytes::of(key));
            let mut categories = Known::find(name.as_bytes()).into_iter().flat_map(Known::categories);
            summary.asks_table = summary.key.is_some() || categories.any(|category| category == "read");
            if with_arguments {
                summary.keep_arguments(args, args.len());
            }
        }
        Err(_) => {}
    }
    summary
}

#[inline]
pub(super) fn value_or_null(answer: LookupOutcome<'_>, version: Version, out: &mut OutputBuffer) {
    match answer {
        LookupOutcome::Value(value) => value_as_bulk(value, out),
        LookupOutcome::Missing => reply::null(out, version),
        LookupOutcome::Damaged | LookupOutcome::NotYet => reply::error(out, DAMAGED),
    }
}

/// The same of a row, which is here as JSON.
pub(super) fn row_or_null(
    answer: LookupOutcome<'_>,
    row_get: RowGet,
    version: Version,
    out: &mut OutputBuffer,
) {
    if row_get == RowGet::Error && answer.is_hit() {
        return Refusal::WrongType.encode(out);
    }
    value_or_null(answer, version, out);
}

#[inline]
fn value_as_bulk(value: Value<'_>, out: &mut OutputBuffer) {
    reply::bulk_head(out, value.len());
    out.push_value(value);
    out.extend_from_slice(reply::CRLF);
}

fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
