//! Many small tables in one root: what each costs.

use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};

use crate::compare::at_least_one;
use crate::histogram::Histogram;
use crate::machine::{self, Held};
use crate::servers::process::Running;
use crate::stop::Stop;
use crate::table::Table;
use crate::versions::content::Content;
use crate::versions::probe::Probe;
use crate::versions::root::{RootFolder, server_options};
use crate::versions::stream::Stream;
use crate::versions::switches::milliseconds;

/// Serve many small tables from one root, and measure what each of them costs
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Tables; measured for each of these numbers
    #[arg(long, value_delimiter = ',', value_name = "N", default_value = "1,10,100,1000")]
    tables: Vec<usize>,
    /// Pairs of each
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u64).range(100..))]
    pairs: u64,
    /// Switches of one of them
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    switches: usize,
    /// Tables that are added while the server runs
    #[arg(long, value_name = "N", default_value_t = 50)]
    added: usize,
    /// Seconds of rest in which is counted what the server does on its own account
    #[arg(long, value_name = "SECONDS", default_value_t = 11.0, value_parser = crate::compare::positive)]
    seconds: f64,
    /// The `graven` binary [default: that of this repository's release build, or of the search
    /// path]
    #[arg(long, value_name = "PATH")]
    graven: Option<PathBuf>,
    /// Where the root is made
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Nothing takes as long, and between two looks: the page of many tables is large.
const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(20);

/// Small tables have no large values, whose bytes would hide what a table costs besides.
const VALUE_BYTES_MAX: usize = 50;

struct Measured {
    tables: usize,
    file_bytes: u64,
    first: Duration,
    all: Duration,
    held: Held,
    /// Context switches a second at rest, and processor time a second.
    wakeups: f64,
    busy: f64,
    switches: Histogram,
    added: Duration,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let stop = Stop::on_signals()?;
    let mut measured = Vec::new();
    for &tables in &arguments.tables {
        measured.push(measure(arguments, tables, &stop)?);
    }
    let file_bytes = measured.first().map_or(0, |one| one.file_bytes);
    println!(
        "{}; {} pairs a table, {:.1} KB carved.\n",
        machine::describe(),
        arguments.pairs,
        file_bytes as f64 / 1e3
    );
    let head = [
        "tables",
        "first answers, ms",
        "all loaded, ms",
        "resident MB",
        "a table besides its file, KB",
        "descriptors",
        "context switches a second at rest",
        "processor time at rest, ms a second",
        "a switch: p50, slowest, ms",
        "one more table, ms",
    ];
    let first = measured.first().map(|one| (one.tables, one.held.resident_bytes));
    let besides = |one: &Measured| {
        let (tables, bytes) = first.filter(|(tables, _)| *tables < one.tables)?;
        let a_table = one.held.resident_bytes.saturating_sub(bytes) as f64 / (one.tables - tables) as f64;
        Some(format!("{:.1}", (a_table - one.file_bytes as f64) / 1e3))
    };
    let mut table = Table::new(0, &head);
    for one in measured {
        let besides = besides(&one).unwrap_or_default();
        table.push(vec![
            one.tables.to_string(),
            milliseconds(one.first),
            milliseconds(one.all),
            format!("{:.1}", one.held.resident_bytes as f64 / 1e6),
            besides,
            one.held.descriptors.to_string(),
            format!("{:.1}", one.wakeups),
            format!("{:.2}", one.busy * 1e3),
            format!(
                "{}, {}",
                milliseconds(one.switches.percentile(0.5)),
                milliseconds(one.switches.percentile(1.0))
            ),
            milliseconds(one.added),
        ]);
    }
    print!("{}", table.markdown());
    Ok(())
}

fn name(i: usize) -> String {
    format!("table{i}")
}

fn measure(arguments: &Arguments, tables: usize, stop: &Stop) -> Result<Measured> {
    eprintln!("{tables} tables");
    let content = Content { pairs: arguments.pairs, cycle: 3, value_bytes_max: VALUE_BYTES_MAX };
    let root = RootFolder::make(arguments.graven.as_deref(), arguments.folder.as_deref())?;
    let made = root.root().with_file_name("made");
    fs::create_dir(&made)?;
    let file = |number: u64| made.join(format!("{number}.graven"));
    for number in 0..content.cycle {
        root.build(content, number, &file(number), false)?;
    }
    let file_bytes = fs::metadata(file(0))?.len();
    let add = |table: usize| {
        root.add_table(&name(table))?;
        fs::copy(file(0), root.version(&name(table), "v0"))?;
        root.set_current(&name(table), "v0\n")
    };
    for table in 0..tables {
        add(table)?;
    }
    let began = Instant::now();
    let cores = format!("0-{}", thread::available_parallelism()?.get() - 1);
    let options =
        server_options(&[("--threads", Some("2".to_owned())), ("--storage", Some("ram".to_owned()))]);
    let server = root.serve(&cores, &options, stop)?;
    let measured = (|| {
        let last = name(tables - 1);
        let mut probe = Probe::connect(server.address(), &last, &content.key(0))?;
        let label = |version: &str| format!("{last}@{version}");
        let first = probe.until(&label("v0"), began, stop)?;
        let all = until_loaded(&server, tables, began, stop)?;
        let before = (server.context_switches()?, server.processor_time()?);
        thread::sleep(Duration::from_secs_f64(arguments.seconds));
        let wakeups = (server.context_switches()? - before.0) as f64 / arguments.seconds;
        let busy = (server.processor_time()? - before.1).as_secs_f64() / arguments.seconds;
        let held = server.held()?;
        for number in 1..content.cycle {
            fs::copy(file(number), root.version(&last, &format!("v{number}")))?;
        }
        let mut switches = Histogram::new();
        for switch in 1..=arguments.switches {
            let version = format!("v{}", switch as u64 % content.cycle);
            let began = root.set_current(&last, &format!("{version}\n"))?;
            switches.record(probe.until(&label(&version), began, stop)?);
        }
        let began = Instant::now();
        for table in tables..tables + arguments.added {
            add(table)?;
        }
        until_loaded(&server, tables + arguments.added, began, stop)?;
        let added = began.elapsed().checked_div(arguments.added as u32).unwrap_or_default();
        anyhow::Ok(Measured { tables, file_bytes, first, all, held, wakeups, busy, switches, added })
    })();
    match measured {
        Ok(measured) => Ok(measured),
        Err(error) => bail!("{error:#}; the server has said:\n{}", root.said()),
    }
}

/// Waits until so many tables are there and none of them is loading.
fn until_loaded(server: &Running, tables: usize, began: Instant, stop: &Stop) -> Result<Duration> {
    let mut stream = Stream::connect(server.address())?;
    loop {
        stop.check()?;
        ensure!(began.elapsed() < PATIENCE, "not all tables are loaded");
        stream.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let page = String::from_utf8(stream.http_page()?)?;
        let counted = |name: &str| {
            let lines = page.lines().filter(|line| line.starts_with(name));
            lines.filter(|line| !line.ends_with(" 0")).count()
        };
        // A table that was loaded tells how long that took.
        if counted("graven_table_last_switch_seconds{") == tables {
            return Ok(began.elapsed());
        }
        thread::sleep(PAUSE);
    }
}
