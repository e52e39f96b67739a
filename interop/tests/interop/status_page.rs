//! The status page in a real browser.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::devtools::Browser;
use crate::support::{Serving, run};

/// A key and a value that would do something if they ever became markup, and one that is no text.
const HOSTILE: &str =
    "<img src=x onerror=\"document.title='taken'\"><script>document.title='taken'</script>'&quot;";
const NO_TEXT: &str = "bytes";

/// A root whose tables serve, are frozen, refused, and loading for as long as the test runs.
struct Root(TempDir);

impl Root {
    fn new() -> Self {
        let root = Self(tempfile::tempdir().unwrap());
        let lines = [
            json!({"k": HOSTILE, "v": format!("{HOSTILE}\u{202e}\u{7}")}),
            json!({"k": NO_TEXT, "v": "\u{0}\u{1}"}),
            json!({"k": "a/b ?#%..", "v": "found"}),
        ];
        root.carve("small", &lines.map(|line| format!("{line}\n")).concat());
        let many: String = (0..60_000).map(|i| format!("{{\"k\":\"{i}\",\"v\":\"{i:040}\"}}\n")).collect();
        root.carve("large", &many);
        for table in ["serving", "frozen", "refused", "loading"] {
            root.publish("small", table, "v1");
        }
        root.publish("small", "frozen", "v2");
        root.ends_well(&["rollback", root.path("root/frozen").to_str().unwrap()]);
        root
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn ends_well(&self, arguments: &[&str]) {
        let ended = run(arguments);
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}", ended.err);
    }

    fn carve(&self, name: &str, jsonl: &str) {
        let (text, carved) = (self.path(&format!("{name}.jsonl")), self.path(&format!("{name}.graven")));
        fs::write(&text, jsonl).unwrap();
        let (text, carved) = (text.to_str().unwrap(), carved.to_str().unwrap());
        self.ends_well(&["build", text, "--key", "k", "--value", "v", "-o", carved]);
    }

    fn publish(&self, name: &str, table: &str, version: &str) {
        let (carved, table) = (self.path(&format!("{name}.graven")), self.path(&format!("root/{table}")));
        let (carved, table) = (carved.to_str().unwrap(), table.to_str().unwrap());
        self.ends_well(&["publish", carved, table, "--as", version, "--force"]);
    }

    /// Puts a version there whose file is damaged, and has it be the one that is to answer.
    fn publish_damaged(&self, table: &str, version: &str) {
        let folder = self.path("root").join(table);
        let mut bytes = fs::read(self.path("large.graven")).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::write(folder.join(format!("{version}.graven")), bytes).unwrap();
        write_current(&folder, version);
    }
}

/// Has a version be the one that is to answer, as a person does with `echo`.
fn write_current(folder: &Path, version: &str) {
    fs::write(folder.join("CURRENT"), format!("{version}\n")).unwrap();
}

fn get(address: &str, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

/// A number of `/metrics`, added up over its labels, or of one table.
fn metric(page: &str, name: &str, table: Option<&str>) -> f64 {
    let label = table.map(|table| format!("table=\"{table}\""));
    let lines = page.lines().filter(|line| {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ') || rest.starts_with('{'))
            && label.as_ref().is_none_or(|label| line.contains(label))
    });
    lines.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
}

const IS_DRAWN: &str = "document.querySelectorAll('article').length === 4";

/// Asks for a key as a person does.
fn look_up(browser: &mut Browser, table: &str, key: &str) -> (String, String) {
    let key = json!(key);
    browser.evaluate(&format!(
        "document.getElementById('lookup-said').textContent = '';
         document.getElementById('lookup-table').value = '{table}';
         document.getElementById('lookup-key').value = {key};
         document.getElementById('lookup').requestSubmit()"
    ));
    browser.until("!['', 'Asking.'].includes(document.getElementById('lookup-said').textContent)");
    let text = |browser: &mut Browser, id: &str| {
        let text = browser.evaluate(&format!("document.getElementById('{id}').textContent"));
        text.as_str().unwrap().to_owned()
    };
    (text(browser, "lookup-said"), text(browser, "lookup-value"))
}

#[test]
fn the_page_shows_every_state_of_a_table_on_a_phone_and_complains_of_nothing() {
    let root = Root::new();
    // Slow enough to load for as long as the test looks at it.
    let folder = root.path("root");
    let serving = Serving::start(&[folder.to_str().unwrap(), "--load-rate", "20KB", "--default", "serving"]);
    let mut browser = Browser::start(400, "dark");
    browser.open(&format!("http://{}/", serving.address()));
    browser.until(IS_DRAWN);
    assert_eq!(browser.evaluate("location.pathname"), "/status");
    let state = |table: &str| format!("document.querySelector('[data-table={table}] .state').textContent");
    browser.until(&format!("{} === 'frozen'", state("frozen")));
    browser.until(&format!("{} === 'serving'", state("serving")));
    fs::copy(root.path("large.graven"), folder.join("loading/v2.graven")).unwrap();
    write_current(&folder.join("loading"), "v2");
    browser.until(&format!("{} === 'loading'", state("loading")));
    browser.until("document.querySelector('[data-table=loading] progress').value > 0");
    browser.until("document.querySelector('[data-table=loading]').innerText.includes('Loading v2: ')");
    assert_eq!(browser.evaluate("document.documentElement.scrollWidth <= 400"), true);
    assert_eq!(browser.evaluate("matchMedia('(prefers-color-scheme: dark)').matches"), true);
    assert_eq!(browser.evaluate("document.querySelectorAll('svg path').length"), 4);
    browser.until("document.querySelector('svg path').getAttribute('d').startsWith('M')");
    let commands = browser.evaluate("document.querySelector('[data-table=frozen] pre').textContent");
    let of_table = folder.join("frozen").display().to_string();
    assert!(commands.as_str().unwrap().contains(&format!("graven resume {of_table}")), "{commands}");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn the_page_says_why_a_version_is_refused() {
    let root = Root::new();
    let folder = root.path("root");
    let serving = Serving::start(&[folder.to_str().unwrap(), "--default", "serving"]);
    root.publish_damaged("refused", "v2");
    let mut browser = Browser::start(1000, "light");
    browser.open(&format!("http://{}/status", serving.address()));
    browser.until(IS_DRAWN);
    browser.until("document.querySelector('[data-table=refused] .state').textContent === 'refused'");
    browser.until(
        "document.querySelector('[data-table=refused] .reason').textContent.startsWith('v2: damaged')",
    );
    browser.until("document.getElementById('state').textContent === 'ready, a version is refused'");
    assert_eq!(browser.complaints, [""; 0]);
}

#[test]
fn nothing_of_a_table_becomes_markup_and_nothing_else_is_asked_for() {
    let root = Root::new();
    let serving = Serving::start(&[root.path("root").to_str().unwrap(), "--default", "serving"]);
    let address = serving.address();
    let mut browser = Browser::start(1000, "light");
    browser.open(&format!("http://{address}/status"));
    browser.until(IS_DRAWN);
    let elements = "document.querySelectorAll('*').length";
    let before = browser.evaluate(elements);
    let (said, value) = look_up(&mut browser, "serving", HOSTILE);
    assert!(said.starts_with("Found: ") && said.ends_with("from serving@v1"), "{said}");
    assert_eq!(value, format!("{HOSTILE}\\u{{202e}}\\x07"));
    assert_eq!(look_up(&mut browser, "serving", NO_TEXT).1, "\\x00\\x01");
    assert_eq!(look_up(&mut browser, "serving", "a/b ?#%..").1, "found");
    assert_eq!(look_up(&mut browser, "frozen", "none").0, "Not found, from frozen@v1");
    let (said, _) = look_up(&mut browser, "serving", "..");
    assert!(said.contains("graven get"), "{said}");
    assert_eq!(browser.evaluate(elements), before);
    assert!(browser.evaluate("document.title").as_str().unwrap().starts_with("graven 127.0.0.1"));
    let asked: BTreeSet<&str> = browser.requests.iter().map(String::as_str).collect();
    let (keys, others): (Vec<&str>, Vec<&str>) = asked.into_iter().partition(|url| url.contains("/kv/"));
    assert_eq!(keys.len(), 4);
    let expected = [format!("http://{address}/status"), format!("http://{address}/status.json")];
    assert_eq!(others.iter().filter(|url| !url.starts_with("data:")).copied().collect::<Vec<_>>(), expected);
    // A key that is missing is 404, which the browser writes down itself.
    let complaints = browser.complaints.iter().filter(|text| !text.contains("404 (Not Found)"));
    assert_eq!(complaints.collect::<Vec<_>>(), [""; 0]);
}

#[test]
fn every_number_of_the_page_is_that_of_the_metrics() {
    let root = Root::new();
    let serving = Serving::start(&[root.path("root").to_str().unwrap(), "--default", "serving"]);
    let address = serving.address();
    for key in ["bytes", "bytes", "none"] {
        get(address, &format!("/?key={key}"));
    }
    let mut browser = Browser::start(1000, "light");
    browser.open(&format!("http://{address}/status"));
    browser.until(IS_DRAWN);
    browser.until("document.querySelector('[data-path=\"requests.misses\"]').textContent === '1'");
    let numbers = browser.evaluate(
        "Object.fromEntries([...document.querySelectorAll('[data-path]')].map((e) => [e.dataset.path, [e.dataset.value, e.textContent]]))",
    );
    let metrics = get(address, "/metrics");
    // What the page itself moves, which is asked for at another moment than the metrics.
    let moves = [
        "requests.total",
        "connections.opened",
        "connections.open",
        "network.read_bytes",
        "network.written_bytes",
        "uptime_seconds",
        "memory.resident_bytes",
        "memory.peak_bytes",
    ];
    let mut compared = 0;
    for (path, shown) in numbers.as_object().unwrap() {
        let name = match path.as_str() {
            "requests.total" => "graven_requests_total",
            "requests.hits" => "graven_hits_total",
            "requests.misses" => "graven_misses_total",
            "connections.open" => "graven_connections",
            "connections.opened" => "graven_connections_opened_total",
            "connections.refused" => "graven_connections_refused_total",
            "connections.timeouts" => "graven_timeouts_total",
            "connections.protocol_errors" => "graven_protocol_errors_total",
            "connections.logins_failed" => "graven_logins_failed_total",
            "cache.bytes" => "graven_cache_bytes",
            "cache.hits" => "graven_cache_hits_total",
            "cache.misses" => "graven_cache_misses_total",
            "cache.evictions" => "graven_cache_evictions_total",
            "disk.reads" => "graven_disk_reads_total",
            "disk.errors" => "graven_disk_errors_total",
            "network.read_bytes" => "graven_read_bytes_total",
            "network.written_bytes" => "graven_written_bytes_total",
            "uptime_seconds" => "graven_uptime_seconds",
            // Rates, percentiles and memory, which `/metrics` leaves to others.
            path if path.starts_with("recent.")
                || path.starts_with("memory.")
                || path.contains("waits_us") =>
            {
                continue;
            }
            other => panic!("{other} is compared with nothing"),
        };
        let (number, text) = (shown[0].as_str().unwrap().parse::<f64>().unwrap(), shown[1].as_str().unwrap());
        let counted = metric(&metrics, name, None);
        if moves.contains(&path.as_str()) {
            assert!(number <= counted + 1.0 && number >= 0.0, "{path}: {number}, {counted}");
        } else {
            assert_eq!(number, counted, "{path}");
            assert!(text == number.to_string() || text == format!("{number} B"), "{path}: {text}");
        }
        compared += 1;
    }
    assert!(compared >= 17, "{compared}");
    for table in ["serving", "frozen", "refused", "loading"] {
        for (fact, name) in [("pairs", "graven_table_pairs"), ("bytes", "graven_table_bytes")] {
            let shown: Value = browser.evaluate(&format!(
                "Number(document.querySelector('[data-table={table}] [data-fact={fact}]').dataset.value)"
            ));
            assert_eq!(shown.as_f64().unwrap(), metric(&metrics, name, Some(table)), "{table} {fact}");
        }
    }
}

#[test]
fn the_page_shows_when_the_certificate_expires_and_warns_of_one_that_has() {
    for (name, says, state) in
        [("server", "expires in ", "ready"), ("expired", "has expired", "ready, the certificate has expired")]
    {
        let file = |ending: &str| {
            crate::support::root().join("crates/access/tests/certificates").join(format!("{name}.{ending}"))
        };
        let root = Root::new();
        let serving = Serving::start(&[
            root.path("root").to_str().unwrap(),
            "--default",
            "serving",
            "--listen",
            "127.0.0.1:0?tls=both",
            "--tls-cert",
            file("pem").to_str().unwrap(),
            "--tls-key",
            file("key").to_str().unwrap(),
        ]);
        let address = serving.address().split('?').next().unwrap();
        let mut browser = Browser::start(1000, "light");
        browser.open(&format!("http://{address}/status"));
        browser.until(IS_DRAWN);
        browser.until(&format!("document.getElementById('state').textContent === '{state}'"));
        let shown = browser.evaluate(
            "(({ dataset, textContent }) => [dataset.value, textContent])(document.querySelector('[data-path=\"certificate.expires\"]'))",
        );
        assert!(shown[1].as_str().unwrap().starts_with(says), "{shown}");
        let expires = metric(&get(address, "/metrics"), "graven_tls_certificate_expires_seconds", None);
        assert_eq!(shown[0].as_str().unwrap().parse::<f64>().unwrap(), expires);
        assert_eq!(browser.complaints, [""; 0]);
    }
}

#[test]
fn a_key_is_looked_up_and_the_commands_are_read_by_keyboard_alone() {
    let root = Root::new();
    let serving = Serving::start(&[root.path("root").to_str().unwrap(), "--default", "serving"]);
    let mut browser = Browser::start(1000, "light");
    browser.open(&format!("http://{}/status", serving.address()));
    browser.until(IS_DRAWN);
    let focused = "document.activeElement.id || document.activeElement.tagName";
    let mut seen = Vec::new();
    while seen.last().is_none_or(|id| *id != json!("lookup-key")) {
        assert!(seen.len() < 20, "{seen:?}");
        browser.press("Tab");
        seen.push(browser.evaluate(focused));
        if seen.len() == 2 {
            // The commands of the first table.
            assert_eq!(seen[1], "SUMMARY");
            browser.press("Enter");
            assert_eq!(browser.evaluate("document.querySelector('details').open"), true);
        }
    }
    let outline = browser.evaluate("getComputedStyle(document.activeElement).outlineStyle");
    assert_ne!(outline, "none");
    browser.type_text("a/b ?#%..");
    browser.press("Enter");
    browser.until("document.getElementById('lookup-value').textContent === 'found'");
    assert_eq!(browser.evaluate(focused), "lookup-key");
    assert_eq!(browser.complaints, [""; 0]);
}
