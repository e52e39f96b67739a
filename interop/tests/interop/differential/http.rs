//! graven beside nginx: what is taken for a request, and with which status it is refused.

use super::page::deviations;
use crate::other_servers;
use crate::talk::{Ends, talk};

/// An nginx that answers `/healthz` with `ok`.
const SERVER: &str = "client_header_timeout 2s; location = /healthz { limit_except GET { deny all; } return 200 ok; } \
                      location / { return 404; }";

/// Requests, a connection each. nginx and graven give them the same status, and close.
const SAME: &[&str] = &[
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.0\r\n\r\n",
    "\r\nGET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "HEAD /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /none HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET http://a/healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nab\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: b\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: a/b\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: +5\r\nConnection: close\r\n\r\nabcde",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5x\r\nConnection: close\r\n\r\nabcde",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\nConnection: close\r\n\r\n",
    "POST /none HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: gzip\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\n folded: x\r\nConnection: close\r\n\r\n",
    "GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
    "GET /healthz HTTP/x\r\nHost: localhost\r\n\r\n",
    "GET /healthz HTTP/1.1\r\nHost: localhost\r\nNa me: x\r\nConnection: close\r\n\r\n",
];

/// The status of an answer, or `closed`.
fn status(answer: &[u8]) -> String {
    let answer = String::from_utf8_lossy(answer);
    answer.strip_prefix("HTTP/1.1 ").map_or("closed".to_owned(), |rest| rest[..3].to_owned())
}

#[test]
fn nginx_and_graven_give_the_same_status() {
    let (theirs, ours) = (other_servers::nginx(SERVER), super::graven("http"));
    let mut different = Vec::new();
    for sent in SAME {
        let nginx = status(&talk(&theirs.address, sent.as_bytes(), Ends::Closed));
        let graven = status(&talk(&ours.address, sent.as_bytes(), Ends::Closed));
        if nginx != graven {
            different.push(format!("{sent:?}: nginx {nginx}, graven {graven}"));
        }
    }
    assert!(different.is_empty(), "{different:#?}");
}

#[test]
fn the_deviations_from_nginx_are_those_on_the_page() {
    let (theirs, ours) = (other_servers::nginx(SERVER), super::graven("http"));
    for deviation in deviations("nginx 1.22.1") {
        let sent = deviation.sent.escape_ascii().to_string();
        let stated =
            [&deviation.theirs, &deviation.ours].map(|status| String::from_utf8_lossy(status).into_owned());
        let nginx = status(&talk(&theirs.address, &deviation.sent, Ends::Closed));
        let graven = status(&talk(&ours.address, &deviation.sent, Ends::Closed));
        assert_eq!([nginx, graven], stated, "{sent}");
    }
}
