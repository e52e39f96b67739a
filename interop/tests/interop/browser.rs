//! The page of `--html` in a real browser that has no network.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::clients::table_of_pages;
use crate::programs::started;
use crate::support::{Serving, example_data, example_pairs, run};

/// What Chromium has of a page: its elements after they were laid out, and what the page had it write on its console.
struct Opened {
    elements: String,
    complaints: Vec<String>,
}

fn open(page: &Path) -> Opened {
    let profile = tempfile::tempdir().unwrap();
    let url = format!("file://{}", page.display());
    // A network namespace of its own has nothing but a loopback that is down.
    let output = Command::new("unshare")
        .args(["--map-root-user", "--net", "chromium", "--headless", "--no-sandbox", "--disable-gpu"])
        .args(["--disable-quic", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"])
        .args(["--enable-logging=stderr", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(&url)
        .stdin(Stdio::null())
        .output();
    let output = started("unshare", "util-linux", output);
    let said = String::from_utf8_lossy(&output.stderr);
    let is_missing = output.status.code() == Some(127);
    assert!(!is_missing, "chromium is missing; install it with `apt-get install chromium`: {said}");
    assert!(output.status.success(), "{said}");
    // Chromium's own troubles, as with a bus or a display that is missing, stand on other lines.
    let source = format!("source: {url} ");
    let complaints = said.lines().filter(|line| line.contains(":CONSOLE") && line.contains(&source));
    let complaints = complaints.map(str::to_owned).collect();
    Opened { elements: String::from_utf8(output.stdout).unwrap(), complaints }
}

/// What Chromium shows of a URL when every name leads to this machine.
fn rebound(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .args(["--disable-dev-shm-usage", "--host-resolver-rules=MAP * 127.0.0.1", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .stdin(Stdio::null())
        .output();
    String::from_utf8(started("chromium", "chromium", output).stdout).unwrap()
}

#[test]
fn a_page_whose_name_is_made_to_point_here_reads_nothing() {
    let serving = Serving::start(&[example_data()]);
    let (key, value) = &example_pairs()[0];
    let (_, port) = serving.address().split_once(':').unwrap();
    let elements = rebound(&format!("http://localhost:{port}/?key={key}"));
    assert!(elements.contains(value.as_str()), "{elements}");
    let elements = rebound(&format!("http://evil.example:{port}/?key={key}"));
    assert!(
        elements.contains("not asked as `evil.example`") && !elements.contains(value.as_str()),
        "{elements}"
    );
}

#[test]
fn a_browser_shows_the_pages_that_are_stored_as_frames_of_zstd() {
    let (_directory, table, pages) = table_of_pages();
    let arguments = ["--content-type", "text/html; charset=utf-8", table.to_str().unwrap()];
    let serving = Serving::start(&arguments);
    let (_, port) = serving.address().split_once(':').unwrap();
    for (key, page) in &pages {
        let elements = rebound(&format!("http://localhost:{port}/?key={key}"));
        assert!(elements.contains("<p>the end</p>"), "{key}: {} bytes", elements.len());
        assert_eq!(elements.matches("<p ").count(), page.matches("<p ").count(), "{key}");
    }
    // It said that it takes zstd, and got it: fewer bytes went out than the pages have.
    let mut stream = std::net::TcpStream::connect(serving.address()).unwrap();
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").unwrap();
    let mut metrics = String::new();
    stream.read_to_string(&mut metrics).unwrap();
    let sent = metrics.lines().find_map(|line| line.strip_prefix("graven_written_bytes_total ")).unwrap();
    let (sent, bytes): (usize, usize) =
        (sent.parse().unwrap(), pages.iter().map(|(_, page)| page.len()).sum());
    assert!(sent < bytes / 2, "{sent} bytes were sent of {bytes}");
}

#[test]
fn a_browser_without_a_network_shows_every_plot_and_complains_of_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let serving = Serving::start(&[example_data()]);
    let keys = example_data();
    for (further, plots) in [
        (&["--rate", "2000", "--miss", "0.2"][..], 3),
        (&["--sweep", "rate=2000,4000"], 3),
        (&["--sweep", "connections=1,2"], 3),
    ] {
        let page = directory.path().join("page.html");
        let asks = ["bench", serving.address(), "--keys", keys.to_str().unwrap(), "-n", "300", "--html"];
        let ended = run(&[&asks[..], &[page.to_str().unwrap()], further].concat());
        assert_eq!(ended.status, Some(0), "{}", ended.err);
        let opened = open(&page);
        assert_eq!(opened.complaints, [""; 0], "{further:?}");
        assert_eq!(opened.elements.matches("<svg ").count(), plots, "{further:?}");
        assert_eq!(opened.elements.matches("</svg>").count(), plots, "{further:?}");
        assert!(opened.elements.contains("<path class=\"c0\" d=\"M"), "{further:?}");

        // Anything that the page were to ask of the world would be complained of.
        let text = fs::read_to_string(&page).unwrap();
        fs::write(&page, text.replace("</main>", "<img src=\"http://example.invalid/\"></main>")).unwrap();
        assert_ne!(open(&page).complaints, [""; 0], "{further:?}");
    }
}
