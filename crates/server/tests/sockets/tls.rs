//! TLS: every language over it, who is let in, what others are told, and certificates that are renewed.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use graven_access::Access;
use graven_access::tls::{ServerIdentity, TlsFiles};
use graven_catalog::Catalog;
use graven_format::Store;
use graven_server::{Endpoint, Listener, Location, ServerOptions, Shutdown, run};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};

use crate::harness::{Server, Stream, table, threads};
use crate::permissions;

type TlsClient = StreamOwned<ClientConnection, TcpStream>;

const PATIENCE: Duration = Duration::from_secs(20);

fn file(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../access/tests/certificates")).join(name)
}

fn files(name: &str, client_ca: Option<&str>) -> TlsFiles {
    TlsFiles {
        certificate: file(&format!("{name}.pem")),
        key: file(&format!("{name}.key")),
        client_ca: client_ca.map(file),
    }
}

fn bind(options: &ServerOptions, identity: &ServerIdentity, endpoints: &[&str]) -> Vec<Listener> {
    let bind = |text: &&str| {
        let mut listener = Listener::bind(&text.parse().unwrap(), options).unwrap();
        listener.use_tls(identity).unwrap();
        listener
    };
    endpoints.iter().map(bind).collect()
}

/// As the harness's, with TLS where the endpoints ask for it.
fn serve<T>(
    store: &Arc<Store>,
    options: &ServerOptions,
    identity: &ServerIdentity,
    endpoints: &[&str],
    work: impl FnOnce(&Server) -> T,
) -> T {
    let listeners = bind(options, identity, endpoints);
    let catalog = Catalog::new("table", "only", Arc::clone(store));
    run_while(listeners, &catalog, &Access::open(), options, work)
}

/// Serves `catalog` on `listeners` while `work` runs.
fn run_while<T>(
    listeners: Vec<Listener>,
    catalog: &Arc<Catalog>,
    access: &Arc<Access>,
    options: &ServerOptions,
    work: impl FnOnce(&Server) -> T,
) -> T {
    struct Ends(Shutdown);
    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.trigger();
        }
    }
    let endpoints = listeners.iter().map(|listener| listener.endpoint().clone()).collect();
    let server = Server { endpoints, shutdown: Shutdown::new() };
    std::thread::scope(|scope| {
        let shutdown = server.shutdown.clone();
        let running = scope.spawn(move || run(listeners, catalog, access, options, &shutdown));
        let ends = Ends(server.shutdown.clone());
        let result = work(&server);
        drop(ends);
        running.join().unwrap().unwrap();
        result
    })
}

fn identity(name: &str, client_ca: Option<&str>) -> ServerIdentity {
    ServerIdentity::open(files(name, client_ca)).unwrap().0
}

fn small() -> Arc<Store> {
    table([(&b"colour"[..], &b"green"[..]), (b"shape", b"round")])
}

/// A client that trusts `ca`, and shows the certificate `shows`.
fn config(ca: &str, shows: Option<&str>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file(ca)).unwrap() {
        roots.add(certificate.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    Arc::new(match shows {
        None => builder.with_no_client_auth(),
        Some(name) => {
            let chain = CertificateDer::pem_file_iter(file(&format!("{name}.pem"))).unwrap();
            let key = PrivateKeyDer::from_pem_file(file(&format!("{name}.key"))).unwrap();
            builder.with_client_auth_cert(chain.map(Result::unwrap).collect(), key).unwrap()
        }
    })
}

fn trusting() -> Arc<ClientConfig> {
    config("ca.pem", None)
}

fn port(endpoint: &Endpoint) -> u16 {
    match endpoint.location {
        Location::Tcp { port, .. } => port,
        Location::Unix(_) => panic!("a TCP endpoint"),
    }
}

fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

fn connect(port: u16, config: &Arc<ClientConfig>) -> TlsClient {
    let name = ServerName::try_from("localhost").unwrap();
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).unwrap(), tcp(port))
}

/// What is answered to `request`, as many bytes as `expected` has; the error of the stream where there is one.
fn ask(client: &mut (impl Read + Write), request: &[u8], bytes: usize) -> io::Result<Vec<u8>> {
    client.write_all(request)?;
    client.flush()?;
    let mut answer = vec![0; bytes];
    client.read_exact(&mut answer)?;
    Ok(answer)
}

const RESP_GET: &[u8] = b"*2\r\n$3\r\nGET\r\n$6\r\ncolour\r\n";
const RESP_GREEN: &[u8] = b"$5\r\ngreen\r\n";

fn is_green(client: &mut (impl Read + Write)) -> bool {
    ask(client, RESP_GET, RESP_GREEN.len()).is_ok_and(|answer| answer == RESP_GREEN)
}

/// A number that the server tells of itself, asked for over `port`.
fn metric(port: u16, name: &str) -> u64 {
    let mut client = connect(port, &trusting());
    client.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).unwrap();
    let line = text.lines().find(|line| line.split(' ').next() == Some(name));
    line.unwrap_or_else(|| panic!("no {name}")).rsplit(' ').next().unwrap().parse().unwrap()
}

#[test]
fn every_language_is_spoken_over_both_versions_of_tls() {
    let conversations: [(&[u8], &[u8]); 4] = [
        (RESP_GET, RESP_GREEN),
        (b"get colour\r\n", b"VALUE colour 0 5\r\ngreen\r\nEND\r\n"),
        (b"mg colour v\r\n", b"VA 5\r\ngreen\r\n"),
        (b"GET /?key=colour HTTP/1.0\r\n\r\n", b"HTTP/1.1 200 OK\r\n"),
    ];
    for name in ["server", "rsa", "chain"] {
        let key = if name == "chain" { "leaf" } else { name };
        let files = TlsFiles { key: file(&format!("{key}.key")), ..files(name, None) };
        let (identity, _) = ServerIdentity::open(files).unwrap();
        serve(&small(), &threads(2), &identity, &["127.0.0.1:0"], |server| {
            let port = port(&server.endpoints[0]);
            for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(file("ca.pem")).unwrap()).unwrap();
                let provider = Arc::new(rustls::crypto::ring::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_protocol_versions(&[version])
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let config = Arc::new(config);
                for (request, answer) in conversations {
                    let mut client = connect(port, &config);
                    let found = ask(&mut client, request, answer.len()).unwrap();
                    assert_eq!(found.escape_ascii().to_string(), answer.escape_ascii().to_string(), "{name}");
                    assert_eq!(client.conn.protocol_version(), Some(version.version));
                }
            }
        });
    }
}

#[test]
fn http_is_agreed_upon_where_it_is_spoken_and_what_is_not_is_refused() {
    let endpoints = ["127.0.0.1:0", "https://127.0.0.1:0", "rediss://127.0.0.1:0"];
    serve(&small(), &threads(1), &identity("server", None), &endpoints, |server| {
        for (endpoint, offered, agreed) in [
            (0, &[&b"h2"[..], b"http/1.1"][..], Some(&b"http/1.1"[..])),
            (1, &[b"http/1.1"], Some(b"http/1.1")),
            (2, &[b"http/1.1"], None),
        ] {
            let mut config = ClientConfig::clone(&trusting());
            config.alpn_protocols = offered.iter().map(|name| name.to_vec()).collect();
            let mut client = connect(port(&server.endpoints[endpoint]), &Arc::new(config));
            while client.conn.is_handshaking() {
                client.conn.complete_io(&mut client.sock).unwrap();
            }
            assert_eq!(client.conn.alpn_protocol(), agreed);
        }
        let mut config = ClientConfig::clone(&trusting());
        config.alpn_protocols = vec![b"h2".to_vec()];
        let mut client = connect(port(&server.endpoints[0]), &Arc::new(config));
        assert!(
            client
                .conn
                .complete_io(&mut client.sock)
                .unwrap_err()
                .to_string()
                .contains("NoApplicationProtocol")
        );
    });
}

#[test]
fn who_shows_which_certificate_is_let_in_where() {
    let identity = identity("server", Some("ca.pem"));
    let modes = ["127.0.0.1:0", "127.0.0.1:0?client=optional", "127.0.0.1:0?client=none"];
    serve(&small(), &threads(1), &identity, &modes, |server| {
        for (shows, let_in) in [
            (None, [false, true, true]),
            (Some("client"), [true, true, true]),
            (Some("spiffe"), [true, true, true]),
            // One that shows a certificate of a stranger's is not taken for one that shows none.
            (Some("stranger"), [false, false, true]),
        ] {
            for (endpoint, let_in) in server.endpoints.iter().zip(let_in) {
                let mut client = connect(port(endpoint), &config("ca.pem", shows));
                assert_eq!(is_green(&mut client), let_in, "{shows:?} at {endpoint}");
            }
        }
        // The server's certificate is checked by the client.
        let mut client = connect(port(&server.endpoints[2]), &config("other-ca.pem", None));
        let refused = ask(&mut client, RESP_GET, 1).unwrap_err();
        assert!(refused.to_string().contains("UnknownIssuer"), "{refused}");
        let plain = port(&server.endpoints[2]);
        assert_eq!(metric(plain, "graven_tls_handshakes_failed_total{reason=\"no_certificate\"}"), 1);
        assert_eq!(metric(plain, "graven_tls_handshakes_failed_total{reason=\"certificate\"}"), 2);
        assert_eq!(metric(plain, "graven_tls_handshakes_failed_total{reason=\"alert\"}"), 1);
        assert!(metric(plain, "graven_tls_certificate_expires_seconds") > 4_000_000_000);
    });
}

#[test]
fn a_certificate_outside_its_time_is_served_with_a_warning_and_refused_by_clients() {
    for (name, ca, warning, reason) in [
        ("expired", "ca.pem", "has expired", "expired"),
        ("future", "future.pem", "does not hold yet", "not valid yet"),
    ] {
        let (identity, opened) = ServerIdentity::open(files(name, None)).unwrap();
        assert!(opened.warnings.iter().any(|found| found.contains(warning)), "{opened:?}");
        assert!(identity.validity_warning().unwrap().contains(warning));
        serve(&small(), &threads(1), &identity, &["127.0.0.1:0"], |server| {
            let mut client = connect(port(&server.endpoints[0]), &config(ca, None));
            let refused = ask(&mut client, RESP_GET, 1).unwrap_err();
            assert!(refused.to_string().contains(reason), "{refused}");
        });
    }
}

#[test]
fn the_status_says_when_the_certificate_expires() {
    let identity = identity("server", None);
    assert_eq!(identity.validity_warning(), None);
    serve(&small(), &threads(1), &identity, &["127.0.0.1:0"], |server| {
        let port = port(&server.endpoints[0]);
        let mut client = connect(port, &trusting());
        client.write_all(b"GET /status.json HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).unwrap();
        let expires = metric(port, "graven_tls_certificate_expires_seconds");
        assert!(text.contains(&format!("\"certificate\":{{\"expires\":{expires}}}")), "{text}");
    });
}

#[test]
fn every_command_and_route_is_answered_to_a_certificate_that_stands_for_a_user_and_to_no_other() {
    let identity = identity("server", Some("ca.pem"));
    let endpoints = [
        "rediss://127.0.0.1:0?table=prices&client=optional",
        "memcacheds://127.0.0.1:0?table=prices&client=optional",
        "https://127.0.0.1:0?client=optional",
    ];
    let (catalog, access) = permissions::for_certificates();
    let options = threads(1);
    run_while(bind(&options, &identity, &endpoints), &catalog, &access, &options, |server| {
        // The certificate of `client` is that of `reader`; `spiffe` is nobody's.
        let configs = [config("ca.pem", Some("spiffe")), config("ca.pem", Some("client"))];
        permissions::check_certificates(|protocol, is_known| {
            connect(port(&server.endpoints[protocol]), &configs[usize::from(is_known)])
        });
    });
}

#[test]
fn sessions_are_resumed_but_not_where_a_certificate_must_be_shown() {
    let identity = identity("server", Some("ca.pem"));
    let modes = ["127.0.0.1:0?client=none", "127.0.0.1:0?client=required"];
    serve(&small(), &threads(1), &identity, &modes, |server| {
        let [open, closed] = [0, 1].map(|i| port(&server.endpoints[i]));
        let config = trusting();
        assert!(is_green(&mut connect(open, &config)));
        let mut again = connect(open, &config);
        assert!(is_green(&mut again));
        assert_eq!(again.conn.handshake_kind(), Some(HandshakeKind::Resumed));
        // A ticket of the open port is of no use at the other.
        assert!(!is_green(&mut connect(closed, &config)));
        assert_eq!(metric(open, "graven_tls_handshakes_resumed_total"), 1);
    });
}

#[test]
fn one_port_speaks_both_and_tells_them_apart_by_the_first_byte() {
    let identity = identity("server", None);
    serve(&small(), &threads(1), &identity, &["127.0.0.1:0?tls=both"], |server| {
        let port = port(&server.endpoints[0]);
        for _ in 0..3 {
            assert!(is_green(&mut tcp(port)));
            assert!(is_green(&mut connect(port, &trusting())));
        }
    });
}

#[test]
fn plain_text_sent_to_a_tls_port_is_answered_in_its_own_language() {
    let identity = identity("server", None);
    let endpoints =
        ["127.0.0.1:0", "rediss://127.0.0.1:0", "memcacheds://127.0.0.1:0", "https://127.0.0.1:0"];
    serve(&small(), &threads(1), &identity, &endpoints, |server| {
        let redis = "-ERR this port speaks TLS: connect with TLS, as with rediss://\r\n";
        let memcached = "SERVER_ERROR this port speaks TLS: connect with TLS\r\n";
        let http = "HTTP/1.1 400 Bad Request\r\n";
        for (endpoint, request, answer) in [
            (0, "GET /?key=colour HTTP/1.1\r\nHost: a\r\n\r\n", http),
            (0, "*1\r\n$4\r\nPING\r\n", redis),
            (0, "PING\r\n", redis),
            (0, "get colour\r\n", memcached),
            (1, "PING\r\n", redis),
            (2, "get colour\r\n", memcached),
            (3, "GET / HTTP/1.1\r\n\r\n", http),
        ] {
            let mut stream = Stream::connect(&server.endpoints[endpoint]);
            stream.send(request.as_bytes());
            let found = String::from_utf8(stream.rest()).unwrap();
            assert!(found.starts_with(answer), "{request:?}: {found}");
            if let Some((head, body)) = found.split_once("\r\n\r\n") {
                assert!(head.contains(&format!("Content-Length: {}\r\n", body.len())), "{head}");
            }
        }
        let failed = "graven_tls_handshakes_failed_total{reason=\"plain_text\"}";
        assert_eq!(metric(port(&server.endpoints[0]), failed), 7);
    });
}

#[test]
fn tls_sent_to_a_plain_port_is_answered_with_an_alert() {
    let identity = identity("server", None);
    let endpoints = ["127.0.0.1:0?tls=off", "resp://127.0.0.1:0?tls=off", "memcached://127.0.0.1:0?tls=off"];
    serve(&small(), &threads(1), &identity, &endpoints, |server| {
        for endpoint in &server.endpoints {
            let mut client = connect(port(endpoint), &trusting());
            let refused = ask(&mut client, RESP_GET, 1).unwrap_err();
            assert!(refused.to_string().contains("HandshakeFailure"), "{endpoint}: {refused}");
        }
    });
}

#[test]
fn a_handshake_that_is_cut_at_any_byte_or_damaged_costs_its_connection_alone() {
    let identity = identity("server", None);
    let mut options = threads(1);
    options.tls.handshake_timeout = Duration::from_secs(1);
    serve(&small(), &options, &identity, &["127.0.0.1:0"], |server| {
        let port = port(&server.endpoints[0]);
        let name = ServerName::try_from("localhost").unwrap();
        let mut hello = Vec::new();
        ClientConnection::new(trusting(), name).unwrap().write_tls(&mut hello).unwrap();
        let mut waiting = Vec::new();
        for end in 0..hello.len() {
            let mut stream = tcp(port);
            stream.write_all(&hello[..end]).unwrap();
            match end % 2 {
                0 => drop(stream),
                _ => waiting.push(stream),
            }
            if end % 8 == 0 {
                let mut damaged = hello.clone();
                damaged[end] ^= 0x55;
                let mut stream = tcp(port);
                // Closed at once, if not by an answer.
                let _ = stream.write_all(&damaged);
            }
        }
        assert!(is_green(&mut connect(port, &trusting())));
        // Those that came to a standstill are closed, too.
        for mut stream in waiting {
            let mut left = Vec::new();
            if let Err(error) = stream.read_to_end(&mut left) {
                assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
            }
        }
        let until = Instant::now() + PATIENCE;
        // The one that asks is no longer under way.
        while metric(port, "graven_tls_handshakes_under_way") > 0 {
            assert!(Instant::now() < until);
        }
    });
}

#[test]
fn handshakes_that_come_to_a_standstill_keep_nobody_waiting() {
    let identity = identity("server", None);
    let endpoints = ["127.0.0.1:0", "127.0.0.1:0?tls=off"];
    serve(&small(), &threads(1), &identity, &endpoints, |server| {
        let [secured, plain] = [0, 1].map(|i| port(&server.endpoints[i]));
        let name = ServerName::try_from("localhost").unwrap();
        let mut hello = Vec::new();
        ClientConnection::new(trusting(), name).unwrap().write_tls(&mut hello).unwrap();
        // Those that have sent half of the first message, and those that never answer the server's.
        let half = (0..300).map(|i| {
            let mut stream = tcp(secured);
            stream.write_all(if i % 2 == 0 { &hello[..hello.len() / 2] } else { &hello }).unwrap();
            stream
        });
        let half: Vec<TcpStream> = half.collect();
        assert!(is_green(&mut tcp(plain)) && is_green(&mut connect(secured, &trusting())));
        assert_eq!(metric(secured, "graven_tls_handshakes_under_way"), 300);
        drop(half);
    });
}

#[test]
fn as_many_handshakes_are_under_way_as_may_be_and_the_next_waits() {
    let identity = identity("server", None);
    let mut options = threads(1);
    options.tls.handshakes_max = 3;
    options.tls.handshake_timeout = Duration::from_secs(2);
    serve(&small(), &options, &identity, &["127.0.0.1:0", "127.0.0.1:0?tls=off"], |server| {
        let [secured, plain] = [0, 1].map(|i| port(&server.endpoints[i]));
        let silent: Vec<TcpStream> = (0..5).map(|_| tcp(secured)).collect();
        assert!(is_green(&mut tcp(plain)), "others are not kept waiting");
        // Let in as soon as those have had their time.
        assert!(is_green(&mut connect(secured, &trusting())));
        drop(silent);
    });
}

#[test]
fn a_large_value_and_long_pipelines_come_whole() {
    let large: Vec<u8> = (0..10_000_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let pairs = [(&b"large"[..], &large[..]), (b"colour", b"green")];
    serve(&table(pairs), &threads(1), &identity("server", None), &["127.0.0.1:0"], |server| {
        let port = port(&server.endpoints[0]);
        let mut client = connect(port, &trusting());
        let request = b"*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n";
        for _ in 0..2 {
            let answer = ask(&mut client, request, large.len() + 13).unwrap();
            assert!(answer[..11] == *b"$10000000\r\n" && answer[11..answer.len() - 2] == large[..]);
        }
        // More than all buffers hold, sent before anything is read.
        let requests = 100_000;
        let pipeline = RESP_GET.repeat(requests);
        client.write_all(&pipeline).unwrap();
        client.flush().unwrap();
        let mut answers = vec![0; requests * RESP_GREEN.len()];
        client.read_exact(&mut answers).unwrap();
        assert!(answers.chunks_exact(RESP_GREEN.len()).all(|answer| answer == RESP_GREEN));
    });
}

#[test]
fn a_peer_that_ends_its_half_is_answered_and_told_the_end() {
    serve(&small(), &threads(1), &identity("server", None), &["127.0.0.1:0"], |server| {
        let mut client = connect(port(&server.endpoints[0]), &trusting());
        client.write_all(&RESP_GET.repeat(3)).unwrap();
        client.conn.send_close_notify();
        client.flush().unwrap();
        let mut answers = Vec::new();
        // It fails where the server closes without saying so.
        client.read_to_end(&mut answers).unwrap();
        assert_eq!(answers, RESP_GREEN.repeat(3));
    });
}

#[test]
fn a_certificate_is_renewed_under_load_and_no_connection_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let install = |name: &str| {
        std::fs::copy(file(&format!("{name}.pem")), at("cert.pem")).unwrap();
        std::fs::copy(file(&format!("{name}.key")), at("key.pem")).unwrap();
    };
    install("server");
    let files = TlsFiles { certificate: at("cert.pem"), key: at("key.pem"), client_ca: None };
    let (identity, _) = ServerIdentity::open(files).unwrap();
    serve(&small(), &threads(2), &identity, &["127.0.0.1:0"], |server| {
        let port = port(&server.endpoints[0]);
        let (stop, answered) = (AtomicBool::new(false), AtomicU64::new(0));
        let shown = || {
            let mut client = connect(port, &trusting());
            assert!(is_green(&mut client));
            client.conn.peer_certificates().unwrap()[0].to_vec()
        };
        let certificate =
            |name: &str| CertificateDer::from_pem_file(file(&format!("{name}.pem"))).unwrap().to_vec();
        let wait_for_more = || {
            let until = answered.load(Ordering::Relaxed) + 200;
            while answered.load(Ordering::Relaxed) < until {
                std::thread::yield_now();
            }
        };
        std::thread::scope(|scope| {
            for lasting in [true, true, false, false] {
                let (stop, answered) = (&stop, &answered);
                scope.spawn(move || {
                    let config = trusting();
                    let mut client = connect(port, &config);
                    while !stop.load(Ordering::Relaxed) {
                        if !lasting {
                            client = connect(port, &config);
                        }
                        assert!(is_green(&mut client), "a request was dropped");
                        answered.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            let ends = scopeguard(&stop);
            assert_eq!(shown(), certificate("server"));
            for _ in 0..3 {
                for name in ["renewed", "rsa", "server"] {
                    wait_for_more();
                    install(name);
                    identity.reload().unwrap();
                    assert_eq!(shown(), certificate(name));
                }
            }
            // A bad pair changes nothing.
            std::fs::copy(file("renewed.pem"), at("cert.pem")).unwrap();
            assert!(identity.reload().unwrap_err().to_string().contains("does not belong"));
            assert_eq!(shown(), certificate("server"));
            wait_for_more();
            drop(ends);
        });
    });
}

/// Sets `stop` however the scope is left.
fn scopeguard(stop: &AtomicBool) -> impl Drop + '_ {
    struct Stops<'a>(&'a AtomicBool);
    impl Drop for Stops<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    Stops(stop)
}

#[test]
fn a_proxy_header_comes_before_tls_of_either_kind() {
    let identity = identity("server", Some("ca.pem"));
    let endpoints = ["127.0.0.1:0?proxy=required", "127.0.0.1:0?proxy=required&tls=both&client=none"];
    serve(&small(), &threads(1), &identity, &endpoints, |server| {
        let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 50000 443\r\n";
        let list = b"*2\r\n$6\r\nCLIENT\r\n$4\r\nLIST\r\n";
        for (endpoint, shows, cuts) in [(0, Some("client"), false), (1, None, false), (1, None, true)] {
            let mut client = connect(port(&server.endpoints[endpoint]), &config("ca.pem", shows));
            // In a piece of its own, or in one with the first bytes of the handshake.
            let mut first = header.to_vec();
            if cuts {
                client.conn.write_tls(&mut first).unwrap();
            }
            client.sock.write_all(&first).unwrap();
            assert!(is_green(&mut client));
            client.write_all(list).unwrap();
            let mut answer = [0; 90];
            client.read_exact(&mut answer).unwrap();
            let answer = String::from_utf8_lossy(&answer);
            assert!(answer.contains(" addr=192.0.2.7:50000 laddr=198.51.100.1:443 "), "{answer}");
        }
        let mut plain = tcp(port(&server.endpoints[1]));
        plain.write_all(header).unwrap();
        assert!(is_green(&mut plain));
        // Without one, TLS is refused as everything is.
        for endpoint in &server.endpoints {
            let mut client = connect(port(endpoint), &config("ca.pem", Some("client")));
            assert!(!is_green(&mut client));
        }
    });
}

#[test]
fn a_listener_that_is_to_speak_tls_never_runs_without_a_certificate() {
    let options = threads(1);
    for text in ["https://127.0.0.1:0", "127.0.0.1:0?tls=both"] {
        let listener = Listener::bind(&text.parse().unwrap(), &options).unwrap();
        let catalog = Catalog::new("table", "only", small());
        let error = run(vec![listener], &catalog, &Access::open(), &options, &Shutdown::new()).unwrap_err();
        assert!(error.to_string().contains("there is no certificate"), "{error}");
    }
}
