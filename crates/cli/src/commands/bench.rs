//! `graven bench`: asks a server for your own keys and says how fast it is, and how bad the tail.

mod explain;
mod files;
mod invocation;
mod keys;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::ValueEnum;
use graven_bench::{
    Arrivals, Document, Ending, FORM, KeyDistribution, Live, LoadPlan, Pace, RATE_MAX, RATE_MIN, Report,
    RequestPool, Sweep, TIME_MAX, Target, Think, Workload,
};

use crate::console::warn;
use crate::failure::{Failure, Outcome, reason};
use crate::load_progress::LoadProgress;
use crate::quantity::{self, Misread};
use crate::signals::{self, stop_on_signals};
use crate::target::{ask_in, target, with_fields};
use crate::tls::TrustFlags;
use explain::{explain, refuse};

/// Measure how fast a server answers for your own keys
///
/// Any HTTP, Redis or memcached server.
#[derive(clap::Args)]
#[command(
    after_long_help = "Exit status: 0 when the run was made; 1 when, under --verify, anything at all went wrong; 2 when it \
    could not be made, nothing was answered, or a file could not be written; 128 + N when signal N cut it short (130 \
    for ^C). docs/BENCHMARKING.md explains every figure and has recipes."
)]
pub(crate) struct Arguments {
    /// The server: HOST:PORT for HTTP, redis://HOST:PORT, memcached://HOST:PORT, or a URL
    ///
    /// HOST:PORT (HTTP), `http://HOST:PORT/PATH?key={key}`, `redis://HOST[:PORT]`,
    /// `memcached://HOST[:PORT]`, with TLS `https://`, `rediss://` or `memcacheds://`, or [redis+|memcached+]unix:PATH
    #[arg(required_unless_present = "compare", value_parser = target)]
    target: Option<Target>,
    /// The keys: a table, or a list with one a line; `-` is standard input
    ///
    /// `.data` text, a carved file, or a list of keys, one a line.
    #[arg(long, value_name = "FILE", required_unless_present = "compare", help_heading = REQUESTS)]
    keys: Option<PathBuf>,
    /// How many connections [default: 50]
    #[arg(short = 'c', long, value_name = "N", value_parser = quantity::positive, help_heading = LOAD)]
    connections: Option<NonZeroUsize>,
    /// For how long requests are sent [default: 10s, unless -n is given]
    #[arg(short = 'd', long, value_name = "TIME", value_parser = duration, help_heading = LOAD)]
    duration: Option<Duration>,
    /// How many requests are sent
    #[arg(short = 'n', long, value_name = "REQUESTS", value_parser = quantity::any_count, help_heading = LOAD)]
    requests: Option<u64>,
    /// How many threads send; one is enough for several hundred thousand requests a second
    #[arg(long, value_name = "N", default_value = "1", value_parser = quantity::positive, help_heading = LOAD, hide_short_help = true)]
    threads: NonZeroUsize,
    /// How many requests may be in flight on each connection
    #[arg(long, value_name = "DEPTH", default_value = "1", value_parser = quantity::positive, conflicts_with_all = ["new_connection", "users"], help_heading = LOAD)]
    pipeline: NonZeroUsize,
    /// Send this many requests a second, whatever the server does
    ///
    /// Latencies are measured from when each request was meant to be sent.
    #[arg(long, value_name = "PER_SECOND", value_parser = rate, conflicts_with = "users", help_heading = LOAD)]
    rate: Option<f64>,
    /// How the requests of --rate, or of a sweep of rates, are spread over time [default:
    /// constant]
    #[arg(long, value_enum, help_heading = LOAD, hide_short_help = true)]
    arrivals: Option<Spacing>,
    /// Send for this long before anything is measured
    #[arg(long, value_name = "TIME", default_value = "0s", value_parser = duration, help_heading = LOAD, hide_short_help = true)]
    warmup: Duration,
    /// Which keys are asked for how often: uniform, zipf:S, sequential, or hot:P/Q (P% of the
    /// requests to Q% of the keys)
    #[arg(long, value_name = "HOW", default_value = "uniform", help_heading = REQUESTS, hide_short_help = true)]
    dist: KeyDistribution,
    /// The part of the keys that are certain not to be there, from 0 to 1
    #[arg(long, value_name = "PART", default_value = "0", value_parser = part, help_heading = REQUESTS, hide_short_help = true)]
    miss: f64,
    /// Ask for this many keys in each request
    #[arg(long, value_name = "KEYS", default_value = "1", value_parser = quantity::positive, help_heading = REQUESTS)]
    mget: NonZeroUsize,
    /// Of a table with columns ask for these alone: with HMGET, or `?fields=` over HTTP
    ///
    /// With --verify, the keys come from a carved file with these columns.
    #[arg(long, value_name = "A,B,…", value_delimiter = ',', num_args = 1, help_heading = REQUESTS)]
    fields: Vec<String>,
    /// The same seed draws the same requests
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = quantity::any_count, help_heading = REQUESTS, hide_short_help = true)]
    seed: u64,
    /// Compare every answer with the data
    ///
    /// The exit status is 1 when anything at all went wrong.
    #[arg(long, help_heading = REQUESTS)]
    verify: bool,
    /// Open a new connection for each request
    #[arg(long, help_heading = LOAD, hide_short_help = true)]
    new_connection: bool,
    #[command(flatten)]
    trust: TrustFlags,
    /// Go on with the session of an earlier connection; otherwise each makes a whole TLS handshake
    #[arg(long, help_heading = LOAD, hide_short_help = true)]
    tls_resume: bool,
    /// Instead of -c: this many people, each of whom waits --think after every answer
    #[arg(long, value_name = "PEOPLE", value_parser = quantity::positive, conflicts_with = "connections", requires = "think", help_heading = LOAD, hide_short_help = true)]
    users: Option<NonZeroUsize>,
    /// How long people wait: a TIME, or a range as 1s..5s
    #[arg(long, value_name = "TIME", requires = "users", value_parser = think, help_heading = LOAD, hide_short_help = true)]
    think: Option<Think>,
    /// How long an answer may take
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout, help_heading = LOAD, hide_short_help = true)]
    timeout: Duration,
    /// A header line of HTTP requests, as `Name: value`. May be repeated
    #[arg(short = 'H', long = "header", value_name = "HEADER", value_parser = header, help_heading = REQUESTS, hide_short_help = true)]
    headers: Vec<(String, String)>,
    /// A run for each of these: connections=1,2,4,… or rate=1000,2000,…
    #[arg(long, value_name = "WHAT=LIST", value_parser = steps, conflicts_with = "users", help_heading = RESULTS)]
    sweep: Option<Steps>,
    /// Further percentiles, as 99.5,99.999
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_parser = percent, help_heading = RESULTS, hide_short_help = true)]
    percentiles: Vec<f64>,
    /// Print one JSON document instead of the summary
    ///
    /// docs/bench.schema.json describes it.
    #[arg(long, help_heading = RESULTS)]
    json: bool,
    /// Write the run over time as CSV
    #[arg(long, value_name = "FILE", help_heading = RESULTS, hide_short_help = true)]
    csv: Option<PathBuf>,
    /// Write the latency distribution in HdrHistogram's text format
    #[arg(long, value_name = "FILE", help_heading = RESULTS, hide_short_help = true)]
    hgrm: Option<PathBuf>,
    /// Write a page with plots that opens without a network
    #[arg(long, value_name = "FILE", help_heading = RESULTS)]
    html: Option<PathBuf>,
    /// Print two JSON documents of earlier runs side by side
    #[arg(long, num_args = 2, value_names = ["A.json", "B.json"], exclusive = true, help_heading = RESULTS, hide_short_help = true)]
    compare: Option<Vec<PathBuf>>,
}

const REQUESTS: &str = "Requests";
const LOAD: &str = "Load";
const RESULTS: &str = "Results";

/// [`Arrivals`] as the command line spells them.
#[derive(Clone, Copy, ValueEnum)]
enum Spacing {
    /// Evenly
    Constant,
    /// Independently of each other, as those of many people
    Poisson,
}

/// What a sweep goes through.
#[derive(Clone, Debug)]
enum Steps {
    Connections(Vec<usize>),
    Rates(Vec<f64>),
}

/// Runs of a sweep.
const STEPS_MAX: usize = 100;

/// The shortest time in which an answer can come.
const TIMEOUT_MIN: Duration = Duration::from_micros(1);

/// How many connections there are unless something else is said.
const CONNECTIONS: usize = 50;

/// How long a run is unless something else is said.
const DURATION: Duration = Duration::from_secs(10);

pub(crate) fn run(arguments: &Arguments) -> Outcome<ExitCode> {
    if let Some(files) = &arguments.compare {
        return compare(files);
    }
    let (Some(target), Some(path)) = (&arguments.target, &arguments.keys) else {
        return Err(Failure::new("a target and --keys FILE are needed; see `graven bench --help`"));
    };
    let plan = plan(arguments, target)?;
    files::check(arguments, path)?;
    // A signal ends the run, and what was measured is printed.
    let stop = Arc::default();
    stop_on_signals(&stop)?;
    let pool = match keys::draw(&drawn_plan(arguments, &plan), path, &stop) {
        Err(_) if is_set(&stop) => return Ok(stopped()),
        drawn => drawn?,
    };
    let (document, unmeasured) = match measure(arguments, &plan, &pool, &stop) {
        Err(_) if is_set(&stop) => return Ok(stopped()),
        measured => measured?,
    };
    // The summary comes first: whatever may happen to a file, it has been seen.
    let printed = print(arguments, &document);
    let mut failures = files::write(arguments, &document);
    failures.extend(printed.err());
    failures.extend(unmeasured);
    if let Some(last) = failures.pop() {
        failures.iter().for_each(warn);
        return Err(last);
    }
    conclude(arguments, target, &document)
}

/// The exit status, once everything is printed and written.
fn conclude(arguments: &Arguments, target: &Target, document: &Document) -> Outcome<ExitCode> {
    let ending = document.runs.last().map(|run| run.ended);
    if ending == Some(Ending::CutShort) {
        return Ok(signals::status().unwrap_or(ExitCode::SUCCESS));
    }
    if arguments.json {
        let warnings = document.runs.iter().flat_map(|run| &run.warnings);
        warnings.for_each(warn);
    }
    if let Some(found) = document.runs.iter().find_map(|run| run.recognized) {
        let asked_in = target.protocol();
        let advice = ask_in(target, found);
        return Err(Failure::new(format!("{target} answers in {found}, not in {asked_in}; {advice}")));
    }
    let answered: u64 = document.runs.iter().map(Report::answers).sum();
    if answered == 0 {
        return Err(Failure::new(format!("{target} answered nothing; what it did instead stands above")));
    }
    let is_bad = arguments.verify && document.runs.iter().any(Report::went_wrong);
    Ok(if is_bad { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// What people are told whose signal came before anything was measured.
const STOPPED_EARLY: &str = "stopped by a signal before anything was measured";

/// The exit status of a process that was stopped before anything was measured.
fn stopped() -> ExitCode {
    warn(STOPPED_EARLY);
    signals::status().unwrap_or(ExitCode::SUCCESS)
}

fn is_set(stop: &AtomicBool) -> bool {
    stop.load(Ordering::Relaxed)
}

fn plan(arguments: &Arguments, target: &Target) -> Outcome<LoadPlan> {
    refuse_contradictions(arguments)?;
    let connections = arguments.users.or(arguments.connections).map_or(CONNECTIONS, NonZeroUsize::get);
    let pace = match (arguments.rate, arguments.think) {
        (Some(rate), _) => Pace::Open { rate, arrivals: arrivals(arguments) },
        (None, Some(think)) => Pace::Users(think),
        (None, None) => Pace::Closed,
    };
    let is_endless = arguments.duration.is_none() && arguments.requests.is_none();
    let target = match &arguments.fields[..] {
        [] => target.clone(),
        fields => with_fields(target, fields)?,
    };
    let plan = LoadPlan {
        target: target.clone(),
        connections,
        threads: arguments.threads.get(),
        pipeline: arguments.pipeline.get(),
        duration: arguments.duration.or(is_endless.then_some(DURATION)),
        requests: arguments.requests,
        pace,
        warm_up: arguments.warmup,
        timeout: arguments.timeout,
        new_connection: arguments.new_connection,
        headers: arguments.headers.clone(),
        trust: arguments.trust.trust(),
        resume_sessions: arguments.tls_resume,
        workload: Workload {
            distribution: arguments.dist,
            miss: arguments.miss,
            keys_per_request: arguments.mget.get(),
            seed: arguments.seed,
            verify: arguments.verify,
        },
        percentiles: arguments.percentiles.clone(),
    };
    // Every step of a sweep before the first is made.
    for plan in std::iter::once(&plan).chain(&steps_of(arguments, &plan).1) {
        plan.check().map_err(|error| refuse(&target, &error))?;
    }
    Ok(plan)
}

/// The plan that requests are drawn for: of a sweep, the one that sends the most.
fn drawn_plan(arguments: &Arguments, plan: &LoadPlan) -> LoadPlan {
    let (_, plans) = steps_of(arguments, plan);
    let most = plans.into_iter().max_by_key(|plan| plan.requests_expected().unwrap_or(u64::MAX));
    most.unwrap_or_else(|| plan.clone())
}

/// The runs of a sweep, or the only one.
fn steps_of(arguments: &Arguments, plan: &LoadPlan) -> (Option<Sweep>, Vec<LoadPlan>) {
    let threads = |connections: usize| plan.threads.min(connections);
    match &arguments.sweep {
        None => (None, vec![LoadPlan { threads: threads(plan.connections), ..plan.clone() }]),
        Some(Steps::Connections(steps)) => {
            let at = |&connections: &usize| LoadPlan {
                connections,
                threads: threads(connections),
                ..plan.clone()
            };
            (Some(Sweep::Connections), steps.iter().map(at).collect())
        }
        Some(Steps::Rates(rates)) => {
            let arrivals = arrivals(arguments);
            let threads = threads(plan.connections);
            let at = |&rate: &f64| LoadPlan { pace: Pace::Open { rate, arrivals }, threads, ..plan.clone() };
            (Some(Sweep::Rate), rates.iter().map(at).collect())
        }
    }
}

/// Refuses flags of which one would do nothing.
fn refuse_contradictions(arguments: &Arguments) -> Outcome<()> {
    let is_open = arguments.rate.is_some() || matches!(arguments.sweep, Some(Steps::Rates(_)));
    let sentence = match &arguments.sweep {
        Some(Steps::Connections(_)) if arguments.connections.is_some() => {
            "the sweep says how many connections there are; leave -c out"
        }
        Some(Steps::Rates(_)) if arguments.rate.is_some() => "the sweep says the rates; leave --rate out",
        _ if arguments.arrivals.is_some() && !is_open => {
            "--arrivals spreads the requests of --rate or of a sweep of rates; add one of them"
        }
        _ => return Ok(()),
    };
    Err(Failure::new(sentence))
}

fn arrivals(arguments: &Arguments) -> Arrivals {
    arguments.arrivals.unwrap_or(Spacing::Constant).into()
}

fn measure(
    arguments: &Arguments,
    plan: &LoadPlan,
    pool: &RequestPool,
    stop: &AtomicBool,
) -> Outcome<(Document, Option<Failure>)> {
    let (sweep, plans) = steps_of(arguments, plan);
    let mut runs: Vec<Report> = Vec::new();
    let mut unmeasured = None;
    for plan in &plans {
        let live = io::stderr().is_terminal().then(Live::new);
        let progress = live.as_ref().map(|live| LoadProgress::new(live, plan));
        let report = match progress {
            Some(progress) => progress.follow(|| graven_bench::run(plan, pool, stop, live.as_ref()))?,
            None => graven_bench::run(plan, pool, stop, None),
        };
        match report {
            Ok(report) => runs.push(report),
            Err(error) if runs.is_empty() => return Err(explain(&plan.target, error)),
            // What the steps before have measured is not lost with a server that has gone away.
            Err(error) => {
                unmeasured = Some(explain(&plan.target, error));
                break;
            }
        }
        if runs.last().is_some_and(|run| run.ended != Ending::Complete) {
            break;
        }
    }
    let generator = concat!("graven ", env!("CARGO_PKG_VERSION"));
    let document = Document::new(generator, invocation::invocation(), sweep, runs);
    Ok((document, unmeasured.filter(|_| !is_set(stop))))
}

fn print(arguments: &Arguments, document: &Document) -> Outcome<()> {
    let text = if arguments.json {
        let json = serde_json::to_string_pretty(document);
        json.map_err(|error| Failure::new(format!("cannot write JSON: {error}")))? + "\n"
    } else if document.sweep.is_some() {
        graven_bench::sweep_table(document)
    } else {
        document.runs.iter().map(graven_bench::summary).collect()
    };
    match io::stdout().lock().write_all(text.as_bytes()) {
        // Whoever read the pipe has had enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => {
            written.map_err(|error| Failure::new(format!("cannot write the summary: {}", reason(&error))))
        }
    }
}

fn compare(files: &[PathBuf]) -> Outcome<ExitCode> {
    let [a, b] = files else {
        return Err(Failure::new("two files are compared; write `graven bench --compare a.json b.json`"));
    };
    let documents = [read_document(a)?, read_document(b)?];
    let names = [a, b].map(|path| path.display().to_string());
    let table = graven_bench::compare([&names[0], &names[1]], [&documents[0], &documents[1]])
        .ok_or_else(|| Failure::new("one of the two documents holds no run"))?;
    match io::stdout().lock().write_all(table.as_bytes()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(format!("cannot write the comparison: {}", reason(&error))))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn read_document(path: &Path) -> Outcome<Document> {
    let name = path.display();
    let text = fs::read_to_string(path).map_err(|error| {
        let advice = "make it with `graven bench … --json > FILE`";
        Failure::new(format!("cannot read {name}: {}; {advice}", reason(&error)))
    })?;
    // A document of another form lacks members, or has others.
    let form = serde_json::from_str(&text).ok().and_then(|text: serde_json::Value| text["form"].as_u64());
    if let Some(theirs) = form.filter(|form| *form != u64::from(FORM)) {
        return Err(Failure::new(format!(
            "{name} has form {theirs}, and this graven reads form {FORM}; make it anew with `graven bench … --json`"
        )));
    }
    serde_json::from_str(&text)
        .map_err(|error| Failure::new(format!("{name} is no document of `graven bench --json`: {error}")))
}

impl From<Spacing> for Arrivals {
    fn from(spacing: Spacing) -> Self {
        match spacing {
            Spacing::Constant => Self::Constant,
            Spacing::Poisson => Self::Poisson,
        }
    }
}

fn think(text: &str) -> Result<Think, String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let [least, most] = [least, most].map(|text| duration(text).map_err(|error| error.to_string()));
    let think = Think { least: least?, most: most? };
    if think.least > think.most {
        let turned = Think { least: think.most, most: think.least };
        return Err(format!("the shorter time comes first, as in {turned}"));
    }
    Ok(think)
}

fn rate(text: &str) -> Result<f64, Misread> {
    quantity::number(text, RATE_MIN..=RATE_MAX)
}

fn part(text: &str) -> Result<f64, Misread> {
    quantity::number(text, 0.0..=1.0)
}

fn percent(text: &str) -> Result<f64, Misread> {
    quantity::number(text, 0.0..=100.0)
}

fn duration(text: &str) -> Result<Duration, Misread> {
    quantity::time(text, Duration::ZERO..=TIME_MAX)
}

fn timeout(text: &str) -> Result<Duration, Misread> {
    quantity::time(text, TIMEOUT_MIN..=TIME_MAX)
}

fn header(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once(':').ok_or("write `Name: value`")?;
    let value = value.trim();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err("the name of a header is letters, digits and -".into());
    }
    if value.bytes().any(|byte| byte.is_ascii_control()) {
        return Err("the value of a header holds no control characters".into());
    }
    let framing = ["content-length", "transfer-encoding", "connection"];
    if framing.iter().any(|taken| name.eq_ignore_ascii_case(taken)) {
        return Err(format!("{name} is written by graven bench itself"));
    }
    Ok((name.to_owned(), value.to_owned()))
}

fn steps(text: &str) -> Result<Steps, String> {
    let advice = "write connections=1,2,4 or rate=1000,2000";
    let (what, list) = text.split_once('=').ok_or(advice)?;
    if list.split(',').count() > STEPS_MAX {
        return Err(format!("at most {STEPS_MAX} steps"));
    }
    match what {
        "connections" => {
            let steps = list.split(',').map(|step| quantity::positive(step).map(NonZeroUsize::get));
            steps.collect::<Result<_, _>>().map(Steps::Connections).map_err(|error| error.to_string())
        }
        "rate" => {
            let steps = list.split(',').map(rate).collect::<Result<_, _>>();
            steps.map(Steps::Rates).map_err(|error| error.to_string())
        }
        _ => Err(advice.into()),
    }
}
