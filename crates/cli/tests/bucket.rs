//! Roots in an object store, as people type them; without the feature, what has it.

mod support;

use support::run;

#[cfg(not(feature = "object-store"))]
#[test]
fn a_build_without_the_feature_says_which_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("t.graven");
    std::fs::write(folder.path().join("t.data"), "k v\n").unwrap();
    let text = folder.path().join("t.data");
    let built = run(&["build", text.to_str().unwrap(), "-o", file.to_str().unwrap()]);
    assert_eq!(built.status, Some(0), "{}", built.err);
    for arguments in [
        &["publish", file.to_str().unwrap(), "s3://shop/root/prices"][..],
        &["versions", "s3://shop/root"],
        &["switch", "s3://shop/root/prices", "latest"],
        &["rollback", "s3://shop/root/prices"],
        &["resume", "gs://shop/root/prices"],
        &["diff", "s3://shop/root/prices", file.to_str().unwrap()],
        &[
            "serve",
            "s3://shop/root",
            "--data-dir",
            folder.path().to_str().unwrap(),
            "--listen",
            "127.0.0.1:0",
        ],
        &["get", "s3://shop/root/prices", "k"],
        &["get", "https://example.org/t.graven", "k"],
        &["build", "s3://shop/in/prices.csv", "-o", "prices.graven"],
        &["build", text.to_str().unwrap(), "-o", "s3://shop/out/prices.graven"],
    ] {
        let ended = run(arguments);
        assert_eq!((ended.status, ended.out.as_str()), (Some(2), ""), "{arguments:?}: {}", ended.err);
        assert!(ended.err.contains("--features object-store"), "{arguments:?}: {}", ended.err);
    }
}

#[test]
fn a_bucket_alone_is_no_table() {
    for arguments in [&["switch", "s3://shop", "latest"], &["switch", "s3://shop/", "latest"]] {
        let ended = run(arguments);
        assert_eq!(ended.status, Some(2));
        assert!(ended.err.contains("expected ROOT/TABLE"), "{}", ended.err);
    }
}

#[cfg(feature = "object-store")]
#[path = "../../objects/tests/stores/fake_s3.rs"]
mod fake_s3;

#[cfg(feature = "object-store")]
mod with_the_feature {
    use std::fs::{self, File};
    use std::io::{BufRead, BufReader};
    use std::path::Path;
    use std::process::{Child, Command, Stdio};
    use std::time::{Duration, Instant};

    use super::fake_s3::{FakeS3, Fault};
    use super::support::{Ended, graven};

    /// Nothing here takes this long.
    const PATIENCE: Duration = Duration::from_secs(60);

    struct Shop {
        store: FakeS3,
        folder: tempfile::TempDir,
    }

    impl Shop {
        fn new() -> Self {
            Self { store: FakeS3::start(), folder: tempfile::tempdir().unwrap() }
        }

        fn command(&self, arguments: &[&str]) -> Command {
            let mut command = graven();
            command.args(arguments).envs(self.store.environment()).current_dir(self.folder.path());
            command
        }

        #[track_caller]
        fn run(&self, arguments: &[&str], status: i32) -> Ended {
            let ended: Ended = self.command(arguments).stdin(Stdio::null()).output().unwrap().into();
            assert_eq!(ended.status, Some(status), "{arguments:?}: {}{}", ended.out, ended.err);
            ended
        }

        /// A carved file in which `apple` has this price.
        fn file(&self, price: &str) -> String {
            let text = format!("{price}.data");
            fs::write(self.folder.path().join(&text), format!("apple {price}\nplum 0.30\n")).unwrap();
            let file = format!("{price}.graven");
            self.run(&["build", &text, "-o", &file], 0);
            file
        }

        fn publish(&self, price: &str) {
            self.run(
                &["publish", &self.file(price), "s3://shop/root/prices", "--as", &format!("v{price}")],
                0,
            );
        }
    }

    struct Node {
        child: Child,
        address: String,
    }

    impl Node {
        fn start(shop: &Shop, data: &Path) -> Self {
            Self::serve(shop, data, &["s3://shop/root", "--poll", "20ms", "--listen", "127.0.0.1:0"])
        }

        fn serve(shop: &Shop, data: &Path, arguments: &[&str]) -> Self {
            let data = data.to_str().unwrap();
            let mut command = shop.command(&["serve", "--data-dir", data]);
            command.args(arguments);
            let log = File::create(Path::new(data).with_extension("log")).unwrap();
            let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
            let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
            let address =
                lines.find_map(|line| Some(line.unwrap().strip_prefix("listening on ")?.to_owned()));
            let says = || fs::read_to_string(Path::new(data).with_extension("log"));
            Self { child, address: address.unwrap_or_else(|| panic!("it does not listen: {:?}", says())) }
        }

        /// The price of an apple.
        fn price(&self, shop: &Shop) -> String {
            let ended: Ended = shop.command(&["get", &self.address, "apple"]).output().unwrap().into();
            ended.out.trim().to_owned()
        }

        fn until_price(&self, shop: &Shop, price: &str) {
            let began = Instant::now();
            while self.price(shop) != price {
                assert!(began.elapsed() < PATIENCE, "it does not answer {price}");
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
    fn a_bucket_is_published_to_and_listed_and_switched_as_a_directory() {
        let shop = Shop::new();
        shop.publish("1.20");
        shop.publish("1.25");
        let listed = shop.run(&["versions", "s3://shop/root"], 0).out;
        assert!(listed.contains("* v1.25") && listed.contains("  v1.20"), "{listed}");
        assert_eq!(shop.run(&["versions", "s3://shop/root/prices"], 0).out, listed);
        let differs = shop.run(&["diff", "s3://shop/root/prices@v1.20", "s3://shop/root/prices"], 1).out;
        assert!(differs.starts_with("0 added, 0 removed, 1 changed"), "{differs}");
        let back = shop.run(&["rollback", "s3://shop/root/prices", "--reason", "wrong"], 0).out;
        assert!(back.starts_with("prices@v1.20 answers, frozen"), "{back}");
        let frozen = shop.run(&["switch", "s3://shop/root/prices", "latest"], 3).err;
        assert!(frozen.contains("`graven resume s3://shop/root/prices` ends that"), "{frozen}");
        shop.run(&["resume", "s3://shop/root/prices"], 0);
        let missing = shop.run(&["switch", "s3://shop/root/prices", "v9"], 1).err;
        assert!(missing.contains("v1.25, v1.20"), "{missing}");
    }

    #[test]
    fn a_key_of_a_table_in_a_bucket_or_behind_a_web_server_takes_a_few_small_reads() {
        let shop = Shop::new();
        shop.publish("1.20");
        for target in [
            "s3://shop/root/prices".to_owned(),
            format!("{}/shop/root/prices/v1.20.graven", shop.store.endpoint()),
        ] {
            shop.store.take_log();
            assert_eq!(shop.run(&["get", &target, "apple"], 0).out, "1.20\n");
            let log = shop.store.take_log();
            assert!(log.len() <= 6, "{} requests", log.len());
            let ranges =
                log.iter().filter(|request| request.key.ends_with(".graven") && request.method == "GET");
            assert!(
                ranges.clone().count() > 0 && ranges.clone().all(|request| request.header("range").is_some())
            );
            shop.run(&["get", &target, "pear"], 1);
        }
        assert!(shop.run(&["get", "s3://shop/root/nothing", "k"], 2).err.contains("no version"));
    }

    #[test]
    fn a_node_follows_a_bucket_and_answers_from_what_it_has_when_that_is_gone() {
        let shop = Shop::new();
        shop.publish("1.20");
        let data = shop.folder.path().join("data");
        let node = Node::start(&shop, &data);
        node.until_price(&shop, "1.20");
        shop.run(&["ready", &node.address, "--wait", "30s"], 0);
        shop.publish("1.25");
        node.until_price(&shop, "1.25");
        shop.run(&["rollback", "s3://shop/root/prices"], 0);
        node.until_price(&shop, "1.20");
        // Killed, and started again while the store is down.
        drop(node);
        shop.store.fail(|_| Some(Fault::Status(403, "AccessDenied")));
        let node = Node::start(&shop, &data);
        assert_eq!(node.price(&shop), "1.20");
        let status = shop.run(&["status", &node.address], 0).out;
        assert!(status.contains("403 AccessDenied"), "{status}");
        shop.store.mend();
        // A disk that is empty.
        drop(node);
        fs::remove_dir_all(&data).unwrap();
        let node = Node::start(&shop, &data);
        node.until_price(&shop, "1.20");
    }

    #[test]
    fn a_node_that_is_killed_at_any_request_goes_on_when_it_is_started_again() {
        let shop = Shop::new();
        shop.publish("1.20");
        shop.store.put("root/prices/table.toml", b"min-pairs = 1\n");
        let data = shop.folder.path().join("data");
        for kept in [true, false] {
            for killed_at in 1..16 {
                if !kept {
                    let _ = fs::remove_dir_all(&data);
                }
                shop.store.take_log();
                let data = data.to_str().unwrap();
                let arguments = [
                    "serve",
                    "s3://shop/root",
                    "--data-dir",
                    data,
                    "--poll",
                    "10ms",
                    "--listen",
                    "127.0.0.1:0",
                ];
                let mut command = shop.command(&arguments);
                let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
                let (began, mut requests) = (Instant::now(), 0);
                while requests < killed_at {
                    requests += shop.store.take_log().len();
                    assert!(began.elapsed() < PATIENCE, "{requests} requests");
                    assert_eq!(child.try_wait().unwrap(), None);
                }
                child.kill().unwrap();
                child.wait().unwrap();
                if killed_at % 5 == 0 {
                    let price = format!("{}.{killed_at:02}", if kept { 2 } else { 3 });
                    shop.publish(&price);
                    Node::start(&shop, Path::new(data)).until_price(&shop, &price);
                }
            }
        }
    }

    #[test]
    fn a_switch_waits_until_every_node_holds_the_version() {
        let shop = Shop::new();
        shop.publish("1.20");
        let data = |name: &str| shop.folder.path().join(name);
        let (one, two) = (Node::start(&shop, &data("one")), Node::start(&shop, &data("two")));
        [&one, &two].iter().for_each(|node| node.until_price(&shop, "1.20"));
        let nodes = format!("{},{}", one.address, two.address);
        let file = shop.file("1.25");
        shop.run(&["publish", &file, "s3://shop/root/prices", "--as", "v1.25", "--no-switch"], 0);
        let switch = ["switch", "s3://shop/root/prices", "latest", "--when-held", &nodes];
        assert_eq!(shop.run(&switch, 0).out, "prices@v1.25 answers\n");
        [&one, &two].iter().for_each(|node| node.until_price(&shop, "1.25"));
        // One that is gone holds nothing, and then nothing is switched.
        let file = shop.file("1.30");
        shop.run(&["publish", &file, "s3://shop/root/prices", "--as", "v1.30", "--no-switch"], 0);
        drop(two);
        let refused = shop.run(&[&switch[..], &["--timeout", "1s"]].concat(), 3).err;
        assert!(refused.contains("prices@v1.30 is not switched to"), "{refused}");
        assert_eq!(one.price(&shop), "1.25");
    }

    #[test]
    fn requests_that_are_tried_again_are_not_logged_one_by_one() {
        let shop = Shop::new();
        shop.publish("1.20");
        let mut refusals = 3;
        shop.store.fail(move |_| {
            refusals -= i32::from(refusals > 0);
            (refusals > 0).then_some(Fault::Status(503, "SlowDown"))
        });
        let data = shop.folder.path().join("data");
        let node = Node::start(&shop, &data);
        node.until_price(&shop, "1.20");
        let log = fs::read_to_string(data.with_extension("log")).unwrap();
        assert!(log.contains("prices") && !log.contains("backing off"), "{log}");
    }

    #[test]
    fn two_tables_of_one_bucket_are_served_each_from_a_directory_of_its_own() {
        let shop = Shop::new();
        let file = shop.file("1.20");
        for table in ["prices", "stock"] {
            shop.run(&["publish", &file, &format!("s3://shop/root/{table}"), "--as", "v1"], 0);
        }
        let data = shop.folder.path().join("data");
        let config = shop.folder.path().join("graven.toml");
        let table = |name: &str| format!("[[tables]]\nname = {name:?}\nroot = \"s3://shop/root\"\n");
        fs::write(&config, [table("prices"), table("stock")].concat()).unwrap();
        let config = config.to_str().unwrap();
        let node =
            Node::serve(&shop, &data, &["--config", config, "--poll", "20ms", "--listen", "127.0.0.1:0"]);
        for table in ["prices", "stock"] {
            let began = Instant::now();
            let url = format!("http://{}/v1/tables/{table}/kv/{{key}}", node.address);
            let price = || Ended::from(shop.command(&["get", &url, "apple"]).output().unwrap()).out;
            while price() != "1.20\n" {
                assert!(began.elapsed() < PATIENCE, "{table} does not answer");
            }
            assert!(data.join(format!("s3+shop+root+@{table}/{table}/v1.graven")).is_file());
        }
    }

    /// What is left in the folder but what is named.
    fn left(shop: &Shop, but: &[&str]) -> Vec<String> {
        let entries = fs::read_dir(shop.folder.path()).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| !but.contains(&name.as_str())).collect()
    }

    /// A csv of two prices, compressed with gzip.
    const COMPRESSED: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xcb\x4b\xcc\x4d\xd5\x29\x28\xca\x4c\x4e\xe5\x4a\
        \x2c\x28\xc8\x49\xd5\x31\xd4\x33\x32\xe0\x2a\xc8\x29\xcd\xd5\x31\xd0\x33\x36\xe0\x02\x00\xc2\xe8\x63\x4d\
        \x20\x00\x00\x00";

    #[test]
    fn a_table_is_built_of_an_object_or_of_a_file_behind_a_web_server() {
        let shop = Shop::new();
        shop.store.put("in/prices.csv", b"name,price\napple,1.20\nplum,0.30\n");
        shop.store.put("in/prices.csv.gz", COMPRESSED);
        shop.store.put("in/prices.jsonl", br#"{"name":"apple","price":"1.20"}"#);
        let mut faults = vec![Fault::Truncated, Fault::Silence, Fault::Status(503, "SlowDown")];
        shop.store.fail(move |_| faults.pop());
        for url in [
            "s3://shop/in/prices.csv".to_owned(),
            "s3://shop/in/prices.csv.gz".to_owned(),
            "s3://shop/in/prices.jsonl".to_owned(),
            format!("{}/shop/in/prices.csv", shop.store.endpoint()),
        ] {
            let built = shop.run(&["build", &url, "--key", "name", "--value", "price", "-o", "t.graven"], 0);
            assert!(built.out.starts_with(&format!("carved {url} into t.graven: ")), "{}", built.out);
            assert_eq!(shop.run(&["get", "t.graven", "apple"], 0).out, "1.20\n");
            assert_eq!(left(&shop, &["t.graven"]), [""; 0]);
        }
    }

    #[test]
    fn a_table_is_built_into_a_bucket_and_replaces_what_was_there() {
        let shop = Shop::new();
        let files = ["1.20.data", "1.20.graven", "1.25.data", "1.25.graven"];
        for price in ["1.20", "1.25"] {
            shop.file(price);
            let built =
                shop.run(&["build", &format!("{price}.data"), "-o", "s3://shop/out/prices.graven"], 0);
            let said = format!("carved {price}.data into s3://shop/out/prices.graven: 2 pairs");
            assert!(built.out.starts_with(&said), "{}", built.out);
            assert_eq!(
                shop.run(&["get", "s3://shop/out/prices.graven", "apple"], 0).out,
                format!("{price}\n")
            );
            let local = fs::read(shop.folder.path().join(format!("{price}.graven"))).unwrap();
            assert!(shop.store.get("out/prices.graven").unwrap() == local);
        }
        // From a bucket to a bucket.
        shop.store.put("in/prices.csv", b"apple,1.30\n");
        shop.run(&["build", "s3://shop/in/prices.csv", "-o", "s3://shop/out/prices.graven"], 0);
        assert_eq!(shop.run(&["get", "s3://shop/out/prices.graven", "apple"], 0).out, "1.30\n");
        assert_eq!(left(&shop, &files), [""; 0]);
        // What cannot be written leaves what was there, and nothing else.
        shop.store.fail(|request| (request.method == "PUT").then_some(Fault::Status(403, "AccessDenied")));
        let error = shop.run(&["build", "1.20.data", "-o", "s3://shop/out/prices.graven"], 2).err;
        for part in ["s3://shop/out/prices.graven", "403 AccessDenied", "check the credentials"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(shop.run(&["get", "s3://shop/out/prices.graven", "apple"], 0).out, "1.30\n");
        assert_eq!(left(&shop, &files), [""; 0]);
    }

    #[test]
    fn what_cannot_be_built_of_or_into_a_url_is_said_with_what_to_type() {
        let shop = Shop::new();
        shop.store.put("in/prices.csv", b"apple,1.20\nplum\n");
        shop.store.put("in/prices.graven", &fs::read(shop.folder.path().join(shop.file("1.20"))).unwrap());
        let web = format!("{}/shop/out/t.graven", shop.store.endpoint());
        for (arguments, parts) in [
            (
                &["s3://shop/in/nothing.csv", "-o", "t.graven"][..],
                &["s3://shop/in/nothing.csv", "ends with a slash"][..],
            ),
            (&["s3://shop/nothing/", "-o", "t.graven"], &["no objects below s3://shop/nothing/"]),
            (&["s3://shop/in/prices.csv"], &["-o FILE"]),
            // What is wrong in the object is said of the object.
            (
                &["s3://shop/in/prices.csv", "-o", "t.graven"],
                &["s3://shop/in/prices.csv:2: expected 2 columns"],
            ),
            (
                &["s3://shop/in/prices.graven", "-o", "t.graven"],
                &["s3://shop/in/prices.graven is a carved file already"],
            ),
            (&["1.20.data", "-o", &web], &["read only"]),
            (
                &["1.20.data", "-o", "s3://shop/root/prices"],
                &["s3://shop/root/prices/table.graven", "`graven publish FILE s3://shop/root/prices`"],
            ),
            (&["1.20.data", "-o", "s3://table.graven"], &["the name of a file in a bucket"]),
            (&["s3://id:geheim@shop/in/prices.csv", "-o", "t.graven"], &["no user"]),
            (&["s3://shop/in/prices.csv", "-o", "nowhere/t.graven"], &["nowhere", "make"]),
        ] {
            let error = shop.run(&[&["build"], arguments].concat(), 2).err;
            for part in parts {
                assert!(error.contains(part), "{arguments:?}: {part}: {error}");
            }
            assert!(!error.contains(".graven-") && !error.contains("geheim"), "{error}");
        }
        assert_eq!(left(&shop, &["1.20.data", "1.20.graven"]), [""; 0]);
    }

    #[cfg(feature = "parquet")]
    #[test]
    fn parquet_below_a_url_is_one_table_whose_folders_are_columns() {
        let shop = Shop::new();
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../ingest/tests/parquet/duckdb-zstd.parquet");
        let bytes = fs::read(&file).unwrap();
        let local = shop.run(&["build", file.to_str().unwrap(), "-o", "local.graven"], 0).out;
        let pairs = |said: &str| said.split(": ").nth(1).unwrap().split(", ").next().unwrap().to_owned();
        shop.store.put("in/dt=2026-11-27/part-0.parquet", &bytes);
        shop.store.put("in/dt=2026-11-27/_temporary", b"x");
        shop.store.put("in/_SUCCESS", b"");
        for url in ["s3://shop/in/dt=2026-11-27/part-0.parquet", "s3://shop/in/"] {
            let built = shop.run(&["build", url, "-o", "t.graven"], 0).out;
            assert_eq!(pairs(&built), pairs(&local), "{built}");
            assert!(!built.contains(".graven-"), "{built}");
        }
        shop.run(&["build", "s3://shop/in/", "--require-marker", "_SUCCESS", "-o", "t.graven"], 0);
        let error =
            shop.run(&["build", "s3://shop/in/", "--require-marker", "_DONE", "-o", "t.graven"], 2).err;
        assert!(error.contains("s3://shop/in") && error.contains("_DONE"), "{error}");
    }

    #[test]
    fn credentials_in_a_url_are_refused_and_not_repeated() {
        let shop = Shop::new();
        let data = shop.folder.path().join("data");
        for url in ["s3://id:ge/heim@shop/root/prices", "https://u:geheim@h/prices.graven"] {
            let error = shop.run(&["get", url, "k"], 2).err;
            assert!(error.contains("expected no user in it") && !error.contains("heim"), "{error}");
        }
        let serve = ["serve", "s3://id:geheim@shop/root", "--data-dir", data.to_str().unwrap()];
        for arguments in [&serve[..], &["versions", "s3://geheim@shop/root"]] {
            let error = shop.run(arguments, 2).err;
            assert!(error.contains("expected no user in it") && !error.contains("geheim"), "{error}");
        }
        assert!(!data.exists());
    }

    #[test]
    fn a_server_of_a_bucket_needs_a_directory_and_says_so() {
        let shop = Shop::new();
        let refused = shop.run(&["serve", "s3://shop/root", "--listen", "127.0.0.1:0"], 2).err;
        assert!(refused.contains("`graven serve s3://shop/root --data-dir"), "{refused}");
    }

    #[test]
    fn a_store_that_refuses_is_named_with_what_to_look_at() {
        let shop = Shop::new();
        shop.publish("1.20");
        shop.store.fail(|_| Some(Fault::Status(403, "RequestTimeTooSkewed")));
        let file = shop.file("1.25");
        for arguments in [
            &["publish", &file, "s3://shop/root/prices"][..],
            &["versions", "s3://shop/root"],
            &["get", "s3://shop/root/prices", "apple"],
            &["serve", "s3://shop/root", "--data-dir", "data", "--listen", "127.0.0.1:0"],
        ] {
            let error = shop.run(arguments, 2).err;
            for part in ["s3://shop/root", "403", "clock"] {
                assert!(error.contains(part), "{part}: {error}");
            }
        }
    }
}
