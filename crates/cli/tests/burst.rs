//! Many clients at the same moment.

mod support;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use support::{Serving, example_data, example_pairs};

const CONNECTIONS: usize = 1000;

/// Far longer than the system takes to connect two sockets of one machine, however busy it is.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn a_thousand_connections_wait_for_a_server_that_is_held_up_and_all_are_answered() {
    let serving = Serving::start(&[example_data()]);
    let address = serving.address().parse().unwrap();
    // While the process stands still the system alone connects, as many as the backlog takes; a backlog of 128, as is common,
    // drops what comes then, and who was dropped tries again after a second, then after two, then four.
    serving.signal(Signal::STOP);
    let pairs = &example_pairs()[..CONNECTIONS];
    let mut streams: Vec<TcpStream> = Vec::new();
    for (key, _) in pairs {
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).unwrap_or_else(|error| {
            panic!("after {} connections: {error}", streams.len());
        });
        stream.write_all(format!("GET /?key={key} HTTP/1.0\r\n\r\n").as_bytes()).unwrap();
        streams.push(stream);
    }
    serving.signal(Signal::CONT);
    for ((_, value), mut stream) in pairs.iter().zip(streams) {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(answer.split_once("\r\n\r\n").unwrap().1, value);
    }
}
