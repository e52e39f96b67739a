//! Redis commands that read the table answered; what a client says about itself and the server is answered in
//! `resp_talk.rs`.

use std::sync::Arc;

use graven_wire::Decoded;
use graven_wire::resp::{Args, Command, Invalid, Limits, Refusal, Request, RequestDecoder, Version, reply};

use super::batch::{KEYS_MAX, Said, Tried, Unfinished, Waiting};
use super::from_disk::Fetched;
use super::resp_transaction::Transaction;
use super::{Answered, Desk, Next};
use crate::output::Output;
use crate::tally::Requests;

pub(super) const DAMAGED: &[u8] = b"ERR the table is damaged where this key would lie";

/// What RESP remembers between two requests.
#[derive(Debug)]
pub(crate) struct RespSession {
    decoder: RequestDecoder,
    limits: Limits,
    pub(super) version: Version,
    pub(super) id: u64,
    /// The name that the client gave itself.
    pub(super) name: Vec<u8>,
    pub(super) library: Vec<u8>,
    pub(super) library_version: Vec<u8>,
    /// The keys of an `MGET` that are not answered yet.
    unfinished: Option<Unfinished>,
    /// The keys of an `EXISTS` that are not looked for yet, and how many of the others are there; `None` when one of them
    /// lies where the table is damaged.
    counting: Option<(Unfinished, Option<i64>)>,
    pub(super) transaction: Transaction,
}

impl RespSession {
    pub(super) fn new(id: u64, limits: Limits) -> Self {
        Self {
            decoder: RequestDecoder::new(limits),
            limits,
            version: Version::Resp2,
            id,
            name: Vec::new(),
            library: Vec::new(),
            library_version: Vec::new(),
            unfinished: None,
            counting: None,
            transaction: Transaction::None,
        }
    }

    pub(super) fn request_bytes_max(&self) -> usize {
        self.limits.request_bytes_max
    }

    /// The request that `input` begins with, decoded as if nobody had looked.
    #[inline]
    pub(super) fn decode_lone<'i>(&self, input: &'i [u8]) -> Decoded<Request<'i>, Invalid> {
        self.decoder.clone().decode(input)
    }

    pub(super) fn held_bytes(&self) -> usize {
        let counting = self.counting.as_ref().map_or(0, |(keys, _)| keys.held_bytes());
        self.unfinished.as_ref().map_or(0, Unfinished::held_bytes) + counting + self.transaction.held_bytes()
    }
}

/// Whether the connection stays after a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    Stay,
    /// The rest of this command's answer has to wait.
    Wait,
    Close,
}

impl Desk<'_> {
    pub(super) fn answer_resp(
        &mut self,
        session: &mut RespSession,
        input: &[u8],
        out: &mut Output<'_>,
    ) -> Answered {
        if !self.go_on_with_exec(session, out) {
            return Answered { consumed: 0, next: Next::Full };
        }
        self.answer_resp_input(session, input, out)
    }

    pub(super) fn answer_resp_input(
        &mut self,
        session: &mut RespSession,
        input: &[u8],
        out: &mut Output<'_>,
    ) -> Answered {
        if session.unfinished.is_some() && !self.go_on_with_mget(session, out) {
            return Answered { consumed: 0, next: Next::Full };
        }
        if session.counting.is_some() && !self.go_on_with_exists(session, out) {
            return Answered { consumed: 0, next: Next::Full };
        }
        let mut waiting = Waiting::new();
        // Requests up to `at` are read. Those that are not answered wait.
        let mut at = 0;
        loop {
            if out.len() >= self.options.output_bytes_max && at < input.len() {
                return Answered { consumed: at, next: Next::Full };
            }
            let decoded = session.decoder.decode(&input[at..]);
            let mut command = None;
            if let Decoded::Message(Request::Command(args), bytes) = decoded {
                match Command::parse(args) {
                    Ok(Command::Get { key }) if !session.transaction.is_open() => {
                        waiting.push(key, (), at..at + bytes);
                        at += bytes;
                        if waiting.len() < self.scratch.batch_keys {
                            continue;
                        }
                    }
                    other => command = Some((args, other)),
                }
            }
            let batched = !waiting.is_empty();
            if batched {
                let end = self.answer_gets(session.version, &mut waiting, out);
                if end < at {
                    // What was read beyond is read again.
                    session.decoder = RequestDecoder::new(session.limits);
                    return Answered { consumed: end, next: Next::Full };
                }
            }
            let (before, mark) = (at, out.mark());
            let after = match decoded {
                Decoded::NeedMore => return Answered { consumed: at, next: Next::NeedMore },
                Decoded::Invalid(invalid) => {
                    invalid.encode(out);
                    let reason = "the peer breaks the rules of RESP";
                    return Answered { consumed: input.len(), next: Next::Refused(reason) };
                }
                Decoded::Message(Request::Command(_), bytes) => match command {
                    Some((args, command)) => {
                        at += bytes;
                        self.answer_or_keep(session, args, command, out)
                    }
                    None => After::Stay,
                },
                Decoded::Message(Request::Inline(inline), bytes) => {
                    at += bytes;
                    let mut line = std::mem::take(&mut self.scratch.line);
                    let args = inline.to_args(&mut line);
                    let after = self.answer_or_keep(session, args, Command::parse(args), out);
                    self.scratch.line = line;
                    after
                }
                Decoded::Message(Request::Empty, bytes) => {
                    at += bytes;
                    After::Stay
                }
            };
            match after {
                After::Wait => {}
                // The request is answered once the table was read for it; until then it is none.
                _ if self.is_pending() => {
                    self.tally.resp.requests.take_back();
                    out.cut(mark);
                    session.decoder = RequestDecoder::new(session.limits);
                    return Answered { consumed: before, next: Next::Full };
                }
                _ => {}
            }
            match after {
                After::Stay => {}
                After::Wait => return Answered { consumed: at, next: Next::Full },
                After::Close => return Answered { consumed: at, next: Next::Close },
            }
        }
    }

    #[inline]
    fn answer_gets(
        &mut self,
        version: Version,
        waiting: &mut Waiting<'_, ()>,
        out: &mut Output<'_>,
    ) -> usize {
        let (end, tried) =
            self.answer_waiting(waiting, out, |(), _, said, out| value_or_null(said, version, out));
        self.tally.resp.requests.add(tried.keys as u64);
        count(&self.tally.resp, tried);
        end
    }

    fn answer_or_keep(
        &mut self,
        session: &mut RespSession,
        args: Args<'_>,
        command: Result<Command<'_>, Refusal<'_>>,
        out: &mut Output<'_>,
    ) -> After {
        if session.transaction.is_open() {
            self.keep_command(session, args, command, out)
        } else {
            self.answer_command(session, command, out)
        }
    }

    pub(super) fn answer_command(
        &mut self,
        session: &mut RespSession,
        command: Result<Command<'_>, Refusal<'_>>,
        out: &mut Output<'_>,
    ) -> After {
        self.tally.resp.requests.add(1);
        let command = match command {
            Ok(command) => command,
            Err(refusal) => {
                refusal.encode(out);
                return After::Stay;
            }
        };
        let version = session.version;
        match command {
            Command::Get { key } => {
                let said = self.get_counted(key);
                value_or_null(said, version, out);
            }
            Command::MGet { keys } => {
                reply::array_head(out, keys.len());
                return self.mget(session, keys, out);
            }
            Command::Exists { keys } | Command::Touch { keys } => {
                session.counting = Some((Unfinished::of(keys), Some(0)));
                if !self.go_on_with_exists(session, out) {
                    return After::Wait;
                }
            }
            Command::StrLen { key } => match self.get_counted(key) {
                Said::Value(value) => reply::integer(out, integer(value.len())),
                Said::Nothing => reply::integer(out, 0),
                Said::Damaged => reply::error(out, DAMAGED),
            },
            Command::GetRange { key, start, end } => match self.get_counted(key) {
                Said::Value(value) => value_as_bulk(&value[Command::part(start, end, value.len())], out),
                Said::Nothing => reply::bulk(out, b""),
                Said::Damaged => reply::error(out, DAMAGED),
            },
            Command::Type { key } => match self.is_there(key) {
                Some(true) => reply::simple(out, b"string"),
                Some(false) => reply::simple(out, b"none"),
                None => reply::error(out, DAMAGED),
            },
            Command::Ttl { key } | Command::PTtl { key } => match self.is_there(key) {
                Some(true) => reply::integer(out, -1),
                Some(false) => reply::integer(out, -2),
                None => reply::error(out, DAMAGED),
            },
            Command::Multi => self.multi(session, out),
            Command::Exec => return self.exec(session, out),
            Command::Discard => self.discard(session, out),
            Command::Watch { .. } | Command::Unwatch => reply::ok(out),
            Command::Object { key, .. } => match self.get_counted(key) {
                // As Redis does it: strings of up to 44 bytes are embedded in their object.
                Said::Value(value) if value.len() <= 44 => reply::bulk(out, b"embstr"),
                Said::Value(_) => reply::bulk(out, b"raw"),
                Said::Nothing => reply::null(out, version),
                Said::Damaged => reply::error(out, DAMAGED),
            },
            Command::DbSize => reply::integer(out, i64::try_from(self.store.len()).unwrap_or(i64::MAX)),
            Command::Scan(scan) => self.scan(scan, out),
            Command::Keys { pattern } => self.keys(pattern, out),
            Command::RandomKey => self.random_key(version, out),
            other => return self.talk(session, other, out),
        }
        After::Stay
    }

    fn get_counted(&mut self, key: &[u8]) -> Said<'_> {
        let tally = self.tally;
        if self.reads.is_some() {
            let fetched = self.fetch(key);
            if fetched != Fetched::NotYet {
                count(&tally.resp, Tried { keys: 1, hits: usize::from(fetched == Fetched::Value) });
            }
            return self.said(fetched);
        }
        let said = self.get(key);
        count(&tally.resp, Tried { keys: 1, hits: usize::from(matches!(said, Said::Value(_))) });
        said
    }

    /// Whether the table holds `key`; `None` when it is damaged there. The value is not fetched.
    fn is_there(&mut self, key: &[u8]) -> Option<bool> {
        let there = if self.reads.is_some() {
            match self.fetch(key) {
                Fetched::Value => Some(true),
                Fetched::Nothing => Some(false),
                Fetched::Damaged => None,
                Fetched::NotYet => return Some(false),
            }
        } else {
            match self.store.contains(key) {
                Ok(there) => Some(there),
                Err(error) => {
                    self.trouble = Some(Arc::new(error));
                    None
                }
            }
        };
        count(&self.tally.resp, Tried { keys: 1, hits: usize::from(there == Some(true)) });
        there
    }

    /// Goes on to count the keys that are there: whether that was the last.
    fn go_on_with_exists(&mut self, session: &mut RespSession, out: &mut Output<'_>) -> bool {
        let Some((mut keys, mut there)) = session.counting.take() else { return true };
        for (tried, key) in keys.left().enumerate() {
            let is_there = self.is_there(key);
            if self.is_pending() {
                keys.left().skip(tried + 1).take(KEYS_MAX).for_each(|later| self.want(later));
                keys.answered(tried);
                session.counting = Some((keys, there));
                return false;
            }
            there = there.zip(is_there).map(|(there, is_there)| there + i64::from(is_there));
        }
        match there {
            Some(there) => reply::integer(out, there),
            None => reply::error(out, DAMAGED),
        }
        true
    }

    /// Answers the keys of an `MGET` as far as the output has room, and remembers the others.
    fn mget(&mut self, session: &mut RespSession, keys: Args<'_>, out: &mut Output<'_>) -> After {
        let version = session.version;
        let (tried, left) = self.answer_many(keys, out, |_, said, out| value_or_null(said, version, out));
        count(&self.tally.resp, tried);
        if left.len() == 0 {
            return After::Stay;
        }
        session.unfinished = Some(Unfinished::of(left));
        After::Wait
    }

    /// Goes on with an `MGET` that had to wait: whether it is finished.
    fn go_on_with_mget(&mut self, session: &mut RespSession, out: &mut Output<'_>) -> bool {
        let Some(mut unfinished) = session.unfinished.take() else { return true };
        let version = session.version;
        let (tried, mut left) =
            self.answer_many(unfinished.left(), out, |_, said, out| value_or_null(said, version, out));
        count(&self.tally.resp, tried);
        let finished = left.next().is_none();
        if !finished {
            unfinished.answered(tried.keys);
            session.unfinished = Some(unfinished);
        }
        finished
    }
}

fn count(requests: &Requests, tried: Tried) {
    requests.hits.add(tried.hits as u64);
    requests.misses.add((tried.keys - tried.hits) as u64);
}

#[inline]
pub(super) fn value_or_null(said: Said<'_>, version: Version, out: &mut Output<'_>) {
    match said {
        Said::Value(value) => value_as_bulk(value, out),
        Said::Nothing => reply::null(out, version),
        Said::Damaged => reply::error(out, DAMAGED),
    }
}

#[inline]
fn value_as_bulk(value: &[u8], out: &mut Output<'_>) {
    reply::bulk_head(out, value.len());
    out.push_value(value);
    out.extend_from_slice(reply::CRLF);
}

pub(super) fn integer(number: usize) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
