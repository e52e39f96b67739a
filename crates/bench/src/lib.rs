//! A load tester for servers that speak HTTP, RESP (Redis) or memcached. It asks for the keys
//! that it is given, and measures from outside: it knows `graven-wire` and sockets, and neither
//! graven's server nor its table.
//!
//! ```
//! use std::sync::atomic::AtomicBool;
//!
//! use graven_bench::{KeySet, LoadPlan, RequestPool, run, summary};
//! # use std::io::{Read, Write};
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?;
//! # std::thread::spawn(move || {
//! #     for stream in listener.incoming() {
//! #         let mut stream = stream.unwrap();
//! #         std::thread::spawn(move || {
//! #             let mut room = [0; 4096];
//! #             while matches!(stream.read(&mut room), Ok(1..)) {
//! #                 stream.write_all(b"VALUE colour 0 5\r\ngreen\r\nEND\r\n").unwrap();
//! #             }
//! #         });
//! #     }
//! # });
//!
//! let mut keys = KeySet::new(true);
//! keys.push(b"colour", b"green");
//!
//! let mut plan = LoadPlan::new(format!("memcached://{address}").parse()?);
//! plan.duration = None;
//! plan.requests = Some(1_000);
//! plan.workload.verify = true;
//!
//! let requests = RequestPool::draw(&keys, &plan);
//! let report = run(&plan, &requests, &AtomicBool::new(false), None)?;
//! assert_eq!((report.outcomes.hits, report.outcomes.wrong), (1_000, 0));
//! println!("{}", summary(&report));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! From a plan to the figures:
//!
//! - `plan`, `schedule`, `key_distribution`: what is to be done: how many connections, when
//!   requests go out, which keys they ask for.
//! - `key_set`, `requests`, `encode`: the keys, and the requests for them, drawn and encoded
//!   before a run.
//! - `worker`: one thread, which sends, receives and counts. It knows time and connections as two
//!   traits (`transport`). `sockets` has the real ones, `simulated` those of the tests.
//! - `connection`, `reply`: one connection's bytes, and what the answers in them mean.
//! - `recorder`, `series`: counters and histograms of fixed size, so that memory does not grow
//!   with a run.
//! - `process`: what the server, where it is local, and the load tester itself used of the
//!   machine.
//! - `report`: everything that a run came to, as one document.
//! - `summary`, `csv`, `hgrm`, `html` with `plot`, `compare`: that document for people,
//!   spreadsheets, HdrHistogram's plotters and browsers; `units` writes its times and bytes.
//! - `live`: the figures while a run goes on.
//!
//! Nothing here prints or reads a file.

mod compare;
mod connection;
mod csv;
mod encode;
mod hgrm;
mod html;
mod key_distribution;
mod key_set;
mod live;
mod plan;
mod plot;
mod process;
mod recorder;
mod reply;
mod report;
mod requests;
mod run;
mod schedule;
mod security;
mod series;
#[cfg(test)]
mod simulated;
mod sockets;
mod summary;
#[cfg(test)]
mod tests;
mod timer;
mod transport;
mod units;
mod worker;

pub use compare::compare;
pub use csv::write_csv;
pub use graven_wire::address::Protocol;
pub use graven_wire::target::Target;
pub use hgrm::write_hgrm;
pub use html::page;
pub use key_distribution::KeyDistribution;
pub use key_set::{KEY_SET_BYTES_MAX, KEYS_MAX, KeySet};
pub use live::{Live, LiveFigures};
pub use plan::{
    CONNECTIONS_MAX, FIELDS_MAX, KEYS_PER_REQUEST_MAX, LoadPlan, PIPELINE_MAX, PlanError, PlanField,
    RATE_MAX, RATE_MIN, THREADS_MAX, TIME_MAX, Workload,
};
pub use report::{
    ConnectionCounts, CurvePoint, Document, Ending, FORM, FailureCounts, HistogramBucket, KeyCounts, Latency,
    LatencyByOutcome, LatencyDistribution, Lateness, OutcomeCounts, Parameters, Percentile, PhaseTime,
    PhaseTimes, ProcessUse, Report, Sweep, TimeSeries, TimeStep, WarmUp,
};
pub use requests::RequestPool;
pub use run::{Error, run};
pub use schedule::{Arrivals, Pace, Think};
pub use summary::{summary, sweep_table};
