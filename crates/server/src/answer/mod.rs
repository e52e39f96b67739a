//! Where a request meets the table: bytes of one connection in, answers out. No socket is known here.

mod batch;
mod detect;
mod from_disk;
mod http;
mod lone;
mod memcached;
mod mget;
mod report;
mod resp;
mod resp_commands;
mod resp_talk;
mod resp_transaction;
mod resp_walk;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use graven_format::{Batch, Store};

use crate::endpoint::Speaks;
use crate::options::Options;
use crate::output::Output;
use crate::reads::Reads;
use crate::tally::{Tallies, Tally};
use detect::{Detected, Language, detect};
pub(crate) use lone::Lone;

/// What a connection speaks, and what its protocol remembers between two requests.
#[derive(Debug)]
pub(crate) enum Session {
    /// Nothing that tells has been received yet.
    Undecided,
    /// HTTP.
    Http(http::HttpSession),
    /// RESP. Boxed, because it remembers far more than the others.
    Resp(Box<resp::RespSession>),
    /// memcached.
    Memcached(Box<memcached::MemcachedSession>),
}

impl Session {
    pub(crate) fn new(speaks: Speaks, options: &Options) -> Self {
        match speaks {
            Speaks::Any => Self::Undecided,
            Speaks::Http => Self::of(Language::Http, options),
            Speaks::Resp => Self::of(Language::Resp, options),
            Speaks::Memcached => Self::of(Language::Memcached, options),
        }
    }

    fn of(language: Language, options: &Options) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        match language {
            Language::Http => Self::Http(http::HttpSession::default()),
            Language::Resp => {
                let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
                Self::Resp(Box::new(resp::RespSession::new(id, options.resp)))
            }
            Language::Memcached => {
                Self::Memcached(Box::new(memcached::MemcachedSession::new(options.memcached)))
            }
        }
    }

    /// Whether the connection is one of those that are expected to come and go.
    pub(crate) fn is_short_lived(&self) -> bool {
        matches!(self, Self::Undecided | Self::Http(_))
    }

    /// Bytes of requests that are received and not yet answered in full.
    pub(crate) fn held_bytes(&self) -> usize {
        match self {
            Self::Undecided => 0,
            Self::Http(http) => http.held_bytes(),
            Self::Resp(resp) => resp.held_bytes(),
            Self::Memcached(memcached) => memcached.held_bytes(),
        }
    }

    /// What a peer is told whose request did not become whole in time; nothing where the protocol has no words for it.
    pub(crate) fn timed_out(&self, date: &str, out: &mut Vec<u8>) {
        if let Self::Http(_) = self {
            let always = http::Always { date, headers: &[] };
            http::refuse(408, "The request did not become whole in time", always, out);
        }
    }
}

/// What became of the bytes of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answered {
    /// Bytes of the input that are done with.
    pub(crate) consumed: usize,
    pub(crate) next: Next,
}

/// How it goes on with the rest of the input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// The rest is the beginning of a request: more has to come.
    NeedMore,
    /// There are requests that have to wait until the answers so far were read.
    Full,
    /// There are requests that have to wait until the table was read.
    Reading,
    /// The last answer was given.
    Close,
    /// The rest is no request; the peer was told, and this is the reason for the journal.
    Refused(&'static str),
}

/// One loop's means of answering: the table, and scratch room that is used again and again.
#[derive(Debug)]
pub(crate) struct Desk<'a> {
    store: &'a Store,
    options: &'a Options,
    tallies: &'a Tallies,
    tally: &'a Tally,
    /// What HTTP answers carry.
    dressing: http::Dressing<'a>,
    /// Reads the HTTP requests of all connections.
    http: graven_wire::http::RequestDecoder,
    scratch: Scratch<'a>,
    /// A lookup's error, for the journal.
    trouble: Option<Arc<graven_format::Error>>,
    /// The pieces of a table on disk.
    reads: Option<Reads<'a>>,
}

/// Room for values and keys on their way.
#[derive(Debug)]
struct Scratch<'a> {
    /// The value of a lookup that came alone.
    value: Vec<u8>,
    /// The values of lookups that came together.
    batch: Batch<'a>,
    /// A key whose escapes were undone, or a command that was typed by hand.
    line: Vec<u8>,
    /// How many lookups the next batch may hold, so that its values come to about one connection's share of output.
    batch_keys: usize,
}

impl Scratch<'_> {
    /// Room above this many bytes is given back after the answer that needed it.
    const KEPT_BYTES: usize = 1024 * 1024;
}

impl<'a> Desk<'a> {
    pub(crate) fn new(
        store: &'a Store,
        options: &'a Options,
        tallies: &'a Tallies,
        tally: &'a Tally,
        reads: Option<Reads<'a>>,
    ) -> Self {
        let scratch = Scratch { value: Vec::new(), batch: Batch::default(), line: Vec::new(), batch_keys: 1 };
        let headers = options.allow_origin.as_ref().map(|origin| http::headers_for(origin.as_str()).to_vec());
        let dressing = http::Dressing::new(headers.unwrap_or_default());
        let http = graven_wire::http::RequestDecoder::new(options.http);
        Self { store, options, tallies, tally, dressing, http, scratch, trouble: None, reads }
    }

    /// Answers the requests in `input`, which may end in the middle of one, into `out`.
    pub(crate) fn answer(
        &mut self,
        session: &mut Session,
        input: &[u8],
        date: &str,
        out: &mut Output<'_>,
    ) -> Answered {
        if let Session::Undecided = session {
            match detect(input) {
                Detected::Is(language) => *session = Session::of(language, self.options),
                Detected::NeedMore => return Answered { consumed: 0, next: Next::NeedMore },
            }
        }
        let answered = match session {
            Session::Http(http) => self.answer_http(http, input, date, out),
            Session::Resp(resp) => self.answer_resp(resp, input, out),
            Session::Memcached(memcached) => self.answer_memcached(memcached, input, out),
            Session::Undecided => Answered { consumed: 0, next: Next::NeedMore },
        };
        if self.is_pending() { Answered { next: Next::Reading, ..answered } } else { answered }
    }

    /// The error of the last lookup that had one, once.
    pub(crate) fn take_trouble(&mut self) -> Option<Arc<graven_format::Error>> {
        self.trouble.take()
    }

    /// The reads of a table on disk.
    pub(crate) fn reads(&mut self) -> Option<&mut Reads<'a>> {
        self.reads.as_mut()
    }

    /// Whether what was last answered is no answer, because the table has to be read for it.
    #[inline]
    fn is_pending(&self) -> bool {
        self.reads.as_ref().is_some_and(Reads::is_pending)
    }

    pub(crate) fn tally(&self) -> &'a Tally {
        self.tally
    }
}

/// A number that stands for a value, the same in every run: CAS numbers and entity tags are made of it.
fn fingerprint(value: &[u8]) -> u64 {
    rapidhash::v3::rapidhash_v3(value)
}
