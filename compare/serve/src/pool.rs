//! Requests drawn at random and written ahead, in the order in which they are sent, each with what is expected of its answer:
//! while time is taken, asking is one write from here, and checking is one comparison.

use std::collections::HashSet;
use std::ops::Range;

use fastrand::Rng;

use crate::pairs::Pairs;
use crate::protocol::Protocol;

/// Requests of a pool: enough for most keys of a million to be among them, so that caches help no server.
const REQUESTS: usize = 1_000_000;
/// A pool of large values is smaller: its requests and expected answers are at most about so long.
const BYTES_MAX: usize = 1 << 30;

/// Where a request and what is expected begin; those of the next entry are where they end.
struct Entry {
    request: usize,
    expected: usize,
    found: bool,
}

pub(crate) struct Pool {
    protocol: Protocol,
    requests: Vec<u8>,
    expected: Vec<u8>,
    entries: Vec<Entry>,
    next: usize,
}

impl Pool {
    /// Draws keys of `pairs`; `misses_percent` of the requests are for keys that are not there.
    pub(crate) fn draw(protocol: Protocol, pairs: &Pairs, misses_percent: f64, random: &mut Rng) -> Self {
        let mut pool = Self { protocol, requests: vec![], expected: vec![], entries: vec![], next: 0 };
        let there: HashSet<&[u8]> = match misses_percent {
            0.0 => HashSet::new(),
            _ => pairs.iter().map(|(key, _)| key).collect(),
        };
        while pool.entries.len() < REQUESTS && pool.requests.len() + pool.expected.len() < BYTES_MAX {
            let (key, value) = pairs.get(random.usize(..pairs.len()));
            pool.push_end(true);
            if random.f64() * 100.0 < misses_percent {
                let key = missing(key, &there, random);
                pool.entries.last_mut().expect("an entry was pushed").found = false;
                protocol.write_request(&key, &mut pool.requests);
                protocol.write_expected(&key, None, &mut pool.expected);
            } else {
                protocol.write_request(key, &mut pool.requests);
                protocol.write_expected(key, Some(value), &mut pool.expected);
            }
        }
        pool.push_end(true);
        pool
    }

    fn push_end(&mut self, found: bool) {
        self.entries.push(Entry { request: self.requests.len(), expected: self.expected.len(), found });
    }

    pub(crate) fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The numbers of the next `count` requests, which lie behind each other; after the last comes the first again.
    pub(crate) fn next(&mut self, count: usize) -> Range<usize> {
        let all = self.entries.len() - 1;
        assert!(count <= all, "a pool has at least as many requests as a connection asks at once");
        if self.next + count > all {
            self.next = 0;
        }
        self.next += count;
        self.next - count..self.next
    }

    /// Where the bytes of these requests lie, for [`Pool::bytes`].
    pub(crate) fn place(&self, numbers: &Range<usize>) -> Range<usize> {
        self.entries[numbers.start].request..self.entries[numbers.end].request
    }

    pub(crate) fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.requests[place]
    }

    /// What is expected of the answer to a request, and whether its key is there.
    #[inline]
    pub(crate) fn expected(&self, number: usize) -> (&[u8], bool) {
        let entry = &self.entries[number];
        (&self.expected[entry.expected..self.entries[number + 1].expected], entry.found)
    }
}

/// A key like `key` that is not there: other digits at the end of a long one, more of them behind a short one.
fn missing(key: &[u8], there: &HashSet<&[u8]>, random: &mut Rng) -> Vec<u8> {
    const DIGITS: usize = 8;
    let kept = if key.len() >= 2 * DIGITS { key.len() - DIGITS } else { key.len() };
    loop {
        let digits = format!("{:08x}", random.u32(..));
        let other = [&key[..kept], digits.as_bytes()].concat();
        if !there.contains(other.as_slice()) {
            return other;
        }
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::{Pool, REQUESTS};
    use crate::pairs::Pairs;
    use crate::protocol::Protocol;

    #[test]
    fn requests_and_what_is_expected_belong_together() {
        let pairs = Pairs::of("a 1\nb 22\nc 333\n");
        let mut pool = Pool::draw(Protocol::Mc, &pairs, 0.0, &mut Rng::with_seed(1));
        let mut seen = [false; 3];
        for _ in 0..100 {
            let number = pool.next(1);
            let request = pool.bytes(pool.place(&number)).to_vec();
            let place =
                pairs.iter().position(|(key, _)| request == [b"get ", key, b"\r\n"].concat()).unwrap();
            let mut expected = Vec::new();
            Protocol::Mc.write_expected(pairs.get(place).0, Some(pairs.get(place).1), &mut expected);
            assert_eq!(pool.expected(number.start), (expected.as_slice(), true));
            seen[place] = true;
        }
        assert_eq!(seen, [true; 3], "every key was drawn");
    }

    #[test]
    fn requests_follow_each_other_and_begin_again() {
        let mut pool = Pool::draw(Protocol::Mg, &Pairs::of("k v\n"), 0.0, &mut Rng::with_seed(1));
        assert_eq!(pool.next(2), 0..2);
        assert_eq!(pool.next(REQUESTS - 3), 2..REQUESTS - 1);
        assert_eq!(pool.next(2), 0..2, "two do not fit behind each other any more");
        assert_eq!(pool.bytes(pool.place(&(0..2))), b"mg k v\r\nmg k v\r\n");
    }

    #[test]
    fn so_many_percent_are_keys_that_are_not_there() {
        let pairs = Pairs::of("00000000-0000-4000-8000-000000000000 v\nb w\n");
        let mut pool = Pool::draw(Protocol::Mg, &pairs, 25.0, &mut Rng::with_seed(1));
        let mut misses = 0;
        for number in pool.next(10_000) {
            let (expected, found) = pool.expected(number);
            assert_eq!(expected == b"EN\r\n", !found);
            let request = pool.bytes(pool.place(&(number..number + 1)));
            let there = pairs.iter().any(|(key, _)| request == [b"mg ", key, b" v\r\n"].concat());
            assert_eq!(there, found, "{}", request.escape_ascii());
            misses += usize::from(!found);
        }
        assert!((2300..2700).contains(&misses), "{misses} of 10,000");
    }
}
