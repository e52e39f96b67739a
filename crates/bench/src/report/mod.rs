//! What a run came to, as one document: everything that is printed or drawn is taken from it. Its
//! JSON is described by `docs/bench.schema.json`; times are in microseconds.

mod buckets;
mod measured;
mod warnings;

use std::fmt;

use graven_wire::Recognized;
use serde::{Deserialize, Serialize};

/// The version of the document's form: it grows when a reader of the old one would misread the
/// new one.
pub const FORM: u32 = 2;

/// One run, or the runs of a sweep.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Document {
    /// [`FORM`].
    pub form: u32,
    /// The program that wrote it, and its version.
    pub generator: String,
    /// The command line that it was given, without passwords.
    pub command_line: Vec<String>,
    /// Of the only run, or the highest of a sweep.
    pub requests_per_second: f64,
    /// What grew from run to run.
    pub sweep: Option<Sweep>,
    /// The runs, in order; at least one.
    pub runs: Vec<Report>,
}

/// What a sweep changes from run to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sweep {
    /// The number of connections.
    Connections,
    /// The rate asked for.
    Rate,
}

/// One run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What was asked for.
    pub parameters: Parameters,
    /// When it began, as RFC 3339 writes it, in UTC.
    pub started_at: String,
    /// How it ended.
    pub ended: Ending,
    /// What the server speaks, where that is not what was asked for.
    pub found_protocol: Option<String>,
    /// The same, while the report is not read from JSON.
    #[serde(skip)]
    pub recognized: Option<Recognized>,
    /// What a reader of the figures must know.
    pub warnings: Vec<String>,
    /// The measured time.
    pub seconds: f64,
    /// Answers within the measured time, divided by it.
    pub requests_per_second: f64,
    /// The same for keys.
    pub keys_per_second: f64,
    /// Requests that were sent.
    pub sent: u64,
    /// Requests that were answered.
    pub outcomes: OutcomeCounts,
    /// Keys of requests that were answered.
    pub keys: KeyCounts,
    /// Requests that were not answered.
    pub failures: FailureCounts,
    /// Only where requests have a time at which they are meant to be sent.
    pub schedule: Option<Lateness>,
    /// Requests in flight when the run ended, before their time was up.
    pub cut_off: u64,
    /// What was sent before anything was measured.
    pub warm_up: WarmUp,
    /// Connections that were made.
    pub connections: ConnectionCounts,
    /// Bytes of the requests that are measured.
    pub bytes_sent: u64,
    /// Bytes of their answers.
    pub bytes_received: u64,
    /// Bytes sent, divided by the measured time.
    pub bytes_sent_per_second: f64,
    /// Bytes of answers within the measured time, divided by it.
    pub bytes_received_per_second: f64,
    /// How long answers took.
    pub latency: LatencyByOutcome,
    /// Where that time went.
    pub phases: PhaseTimes,
    /// What the server used of this machine; `None` where it is not on it, or not to be seen.
    pub server: Option<ProcessUse>,
    /// What the load tester used itself.
    pub load_tester: Option<ProcessUse>,
    /// The run over time.
    pub over_time: TimeSeries,
    /// The first few wrong answers, refusals and errors.
    pub samples: Vec<String>,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// As it was meant to.
    Complete,
    /// It was stopped from outside before its end.
    CutShort,
    /// The server answered nothing that could be understood, or went away.
    GaveUp,
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Complete => "complete",
            Self::CutShort => "cut short",
            Self::GaveUp => "gave up",
        })
    }
}

/// What was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Parameters {
    /// The server, as it was written, without a password.
    pub target: String,
    /// How many connections there were.
    pub connections: usize,
    /// How many threads sent.
    pub threads: usize,
    /// Requests in flight on each connection, at most.
    pub pipeline: usize,
    /// `closed`, `constant`, `poisson` or `users`.
    pub pace: String,
    /// Requests a second that were asked for.
    pub rate: Option<f64>,
    /// How long users waited.
    pub think: Option<String>,
    /// For how long requests were to be sent.
    pub duration_seconds: Option<f64>,
    /// How many requests were to be sent.
    pub requests: Option<u64>,
    /// For how long requests were sent before anything was measured.
    pub warm_up_seconds: f64,
    /// How long an answer could take.
    pub timeout_seconds: f64,
    /// How requests were spread over the keys.
    pub spread: String,
    /// The part of the keys that were certain not to be there.
    pub miss: f64,
    /// Keys in each request.
    pub keys_per_request: usize,
    /// The columns that were asked for; none where whole values were.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<String>,
    /// The seed of the requests.
    pub seed: u64,
    /// Whether answers were compared with the data.
    pub verify: bool,
    /// Whether every request had a connection of its own.
    pub new_connection: bool,
}

/// Requests that were answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct OutcomeCounts {
    /// A value; of several keys, at least one.
    pub hits: u64,
    /// No such key; of several, none of them.
    pub misses: u64,
    /// The server answered that it would not or could not.
    pub refused: u64,
    /// The answer is not what the data says.
    pub wrong: u64,
}

/// Keys of requests that were answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct KeyCounts {
    /// Keys with a value.
    pub hits: u64,
    /// Keys without.
    pub misses: u64,
}

/// Requests that were not answered.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct FailureCounts {
    /// The server closed the connection before it answered.
    pub closed: u64,
    /// The server closed the connection in the middle of the answer.
    pub truncated: u64,
    /// What came is no answer in the target's protocol.
    pub garbage: u64,
    /// The connection broke: a reset, or another error of the system's.
    pub broken: u64,
    /// No connection was made.
    pub unconnected: u64,
    /// No answer within the time that is allowed.
    pub timed_out: u64,
    /// Behind a request that failed, on the same connection.
    pub lost: u64,
}

/// How well the schedule was kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Lateness {
    /// Requests sent later than they were meant to be by more than the threshold.
    pub late: u64,
    /// The threshold.
    pub threshold_us: f64,
    /// By how much the latest was late.
    pub latest_us: f64,
    /// Requests that were due and never sent, for want of a free connection.
    pub unsent: u64,
    /// Only where there were such requests: every request that was due. Of those that were
    /// answered, the time from when they were meant to be sent to the answer; of those that were
    /// never sent, the time that they had waited when the run ended, which is less than they would
    /// have taken.
    pub all_due: Option<LatencyDistribution>,
}

/// What was sent before anything was measured.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct WarmUp {
    /// Requests that were sent.
    pub requests: u64,
    /// Those of them that failed, were refused, or had a wrong answer.
    pub failures: u64,
}

/// Connections that were made.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct ConnectionCounts {
    /// Connections that were made.
    pub opened: u64,
    /// Connections that were not.
    pub failed: u64,
    /// Connections on which something came that was not asked for.
    pub unasked: u64,
    /// How long the name took to resolve, once, before the run; `None` where there was none.
    pub resolve_us: Option<f64>,
    /// How long connections took to be made, whether a request waited for them or not.
    pub connect: Option<PhaseTime>,
    /// How long the TLS handshakes took that are a part of that; `None` without TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handshake: Option<PhaseTime>,
}

/// How long answers took, by what they said.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyByOutcome {
    /// Of hits; `None` where there was none, as for the others.
    pub hits: Option<Latency>,
    /// Of misses.
    pub misses: Option<Latency>,
    /// Of refusals.
    pub refused: Option<Latency>,
    /// Of wrong answers.
    pub wrong: Option<Latency>,
}

/// How long answers took.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// From when the request was meant to be sent; only where that is known.
    pub response: Option<LatencyDistribution>,
    /// From when it was sent.
    pub service: LatencyDistribution,
}

impl Latency {
    /// From when the request was meant to be sent, where that is known, else from when it was.
    pub fn honest(&self) -> &LatencyDistribution {
        self.response.as_ref().unwrap_or(&self.service)
    }
}

/// A distribution of times.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LatencyDistribution {
    /// How many answers there were.
    pub count: u64,
    /// The average.
    pub mean_us: f64,
    /// The standard deviation.
    pub deviation_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// The longest.
    pub max_us: f64,
    /// The common percentiles and those asked for, in order.
    pub percentiles: Vec<Percentile>,
    /// The whole curve, denser towards its end.
    pub curve: Vec<CurvePoint>,
    /// A histogram whose buckets are as wide as each other on a logarithmic scale.
    pub buckets: Vec<HistogramBucket>,
}

impl LatencyDistribution {
    /// The time that `percent` did not pass, if it is one of the percentiles.
    pub(crate) fn percentile(&self, percent: f64) -> Option<f64> {
        self.percentiles.iter().find(|found| found.percent == percent).map(|found| found.us)
    }
}

/// A time that this percentage did not pass.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Percentile {
    /// The percentage.
    pub percent: f64,
    /// The time.
    pub us: f64,
}

/// A point of a distribution's curve.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct CurvePoint {
    /// The percentage.
    pub percent: f64,
    /// The time.
    pub us: f64,
    /// How many took at most this time.
    pub count: u64,
}

/// How many answers took longer than the bucket before says, and at most this time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct HistogramBucket {
    /// The longest time that counts to it.
    pub up_to_us: f64,
    /// How many there were.
    pub count: u64,
}

/// What processes used of the machine while they were measured, warm-up not counted.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ProcessUse {
    /// The name of the first one's command.
    pub command: String,
    /// How many there were.
    pub processes: usize,
    /// The processor time that they took.
    pub cpu_seconds: f64,
    /// The same as a number of cores that were busy all the time.
    pub cpu_cores: f64,
    /// Their resident memory when measuring began.
    pub resident_bytes_before: u64,
    /// Their resident memory at the end.
    pub resident_bytes: u64,
}

/// The parts of the time of answered requests. Their averages add up to that of the total.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PhaseTimes {
    /// Waiting for a connection; 0 for requests that had one. hey calls it DNS+dialup.
    pub connect: Option<PhaseTime>,
    /// Handing the request to the system; requests sent together share it. hey: req write.
    pub write: Option<PhaseTime>,
    /// From then until the first byte of the answer. hey: resp wait.
    pub wait: Option<PhaseTime>,
    /// From then until the last byte. hey: resp read.
    pub read: Option<PhaseTime>,
    /// From when the request was sent until the last byte.
    pub total: Option<PhaseTime>,
}

/// One part of a request's time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PhaseTime {
    /// The average.
    pub mean_us: f64,
    /// The shortest.
    pub min_us: f64,
    /// The longest.
    pub max_us: f64,
}

/// A run over time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TimeSeries {
    /// How long a step is.
    pub step_seconds: f64,
    /// The steps in order; the last may end with the run.
    pub steps: Vec<TimeStep>,
}

/// What happened in one step of time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct TimeStep {
    /// When it began, from the beginning of the measured time.
    pub at_seconds: f64,
    /// Answers that came in it.
    pub answers: u64,
    /// Requests that failed in it.
    pub failures: u64,
    /// The median time, right within 6%; `None` where nothing was answered.
    pub p50_us: Option<f64>,
    /// The time that 99% did not pass, right within 6%.
    pub p99_us: Option<f64>,
    /// The longest time, exactly.
    pub max_us: Option<f64>,
}

impl Document {
    /// A document of these runs, of which there is at least one.
    pub fn new(
        generator: impl Into<String>,
        command_line: Vec<String>,
        sweep: Option<Sweep>,
        runs: Vec<Report>,
    ) -> Self {
        Self {
            form: FORM,
            generator: generator.into(),
            command_line,
            requests_per_second: runs.iter().map(|run| run.requests_per_second).fold(0.0, f64::max),
            sweep,
            runs,
        }
    }

    /// The name of the outcome whose latencies stand for the runs of a sweep: the first in the
    /// order of hits, misses, refusals and wrong answers that any of them has.
    pub(crate) fn main_outcome(&self) -> &'static str {
        let first = OUTCOMES.into_iter().find(|name| self.runs.iter().any(|run| run.latency(name).is_some()));
        first.unwrap_or(OUTCOMES[0])
    }
}

/// The names of outcomes, in the order in which they are shown.
const OUTCOMES: [&str; 4] = ["hits", "misses", "refused", "wrong"];

impl Report {
    /// Requests that were answered, whatever the answer said.
    pub fn answers(&self) -> u64 {
        let OutcomeCounts { hits, misses, refused, wrong } = self.outcomes;
        hits + misses + refused + wrong
    }

    /// Requests that were not answered.
    pub fn all_failures(&self) -> u64 {
        self.failures.named().iter().map(|(_, count, _)| count).sum()
    }

    /// Whether anything happened that a sound server under a load that it can bear would not do.
    pub fn went_wrong(&self) -> bool {
        self.outcomes.refused > 0
            || self.outcomes.wrong > 0
            || self.all_failures() > 0
            || self.warm_up.failures > 0
            || self.connections.failed > 0
            || self.connections.unasked > 0
            || self.ended == Ending::GaveUp
    }

    /// Latencies by outcome, each with its name; those that did not happen are left out.
    pub fn latencies(&self) -> Vec<(&'static str, &Latency)> {
        OUTCOMES.into_iter().filter_map(|name| Some((name, self.latency(name)?))).collect()
    }

    pub(crate) fn latency(&self, outcome: &str) -> Option<&Latency> {
        let LatencyByOutcome { hits, misses, refused, wrong } = &self.latency;
        match outcome {
            "hits" => hits.as_ref(),
            "misses" => misses.as_ref(),
            "refused" => refused.as_ref(),
            _ => wrong.as_ref(),
        }
    }
}

impl FailureCounts {
    /// Every kind with its name, its count and what it means.
    pub fn named(&self) -> [(&'static str, u64, &'static str); 7] {
        [
            ("closed", self.closed, "the server closed the connection before it answered"),
            ("truncated", self.truncated, "the server closed the connection in the middle of the answer"),
            ("garbage", self.garbage, "what came is no answer in this protocol"),
            ("broken", self.broken, "the connection broke"),
            ("unconnected", self.unconnected, "no connection was made"),
            ("timed out", self.timed_out, "no answer within the time-out"),
            ("lost", self.lost, "behind a request that failed, on the same connection"),
        ]
    }
}
