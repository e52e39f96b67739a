//! Servers that do one thing only, and not the one that they should.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::sync::mpsc::{Receiver, channel};
use std::thread;

/// What a peer does with every request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Conduct {
    /// Sends these bytes, and goes on.
    Says(&'static [u8]),
    /// Sends these bytes, and closes.
    SaysAndCloses(&'static [u8]),
    /// Reads on, and says nothing.
    IsSilent,
    /// Throws the rest of the request away, and the connection with it.
    Resets,
}

/// Starts a peer that lives as long as the test: its address, and a word for each request that comes.
pub(crate) fn start(conduct: Conduct) -> (String, Receiver<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (asked, requests) = channel();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let asked = asked.clone();
            thread::spawn(move || {
                let mut room = [0; 4096];
                // The system resets a connection that is dropped with bytes that nobody has read.
                let at_once = if matches!(conduct, Conduct::Resets) { 1 } else { room.len() };
                while let Ok(1..) = stream.read(&mut room[..at_once]) {
                    // A test that has seen enough no longer listens.
                    let _ = asked.send(());
                    let (answer, goes_on) = match conduct {
                        Conduct::Says(answer) => (answer, true),
                        Conduct::SaysAndCloses(answer) => (answer, false),
                        Conduct::IsSilent => (&b""[..], true),
                        Conduct::Resets => return,
                    };
                    if stream.write_all(answer).is_err() || !goes_on {
                        break;
                    }
                }
                let _ = stream.shutdown(Shutdown::Both);
            });
        }
    });
    (address, requests)
}
