//! Many switches under load: every answer is checked, and waits, memory and descriptors are
//! measured.

use std::path::PathBuf;
use std::time::{Duration, Instant};
use std::{fs, thread};

use anyhow::{Result, bail, ensure};

use crate::compare::{at_least_one, positive};
use crate::histogram::Histogram;
use crate::machine::{self, Held, Ticks};
use crate::servers::process::Running;
use crate::stop::Stop;
use crate::table::Table;
use crate::versions::clients::{self, Tally};
use crate::versions::content::Content;
use crate::versions::order::Progress;
use crate::versions::probe::Probe;
use crate::versions::root::{RootFolder, TABLE, server_options};

/// Switch a table of a root again and again while 50 connections ask it, and check every answer
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// The `graven` binary [default: that of this repository's release build, or of the search
    /// path]
    #[arg(long, value_name = "PATH")]
    graven: Option<PathBuf>,
    /// Where the root is made
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Pairs of the table
    #[arg(long, value_name = "N", default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(100..))]
    pairs: u64,
    /// Contents that follow each other; an answer that is older by so many switches is not told
    /// from a new one
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u64).range(3..200))]
    contents: u64,
    /// Switches
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u64).range(1..))]
    switches: u64,
    /// Those of them that are made by `graven publish`; the others replace CURRENT alone
    #[arg(long, value_name = "N", default_value_t = 20)]
    publishes: u64,
    /// Connections that ask
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = at_least_one)]
    connections: usize,
    /// Milliseconds that a connection rests between its requests, on average
    #[arg(long, value_name = "MS", default_value_t = 4.0, value_parser = positive)]
    pause: f64,
    /// Seconds without a switch behind the second after each; without them, the next switch
    /// follows at once
    #[arg(long, value_name = "SECONDS", value_parser = positive)]
    rest: Option<f64>,
    /// `graven serve --storage`
    #[arg(long, value_name = "WHERE")]
    storage: Option<String>,
    /// `graven serve --cache`
    #[arg(long, value_name = "SIZE")]
    cache: Option<String>,
    /// `graven serve --load-rate`
    #[arg(long, value_name = "SIZE")]
    load_rate: Option<String>,
    /// `graven serve --threads`
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    threads: usize,
    /// The cores that the server runs on, as `taskset` takes them
    #[arg(long, value_name = "CORES", default_value = "0")]
    server_cores: String,
    /// The core that the load comes from
    #[arg(long, value_name = "CORE", default_value_t = 1)]
    load_core: usize,
}

/// What belongs to a switch beyond its end.
const TAIL: Duration = Duration::from_secs(1);
/// Switches until as much is held as ever: of the one that answers and the one before, once
/// through all contents.
const WARM: usize = 16;
/// By how much more may be held at the end than at the beginning: what allocators and page tables
/// do.
const GROWTH_SHARE: f64 = 1.10;
const GROWTH_BYTES: u64 = 8 << 20;
/// Descriptors that come and go: a version that is being loaded, and one that slow readers hold.
const GROWTH_DESCRIPTORS: u64 = 8;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stop = Stop::on_signals()?;
    let ways = clients::ways(arguments.connections);
    clients::all_are_used(&ways)?;
    let content = Content { pairs: arguments.pairs, cycle: arguments.contents, value_bytes_max: usize::MAX };
    let root = RootFolder::make(arguments.graven.as_deref(), arguments.folder.as_deref())?;
    root.add_table(TABLE)?;
    let on_disk = arguments.storage.as_deref() == Some("disk");
    for number in 0..content.cycle {
        eprintln!("building version {} of {}", number + 1, content.cycle);
        root.build(content, number, &root.version(TABLE, &format!("v{number}")), on_disk)?;
        stop.check()?;
    }
    let file_bytes = fs::metadata(root.version(TABLE, "v0"))?.len();
    root.set_current(TABLE, "v0\n")?;
    let options = server_options(&[
        ("--threads", Some(arguments.threads.to_string())),
        ("--storage", arguments.storage.clone()),
        ("--cache", arguments.cache.clone()),
        ("--load-rate", arguments.load_rate.clone()),
    ]);
    let server = root.serve(&arguments.server_cores, &options, &stop)?;
    eprintln!("graven listens on {}", server.address());
    // Publishers share the load's core, too.
    machine::pin_to(arguments.load_core)?;
    let before = Ticks::now()?;
    let measured = measure(arguments, content, &root, &server, &ways, &stop);
    let measured = match measured {
        Ok(measured) => measured,
        Err(error) => bail!("{error:#}; the server has said:\n{}", tail(&root.said())),
    };
    println!(
        "{}; {} pairs, {:.1} MB carved, `graven serve ROOT {}` on core {}, {} connections on core {}; the host took away {:.2} % of \
         the processors' time.\n",
        machine::describe(),
        content.pairs,
        file_bytes as f64 / 1e6,
        options.join(" "),
        arguments.server_cores,
        arguments.connections,
        arguments.load_core,
        Ticks::now()?.stolen_percent_since(before),
    );
    print!("{}", measured.table().markdown());
    measured.judge()
}

/// The last lines of a text.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(30)..].join("\n")
}

struct Measured {
    switches: Histogram,
    slowest: Duration,
    count: u64,
    publishes: u64,
    tally: Tally,
    /// What the process held after each switch, and at the end.
    held: Vec<Held>,
    has_rests: bool,
}

fn measure(
    arguments: &Arguments,
    content: Content,
    root: &RootFolder,
    server: &Running,
    ways: &[clients::Way],
    stop: &Stop,
) -> Result<Measured> {
    let mut probe = Probe::connect(server.address(), TABLE, &content.key(0))?;
    probe.until(&format!("{TABLE}@v0"), Instant::now(), stop)?;
    server.settle(stop)?;
    let progress = Progress::new(content.cycle);
    let pause = Duration::from_secs_f64(arguments.pause / 1e3);
    let mut measured = Measured {
        switches: Histogram::new(),
        slowest: Duration::ZERO,
        count: arguments.switches,
        publishes: arguments.publishes.min(arguments.switches),
        tally: Tally::new(),
        held: Vec::new(),
        has_rests: arguments.rest.is_some(),
    };
    thread::scope(|scope| {
        let clients: Vec<_> = ways
            .iter()
            .zip(1..)
            .map(|(&way, seed)| {
                let progress = &progress;
                scope.spawn(move || clients::run(way, server.address(), content, progress, pause, seed))
            })
            .collect();
        let rest = arguments.rest.map(Duration::from_secs_f64);
        thread::sleep(rest.unwrap_or(TAIL));
        let switched = switch_on(&mut measured, content, root, server, &progress, &mut probe, rest, stop);
        // What slow readers have asked for, they read.
        thread::sleep(TAIL);
        if let Ok(held) = server.held() {
            measured.held.push(held);
        }
        progress.end();
        for client in clients {
            measured.tally.add(client.join().expect("a client does not panic"));
        }
        switched
    })?;
    Ok(measured)
}

#[expect(clippy::too_many_arguments, reason = "what there is to measure")]
fn switch_on(
    measured: &mut Measured,
    content: Content,
    root: &RootFolder,
    server: &Running,
    progress: &Progress,
    probe: &mut Probe,
    rest: Option<Duration>,
    stop: &Stop,
) -> Result<()> {
    let publish_every = measured.count.checked_div(measured.publishes);
    for switch in 1..=measured.count {
        stop.check()?;
        let number = switch % content.cycle;
        progress.begin(switch);
        let (version, began) = match publish_every.is_some_and(|every| switch % every == 0) {
            true => {
                let began = Instant::now();
                let version = format!("p{switch}");
                root.publish(&root.version(TABLE, &format!("v{number}")), TABLE, &version)?;
                (version, began)
            }
            false => {
                let version = format!("v{number}");
                let began = root.set_current(TABLE, &format!("{version}\n"))?;
                (version, began)
            }
        };
        let answered = probe.until(&format!("{TABLE}@{version}"), began, stop)?;
        progress.complete(switch);
        measured.switches.record(answered);
        measured.slowest = measured.slowest.max(answered);
        measured.held.push(server.held()?);
        if let Some(old) = switch.checked_sub(2) {
            // Published versions are copies; the one before the present one may still be gone back
            // to.
            let _ = fs::remove_file(root.version(TABLE, &format!("p{old}")));
        }
        if let Some(rest) = rest {
            thread::sleep(TAIL);
            progress.settle();
            thread::sleep(rest);
        }
        if switch % 100 == 0 {
            eprintln!("{switch} switches of {}", measured.count);
        }
    }
    Ok(())
}

impl Measured {
    /// What was held once all contents had answered, and at the end: medians of some switches.
    fn first_and_last(&self) -> (Held, Held) {
        let part = (self.held.len() / 4).clamp(1, WARM);
        let warm = WARM.min(self.held.len() - part);
        let median = |held: &[Held]| {
            let of = |number: fn(&Held) -> u64| {
                let mut numbers: Vec<u64> = held.iter().map(number).collect();
                numbers.sort_unstable();
                numbers[numbers.len() / 2]
            };
            Held {
                resident_bytes: of(|held| held.resident_bytes),
                proportional_bytes: of(|held| held.proportional_bytes),
                descriptors: of(|held| held.descriptors),
            }
        };
        (median(&self.held[warm..warm + part]), median(&self.held[self.held.len() - part..]))
    }

    fn table(&self) -> Table {
        let mut table = Table::new(1, &["what", "measured"]);
        let mut row = |what: &str, measured: String| table.push(vec![what.to_owned(), measured]);
        let Tally { answers, failed, mixed, older, expired, .. } = self.tally;
        row("switches, those of `graven publish` among them", format!("{}, {}", self.count, self.publishes));
        row("answers", answers.to_string());
        row("failed, mixed or wrong, older", format!("{failed}, {mixed}, {older}"));
        row("walks whose version was gone", expired.to_string());
        let [median, tail] = [0.5, 0.99].map(|part| milliseconds(self.switches.percentile(part)));
        row(
            "until every loop answers from it: p50, p99, slowest, ms",
            format!("{median}, {tail}, {}", milliseconds(self.slowest)),
        );
        let waits = |waits: &Histogram| {
            let parts = [0.5, 0.99, 0.999].map(|part| milliseconds(waits.percentile(part)));
            format!("{} of {}", parts.join(", "), waits.count())
        };
        row("waits during switches: p50, p99, p99.9, ms", waits(&self.tally.during));
        if self.has_rests {
            row("waits besides", waits(&self.tally.beside));
            let [during, beside] =
                [&self.tally.during, &self.tally.beside].map(|waits| waits.percentile(0.999).as_secs_f64());
            row("p99.9 during to besides", format!("{:.2}", during / beside));
        }
        let (first, last) = self.first_and_last();
        let most = self.held.iter().map(|held| held.resident_bytes).max().unwrap_or(0);
        let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
        let memory =
            |number: fn(&Held) -> u64| format!("{}, {}", megabytes(number(&first)), megabytes(number(&last)));
        row("resident after the first contents, at the end, MB", memory(|held| held.resident_bytes));
        row("proportional (Pss), likewise", memory(|held| held.proportional_bytes));
        row("resident at most after a switch, MB", megabytes(most));
        row("descriptors, likewise", format!("{}, {}", first.descriptors, last.descriptors));
        table
    }

    /// An error where something is not as it must be. Waits depend on the machine, and are for
    /// people to judge.
    fn judge(&self) -> Result<()> {
        let Tally { failed, mixed, older, said, .. } = &self.tally;
        ensure!(failed + mixed + older == 0, "answers are not as they must be:\n{}", said.join("\n"));
        let (first, last) = self.first_and_last();
        let allowed = (first.resident_bytes as f64 * GROWTH_SHARE) as u64 + GROWTH_BYTES;
        let found = last.resident_bytes;
        ensure!(found <= allowed, "memory grows: {} bytes, and then {found}", first.resident_bytes);
        ensure!(
            last.descriptors <= first.descriptors + GROWTH_DESCRIPTORS,
            "descriptors grow: {}, and then {}",
            first.descriptors,
            last.descriptors
        );
        Ok(())
    }
}

pub(crate) fn milliseconds(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}
