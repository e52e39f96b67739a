//! Requests for one key that came alone: the rule on connections without pipelines. They are looked up together with those
//! of other connections.

use std::ops::ControlFlow;

use arrayvec::ArrayVec;
use graven_wire::Decoded;
use graven_wire::http::ReadyHead;
use graven_wire::resp::{Command, Request, Version};

use super::batch::{KEYS_MAX, Said};
use super::{Desk, Session, http, memcached, resp};
use crate::output::Output;
use crate::tally::{Requests, Tally};

/// A request for one key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lone<'i> {
    key: &'i [u8],
    manner: Manner<'i>,
}

/// How a request wants to be answered.
#[derive(Clone, Copy, Debug)]
enum Manner<'i> {
    Http(http::Tagged),
    Resp(Version),
    Memcached(memcached::One<'i>),
}

impl Desk<'_> {
    /// The request that `input` is, when it is one for one key and nothing else. The caller vouches that the session has
    /// no request unfinished.
    #[inline]
    pub(crate) fn lone<'i>(&mut self, session: &Session, input: &'i [u8]) -> Option<Lone<'i>> {
        if self.reads.is_some() {
            // Each connection waits for its own pieces.
            return None;
        }
        let (key, manner, bytes) = match session {
            Session::Undecided => return None,
            Session::Http(_) => match self.http.decode(input) {
                Decoded::Message(request, bytes) => {
                    let (key, tagged) = http::batched_key(&request)?;
                    (key, Manner::Http(tagged), bytes)
                }
                _ => return None,
            },
            Session::Resp(session) if session.transaction.is_open() => return None,
            Session::Resp(session) => match session.decode_lone(input) {
                Decoded::Message(Request::Command(args), bytes) => match Command::parse(args) {
                    Ok(Command::Get { key }) => (key, Manner::Resp(session.version), bytes),
                    _ => return None,
                },
                _ => return None,
            },
            Session::Memcached(session) => match session.decode_lone(input) {
                Decoded::Message(request, bytes) => {
                    let (key, one) = memcached::batched(&request)?;
                    (key, Manner::Memcached(one), bytes)
                }
                _ => return None,
            },
        };
        (bytes == input.len()).then_some(Lone { key, manner })
    }

    /// Answers each request into the output whose number it carries.
    pub(crate) fn answer_lones(&mut self, lones: &[(usize, Lone<'_>)], date: &str, outs: &mut [Output<'_>]) {
        let mut dressing = std::mem::take(&mut self.dressing);
        let (always, ready) = dressing.at(date);
        for lones in lones.chunks(self.scratch.batch_keys) {
            let keys: ArrayVec<&[u8], KEYS_MAX> = lones.iter().map(|(_, lone)| lone.key).collect();
            let (tally, mut lones) = (self.tally, lones.iter());
            self.answer_each(&keys, |_, said| {
                let Some((out, lone)) = lones.next() else { return ControlFlow::Break(()) };
                lone.answer(said, always, ready, tally, &mut outs[*out]);
                ControlFlow::Continue(())
            });
        }
        self.dressing = dressing;
    }
}

impl Lone<'_> {
    #[inline]
    fn answer(
        &self,
        said: Said<'_>,
        always: http::Always<'_>,
        ready: &ReadyHead,
        tally: &Tally,
        out: &mut Output<'_>,
    ) {
        let requests: &Requests = match self.manner {
            Manner::Http(_) => &tally.http,
            Manner::Resp(_) => &tally.resp,
            Manner::Memcached(_) => &tally.memcached,
        };
        requests.requests.add(1);
        match said {
            Said::Value(_) => requests.hits.add(1),
            Said::Nothing | Said::Damaged => requests.misses.add(1),
        }
        match &self.manner {
            Manner::Http(tagged) => http::found_plain(said, *tagged, always, ready, out),
            Manner::Resp(version) => resp::value_or_null(said, *version, out),
            Manner::Memcached(one) => one.answer(self.key, said, out),
        }
    }
}
