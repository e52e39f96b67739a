//! Requests for one key each, of one connection or several, that wait to be looked up together.

use arrayvec::ArrayVec;

use super::http::HttpLookup;
use super::lookups::KEYS_MAX;
use super::memcached::MemcachedLookup;
use super::resp::HashLookup;
use graven_wire::resp::Version;

/// What the answer to a lookup has to know of its request.
#[derive(Clone, Copy, Debug)]
pub(super) enum Lookup<'i> {
    Http(HttpLookup),
    Resp(Version),
    Hash(Version, HashLookup<'i>),
    Memcached(MemcachedLookup<'i>),
}

/// Whose lookup it is, and where in that connection's input the request ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct PendingLookup<'i> {
    pub(super) lookup: Lookup<'i>,
    pub(super) slot: usize,
    pub(super) end: usize,
}

/// Requests that wait to be looked up together; keys and what was asked lie in the connections' input.
#[derive(Debug, Default)]
pub(crate) struct Pending<'i> {
    pub(super) keys: ArrayVec<&'i [u8], KEYS_MAX>,
    pub(super) asked: ArrayVec<PendingLookup<'i>, KEYS_MAX>,
}

impl<'i> Pending<'i> {
    /// Adds a request; the caller looks all up before there are more than [`KEYS_MAX`].
    #[inline]
    pub(super) fn push(&mut self, key: &'i [u8], asked: PendingLookup<'i>) {
        self.keys.push(key);
        self.asked.push(asked);
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Behind number `i`, the first that is of another slot, or the end.
    #[cold]
    pub(super) fn next_slot(&self, i: usize) -> usize {
        let slot = self.asked[i].slot;
        let others = self.asked.iter().skip(i + 1).position(|asked| asked.slot != slot);
        others.map_or(self.asked.len(), |behind| i + 1 + behind)
    }

    #[inline]
    pub(super) fn clear(&mut self) {
        self.keys.clear();
        self.asked.clear();
    }
}
