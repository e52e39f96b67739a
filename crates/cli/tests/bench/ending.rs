//! How runs end before they should, and what is left of them: nothing that was measured is lost.

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::peers::{self, Conduct};
use crate::support::{Serving, assert_refused, example_data, file_with, graven, run};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1";

#[test]
fn a_run_that_would_do_nothing_is_refused_with_what_to_type() {
    let (_directory, keys) = file_with(b"a 1\n");
    let keys = keys.to_str().unwrap();
    for (arguments, sentence) in [
        (&["-n", "0"][..], "-n 0 sends nothing; ask for at least one request, as in -n 1000"),
        (&["-n", "0", "--rate", "5"], "-n 0 sends nothing; ask for at least one request, as in -n 1000"),
        (&["-d", "0s"], "-d 0s measures nothing; ask for some time, as in -d 10s"),
        (&["-d", "0us"], "-d 0s measures nothing; ask for some time, as in -d 10s"),
        (&["-d", "0s", "-n", "5"], "-d 0s measures nothing; ask for some time, as in -d 10s"),
        (
            &["--sweep", "connections=1,70000"],
            "70000 is too much for connections; at most 60000 are possible",
        ),
        (&["--mget", "20000"], "20000 is too much for --mget; at most 10000 are possible"),
        (&["--threads", "257"], "257 is too much for --threads; at most 256 are possible"),
    ] {
        assert_refused(&[&["bench", "127.0.0.1:1", "--keys", keys], arguments].concat(), sentence);
    }
}

#[test]
fn files_that_cannot_be_written_are_told_of_before_the_run() {
    let (directory, keys) = file_with(b"a 1\n");
    let keys = keys.to_str().unwrap();
    let (address, requests) = peers::start(Conduct::Says(ANSWER));
    let missing = directory.path().join("missing");
    let file = missing.join("run.out");
    let (missing, file) = (missing.display(), file.to_str().unwrap());
    let folder = directory.path().to_str().unwrap();
    let same = directory.path().join("same");
    let same = same.to_str().unwrap();
    for (arguments, sentence) in [
        (
            &["--html", file][..],
            format!("cannot write {file}: no such file or directory; make the directory {missing} first"),
        ),
        (
            &["--csv", file],
            format!("cannot write {file}: no such file or directory; make the directory {missing} first"),
        ),
        (
            &["--hgrm", file],
            format!("cannot write {file}: no such file or directory; make the directory {missing} first"),
        ),
        (
            &["--html", folder],
            format!("cannot write {folder}: it is a directory; name a file in it, such as {folder}/run.out"),
        ),
        (
            &["--csv", same, "--html", same],
            format!("--csv and --html are both to be written to {same}; name two files"),
        ),
        (&["--csv", keys], format!("--csv would replace the keys in {keys}; name another file")),
    ] {
        let asks = ["bench", &address, "--keys", keys, "-n", "5"];
        assert_refused(&[&asks[..], arguments].concat(), &sentence);
    }
    assert_eq!(requests.try_iter().count(), 0, "nothing was asked");
    assert_eq!(fs::read(keys).unwrap(), b"a 1\n");
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing was left behind");
}

#[test]
fn a_file_that_cannot_be_written_costs_neither_the_summary_nor_the_other_files() {
    let (directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::Says(ANSWER));
    let page = directory.path().join("page.html");
    let asks = ["bench", &address, "--keys", keys.to_str().unwrap(), "-n", "5", "--csv", "/dev/full"];
    let ended = run(&[&asks[..], &["--html", page.to_str().unwrap()]].concat());
    assert_eq!(ended.status, Some(2));
    assert_eq!(ended.err, "graven: cannot write /dev/full: no space left on device\n");
    assert!(ended.out.contains("Requests/s") && ended.out.contains("hits "), "{}", ended.out);
    assert!(fs::read_to_string(page).unwrap().ends_with("</html>\n"));
}

#[test]
fn a_summary_that_cannot_be_printed_costs_no_file() {
    let (directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::Says(ANSWER));
    let page = directory.path().join("page.html");
    let output = graven()
        .args(["bench", &address, "--keys", keys.to_str().unwrap(), "-n", "5", "--html"])
        .arg(&page)
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(said, "graven: cannot write the summary: no space left on device\n");
    assert!(fs::read_to_string(page).unwrap().ends_with("</html>\n"));
}

/// Starts a run without an end against a server, and gives both once it has been asked 50 times.
fn endless(arguments: &[&str]) -> Child {
    let (directory, keys) = file_with(b"a 1\n");
    let (address, requests) = peers::start(Conduct::Says(ANSWER));
    let child = graven()
        .args(["bench", &address, "--keys", keys.to_str().unwrap(), "-c", "1"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..50 {
        requests.recv_timeout(Duration::from_secs(60)).unwrap();
    }
    // The keys have been read.
    drop(directory);
    child
}

fn interrupt(child: &Child, signal: Signal) {
    kill_process(Pid::from_child(child), signal).unwrap();
}

#[test]
fn a_run_that_a_signal_cuts_short_says_so_everywhere() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (csv, hgrm, html) = (file("run.csv"), file("run.hgrm"), file("run.html"));
    let warning = "The run was cut short after ";
    for (signal, status) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let child = endless(&["-d", "1h", "--csv", &csv, "--hgrm", &hgrm, "--html", &html]);
        interrupt(&child, signal);
        let ended = child.wait_with_output().unwrap();
        assert_eq!(ended.status.code(), Some(status));
        let summary = String::from_utf8(ended.stdout).unwrap();
        assert!(summary.contains(warning) && summary.contains("it was to be 3600 s."), "{summary}");
        for path in [&hgrm, &html] {
            let text = fs::read_to_string(path).unwrap();
            assert!(text.contains(warning), "{path}: {text}");
        }
        let csv = fs::read_to_string(&csv).unwrap();
        assert!(csv.lines().skip(1).all(|row| row.ends_with(",cut short")), "{csv}");
        assert!(csv.lines().count() > 1, "{csv}");
    }
}

#[test]
fn a_sweep_that_a_signal_cuts_short_says_so_and_goes_no_further() {
    let child = endless(&["-d", "1h", "--sweep", "rate=1000,2000", "--json"]);
    interrupt(&child, Signal::INT);
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(130));
    let document: Value = serde_json::from_slice(&ended.stdout).unwrap();
    let runs = document["runs"].as_array().unwrap();
    assert_eq!((runs.len(), &runs[0]["ended"]), (1, &"cut_short".into()));

    let child = endless(&["-d", "1h", "--sweep", "rate=1000,2000"]);
    interrupt(&child, Signal::INT);
    let ended = child.wait_with_output().unwrap();
    let table = String::from_utf8(ended.stdout).unwrap();
    assert!(table.contains("Warning, run 1: The run was cut short"), "{table}");
}

#[test]
fn two_runs_side_by_side_say_which_was_cut_short() {
    let directory = tempfile::tempdir().unwrap();
    let child = endless(&["-d", "1h", "--json"]);
    interrupt(&child, Signal::INT);
    let ended = child.wait_with_output().unwrap();
    let path = directory.path().join("a.json");
    fs::write(&path, ended.stdout).unwrap();
    let path = path.to_str().unwrap();
    let table = run(&["bench", "--compare", path, path]).out;
    let row = table.lines().find(|line| line.starts_with("ended")).unwrap();
    assert_eq!(row.matches("cut short").count(), 2, "{table}");
}

#[test]
fn a_rate_that_the_connections_cannot_bear_ends_when_it_should() {
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, requests) = peers::start(Conduct::IsSilent);
    let asks = ["bench", &address, "--keys", keys.to_str().unwrap(), "--rate", "1000", "-c", "2", "--json"];
    let began = Instant::now();
    let ended = run(&[&asks[..], &["-d", "300ms", "--timeout", "1s"]].concat());
    // Both connections wait for their answers to the end of the time-out, and nothing is sent
    // after them.
    assert!(began.elapsed() < Duration::from_secs(60));
    assert_eq!(ended.status, Some(2), "{}", ended.err);
    assert_eq!(requests.try_iter().count(), 2);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let run = &document["runs"][0];
    assert_eq!(run["sent"], 2, "{run}");
    assert!((290..=300).contains(&run["schedule"]["unsent"].as_u64().unwrap()), "{run}");
    assert_eq!(run["schedule"]["all_due"]["count"], run["schedule"]["unsent"], "{run}");
    assert!(run["warnings"][0].as_str().unwrap().contains("were due and never sent"), "{run}");
}

#[test]
fn what_a_document_was_made_with_is_written_in_it() {
    let directory = tempfile::tempdir().unwrap();
    let page = directory.path().join("page.html");
    let page = page.to_str().unwrap();
    let keys = example_data();
    let serving = Serving::start(&[&keys]);
    let target = format!("http://{}/?key={{key}}", serving.address());
    let asks = ["bench", &target, "--keys", keys.to_str().unwrap(), "-n", "50", "--html", page, "--json"];
    let ended = run(&asks);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let version = String::from_utf8(graven().arg("--version").output().unwrap().stdout).unwrap();
    let version = version.lines().next().unwrap();
    let generator = document["generator"].as_str().unwrap();
    assert!(version.starts_with(generator), "{version:?} {generator:?}");
    let words: Vec<&str> =
        document["command_line"].as_array().unwrap().iter().map(|word| word.as_str().unwrap()).collect();
    assert_eq!(words, [&["graven"], &asks[..]].concat());
    let began = document["runs"][0]["started_at"].as_str().unwrap();
    assert!(began.len() == 20 && began.starts_with("20") && began.ends_with('Z'), "{began}");
    assert_eq!(document["runs"][0]["parameters"]["target"], target);
    let page = fs::read_to_string(page).unwrap();
    for text in
        [generator, began, "graven bench &#39;http://", "standard deviation", "MB/s", "hey: resp wait"]
    {
        assert!(page.contains(text), "the page lacks {text}");
    }
    let summary = run(&asks[..6]).out;
    for text in ["MB/s", "deviation", &target, "Z\n"] {
        assert!(summary.contains(text), "{text} is not in {summary}");
    }
}

#[test]
fn histograms_hold_every_answer_between_round_numbers() {
    let keys = example_data();
    let serving = Serving::start(&[&keys]);
    let asks = ["bench", serving.address(), "--keys", keys.to_str().unwrap(), "-n", "2000"];
    let ended = run(&[&asks[..], &["--json"]].concat());
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    let service = &document["runs"][0]["latency"]["hits"]["service"];
    let buckets = service["buckets"].as_array().unwrap();
    let counts = buckets.iter().map(|bucket| bucket["count"].as_u64().unwrap());
    assert_eq!(counts.sum::<u64>(), 2_000);
    let edges: Vec<f64> = buckets.iter().map(|bucket| bucket["up_to_us"].as_f64().unwrap()).collect();
    assert!(edges.windows(2).all(|pair| (1.2..=10.0).contains(&(pair[1] / pair[0]))), "{edges:?}");
    let bars = run(&asks).out;
    let bars = BufReader::new(bars.as_bytes()).lines().map_while(Result::ok);
    assert!(bars.filter(|line| line.starts_with("  up to ")).count() >= 1);
}
