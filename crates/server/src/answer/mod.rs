//! Where a request meets the table: bytes of one connection in, answers out. No socket is known here.

mod http;

use graven_format::{Batch, Store};
use graven_wire::http as http_wire;

use crate::endpoint::Speaks;
use crate::options::Options;

/// Lookups that are handed to the table at once.
pub(crate) const BATCH_KEYS_MAX: usize = 64;

/// Scratch room above this many bytes is given back after the answer that needed it.
const SCRATCH_KEPT_BYTES: usize = 1024 * 1024;

/// What a connection speaks, and what its protocol remembers between two requests.
#[derive(Debug)]
pub(crate) enum Session {
    /// Nothing has been received yet.
    Undecided,
    /// HTTP.
    Http(HttpSession),
}

#[derive(Debug, Default)]
pub(crate) struct HttpSession {
    /// `100 Continue` was sent for the request that is being received.
    continue_sent: bool,
}

impl Session {
    pub(crate) fn new(speaks: Speaks) -> Self {
        match speaks {
            Speaks::Http => Self::Http(HttpSession::default()),
            _ => Self::Undecided,
        }
    }

    /// What a peer is told whose request did not become whole in time; nothing where the protocol has no words for it.
    pub(crate) fn timed_out(&self, date: &str, out: &mut Vec<u8>) {
        match self {
            Self::Undecided => {}
            Self::Http(_) => http::refuse(408, "The request did not become whole in time", date, out),
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
    /// The rest holds requests that have to wait until the answers so far were read.
    Full,
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
    /// The value of a lookup that came alone.
    value: Vec<u8>,
    /// The values of lookups that came together.
    batch: Batch,
    /// A key whose escapes were undone.
    key: Vec<u8>,
    /// How many lookups the next batch may hold, so that its values come to about one connection's share of output.
    batch_keys: usize,
    /// A lookup's error, for the journal.
    trouble: Option<graven_format::Error>,
}

impl<'a> Desk<'a> {
    pub(crate) fn new(store: &'a Store, options: &'a Options) -> Self {
        Self {
            store,
            options,
            value: Vec::new(),
            batch: Batch::default(),
            key: Vec::new(),
            batch_keys: 1,
            trouble: None,
        }
    }

    /// Answers the requests in `input`, which may end in the middle of one, into `out`.
    pub(crate) fn answer(
        &mut self,
        session: &mut Session,
        input: &[u8],
        date: &str,
        out: &mut Vec<u8>,
    ) -> Answered {
        if let Session::Undecided = session {
            *session = Session::Http(HttpSession::default());
        }
        match session {
            Session::Http(http) => self.answer_http(http, input, date, out),
            Session::Undecided => Answered { consumed: 0, next: Next::NeedMore },
        }
    }

    /// The error of the last lookup that had one, once.
    pub(crate) fn take_trouble(&mut self) -> Option<graven_format::Error> {
        self.trouble.take()
    }

    /// Looks up one key into `self.value`.
    fn get(&mut self, key: &[u8]) -> Found {
        self.value.clear();
        if self.value.capacity() > SCRATCH_KEPT_BYTES {
            self.value = Vec::new();
        }
        match self.store.get(key, &mut self.value) {
            Ok(found) => {
                self.expect_values_of(self.value.len());
                if found { Found::Yes } else { Found::No }
            }
            Err(error) => {
                self.trouble = Some(error);
                Found::Damaged
            }
        }
    }

    /// Looks up several keys into `self.batch`; `false` when the table is damaged where one of them would lie.
    fn get_many(&mut self, keys: &[&[u8]]) -> bool {
        if let Err(error) = self.store.get_many(keys, &mut self.batch) {
            self.trouble = Some(error);
            return false;
        }
        true
    }

    /// Sizes the next batch by the values that were just seen, `mean_bytes` each.
    fn expect_values_of(&mut self, mean_bytes: usize) {
        self.batch_keys = (self.options.output_bytes_max / mean_bytes.max(1)).clamp(1, BATCH_KEYS_MAX);
    }

    fn batch_is_answered(&mut self, keys: usize, value_bytes: usize) {
        self.expect_values_of(value_bytes / keys.max(1));
        if value_bytes > SCRATCH_KEPT_BYTES {
            self.batch = Batch::default();
        }
    }

    fn http_limits(&self) -> &http_wire::Limits {
        &self.options.http
    }
}

/// What became of a lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Yes,
    No,
    Damaged,
}
