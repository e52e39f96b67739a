//! HAProxy and nginx in front of graven: with TLS up to them, from them on, or through them, and with PROXY headers.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use crate::load_balancer::checked;
use crate::other_servers::{self, OtherServer, nginx};
use crate::programs::started;
use crate::support::Serving;
use crate::tls::file;

/// A server of one pair, and where it listens.
fn serving(parameters: &str, tls: bool) -> (Serving, String) {
    let listen = format!("127.0.0.1:0{parameters}");
    let (cert, key) = (file("server.pem"), file("server.key"));
    let secured = ["--tls-cert", &cert, "--tls-key", &key];
    let arguments = [&["-", "--listen", &listen][..], if tls { &secured[..] } else { &[] }].concat();
    let serving = Serving::start_with_input(&arguments, b"k value\n");
    let address = serving.address().split('?').next().unwrap().to_owned();
    (serving, address)
}

/// An HAProxy with these lines behind `bind` and `server`.
fn haproxy(mode: &str, bind: &str, server: &str, address: &str) -> OtherServer {
    other_servers::start("haproxy", "haproxy", |port, directory| {
        // The certificate and its key in one file.
        let pair = [fs::read(file("server.pem")).unwrap(), fs::read(file("server.key")).unwrap()].concat();
        let pem = Path::new(directory).join("pair.pem");
        fs::write(&pem, pair).unwrap();
        let bind = bind.replace("PAIR", pem.to_str().unwrap());
        let check = if mode == "http" { "option httpchk GET /healthz" } else { "" };
        let configuration = format!(
            "global\n  stats socket {directory}/stats\ndefaults\n  mode {mode}\n  timeout connect 5s\n  timeout client 30s\n  \
             timeout server 30s\nfrontend front\n  bind 127.0.0.1:{port} {bind}\n  default_backend graven\nbackend graven\n  \
             {check}\n  server one {address} {server} check inter 100ms\n"
        );
        let path = Path::new(directory).join("haproxy.cfg");
        fs::write(&path, configuration).unwrap();
        ["-db", "-f", path.to_str().unwrap()].map(str::to_owned).into()
    })
}

/// An nginx that passes connections on as they are, with a PROXY header.
fn nginx_stream(directives: &str, address: &str) -> OtherServer {
    other_servers::start("nginx", "nginx", |port, directory| {
        let configuration = format!(
            "load_module /usr/lib/nginx/modules/ngx_stream_module.so;\n\
             daemon off; master_process off; pid {directory}/pid; error_log {directory}/errors;\nevents {{}}\n\
             stream {{ server {{ listen 127.0.0.1:{port}; proxy_pass {address}; {directives} }} }}\n"
        );
        fs::write(format!("{directory}/nginx.conf"), configuration).unwrap();
        ["-p", directory, "-c", "nginx.conf", "-e", "errors"].map(str::to_owned).to_vec()
    })
}

/// What curl gets of a URL without its scheme.
fn curl(scheme: &str, address: &str) -> String {
    let url = format!("{scheme}://localhost:{}/?key=k", address.rsplit(':').next().unwrap());
    let arguments = ["-sS", "--ipv4", "--max-time", "60", "--cacert", &file("ca.pem"), &url];
    let output = started("curl", "curl", Command::new("curl").args(arguments).output());
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

/// What `CLIENT LIST` says through `address`, and the address that asks.
fn listed(address: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"CLIENT LIST\r\nQUIT\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    (answer, stream.local_addr().unwrap().to_string())
}

#[test]
fn haproxy_says_by_each_kind_of_header_whom_it_passes_on_and_checks_as_itself() {
    for header in [
        "send-proxy",
        "send-proxy-v2",
        "send-proxy-v2 proxy-v2-options crc32c,unique-id",
        "send-proxy-v2-ssl-cn",
    ] {
        let (_serving, address) = serving("?proxy=required", false);
        let haproxy = haproxy("tcp", "", header, &address);
        let (clients, own) = listed(&haproxy.address);
        assert!(clients.contains(&format!(" addr={own} laddr={} ", haproxy.address)), "{header}: {clients}");
        assert_eq!(checked(&haproxy.directory().join("stats")).0, "L4OK", "{header}");
    }
    // Checks over HTTP are of HAProxy itself, which sends the header `LOCAL`.
    let (_serving, address) = serving("?proxy=required", false);
    let haproxy = haproxy("http", "", "send-proxy-v2", &address);
    assert_eq!(checked(&haproxy.directory().join("stats")), ("L7OK".to_owned(), "200".to_owned()));
    assert_eq!(curl("http", &haproxy.address), "value");
}

#[test]
fn a_connection_that_does_not_come_by_the_balancer_is_closed() {
    let (_serving, address) = serving("?proxy=required", false);
    let (clients, _) = listed_or_closed(&address);
    assert_eq!(clients, "");
    let (_serving, address) = serving("?proxy=required&from=192.0.2.0/24", false);
    let haproxy = haproxy("tcp", "", "send-proxy-v2", &address);
    assert_eq!(listed_or_closed(&haproxy.address).0, "");
}

/// As [`listed`], where the connection may be reset.
fn listed_or_closed(address: &str) -> (String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    let mut answer = String::new();
    let _ = stream.write_all(b"CLIENT LIST\r\n").and_then(|()| stream.read_to_string(&mut answer));
    (answer, address.to_owned())
}

#[test]
fn haproxy_ends_tls_begins_it_anew_or_passes_it_through_with_the_clients_address() {
    let verified = format!("ssl verify required ca-file {} verifyhost localhost", file("ca.pem"));
    let offers = "ssl crt PAIR";
    for (mode, bind, server, parameters, tls) in [
        ("http", offers, String::new(), "", false),
        ("http", offers, "send-proxy-v2".to_owned(), "?proxy=required", false),
        ("http", offers, verified.clone(), "", true),
        ("http", offers, format!("{verified} send-proxy-v2"), "?proxy=required", true),
        ("tcp", offers, format!("{verified} send-proxy-v2-ssl-cn"), "?proxy=required", true),
        ("tcp", "", "send-proxy-v2".to_owned(), "?proxy=required", true),
    ] {
        let (_serving, address) = serving(parameters, tls);
        let haproxy = haproxy(mode, bind, &server, &address);
        assert_eq!(curl("https", &haproxy.address), "value", "{mode} {bind} {server} {parameters}");
        if mode == "tcp" {
            let port = haproxy.address.rsplit(':').next().unwrap();
            let arguments =
                ["--tls", "--cacert", &file("ca.pem"), "-h", "localhost", "-p", port, "client", "list"];
            let output =
                started("redis-cli", "redis-tools", Command::new("redis-cli").args(arguments).output());
            let clients = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(clients.contains(&format!(" laddr={} ", haproxy.address)), "{server}: {clients}");
        }
    }
}

#[test]
fn nginx_ends_tls_begins_it_anew_or_passes_it_through_with_the_clients_address() {
    let pair = format!("ssl_certificate {}; ssl_certificate_key {};", file("server.pem"), file("server.key"));
    let verified = format!(
        "proxy_ssl_verify on; proxy_ssl_trusted_certificate {}; proxy_ssl_name localhost;",
        file("ca.pem")
    );
    for tls in [false, true] {
        let (_serving, address) = serving("", tls);
        let scheme = if tls { "https" } else { "http" };
        let front = format!("{pair} ssl on; location / {{ proxy_pass {scheme}://{address}; {verified} }}");
        let nginx = nginx(&front);
        assert_eq!(curl("https", &nginx.address), "value", "{scheme}");
    }
    let (_serving, address) = serving("?proxy=required", true);
    let nginx = nginx_stream("proxy_protocol on;", &address);
    assert_eq!(curl("https", &nginx.address), "value");
    let (_serving, address) = serving("?proxy=required", false);
    let nginx = nginx_stream("proxy_protocol on;", &address);
    let (clients, own) = listed(&nginx.address);
    assert!(clients.contains(&format!(" addr={own} laddr={} ", nginx.address)), "{clients}");
}
