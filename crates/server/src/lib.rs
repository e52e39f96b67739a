//! Event loops, connections and limits that put a table on the network.
//!
//! [`run`] takes listeners, a catalog, who may ask, [`ServerOptions`] and a [`Shutdown`] handle, and returns when
//! the handle was triggered and the connections have drained. It reads no argument, environment or
//! configuration, installs no signal handler and never ends the process: all of that is its
//! caller's. It logs through `tracing`; requests have a log of their own, the
//! [`AccessLog`], where one is asked for.
//!
//! ```
//! use graven_access::Access;
//! use graven_catalog::Catalog;
//! use graven_format::{Builder, Options as Build};
//! use graven_server::{Endpoint, Listener, ServerOptions, Shutdown, run};
//!
//! let mut builder = Builder::new(Build::default());
//! builder.add(b"colour", b"green")?;
//! let (store, _) = builder.finish()?;
//! let catalog = Catalog::new("paints", "first", store);
//!
//! let options = ServerOptions::default();
//! let endpoint: Endpoint = "127.0.0.1:0".parse()?;
//! let listener = Listener::bind(&endpoint, &options)?;
//! let address = listener.endpoint().to_string();
//! let shutdown = Shutdown::new();
//!
//! std::thread::scope(|scope| {
//!     let server = scope.spawn(|| run(vec![listener], &catalog, &Access::open(), &options, &shutdown));
//!     let answer = ask(&address);
//!     shutdown.trigger();
//!     server.join().expect("the server does not panic")?;
//!     assert!(answer.unwrap().ends_with("green"));
//!     Ok::<(), graven_server::Error>(())
//! })?;
//! # fn ask(address: &str) -> std::io::Result<String> {
//! #     use std::io::{Read, Write};
//! #     let mut stream = std::net::TcpStream::connect(address)?;
//! #     stream.write_all(b"GET /?key=colour HTTP/1.0\r\n\r\n")?;
//! #     let mut text = String::new();
//! #     stream.read_to_string(&mut text)?;
//! #     Ok(text)
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod accept;
mod answer;
mod buffered;
mod clients;
mod clock;
mod connection;
mod counters;
mod endpoint;
mod error;
mod event_loop;
mod fast_open;
mod handshakes;
mod history;
mod input;
mod journal;
mod listener;
mod listening_socket;
mod loops;
mod metric;
mod network;
mod options;
mod os;
mod output;
mod process;
mod proxied;
mod request_log;
mod shutdown;
#[cfg(test)]
mod simulated;
mod system;
#[cfg(feature = "tls")]
mod tls;
mod turn;

use std::sync::Arc;

pub use endpoint::{ClientCertificates, Endpoint, Speaks, TlsMode};
pub use error::Error;
pub use graven_blocks::DiskReads;
pub use graven_wire::address::Location;
pub use listener::Listener;
pub use listening_socket::ListeningSocket;
pub use network::{Network, NetworkError};
pub use options::{
    ContentType, CorsOrigin, HostName, LimitOptions, NetworkOptions, NotAContentType, NotAHostName,
    NotAnOrigin, RequestLogOptions, RowGet, ServerOptions, StatusOptions, StorageOptions, TimeoutOptions,
    TlsOptions,
};
pub use request_log::{AccessLog, AccessLogFormat, AccessLogTarget};
pub use shutdown::Shutdown;

use graven_access::Access;
use graven_catalog::Catalog;

/// Answers lookups in the table of `catalog` on `listeners` until `shutdown` is triggered and the connections have drained,
/// or [`TimeoutOptions::drain`] has passed. While the table has no version, requests that need one are told so. When the catalog switches to another version, requests that come later are
/// answered from that, and those under way from the version with which they began. `access` says who may ask which table; other
/// users hold from the next request of each connection on.
///
/// The calling thread becomes the first event loop, the one that accepts; the others are threads of their own.
///
/// # Errors
/// [`Error::Thread`] and [`Error::Loop`] when the operating system refuses an event loop its thread or its means. An error on a connection only ever ends
/// that connection.
pub fn run(
    listeners: Vec<Listener>,
    catalog: &Arc<Catalog>,
    access: &Arc<Access>,
    options: &ServerOptions,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    loops::run(listeners, catalog, access, options, shutdown)
}
