//! The requests of a run, drawn and encoded before it begins and lying in the order in which they
//! are sent, so that sending one costs no more than handing over its bytes. A run that needs more
//! begins again with the first.

use std::collections::HashMap;
use std::ops::{ControlFlow, Range};

use graven_wire::address::Protocol;
use graven_wire::target::HttpOptions;
use rand_xoshiro::Xoshiro256PlusPlus;
use rand_xoshiro::rand_core::SeedableRng;

use crate::encode::encode;
use crate::key_distribution::{KeyDistribution, KeyPicker, absent_key, greatest_common_divisor, unit};
use crate::key_set::KeySet;
use crate::plan::LoadPlan;

/// The most requests that are drawn ahead, unless all keys are asked for in their order.
const REQUESTS_MAX: usize = 1 << 20;

/// The least number of requests that are drawn ahead, so that a pipeline need not begin the pool
/// again too often.
const REQUESTS_MIN: usize = 1 << 14;

/// The most bytes that encoded requests may take, and the same again for the values they are
/// compared with.
const POOL_BYTES_MAX: usize = 1 << 30;

/// Requests that are drawn between two words about how many there are.
const PROGRESS_REQUESTS: usize = 1 << 12;

/// The length that says that a key is not there.
const ABSENT: u32 = u32::MAX;

/// Requests in sending order.
#[derive(Debug)]
pub struct RequestPool {
    requests: Vec<u8>,
    expectations: Vec<u8>,
    ends: Vec<RequestEnds>,
    keys_per_request: usize,
    fields: usize,
    verify: bool,
}

#[derive(Clone, Copy, Debug)]
struct RequestEnds {
    request: u32,
    expectation: u32,
}

/// What the answer to a request must say: a value for each key, or that it is not there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedAnswer<'p> {
    /// The request; empty when answers are taken as they are.
    pub(crate) request: &'p [u8],
    /// Keys in the request.
    pub(crate) keys: usize,
    /// Columns in the request; 0 when whole values are asked for.
    pub(crate) fields: usize,
    /// `None` when answers are taken as they are.
    pub(crate) values: Option<ExpectedValues<'p>>,
}

/// The values that a request's keys have, in their order; `None` for a key that is not there.
/// Each is a length of four bytes and the value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ExpectedValues<'p>(&'p [u8]);

impl<'p> ExpectedValues<'p> {
    /// What [`append_expected`] has written.
    pub(crate) fn of(bytes: &'p [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn bytes(self) -> &'p [u8] {
        self.0
    }

    /// Where the value lies whose length stands at `start`, and where the next one follows.
    pub(crate) fn at(self, start: usize) -> Option<(Option<Range<usize>>, usize)> {
        let (len, _) = self.0.get(start..)?.split_first_chunk()?;
        let start = start + len.len();
        match u32::from_le_bytes(*len) {
            ABSENT => Some((None, start)),
            len => Some((Some(start..start + len as usize), start + len as usize)),
        }
    }
}

impl<'p> Iterator for ExpectedValues<'p> {
    type Item = Option<&'p [u8]>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (len, rest) = self.0.split_first_chunk()?;
        let len = u32::from_le_bytes(*len);
        if len == ABSENT {
            self.0 = rest;
            return Some(None);
        }
        let (value, rest) = rest.split_at(len as usize);
        self.0 = rest;
        Some(Some(value))
    }
}

/// Appends a value as [`ExpectedValues`] reads it.
pub(crate) fn append_expected(value: Option<&[u8]>, out: &mut Vec<u8>) {
    let len = value.map_or(ABSENT, |value| value.len() as u32);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(value.unwrap_or_default());
}

impl RequestPool {
    /// Draws what `plan` asks for of `keys`, of which there must be at least one.
    pub fn draw(keys: &KeySet, plan: &LoadPlan) -> Self {
        let mut pool = Self::empty(plan);
        // It is never told to stop.
        let _ = pool.fill(keys, plan, &mut |_, _| ControlFlow::Continue(()));
        pool
    }

    /// As [`draw`](Self::draw), and says now and then how many requests have been drawn out of how
    /// many; `None` when `progress` breaks it off.
    pub fn draw_with(
        keys: &KeySet,
        plan: &LoadPlan,
        mut progress: impl FnMut(usize, usize) -> ControlFlow<()>,
    ) -> Option<Self> {
        let mut pool = Self::empty(plan);
        pool.fill(keys, plan, &mut progress).is_continue().then_some(pool)
    }

    fn empty(plan: &LoadPlan) -> Self {
        Self {
            requests: Vec::new(),
            expectations: Vec::new(),
            ends: Vec::new(),
            keys_per_request: plan.workload.keys_per_request,
            fields: plan.target.fields().len(),
            verify: plan.workload.verify,
        }
    }

    fn fill(
        &mut self,
        keys: &KeySet,
        plan: &LoadPlan,
        progress: &mut dyn FnMut(usize, usize) -> ControlFlow<()>,
    ) -> ControlFlow<()> {
        let workload = &plan.workload;
        let options = HttpOptions {
            headers: &plan.headers,
            close: plan.new_connection && plan.target.protocol() == Protocol::Http,
        };
        let mut random = Xoshiro256PlusPlus::seed_from_u64(workload.seed);
        let mut picker = KeyPicker::new(workload.distribution, keys.len());
        let index = if workload.verify || workload.miss > 0.0 { keys.index() } else { HashMap::new() };
        let per_request = workload.keys_per_request;
        let wanted = match workload.distribution {
            // A whole number of rounds, so that the next round begins where the last one ended.
            KeyDistribution::Sequential => {
                let round = keys.len() / greatest_common_divisor(keys.len(), per_request);
                round * REQUESTS_MIN.div_ceil(round)
            }
            _ => REQUESTS_MAX,
        };
        // No more than are sent.
        let most = plan.requests_expected().map_or(wanted, |most| usize::try_from(most).unwrap_or(wanted));
        let wanted = wanted.min(most).max(1);
        let mut drawn: Vec<(Vec<u8>, bool)> = vec![(Vec::new(), false); per_request];
        while self.ends.len() < wanted {
            if self.ends.len().is_multiple_of(PROGRESS_REQUESTS) {
                progress(self.ends.len(), wanted)?;
            }
            for (key, absent) in &mut drawn {
                let present = keys.key(picker.pick(&mut random));
                *absent = workload.miss > 0.0 && unit(&mut random) < workload.miss;
                key.clear();
                if *absent {
                    key.extend_from_slice(&absent_key(present, &index, &mut random));
                } else {
                    key.extend_from_slice(present);
                }
            }
            let named: Vec<&[u8]> = drawn.iter().map(|(key, _)| &key[..]).collect();
            encode(&plan.target, &named, options, &mut self.requests);
            if workload.verify {
                for (key, absent) in &drawn {
                    let value = if *absent { None } else { index.get(&key[..]).copied() };
                    append_expected(value, &mut self.expectations);
                }
            }
            if self.requests.len().max(self.expectations.len()) > POOL_BYTES_MAX && !self.ends.is_empty() {
                break;
            }
            let (Ok(request), Ok(expectation)) =
                (u32::try_from(self.requests.len()), u32::try_from(self.expectations.len()))
            else {
                break;
            };
            self.ends.push(RequestEnds { request, expectation });
        }
        ControlFlow::Continue(())
    }

    /// The number of requests.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Where the bytes of the `i`th request lie.
    #[inline]
    pub(crate) fn place(&self, i: usize) -> Range<usize> {
        let start = if i == 0 { 0 } else { self.ends[i - 1].request as usize };
        start..self.ends[i].request as usize
    }

    #[inline]
    pub(crate) fn bytes(&self, place: Range<usize>) -> &[u8] {
        &self.requests[place]
    }

    /// What the answer to the `i`th request must say.
    #[inline]
    pub(crate) fn expected(&self, i: usize) -> ExpectedAnswer<'_> {
        let (keys, fields) = (self.keys_per_request, self.fields);
        if !self.verify {
            return ExpectedAnswer { request: &[], keys, fields, values: None };
        }
        let start = if i == 0 { 0 } else { self.ends[i - 1].expectation as usize };
        let values = ExpectedValues(&self.expectations[start..self.ends[i].expectation as usize]);
        ExpectedAnswer { request: self.bytes(self.place(i)), keys, fields, values: Some(values) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Workload;

    fn keys(pairs: &[(&str, &str)]) -> KeySet {
        let mut keys = KeySet::new(true);
        pairs.iter().for_each(|(key, value)| keys.push(key.as_bytes(), value.as_bytes()));
        keys
    }

    fn sequential() -> Workload {
        Workload {
            distribution: KeyDistribution::Sequential,
            miss: 0.0,
            keys_per_request: 1,
            seed: 1,
            verify: true,
        }
    }

    fn pool(keys: &KeySet, workload: Workload) -> RequestPool {
        pool_of(keys, workload, None)
    }

    fn pool_of(keys: &KeySet, workload: Workload, requests: Option<u64>) -> RequestPool {
        let plan = LoadPlan { workload, requests, ..LoadPlan::new("memcached://h".parse().unwrap()) };
        RequestPool::draw(keys, &plan)
    }

    fn request(pool: &RequestPool, i: usize) -> &str {
        str::from_utf8(pool.bytes(pool.place(i))).unwrap()
    }

    fn values(pool: &RequestPool, i: usize) -> Vec<Option<&str>> {
        pool.expected(i)
            .values
            .unwrap()
            .map(|value| value.map(|value| str::from_utf8(value).unwrap()))
            .collect()
    }

    #[test]
    fn requests_lie_in_the_order_in_which_they_are_sent() {
        let pool = pool(&keys(&[("a", "1"), ("b", ""), ("c", "333")]), sequential());
        assert!(pool.len().is_multiple_of(3));
        assert_eq!(pool.bytes(pool.place(0).start..pool.place(2).end), b"get a\r\nget b\r\nget c\r\n");
        assert_eq!(
            [values(&pool, 0), values(&pool, 1), values(&pool, 2)],
            [[Some("1")], [Some("")], [Some("333")]]
        );
    }

    #[test]
    fn requests_for_several_keys_end_a_round_where_the_next_begins() {
        let workload = Workload { keys_per_request: 2, ..sequential() };
        let pool = pool(&keys(&[("a", "1"), ("b", "2"), ("c", "3")]), workload);
        assert!(pool.len().is_multiple_of(3));
        let requests: Vec<&str> = (0..3).map(|i| request(&pool, i)).collect();
        assert_eq!(requests, ["get a b\r\n", "get c a\r\n", "get b c\r\n"]);
        assert_eq!(values(&pool, 1), [Some("3"), Some("1")]);
    }

    #[test]
    fn the_last_value_of_a_key_is_the_one_that_counts() {
        let pool = pool(&keys(&[("a", "1"), ("a", "2")]), sequential());
        assert_eq!([values(&pool, 0), values(&pool, 1)], [[Some("2")], [Some("2")]]);
    }

    #[test]
    fn absent_keys_come_as_often_as_asked_and_are_never_there() {
        let pairs: Vec<(String, String)> = (0..100).map(|i| (format!("{i:04}"), "v".into())).collect();
        let keys = keys(&pairs.iter().map(|(k, v)| (&k[..], &v[..])).collect::<Vec<_>>());
        let workload = Workload { miss: 0.25, distribution: KeyDistribution::Uniform, ..sequential() };
        let pool = pool_of(&keys, workload, Some(10_000));
        assert_eq!(pool.len(), 10_000);
        let mut absent = 0;
        for i in 0..pool.len() {
            let key = request(&pool, i)[4..].trim_end();
            let is_present = pairs.iter().any(|(present, _)| present == key);
            assert_eq!(values(&pool, i) == [Some("v")], is_present, "{key}");
            absent += usize::from(!is_present);
        }
        assert!((2_300..2_700).contains(&absent), "{absent}");
    }

    #[test]
    fn the_same_seed_draws_the_same_requests() {
        let keys = keys(&[("a", "1"), ("b", "2"), ("c", "3")]);
        let drawn = |seed| {
            let distribution = KeyDistribution::Uniform;
            pool_of(&keys, Workload { seed, distribution, ..sequential() }, Some(100)).requests
        };
        assert_eq!(drawn(1), drawn(1));
        assert_ne!(drawn(1), drawn(2));
    }

    #[test]
    fn drawing_tells_how_far_it_is_and_can_be_broken_off() {
        let keys = keys(&[("a", "1"), ("b", "2")]);
        let plan = LoadPlan { requests: Some(10_000), ..LoadPlan::new("h:1".parse().unwrap()) };
        let mut told = Vec::new();
        let drawn = RequestPool::draw_with(&keys, &plan, |done, of| {
            told.push((done, of));
            ControlFlow::Continue(())
        });
        assert_eq!(drawn.map(|pool| pool.len()), Some(10_000));
        assert_eq!(told, [(0, 10_000), (4_096, 10_000), (8_192, 10_000)]);
        let broken_off = RequestPool::draw_with(&keys, &plan, |done, _| match done {
            0 => ControlFlow::Continue(()),
            _ => ControlFlow::Break(()),
        });
        assert!(broken_off.is_none());
    }
}
