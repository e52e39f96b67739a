//! What a run leaves behind: JSON, CSV, HdrHistogram's text, the page, and the comparison of two runs.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use crate::peers::{self, Conduct};
use crate::schema::{assert_valid, check};
use crate::support::{Serving, assert_refused, example_data, file_with, run};

fn schema() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/bench.schema.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Runs `graven bench` on the example, and gives the document.
#[track_caller]
fn document(address: &str, further: &[&str]) -> Value {
    let keys = example_data();
    let arguments = ["bench", address, "--keys", keys.to_str().unwrap(), "--json"];
    let ended = run(&[&arguments[..], further].concat());
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    serde_json::from_str(&ended.out).unwrap()
}

#[test]
fn every_document_is_what_the_schema_says() {
    let schema = schema();
    let serving = Serving::start(&[example_data()]);
    for further in [
        &["-n", "500"][..],
        &["-n", "500", "--rate", "10000", "--miss", "0.3", "--percentiles", "12.5,99.5"],
        &["-d", "100ms", "--users", "5", "--think", "1ms..5ms", "--warmup", "20ms"],
        &["-n", "200", "--mget", "7", "--miss", "0.3", "--verify"],
        &["-n", "200", "--new-connection", "--threads", "2"],
        &["-n", "200", "--sweep", "connections=1,2,3"],
        &["-n", "200", "--sweep", "rate=5000,10000", "--arrivals", "poisson"],
    ] {
        let document = document(serving.address(), further);
        assert_valid(&schema, &document);
        let rates =
            document["runs"].as_array().unwrap().iter().map(|run| run["requests_per_second"].as_f64());
        let highest = rates.map(Option::unwrap).fold(0.0, f64::max);
        assert_eq!(document["requests_per_second"].as_f64(), Some(highest), "{further:?}");
    }
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, _requests) = peers::start(Conduct::Says(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"));
    let ended = run(&["bench", &address, "--keys", keys.to_str().unwrap(), "-n", "5", "--json"]);
    let document: Value = serde_json::from_str(&ended.out).unwrap();
    assert_valid(&schema, &document);
    assert_eq!(document["runs"][0]["outcomes"]["refused"], 5);
}

#[test]
fn the_schema_turns_down_what_is_no_document() {
    let schema = schema();
    let serving = Serving::start(&[example_data()]);
    let sound = document(serving.address(), &["-n", "100"]);
    for (path, value) in [
        ("/form", json!(1)),
        ("/runs/0/ended", json!("somehow")),
        ("/runs/0/warnings", json!("none")),
        ("/requests_per_second", json!("fast")),
        ("/runs", json!([])),
        ("/runs/0/outcomes/hits", json!(-1)),
        ("/runs/0/failures", json!({})),
        ("/runs/0/latency/hits/service/percentiles/0/percent", json!(101)),
    ] {
        let mut document = sound.clone();
        *document.pointer_mut(path).unwrap() = value;
        assert!(check(&schema, &schema, &document, "$").is_err(), "{path} was taken");
    }
    let mut document = sound;
    document["runs"][0]["further"] = json!(1);
    assert!(check(&schema, &schema, &document, "$").is_err(), "an unknown member was taken");
}

#[test]
fn percentiles_that_are_asked_for_stand_among_the_common_ones() {
    let serving = Serving::start(&[example_data()]);
    let document = document(serving.address(), &["-n", "100", "--percentiles", "99.5,1,99"]);
    let percentiles = document.pointer("/runs/0/latency/hits/service/percentiles").unwrap();
    let percents: Vec<f64> =
        percentiles.as_array().unwrap().iter().map(|found| found["percent"].as_f64().unwrap()).collect();
    assert_eq!(percents, [1.0, 10.0, 50.0, 75.0, 90.0, 95.0, 99.0, 99.5, 99.9, 99.99]);
}

#[test]
fn every_file_of_a_run_tells_of_all_its_answers() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    let (csv, hgrm, html) = (file("run.csv"), file("run.hgrm"), file("run.html"));
    let serving = Serving::start(&[example_data()]);
    document(
        serving.address(),
        &["-n", "500", "--rate", "2000", "--csv", &csv, "--hgrm", &hgrm, "--html", &html],
    );

    let csv = fs::read_to_string(csv).unwrap();
    let mut lines = csv.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let header = lines.next().unwrap();
    let answers = header.iter().position(|name| *name == "answers").unwrap();
    let rows: Vec<_> = lines.collect();
    assert!(rows.iter().all(|row| row.len() == header.len() && row[2] == "2000"), "{csv}");
    assert_eq!(rows.iter().map(|row| row[answers].parse::<u64>().unwrap()).sum::<u64>(), 500);

    let hgrm = fs::read_to_string(hgrm).unwrap();
    let points: Vec<Vec<f64>> = hgrm
        .lines()
        .skip(2)
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split_whitespace().map(|cell| cell.parse().unwrap()).collect())
        .collect();
    assert!(points.windows(2).all(|pair| pair[0][0] <= pair[1][0] && pair[0][1] <= pair[1][1]), "{hgrm}");
    let last = points.last().unwrap();
    assert_eq!((last[1], last[2], last.len()), (1.0, 500.0, 3));
    assert!(hgrm.contains("Total count    =          500]"), "{hgrm}");

    assert_page(&fs::read_to_string(html).unwrap(), 3);
}

#[test]
fn the_page_of_a_sweep_plots_latency_against_rate() {
    let directory = tempfile::tempdir().unwrap();
    let html = directory.path().join("sweep.html");
    let serving = Serving::start(&[example_data()]);
    let further = ["-n", "200", "--sweep", "rate=2000,4000,8000", "--html", html.to_str().unwrap()];
    document(serving.address(), &further);
    let page = fs::read_to_string(html).unwrap();
    assert_page(&page, 3);
    assert!(page.contains(r#"aria-label="Latency against rate""#));
    assert_eq!(page.matches("<circle").count(), 9 + 3, "three curves of three points, and one");
}

/// Asserts that `page` shows `plots`, and that it needs nothing but itself.
#[track_caller]
fn assert_page(page: &str, plots: usize) {
    assert_eq!((page.matches("<svg").count(), page.matches("</svg>").count()), (plots, plots));
    assert!(page.contains("default-src 'none'"), "its policy forbids everything from outside");
    for outside in ["<script", "src=", "href=", "url(", "@import", "://"] {
        assert!(!page.contains(outside), "the page holds {outside}");
    }
    assert!(!page.contains("NaN") && page.ends_with("</html>\n"));
}

#[test]
fn what_a_server_says_stays_text_on_the_page() {
    let directory = tempfile::tempdir().unwrap();
    let html = directory.path().join("page.html");
    let (_directory, keys) = file_with(b"a 1\n");
    let (address, _requests) =
        peers::start(Conduct::Says(b"HTTP/1.1 500 No\r\nContent-Length: 8\r\n\r\n<script>"));
    let arguments = ["bench", &address, "--keys", keys.to_str().unwrap(), "-n", "2", "--html"];
    assert_eq!(run(&[&arguments[..], &[html.to_str().unwrap()]].concat()).status, Some(0));
    let page = fs::read_to_string(html).unwrap();
    assert!(page.contains("&lt;script&gt;"));
    assert_page(&page, 3);
}

#[test]
fn two_runs_are_compared_side_by_side() {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start(&[example_data()]);
    let write = |name: &str, connections: &str| {
        let path = directory.path().join(name);
        let document = document(serving.address(), &["-n", "300", "-c", connections]);
        assert_valid(&schema(), &document);
        fs::write(&path, document.to_string()).unwrap();
        (path.to_str().unwrap().to_owned(), document)
    };
    let ((a, first), (b, second)) = (write("a.json", "1"), write("b.json", "7"));
    let ended = run(&["bench", "--compare", &a, &b]);
    assert_eq!(ended.status, Some(0), "{}", ended.err);
    let row = |label: &str| {
        let line = ended.out.lines().find(|line| line.starts_with(label)).unwrap();
        line[label.len()..].split_whitespace().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(row("connections"), ["1", "7"]);
    assert_eq!(row("hits   "), ["300", "300"]);
    let rate = |document: &Value| document["requests_per_second"].as_f64().unwrap();
    let (one, seven) = (rate(&first), rate(&second));
    assert_eq!(
        row("requests/s"),
        [format!("{one:.1}"), format!("{seven:.1}"), format!("{:.3}", seven / one)]
    );

    let old = directory.path().join("old.json");
    fs::write(&old, r#"{"form": 1, "generator": "graven 0.1.0", "runs": []}"#).unwrap();
    let old = old.to_str().unwrap();
    assert_refused(
        &["bench", "--compare", &a, old],
        &format!("{old} has form 1, and this graven reads form 2; make it anew with `graven bench … --json`"),
    );
    let other = directory.path().join("other.json");
    fs::write(&other, "{}").unwrap();
    let other = other.to_str().unwrap();
    assert_refused(
        &["bench", "--compare", &a, other],
        &format!("{other} is no document of `graven bench --json`: missing field `form` at line 1 column 2"),
    );
}
