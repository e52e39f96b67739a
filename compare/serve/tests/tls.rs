//! All servers with TLS, as long as it takes to see that each of them answers.

mod program;

use std::process::Command;

#[test]
fn every_server_is_asked_with_tls_and_new_connections_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let text = folder.path().join("few.data");
    // More than a server takes in at once.
    let pairs: String = (0..20_000).map(|i| format!("key-{i} {}\n", i * i)).collect();
    std::fs::write(&text, pairs).unwrap();
    let graven = program::graven();
    for (kind, name) in [("ecdsa", "ECDSA P-256"), ("rsa", "RSA, 2048 bits")] {
        let output = Command::new(env!("CARGO_BIN_EXE_compare-serve"))
            .arg(&text)
            .args(["--tls", kind, "--rounds", "1", "--seconds", "0.2", "--depth", "1,16", "--graven"])
            .arg(&graven)
            .output()
            .unwrap();
        let (said, progress) =
            (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
        assert!(output.status.success(), "{progress}");
        let (rates, connections) = said.split_once("### New connections").unwrap();
        assert!(connections.contains(name), "{said}");
        for row in [
            "| http | graven |",
            "| resp | graven |",
            "| mc | graven |",
            "| mg | graven |",
            "| resp | redis-server |",
            "| mc | memcached |",
            "| mg | memcached |",
            "| http | nginx `return 200` |",
        ] {
            // At two depths; the first protocol of each has its connections counted.
            assert_eq!(rates.matches(row).count(), 2, "{row} in {said}");
        }
        for row in [
            "| http | graven |",
            "| resp | redis-server |",
            "| mc | memcached |",
            "| http | nginx `return 200` |",
        ] {
            let (_, figure) = connections.split_once(row).unwrap();
            let rate: f64 = figure.trim_start().split(' ').next().unwrap().parse().unwrap();
            assert!(rate > 10.0, "{row} {rate}");
        }
        assert!(!connections.contains("bare loop"), "{said}");
    }
}
