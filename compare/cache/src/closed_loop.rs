//! A closed loop of lookups: as soon as one is answered the next is asked for, and every answer is compared.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use graven_blocks::DiskReads;
use hdrhistogram::Histogram;

use crate::pairs::Pairs;

/// The longest wait that is told apart from longer ones, in nanoseconds.
const WAIT_NS_MAX: u64 = 60_000_000_000;

/// Digits of a wait that are kept.
const WAIT_DIGITS: u8 = 3;

/// So many lookups at most are answered at once, from a cache or from memory, before the reads that have ended are taken in:
/// enough that going through the kernel for them is a small part of the time.
const AT_ONCE_MAX: usize = 64;

/// Keys that are asked for, and whether they are there.
#[derive(Clone, Copy)]
pub(crate) struct Questions<'p> {
    /// The keys; their values count only where they are there
    pub(crate) pairs: &'p Pairs,
    /// Whether they are there
    pub(crate) there: bool,
}

impl<'p> Questions<'p> {
    /// The key of this number.
    pub(crate) fn key(&self, number: usize) -> &'p [u8] {
        self.pairs.key(number)
    }

    /// The right answer to it.
    fn answer(&self, number: usize) -> Option<&'p [u8]> {
        self.there.then(|| self.pairs.value(number))
    }
}

/// A lookup that was asked for and is not answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup {
    /// The number of its key
    pub(crate) number: usize,
    /// When it was asked for
    asked: Instant,
}

/// Where lookups are answered.
pub(crate) trait Source {
    /// Looks up what may be answered at once, and has read what may not. The system may hear of it only at the next
    /// [`Self::take`].
    fn ask(&mut self, lookup: Lookup, answers: &mut Answers<'_>) -> Result<()>;

    /// Answers from the reads that have ended, which may be none; with `sleeps` it waits until there are some.
    fn take(&mut self, sleeps: bool, answers: &mut Answers<'_>) -> Result<()>;

    /// Reads that were asked for so far.
    fn reads(&self) -> u64;
}

/// The answers of a run so far.
pub(crate) struct Answers<'p> {
    /// What was asked
    questions: Questions<'p>,
    /// When the last lookup was asked for or answered
    now: Instant,
    /// Lookups that were answered
    count: u64,
    /// Their waits, in nanoseconds
    waits_ns: Histogram<u64>,
}

impl Answers<'_> {
    /// Compares an answer, where `None` says that the key is not there, and counts it.
    pub(crate) fn give(&mut self, lookup: Lookup, value: Option<&[u8]>) -> Result<()> {
        ensure!(
            value == self.questions.answer(lookup.number),
            "the table does not answer {} as the pairs do; carve it from these pairs, in which no key may come twice",
            self.questions.key(lookup.number).escape_ascii()
        );
        self.now = Instant::now();
        self.count += 1;
        let wait = self.now.duration_since(lookup.asked);
        self.waits_ns.saturating_record(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// What a run showed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Measured {
    /// Lookups a second
    pub(crate) rate: f64,
    /// The median of the waits from the asking of a lookup to its answer, in microseconds
    pub(crate) p50_us: f64,
    /// The 99th percentile of the same waits, in microseconds
    pub(crate) p99_us: f64,
    /// The part of the lookups that waited for no read
    pub(crate) at_once: f64,
    /// Reads a lookup
    pub(crate) reads_each: f64,
}

/// How lookups are made.
#[derive(Clone, Copy)]
pub(crate) struct Run {
    /// How the disk is read
    pub(crate) how: DiskReads,
    /// The most lookups that are under way at once
    pub(crate) in_flight: usize,
    /// How long; until there are no more draws where that is not said
    pub(crate) lasts: Option<Duration>,
}

/// Asks `source` for the keys of the numbers that `draws` gives, as `run` says.
pub(crate) fn run(
    source: &mut impl Source,
    questions: Questions<'_>,
    mut draws: impl Iterator<Item = usize>,
    Run { in_flight, lasts, .. }: Run,
) -> Result<Measured> {
    let begun = Instant::now();
    let waits_ns = Histogram::new_with_bounds(1, WAIT_NS_MAX, WAIT_DIGITS)?;
    let mut answers = Answers { questions, now: begun, count: 0, waits_ns };
    let (mut asked, mut answered_at_once) = (0, 0);
    let mut more = true;
    loop {
        let mut at_once = 0;
        while asked - answers.count < in_flight as u64 && at_once < AT_ONCE_MAX {
            let over = lasts.is_some_and(|lasts| answers.now.duration_since(begun) >= lasts);
            let Some(number) = draws.next().filter(|_| !over) else {
                more = false;
                break;
            };
            let before = answers.count;
            asked += 1;
            source.ask(Lookup { number, asked: answers.now }, &mut answers)?;
            if answers.count == before {
                answers.now = Instant::now();
            } else {
                at_once += 1;
            }
        }
        answered_at_once += at_once;
        let under_way = asked - answers.count;
        if under_way > 0 {
            source.take(!more || under_way >= in_flight as u64, &mut answers)?;
            answers.now = Instant::now();
        } else if !more {
            break;
        }
    }
    ensure!(answers.count > 0, "no lookup was asked for");
    let rate = answers.count as f64 / begun.elapsed().as_secs_f64();
    let wait_us = |quantile| answers.waits_ns.value_at_quantile(quantile) as f64 / 1e3;
    Ok(Measured {
        rate,
        p50_us: wait_us(0.5),
        p99_us: wait_us(0.99),
        at_once: answered_at_once as f64 / answers.count as f64,
        reads_each: source.reads() as f64 / answers.count as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers even numbers at once and odd ones when they are taken in, one at a time.
    #[derive(Default)]
    struct Odd {
        under_way: Vec<Lookup>,
        asked: u64,
        most: usize,
        is_right: bool,
    }

    impl Source for Odd {
        fn ask(&mut self, lookup: Lookup, answers: &mut Answers<'_>) -> Result<()> {
            if lookup.number.is_multiple_of(2) {
                return answers.give(lookup, answers.questions.answer(lookup.number));
            }
            self.under_way.push(lookup);
            self.asked += 1;
            self.most = self.most.max(self.under_way.len());
            Ok(())
        }

        fn take(&mut self, _: bool, answers: &mut Answers<'_>) -> Result<()> {
            let Some(lookup) = self.under_way.pop() else { return Ok(()) };
            let value = answers.questions.answer(lookup.number).filter(|_| self.is_right);
            answers.give(lookup, value)
        }

        fn reads(&self) -> u64 {
            self.asked
        }
    }

    const THREE: Run = Run { how: DiskReads::Auto, in_flight: 3, lasts: None };

    fn pairs() -> Pairs {
        let mut pairs = Pairs::default();
        (0..10_u8).for_each(|number| pairs.push(&[b'a' + number], &[number]));
        pairs
    }

    #[test]
    fn every_lookup_is_answered_and_no_more_are_under_way_than_may_be() {
        let pairs = pairs();
        let mut source = Odd { is_right: true, ..Odd::default() };
        let questions = Questions { pairs: &pairs, there: true };
        let measured = run(&mut source, questions, (0..10).cycle().take(100), THREE).unwrap();
        assert_eq!((source.asked, source.most), (50, 3));
        assert_eq!((measured.at_once, measured.reads_each), (0.5, 0.5));
    }

    #[test]
    fn a_run_ends_with_its_time() {
        let pairs = pairs();
        let questions = Questions { pairs: &pairs, there: false };
        let mut source = Odd { is_right: true, ..Odd::default() };
        let lasts = Some(Duration::from_millis(2));
        run(&mut source, questions, (0..10).cycle(), Run { lasts, ..THREE }).unwrap();
        assert!(source.asked > 10 && source.under_way.is_empty());
    }

    #[test]
    fn a_wrong_answer_ends_the_run_and_names_the_key() {
        let pairs = pairs();
        let questions = Questions { pairs: &pairs, there: true };
        let error = run(&mut Odd::default(), questions, 0..10, THREE).unwrap_err().to_string();
        assert!(error.contains("does not answer f as"), "{error}");
    }
}
