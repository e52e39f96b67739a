//! What a run is to do, as one plain value.

use std::fmt;
use std::time::Duration;

use graven_access::ServerTrust;
use graven_wire::address::Protocol;
use graven_wire::target::Target;

use crate::key_distribution::{KeyDistribution, whole};
use crate::schedule::{Pace, Think};

/// How often a connection that was not made is tried again, in nanoseconds.
pub(crate) const RETRY: u64 = 100_000_000;

/// The most requests in flight on one connection.
pub const PIPELINE_MAX: usize = 4_096;

/// The most connections.
pub const CONNECTIONS_MAX: usize = 60_000;

/// The most threads.
pub const THREADS_MAX: usize = 256;

/// The most keys in a request.
pub const KEYS_PER_REQUEST_MAX: usize = 10_000;

/// The most columns in a request.
pub const FIELDS_MAX: usize = 10_000;

/// The highest rate, in requests a second.
pub const RATE_MAX: f64 = 1e9;

/// The lowest rate, in requests a second.
pub const RATE_MIN: f64 = 0.001;

/// The longest time of any kind.
pub const TIME_MAX: Duration = Duration::from_secs(7 * 24 * 3600);

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// The server, and the columns that it is asked for ([`Target::with_fields`]).
    pub target: Target,
    /// How many connections there are.
    pub connections: usize,
    /// How many threads send, at most one a connection.
    pub threads: usize,
    /// Requests in flight on each connection, at most.
    pub pipeline: usize,
    /// For how long requests are sent, warm-up not counted; `None` until there were enough.
    pub duration: Option<Duration>,
    /// How many requests are sent, warm-up not counted; `None` until it was long enough.
    pub requests: Option<u64>,
    /// When requests are sent.
    pub pace: Pace,
    /// For how long requests are sent before anything is measured.
    pub warm_up: Duration,
    /// How long an answer, or a connection, may take.
    pub timeout: Duration,
    /// Whether every request has a connection of its own.
    pub new_connection: bool,
    /// Further header lines of HTTP requests.
    pub headers: Vec<(String, String)>,
    /// Which servers are trusted, where the target's address asks for TLS.
    pub trust: ServerTrust,
    /// Whether later connections with TLS go on with the session of an earlier one. Otherwise each makes a whole handshake.
    pub resume_sessions: bool,
    /// What is asked for.
    pub workload: Workload,
    /// The percentiles that are reported besides the common ones.
    pub percentiles: Vec<f64>,
}

/// What is asked for.
#[derive(Clone, Debug)]
pub struct Workload {
    /// How requests are spread over the keys.
    pub distribution: KeyDistribution,
    /// The part of the keys that are certainly not there, from 0 to 1.
    pub miss: f64,
    /// Keys in each request.
    pub keys_per_request: usize,
    /// The same seed draws the same requests.
    pub seed: u64,
    /// Whether answers are compared with the values.
    pub verify: bool,
}

/// A number of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanField {
    /// [`LoadPlan::connections`].
    Connections,
    /// [`LoadPlan::threads`].
    Threads,
    /// [`LoadPlan::pipeline`].
    Pipeline,
    /// [`LoadPlan::duration`].
    Duration,
    /// [`LoadPlan::requests`].
    Requests,
    /// [`LoadPlan::warm_up`].
    WarmUp,
    /// [`LoadPlan::timeout`].
    Timeout,
    /// The times of [`Pace::Users`].
    Think,
    /// [`Workload::keys_per_request`].
    KeysPerRequest,
}

impl fmt::Display for PlanField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "connections",
            Self::Threads => "threads",
            Self::Pipeline => "requests in flight on a connection",
            Self::Duration => "the duration",
            Self::Requests => "requests",
            Self::WarmUp => "the warm-up",
            Self::Timeout => "the time-out",
            Self::Think => "the time that users wait",
            Self::KeysPerRequest => "keys in a request",
        })
    }
}

/// Why a plan cannot be carried out.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum PlanError {
    /// A number or time of which there must be some is zero.
    Zero(PlanField),
    /// More than is possible.
    TooMany {
        /// Of what.
        field: PlanField,
        /// How many there are to be.
        found: usize,
        /// How many there may be.
        most: usize,
    },
    /// A time is longer than [`TIME_MAX`].
    TooLong {
        /// Which.
        field: PlanField,
        /// How long it is to be.
        found: Duration,
    },
    /// Neither a duration nor a number of requests ends the run.
    Endless,
    /// A rate that is not from [`RATE_MIN`] to [`RATE_MAX`].
    Rate(f64),
    /// The shortest time that users wait is longer than the longest.
    Think(Think),
    /// A part of absent keys that is not from 0 to 1.
    Miss(f64),
    /// A percentile that is not from 0 to 100.
    Percentile(f64),
    /// Several keys in a request, to a target whose URL takes one.
    OneKeyTarget,
    /// Several keys in a request for columns, to a Redis.
    FieldsOfOneKey,
    /// More columns than [`FIELDS_MAX`].
    TooManyFields(usize),
    /// Header lines for a target that is not asked over HTTP.
    HeadersWithoutHttp,
    /// Several requests in flight where each has a connection of its own, or where users wait for
    /// each answer.
    PipelineOfOne,
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Zero(field) => write!(f, "{field} must be more than 0"),
            Self::TooMany { field, found, most } => {
                write!(f, "{found} is too much for {field}; at most {most} are possible")
            }
            Self::TooLong { field, found } => write!(
                f,
                "{field} is {} s; at most {} s are possible",
                found.as_secs_f64(),
                TIME_MAX.as_secs()
            ),
            Self::Endless => f.write_str("neither a duration nor a number of requests ends the run"),
            Self::Rate(found) => {
                write!(f, "the rate is {found}, not from {RATE_MIN} to {RATE_MAX} requests a second")
            }
            Self::Think(found) => write!(f, "users wait {found}, where the shorter time comes first"),
            Self::Miss(found) => write!(f, "the part of absent keys is {found}, not from 0 to 1"),
            Self::Percentile(found) => write!(f, "the percentile is {found}, not from 0 to 100"),
            Self::OneKeyTarget => f.write_str("the target's URL takes one key at a time"),
            Self::FieldsOfOneKey => f.write_str("HMGET asks for the columns of one key at a time"),
            Self::TooManyFields(found) => {
                write!(f, "{found} is too much for columns in a request; at most {FIELDS_MAX} are possible")
            }
            Self::HeadersWithoutHttp => f.write_str("header lines are for targets that speak HTTP"),
            Self::PipelineOfOne => {
                f.write_str("only one request at a time is in flight on a new connection or of a user")
            }
        }
    }
}

impl std::error::Error for PlanError {}

impl LoadPlan {
    /// Ten seconds with 50 connections from one thread, each of which sends when it is answered,
    /// for any of the keys.
    pub fn new(target: Target) -> Self {
        Self {
            target,
            connections: 50,
            threads: 1,
            pipeline: 1,
            duration: Some(Duration::from_secs(10)),
            requests: None,
            pace: Pace::Closed,
            warm_up: Duration::ZERO,
            timeout: Duration::from_secs(5),
            new_connection: false,
            headers: Vec::new(),
            trust: ServerTrust::System,
            resume_sessions: false,
            workload: Workload {
                distribution: KeyDistribution::Uniform,
                miss: 0.0,
                keys_per_request: 1,
                seed: 0,
                verify: false,
            },
            percentiles: Vec::new(),
        }
    }

    /// Whether the plan can be carried out. [`run`](crate::run) asks this first.
    ///
    /// # Errors
    /// Why it cannot.
    pub fn check(&self) -> Result<(), PlanError> {
        let keys_per_request = self.workload.keys_per_request;
        for (field, found, most) in [
            (PlanField::Connections, self.connections, CONNECTIONS_MAX),
            (PlanField::Threads, self.threads, THREADS_MAX),
            (PlanField::Pipeline, self.pipeline, PIPELINE_MAX),
            (PlanField::KeysPerRequest, keys_per_request, KEYS_PER_REQUEST_MAX),
        ] {
            match found {
                0 => return Err(PlanError::Zero(field)),
                found if found > most => return Err(PlanError::TooMany { field, found, most }),
                _ => {}
            }
        }
        if self.requests == Some(0) {
            return Err(PlanError::Zero(PlanField::Requests));
        }
        self.check_times()?;
        if let Some(&found) = self.percentiles.iter().find(|found| !(0.0..=100.0).contains(*found)) {
            return Err(PlanError::Percentile(found));
        }
        if !(0.0..=1.0).contains(&self.workload.miss) {
            return Err(PlanError::Miss(self.workload.miss));
        }
        if keys_per_request > 1 && self.target.has_url() {
            return Err(PlanError::OneKeyTarget);
        }
        let fields = self.target.fields().len();
        if fields > FIELDS_MAX {
            return Err(PlanError::TooManyFields(fields));
        }
        if keys_per_request > 1 && fields > 0 && self.target.protocol() == Protocol::Redis {
            return Err(PlanError::FieldsOfOneKey);
        }
        if !self.headers.is_empty() && self.target.protocol() != Protocol::Http {
            return Err(PlanError::HeadersWithoutHttp);
        }
        if self.pipeline > 1 && (self.new_connection || matches!(self.pace, Pace::Users(_))) {
            return Err(PlanError::PipelineOfOne);
        }
        Ok(())
    }

    fn check_times(&self) -> Result<(), PlanError> {
        let think = match self.pace {
            Pace::Users(think) if think.least > think.most => return Err(PlanError::Think(think)),
            Pace::Users(think) => Some(think.most),
            Pace::Open { rate, .. } if !(RATE_MIN..=RATE_MAX).contains(&rate) => {
                return Err(PlanError::Rate(rate));
            }
            _ => None,
        };
        if self.duration.is_none() && self.requests.is_none() {
            return Err(PlanError::Endless);
        }
        for (field, found) in [(PlanField::Duration, self.duration), (PlanField::Timeout, Some(self.timeout))]
        {
            if found.is_some_and(|found| found.is_zero()) {
                return Err(PlanError::Zero(field));
            }
        }
        for (field, found) in [
            (PlanField::Duration, self.duration),
            (PlanField::Timeout, Some(self.timeout)),
            (PlanField::WarmUp, Some(self.warm_up)),
            (PlanField::Think, think),
        ] {
            if let Some(found) = found.filter(|found| *found > TIME_MAX) {
                return Err(PlanError::TooLong { field, found });
            }
        }
        Ok(())
    }

    /// About how many requests the run can send at most, warm-up counted; `None` where only the
    /// server's speed decides that.
    pub fn requests_expected(&self) -> Option<u64> {
        let warm_up = self.warm_up.as_secs_f64();
        let rate = match self.pace {
            Pace::Closed => None,
            Pace::Open { rate, .. } => Some(rate),
            // One that never waits sends as a closed loop does.
            Pace::Users(think) => {
                let each = Some(f64::midpoint(think.least.as_secs_f64(), think.most.as_secs_f64()));
                each.filter(|&each| each > 0.0).map(|each| self.connections as f64 / each)
            }
        };
        let measured = match (self.requests, rate, self.duration) {
            (Some(requests), ..) => Some(requests),
            // Arrivals at random are some more or less than their mean.
            (None, Some(rate), Some(duration)) => {
                Some(whole((rate * duration.as_secs_f64() * 1.1).ceil()) + 1_000)
            }
            _ => None,
        };
        let before = match rate {
            _ if warm_up == 0.0 => Some(0),
            rate => rate.map(|rate| whole((rate * warm_up * 1.1).ceil())),
        };
        Some(measured?.saturating_add(before?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Arrivals;

    fn plan(target: &str) -> LoadPlan {
        LoadPlan::new(target.parse().unwrap())
    }

    fn at_rate(rate: f64) -> Pace {
        Pace::Open { rate, arrivals: Arrivals::Constant }
    }

    #[test]
    fn a_plan_that_cannot_be_carried_out_is_refused_with_what_is_wrong() {
        use PlanError as E;
        let sound = plan("h:1");
        assert_eq!(sound.check(), Ok(()));
        let think = |least, most| {
            Pace::Users(Think { least: Duration::from_secs(least), most: Duration::from_secs(most) })
        };
        let with = |workload: Workload| LoadPlan { workload, ..sound.clone() };
        let workload = || sound.workload.clone();
        let day = Duration::from_secs(8 * 24 * 3600);
        for (plan, error) in [
            (LoadPlan { requests: Some(0), ..sound.clone() }, E::Zero(PlanField::Requests)),
            (LoadPlan { duration: Some(Duration::ZERO), ..sound.clone() }, E::Zero(PlanField::Duration)),
            (LoadPlan { timeout: Duration::ZERO, ..sound.clone() }, E::Zero(PlanField::Timeout)),
            (LoadPlan { connections: 0, ..sound.clone() }, E::Zero(PlanField::Connections)),
            (LoadPlan { threads: 0, ..sound.clone() }, E::Zero(PlanField::Threads)),
            (LoadPlan { pipeline: 0, ..sound.clone() }, E::Zero(PlanField::Pipeline)),
            (with(Workload { keys_per_request: 0, ..workload() }), E::Zero(PlanField::KeysPerRequest)),
            (
                LoadPlan { connections: CONNECTIONS_MAX + 1, ..sound.clone() },
                E::TooMany { field: PlanField::Connections, found: 60_001, most: 60_000 },
            ),
            (
                LoadPlan { pipeline: 5_000, ..sound.clone() },
                E::TooMany { field: PlanField::Pipeline, found: 5_000, most: 4_096 },
            ),
            (LoadPlan { warm_up: day, ..sound.clone() }, E::TooLong { field: PlanField::WarmUp, found: day }),
            (LoadPlan { duration: None, ..sound.clone() }, E::Endless),
            (LoadPlan { pace: at_rate(0.0), ..sound.clone() }, E::Rate(0.0)),
            (LoadPlan { pace: at_rate(f64::INFINITY), ..sound.clone() }, E::Rate(f64::INFINITY)),
            (
                LoadPlan { pace: think(2, 1), ..sound.clone() },
                E::Think(Think { least: Duration::from_secs(2), most: Duration::from_secs(1) }),
            ),
            (with(Workload { miss: 1.5, ..workload() }), E::Miss(1.5)),
            (LoadPlan { percentiles: vec![50.0, 101.0], ..sound.clone() }, E::Percentile(101.0)),
            (
                LoadPlan {
                    workload: Workload { keys_per_request: 2, ..workload() },
                    ..plan("http://h/{key}")
                },
                E::OneKeyTarget,
            ),
            (
                LoadPlan {
                    workload: Workload { keys_per_request: 2, ..workload() },
                    ..LoadPlan::new("redis://h".parse::<Target>().unwrap().with_fields(&["a"]).unwrap())
                },
                E::FieldsOfOneKey,
            ),
            (
                LoadPlan::new("h:1".parse::<Target>().unwrap().with_fields(&vec!["a"; 10_001]).unwrap()),
                E::TooManyFields(10_001),
            ),
            (
                LoadPlan { headers: vec![("A".into(), "b".into())], ..plan("redis://h") },
                E::HeadersWithoutHttp,
            ),
            (LoadPlan { pipeline: 2, new_connection: true, ..sound.clone() }, E::PipelineOfOne),
            (LoadPlan { pipeline: 2, pace: think(1, 1), ..sound.clone() }, E::PipelineOfOne),
        ] {
            assert_eq!(plan.check(), Err(error));
        }
    }

    #[test]
    fn the_requests_of_a_run_are_foreseen_where_they_can_be() {
        let sound = plan("h:1");
        assert_eq!(sound.requests_expected(), None);
        let counted = LoadPlan { requests: Some(70), ..sound.clone() };
        assert_eq!(counted.requests_expected(), Some(70));
        let second = Duration::from_secs(1);
        assert_eq!(LoadPlan { warm_up: second, ..counted.clone() }.requests_expected(), None);
        let rated = LoadPlan { pace: at_rate(100.0), warm_up: second, ..counted };
        assert_eq!(rated.requests_expected(), Some(70 + 111));
        let rated = LoadPlan { requests: None, warm_up: Duration::ZERO, ..rated };
        assert_eq!(rated.requests_expected(), Some(2_100));
        let users = |think| LoadPlan { pace: Pace::Users(think), ..sound.clone() };
        assert_eq!(users(Think { least: second, most: second }).requests_expected(), Some(1_550));
        let never = Think { least: Duration::ZERO, most: Duration::ZERO };
        assert_eq!(users(never).requests_expected(), None);
    }
}
