//! Chromium without a window, driven over its DevTools protocol: messages of JSON with a zero byte behind each, over two pipes.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::programs::started;

/// How long a page may take until it is as it is waited for.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page.
pub(crate) struct Browser {
    child: Child,
    _profile: TempDir,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    session: Option<Value>,
    last: u64,
    /// What the page wrote on its console, and what went wrong in it.
    pub(crate) complaints: Vec<String>,
    /// Addresses that the page asked for.
    pub(crate) requests: Vec<String>,
}

impl Browser {
    /// With an empty page so many pixels wide, which knows no name but this machine's.
    pub(crate) fn start(width: u32, color_scheme: &str) -> Self {
        let profile = tempfile::tempdir().unwrap();
        // The browser reads the descriptor 3 and writes 4.
        let child = Command::new("sh")
            .args(["-c", "exec chromium \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe"])
            .arg("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started("sh", "dash", child);
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut browser = Self {
            child,
            _profile: profile,
            input,
            output,
            session: None,
            last: 0,
            complaints: Vec::new(),
            requests: Vec::new(),
        };
        let target = browser.call("Target.createTarget", json!({"url": "about:blank"}))["targetId"].clone();
        let attached = browser.call("Target.attachToTarget", json!({"targetId": target, "flatten": true}));
        browser.session = Some(attached["sessionId"].clone());
        for domain in ["Page", "Runtime", "Log", "Network"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        let metrics = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        browser.call("Emulation.setDeviceMetricsOverride", metrics);
        let features = json!([{"name": "prefers-color-scheme", "value": color_scheme}]);
        browser.call("Emulation.setEmulatedMedia", json!({"features": features}));
        browser
    }

    pub(crate) fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression in the page.
    pub(crate) fn evaluate(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let answer = self.call("Runtime.evaluate", asked);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.evaluate(expression) != true {
            if Instant::now() > end {
                let text = self.evaluate("document.body.innerText");
                panic!("not within {PATIENCE:?}: {expression}; the page says {text}");
            }
            std::thread::yield_now();
        }
    }

    /// Presses a key: `Tab` or `Enter`.
    pub(crate) fn press(&mut self, key: &str) {
        let (code, text) = match key {
            "Tab" => (9, ""),
            "Enter" => (13, "\r"),
            other => panic!("the key {other} has no code here"),
        };
        let kind = if text.is_empty() { "rawKeyDown" } else { "keyDown" };
        let named = json!({"key": key, "code": key, "windowsVirtualKeyCode": code, "text": text});
        for kind in [kind, "keyUp"] {
            let mut event = named.clone();
            event["type"] = kind.into();
            self.call("Input.dispatchKeyEvent", event);
        }
    }

    /// Types a text where the focus is.
    pub(crate) fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({"text": text}));
    }

    fn call(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            message["sessionId"] = session.clone();
        }
        let sent = self.input.write_all(format!("{message}\0").as_bytes());
        sent.expect("chromium is missing or has ended; install it with `apt-get install chromium`");
        loop {
            let mut text = Vec::new();
            self.output.read_until(0, &mut text).unwrap();
            assert_eq!(
                text.pop(),
                Some(0),
                "chromium is missing or has ended; install it with `apt-get install chromium`"
            );
            let message: Value = serde_json::from_slice(&text).unwrap();
            if message["id"] == self.last {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn note(&mut self, event: &Value) {
        let params = &event["params"];
        match event["method"].as_str().unwrap_or_default() {
            "Log.entryAdded" | "Runtime.consoleAPICalled" | "Runtime.exceptionThrown" => {
                self.complaints.push(params.to_string());
            }
            "Network.requestWillBeSent" => {
                self.requests.push(params["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            _ => {}
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
