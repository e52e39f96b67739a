//! One page of an HTTP server, fetched on a connection of its own: what a server says about itself.

use std::io::{self, Read, Write};
use std::time::{Duration, Instant};

use graven_access::ServerTrust;
use graven_wire::Decoded;
use graven_wire::address::{Address, Protocol};
use graven_wire::http::{self, Limits, Method};

use crate::connection::Timeouts;
use crate::error::Error;
use crate::security::Security;
use crate::stream::ServerStream;

/// The longest page that is taken, in bytes.
const PAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What a server has answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The status code.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

/// Asks the server at `address` for `path`, such as `/readyz`, as the user that the address names. The whole takes no longer than a connection and an answer may
/// each.
///
/// # Errors
/// Those of a connection, and [`Error::Malformed`] when what comes back is no answer in HTTP.
///
/// ```
/// use graven_client::{Timeouts, fetch};
/// # use std::io::{Read, Write};
/// # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
/// # let server = listener.local_addr()?;
/// # std::thread::spawn(move || {
/// #     let (mut stream, _) = listener.accept()?;
/// #     stream.read(&mut [0; 100])?;
/// #     stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nready")
/// # });
///
/// let address = graven_wire::address::Address::to_connect(&server.to_string())?;
/// let page = fetch(&address, "/readyz", Timeouts::default())?;
/// assert_eq!((page.status, &page.body[..]), (200, &b"ready"[..]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn fetch(address: &Address, path: &str, timeouts: Timeouts) -> Result<Page, Error> {
    fetch_from(address, path, timeouts, &ServerTrust::System)
}

/// The same of a server that is trusted by `trust`, where its address asks for TLS.
///
/// # Errors
/// Those, and [`Error::Tls`] when the server is not trusted or does not speak TLS.
pub fn fetch_from(
    address: &Address,
    path: &str,
    timeouts: Timeouts,
    trust: &ServerTrust,
) -> Result<Page, Error> {
    let target = address.to_string();
    let until = Instant::now() + timeouts.connect + timeouts.read;
    let failed = |source: io::Error, waited: Duration| match source.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            Error::TimedOut { target: target.clone(), waited }
        }
        _ => Error::Broken { target: target.clone(), source },
    };
    let mut stream =
        ServerStream::open(address, &target, timeouts, &Security::new(address, &target, trust)?)?;
    let authorization = match &address.credentials {
        Some(credentials) => format!("Authorization: {}\r\n", credentials.to_basic()),
        None => String::new(),
    };
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{authorization}\r\n");
    stream
        .write_all(request.as_bytes())
        .and_then(|()| stream.flush())
        .map_err(|error| failed(error, timeouts.write))?;
    let limits = Limits { body_bytes_max: PAGE_BYTES_MAX, ..Limits::default() };
    let malformed = |reason: String| Error::Malformed {
        target: target.clone(),
        protocol: Protocol::Http,
        found: None,
        reason,
    };
    let mut received = Vec::new();
    let mut ended = false;
    loop {
        match http::decode_response(&received, Method::Get, ended, &limits) {
            Decoded::Message(response, bytes) if response.status < 200 => drop(received.drain(..bytes)),
            Decoded::Message(response, _) => {
                let mut body = Vec::new();
                response.body.append_to(&mut body);
                return Ok(Page { status: response.status, body });
            }
            Decoded::Invalid(http::Error::Truncated) | Decoded::NeedMore if ended => {
                return Err(Error::Closed { target });
            }
            Decoded::Invalid(error) => return Err(malformed(error.to_string())),
            Decoded::NeedMore if received.len() > PAGE_BYTES_MAX => {
                return Err(malformed(format!("a page of more than {PAGE_BYTES_MAX} bytes")));
            }
            Decoded::NeedMore if Instant::now() > until => {
                return Err(Error::TimedOut { target, waited: timeouts.read });
            }
            Decoded::NeedMore => {
                let mut room = [0; 16 * 1024];
                let bytes = match stream.read(&mut room) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    read => read.map_err(|error| failed(error, timeouts.read))?,
                };
                ended = bytes == 0;
                received.extend_from_slice(&room[..bytes]);
            }
        }
    }
}
