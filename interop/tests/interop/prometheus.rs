//! What is shipped for Prometheus and Grafana: alert rules, which its own tool tests, and that every query of the rules and of the
//! dashboard finds something in a real Prometheus that scrapes a real server.

use std::fs;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::other_servers::{self, OtherServer};
use crate::programs::started;
use crate::support::{Serving, root};

/// Prometheus scrapes twice a second; nothing takes as long as this.
const PATIENCE: Duration = Duration::from_secs(60);

fn promtool(arguments: &[&str]) -> Output {
    let folder = root().join("deploy/prometheus");
    started("promtool", "prometheus", Command::new("promtool").args(arguments).current_dir(folder).output())
}

#[test]
fn every_alert_fires_when_it_should_and_not_before() {
    let tested = promtool(&["test", "rules", "alerts.test.yaml"]);
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&tested.stderr));
    let rules = fs::read_to_string(root().join("deploy/prometheus/alerts.yaml")).unwrap();
    let tests = fs::read_to_string(root().join("deploy/prometheus/alerts.test.yaml")).unwrap();
    let names: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(names.len() >= 10, "{names:?}");
    for name in names {
        let fires = format!("alertname: {name}\n        exp_alerts:");
        assert!(tests.contains(&fires), "no test has {name} fire");
    }
}

/// What Prometheus answers to `query` now.
fn ask(prometheus: &OtherServer, query: &str) -> Value {
    let url = format!("http://{}/api/v1/query", prometheus.address);
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--get", "--data-urlencode"]).arg(format!("query={query}")).arg(url);
    let output = started("curl", "curl", curl.output());
    serde_json::from_slice(&output.stdout).unwrap_or(Value::Null)
}

fn has_results(answer: &Value) -> bool {
    answer["data"]["result"].as_array().is_some_and(|results| !results.is_empty())
}

/// The queries of the dashboard, for every server and table.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(root().join("deploy/grafana/graven.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let queries = targets.map(|target| target["expr"].as_str().unwrap());
    queries
        .map(|query| {
            query.replace("$instance", ".*").replace("$table", ".*").replace("$__rate_interval", "10s")
        })
        .collect()
}

/// The expressions of the alerts, as Prometheus itself lists them.
fn alert_expressions(prometheus: &OtherServer) -> Vec<String> {
    let url = format!("http://{}/api/v1/rules", prometheus.address);
    let output = started("curl", "curl", Command::new("curl").args(["--silent", &url]).output());
    let rules: Value = serde_json::from_slice(&output.stdout).unwrap();
    let groups = rules["data"]["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| rule["query"].as_str().unwrap().to_owned()).collect()
}

/// The names of graven's numbers in a query.
fn names(query: &str) -> Vec<&str> {
    let words = query.split(|byte: char| !byte.is_ascii_alphanumeric() && byte != '_');
    words.filter(|word| word.starts_with("graven_")).collect()
}

#[test]
fn every_query_of_the_dashboard_and_the_alerts_finds_something_in_prometheus() {
    let serving = Serving::start_with_input(&["prices=-"], b"key value\n");
    let rules = root().join("deploy/prometheus/alerts.yaml");
    let prometheus = other_servers::start("prometheus", "prometheus", |port, directory| {
        let config = format!(
            "global: {{ scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms }}\nrule_files: [{}]\n\
             scrape_configs: [{{ job_name: graven, static_configs: [{{ targets: ['{}'] }}] }}]\n",
            rules.display(),
            serving.address()
        );
        let path = format!("{directory}/prometheus.yaml");
        fs::write(&path, config).unwrap();
        vec![
            format!("--config.file={path}"),
            format!("--storage.tsdb.path={directory}/data"),
            format!("--web.listen-address=127.0.0.1:{port}"),
        ]
    });
    let deadline = Instant::now() + PATIENCE;
    // Until there are two scrapes for a rate, and the rules are loaded.
    let mut missing = dashboard_queries();
    assert!(missing.len() > 20, "{missing:?}");
    while !missing.is_empty() && Instant::now() < deadline {
        missing.retain(|query| {
            let answer = ask(&prometheus, query);
            assert!(answer["status"] != "error", "{query}: {answer}");
            !has_results(&answer)
        });
    }
    assert!(missing.is_empty(), "these find nothing: {missing:#?}");
    let alerts = alert_expressions(&prometheus);
    assert!(alerts.len() >= 10, "{alerts:?}");
    for alert in &alerts {
        assert_eq!(ask(&prometheus, alert)["status"], "success", "{alert}");
        for name in names(alert) {
            assert!(has_results(&ask(&prometheus, name)), "{name} of {alert} is no number of a server");
        }
    }
    // A server that is in good order is no reason for an alert.
    let firing = ask(&prometheus, "ALERTS{alertstate=\"firing\"}");
    assert!(!has_results(&firing), "{firing}");
}
