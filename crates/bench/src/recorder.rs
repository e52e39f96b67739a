//! What is counted and measured while a run goes on, in room that does not grow: counters, and
//! histograms of a fixed size. Every thread has its own; they are added up at the end.

use graven_wire::Recognized;
use hdrhistogram::Histogram;

use crate::key_distribution::whole;
use crate::reply::{AnswerKind, CheckedAnswer};
use crate::schedule::SECOND;
use crate::series::SeriesRecorder;

/// The longest time that a histogram tells from a longer one: one hour, in nanoseconds.
const TIME_MAX: u64 = 3_600 * SECOND;

/// Significant digits of every recorded time.
const DIGITS: u8 = 3;

/// A request sent this much later than it was meant to be is late, in nanoseconds.
pub(crate) const LATE: u64 = 1_000_000;

/// Requests that were never sent are recorded in at most this many groups.
const UNSENT_GROUPS_MAX: u64 = 10_000;

/// The most answers of a kind that are kept to be shown, and the bytes kept of each.
const SAMPLES_MAX: usize = 3;
const SAMPLE_BYTES_MAX: usize = 120;

/// Why a request has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RequestFailure {
    /// The server closed the connection before a byte of the answer.
    Closed,
    /// The server closed the connection in the middle of the answer.
    Truncated,
    /// What came is no answer in the target's language.
    Garbage,
    /// The connection broke: a reset, or another error of the system's.
    Broken,
    /// No connection was made.
    Unconnected,
    /// No answer within the time that is allowed.
    TimedOut,
    /// It stood behind another request that failed, on the same connection.
    Lost,
}

/// Why a thread ended its part of a run before the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GaveUp {
    /// Not one answer could be understood: this is what the server speaks, where that can be told.
    Unanswered(Option<Recognized>),
    /// The server went away, and a number of requests alone would have ended the run.
    Unconnected,
}

/// How long the answers of one kind took.
#[derive(Clone, Debug)]
pub(crate) struct LatencyRecorder {
    /// From when the request was sent, in nanoseconds.
    pub(crate) service: Histogram<u64>,
    /// From when the request was meant to be sent, in nanoseconds; only where there is a schedule.
    pub(crate) response: Option<Histogram<u64>>,
}

impl LatencyRecorder {
    fn new(is_scheduled: bool) -> Self {
        Self { service: histogram(), response: is_scheduled.then(histogram) }
    }

    fn add(&mut self, other: &Self) {
        // Both have the same bounds, so nothing is refused.
        let _ = self.service.add(&other.service);
        if let (Some(all), Some(other)) = (&mut self.response, &other.response) {
            let _ = all.add(other);
        }
    }
}

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, TIME_MAX, DIGITS).expect("the bounds are constant and well formed")
}

/// A time that is measured often: how long, on average and at the ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PhaseRecorder {
    pub(crate) count: u64,
    pub(crate) sum: u64,
    pub(crate) min: u64,
    pub(crate) max: u64,
}

impl Default for PhaseRecorder {
    fn default() -> Self {
        Self { count: 0, sum: 0, min: u64::MAX, max: 0 }
    }
}

impl PhaseRecorder {
    #[inline]
    pub(crate) fn record(&mut self, nanos: u64) {
        self.count += 1;
        self.sum += nanos;
        self.min = self.min.min(nanos);
        self.max = self.max.max(nanos);
    }

    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.sum += other.sum;
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
    }
}

/// The parts of the time of answered requests, in nanoseconds, which add up to all of it. Of the
/// two that as a rule are 0, only other times are recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PhaseRecorders {
    /// From when the request was sent until there was a connection, where it had to wait for one.
    pub(crate) connect: PhaseRecorder,
    /// From then until the system had taken the request; requests sent together share it.
    pub(crate) write: PhaseRecorder,
    /// From then until the first byte of the answer.
    pub(crate) wait: PhaseRecorder,
    /// From then until the last byte, where that came later.
    pub(crate) read: PhaseRecorder,
}

impl PhaseRecorders {
    #[inline]
    fn record(&mut self, times: Times) {
        let Times { sent, done, .. } = times;
        // Each moment is between the one before it and the end, so that nothing is counted twice:
        // an answer may be here before the system says that the request is gone.
        let first_byte = times.first_byte.max(sent).min(done);
        let connected = times.connected.max(sent).min(first_byte);
        let written = times.written.max(connected).min(first_byte);
        if connected > sent {
            self.connect.record(connected - sent);
        }
        self.write.record(written - connected);
        self.wait.record(first_byte - written);
        if done > first_byte {
            self.read.record(done - first_byte);
        }
    }

    fn add(&mut self, other: &Self) {
        self.connect.add(&other.connect);
        self.write.add(&other.write);
        self.wait.add(&other.wait);
        self.read.add(&other.read);
    }

    /// How many requests were recorded.
    pub(crate) fn requests(&self) -> u64 {
        self.wait.count
    }

    /// The time of all of them together.
    pub(crate) fn sum(&self) -> u64 {
        [self.connect, self.write, self.wait, self.read].iter().map(|phase| phase.sum).sum()
    }
}

/// The times of one answered request, in nanoseconds of the clock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) intended: u64,
    pub(crate) sent: u64,
    /// When its connection was made, which as a rule is before it was sent.
    pub(crate) connected: u64,
    pub(crate) written: u64,
    pub(crate) first_byte: u64,
    pub(crate) done: u64,
}

/// Answers that came after the end of the measured time, which no rate counts.
#[derive(Clone, Copy, Debug, Default)]
struct AfterEnd {
    answers: u64,
    keys: u64,
    bytes: u64,
}

/// Everything that one thread counts.
#[derive(Clone, Debug)]
pub(crate) struct Recorder {
    is_scheduled: bool,
    /// By [`AnswerKind`]; those that did not happen have none.
    latencies: [Option<Box<LatencyRecorder>>; 4],
    /// By [`RequestFailure`].
    failures: [u64; 7],
    pub(crate) sent: u64,
    pub(crate) key_hits: u64,
    pub(crate) key_misses: u64,
    pub(crate) late: u64,
    pub(crate) late_max: u64,
    /// Requests that were due and never sent: how long each had waited when the run ended.
    pub(crate) unsent: Histogram<u64>,
    /// Requests in flight when the run ended, before their time was up.
    pub(crate) cut_off: u64,
    pub(crate) warm_up_requests: u64,
    pub(crate) warm_up_failures: u64,
    pub(crate) connections_opened: u64,
    pub(crate) connections_failed: u64,
    /// Connections on which something came that was not asked for.
    pub(crate) connections_unasked: u64,
    /// Of measured requests, as are those received.
    pub(crate) bytes_sent: u64,
    pub(crate) bytes_received: u64,
    /// What came after the end of the measured time.
    after_end: AfterEnd,
    /// How long connections took to be made, whether a request waited for them or not.
    pub(crate) connecting: PhaseRecorder,
    /// The TLS handshakes that are a part of that.
    pub(crate) handshaking: PhaseRecorder,
    pub(crate) phases: PhaseRecorders,
    pub(crate) series: SeriesRecorder,
    /// When the last answer came or the last request failed, in nanoseconds of the clock.
    pub(crate) last: u64,
    /// When the measured time ended, in nanoseconds of the clock.
    pub(crate) ended: u64,
    /// What made a thread give up before the end, if anything did.
    pub(crate) gave_up: Option<GaveUp>,
    /// Whether the run was stopped from outside before its end.
    pub(crate) was_stopped: bool,
    /// The first few wrong answers, refusals and errors.
    pub(crate) samples: Vec<String>,
    sampled: [usize; 4],
}

impl Recorder {
    /// Nothing yet.
    pub(crate) fn new(is_scheduled: bool) -> Self {
        Self {
            is_scheduled,
            latencies: [None, None, None, None],
            failures: [0; 7],
            sent: 0,
            key_hits: 0,
            key_misses: 0,
            late: 0,
            late_max: 0,
            unsent: histogram(),
            cut_off: 0,
            warm_up_requests: 0,
            warm_up_failures: 0,
            connections_opened: 0,
            connections_failed: 0,
            connections_unasked: 0,
            bytes_sent: 0,
            bytes_received: 0,
            after_end: AfterEnd::default(),
            connecting: PhaseRecorder::default(),
            handshaking: PhaseRecorder::default(),
            phases: PhaseRecorders::default(),
            series: SeriesRecorder::new(0),
            last: 0,
            ended: 0,
            gave_up: None,
            was_stopped: false,
            samples: Vec::new(),
            sampled: [0; 4],
        }
    }

    /// Says when measuring begins, in nanoseconds of the clock. Connections may have been counted
    /// before.
    pub(crate) fn begin(&mut self, start: u64) {
        self.series = SeriesRecorder::new(start);
        self.last = start;
    }

    /// Counts a request that went out; `late_by` is how much later than it was meant to, in
    /// nanoseconds.
    #[inline]
    pub(crate) fn sent(&mut self, late_by: u64) {
        self.sent += 1;
        if late_by > LATE {
            self.late += 1;
        }
        self.late_max = self.late_max.max(late_by);
    }

    /// Counts an answer of `bytes` in all. `end` is when the measured time ends.
    #[inline]
    pub(crate) fn answered(&mut self, checked: CheckedAnswer, bytes: u64, times: Times, end: u64) {
        let is_scheduled = self.is_scheduled;
        let latencies = self.latencies[checked.kind as usize]
            .get_or_insert_with(|| Box::new(LatencyRecorder::new(is_scheduled)));
        let service = times.done.saturating_sub(times.sent);
        latencies.service.saturating_record(service);
        let mut honest = service;
        if let Some(response) = &mut latencies.response {
            honest = times.done.saturating_sub(times.intended);
            response.saturating_record(honest);
        }
        self.key_hits += u64::from(checked.hits);
        self.key_misses += u64::from(checked.misses);
        self.bytes_received += bytes;
        if times.done > end {
            self.after_end.answers += 1;
            self.after_end.keys += u64::from(checked.hits + checked.misses);
            self.after_end.bytes += bytes;
        }
        self.phases.record(times);
        self.series.answered(times.done, honest);
        self.last = times.done;
    }

    /// Counts `count` requests that were due evenly from `first` up to `end` and never sent.
    pub(crate) fn never_sent(&mut self, count: u64, first: u64, end: u64) {
        let waited_most = end.saturating_sub(first);
        let groups = count.min(UNSENT_GROUPS_MAX);
        for group in 0..groups {
            let (from, to) = (count * group / groups, count * (group + 1) / groups);
            // The middle one of the group stands for all of it.
            let part = f64::midpoint(from as f64, to as f64) / count as f64;
            let waited = whole(waited_most as f64 * (1.0 - part));
            self.unsent.saturating_record_n(waited, to - from);
        }
    }

    /// Counts a request that failed at `now`.
    pub(crate) fn failed(&mut self, failure: RequestFailure, now: u64) {
        self.failures[failure as usize] += 1;
        self.series.failed(now);
        self.last = now;
    }

    /// Keeps the beginning of an answer, of the first few of its kind.
    pub(crate) fn sample_answer(&mut self, kind: AnswerKind, request: &[u8], answer: &[u8]) {
        if self.may_sample(kind as usize) {
            let what = if kind == AnswerKind::Wrong { "wrong" } else { "refused" };
            self.samples.push(format!("{what}: {} was answered {}", shown(request), shown(answer)));
        }
    }

    /// Keeps why a request failed, of the first few.
    pub(crate) fn sample_failure(&mut self, why: String) {
        // Not the place of a kind that is ever sampled.
        if self.may_sample(AnswerKind::Hit as usize) {
            self.samples.push(why);
        }
    }

    fn may_sample(&mut self, kind: usize) -> bool {
        self.sampled[kind] += 1;
        self.sampled[kind] <= SAMPLES_MAX
    }

    pub(crate) fn latencies(&self, kind: AnswerKind) -> Option<&LatencyRecorder> {
        self.latencies[kind as usize].as_deref()
    }

    /// Answers within the measured time.
    pub(crate) fn in_time(&self) -> u64 {
        self.phases.requests() - self.after_end.answers
    }

    /// The same for their keys.
    pub(crate) fn keys_in_time(&self) -> u64 {
        self.key_hits + self.key_misses - self.after_end.keys
    }

    /// The same for their bytes.
    pub(crate) fn bytes_in_time(&self) -> u64 {
        self.bytes_received - self.after_end.bytes
    }

    /// How many answers of this kind there were.
    pub(crate) fn answers(&self, kind: AnswerKind) -> u64 {
        self.latencies(kind).map_or(0, |latencies| latencies.service.len())
    }

    pub(crate) fn failures(&self, failure: RequestFailure) -> u64 {
        self.failures[failure as usize]
    }

    /// Adds what another thread has counted.
    pub(crate) fn add(&mut self, other: Self) {
        for (all, other) in self.latencies.iter_mut().zip(other.latencies) {
            match (all, other) {
                (Some(all), Some(other)) => all.add(&other),
                (all @ None, other) => *all = other,
                (Some(_), None) => {}
            }
        }
        for (all, other) in self.failures.iter_mut().zip(other.failures) {
            *all += other;
        }
        for (all, other) in [
            (&mut self.sent, other.sent),
            (&mut self.key_hits, other.key_hits),
            (&mut self.key_misses, other.key_misses),
            (&mut self.late, other.late),
            (&mut self.cut_off, other.cut_off),
            (&mut self.warm_up_requests, other.warm_up_requests),
            (&mut self.warm_up_failures, other.warm_up_failures),
            (&mut self.connections_opened, other.connections_opened),
            (&mut self.connections_failed, other.connections_failed),
            (&mut self.connections_unasked, other.connections_unasked),
            (&mut self.bytes_sent, other.bytes_sent),
            (&mut self.bytes_received, other.bytes_received),
            (&mut self.after_end.answers, other.after_end.answers),
            (&mut self.after_end.keys, other.after_end.keys),
            (&mut self.after_end.bytes, other.after_end.bytes),
        ] {
            *all += other;
        }
        self.late_max = self.late_max.max(other.late_max);
        self.last = self.last.max(other.last);
        self.ended = self.ended.max(other.ended);
        // Both have the same bounds, so nothing is refused.
        let _ = self.unsent.add(&other.unsent);
        self.gave_up = self.gave_up.or(other.gave_up);
        self.was_stopped |= other.was_stopped;
        self.connecting.add(&other.connecting);
        self.handshaking.add(&other.handshaking);
        self.phases.add(&other.phases);
        self.series.add(other.series);
        self.samples.extend(other.samples);
        self.samples.truncate(4 * SAMPLES_MAX);
    }
}

/// The beginning of `bytes`, as text that fits on a line.
fn shown(bytes: &[u8]) -> String {
    let start = &bytes[..bytes.len().min(SAMPLE_BYTES_MAX)];
    let more = if start.len() < bytes.len() { "…" } else { "" };
    format!("\"{}{more}\"", start.escape_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_add_up_whatever_order_their_moments_have() {
        for (connected, written, first_byte, phases) in [
            (0, 110, 150, [0, 10, 40, 50]),
            (130, 140, 150, [30, 10, 10, 50]),
            // The answer is here before the system says that the request is gone.
            (0, 170, 150, [0, 50, 0, 50]),
            (170, 180, 150, [50, 0, 0, 50]),
            (0, 0, 0, [0, 0, 0, 100]),
            (999, 999, 999, [100, 0, 0, 0]),
        ] {
            let mut recorders = PhaseRecorders::default();
            recorders.record(Times { intended: 0, sent: 100, connected, written, first_byte, done: 200 });
            let PhaseRecorders { connect, write, wait, read } = recorders;
            assert_eq!([connect, write, wait, read].map(|phase| phase.sum), phases);
            assert_eq!((recorders.sum(), recorders.requests()), (100, 1));
        }
    }

    #[test]
    fn what_was_never_sent_has_waited_since_it_was_due() {
        let mut recorder = Recorder::new(true);
        recorder.never_sent(4, 100, 500);
        let waited: Vec<(u64, u64)> = recorder
            .unsent
            .iter_recorded()
            .map(|step| (step.value_iterated_to(), step.count_at_value()))
            .collect();
        assert_eq!(waited, [(50, 1), (150, 1), (250, 1), (350, 1)]);
        let mut many = Recorder::new(true);
        many.never_sent(1_000_000_000, 0, SECOND);
        assert_eq!(many.unsent.len(), 1_000_000_000);
        assert!(many.unsent.mean().round().abs() - 5e8 < 1e6, "{}", many.unsent.mean());
        recorder.never_sent(0, 0, 0);
        assert_eq!(recorder.unsent.len(), 4);
    }
}
