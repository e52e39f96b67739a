//! The same bytes to graven and to the servers whose languages it speaks: the answers are equal, but for the deviations that
//! docs/PROTOCOLS.md lists, and those are exactly as the page says.

mod hashes;
mod http;
mod memcached;
mod page;
mod redis;
mod redis_further;

use crate::support::Serving;

/// The pairs that every server in these tests has.
const PAIRS: [(&str, &str); 5] = [
    ("key", "value"),
    ("number", "12345"),
    ("long", "0123456789012345678901234567890123456789012345678901234567890123456789"),
    ("schlüssel", "wert"),
    ("a:b", "c"),
];

/// graven with the pairs, where it speaks one protocol alone.
struct Graven {
    _serving: Serving,
    address: String,
}

fn graven(protocol: &str) -> Graven {
    let text: String = PAIRS.iter().map(|(key, value)| format!("{key} {value}\n")).collect();
    let listen = format!("{protocol}://127.0.0.1:0");
    let serving = Serving::start_with_input(&["-", "--listen", &listen], text.as_bytes());
    let address = serving.address().trim_start_matches(&format!("{protocol}://")).to_owned();
    Graven { _serving: serving, address }
}
