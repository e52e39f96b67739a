//! What a service manager, as systemd, and a server say to each other: the sockets that it hands over (`LISTEN_FDS`), and that
//! the server is ready or about to end (`NOTIFY_SOCKET`). Started by anybody else, a server knows nothing of it.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::thread;

use graven_catalog::Catalog;
use graven_server::{Endpoint, ListeningSocket};
use listenfd::ListenFd;

use crate::failure::{Failure, Outcome, cannot_start_thread, reason};

/// The sockets that were handed over and are not in use yet.
#[derive(Default)]
pub(crate) struct HandedSockets(Vec<ListeningSocket>);

impl HandedSockets {
    /// Takes them from the process's environment, where nobody finds them again. To be called before there are threads.
    pub(crate) fn take() -> Outcome<Self> {
        // `ListenFd` takes descriptors for its own that are for no process by name, as those that a parent was given.
        let is_named = std::env::var_os("LISTEN_PID").is_some_and(|process| !process.is_empty());
        let mut descriptors = if is_named { ListenFd::from_env() } else { ListenFd::empty() };
        let sockets = (0..descriptors.len()).map(|i| {
            let socket = match descriptors.take_tcp_listener(i) {
                Ok(Some(socket)) => ListeningSocket::Tcp(socket),
                _ => match descriptors.take_unix_listener(i) {
                    Ok(Some(socket)) => ListeningSocket::Unix(socket),
                    Ok(None) => return Err(unusable(i, "it is not there")),
                    Err(error) => return Err(unusable(i, &reason(&error))),
                },
            };
            match listens(&socket) {
                Ok(true) => Ok(socket),
                Ok(false) => Err(unusable(i, "it does not listen")),
                Err(error) => Err(unusable(i, &reason(&error))),
            }
        });
        Ok(Self(sockets.collect::<Outcome<_>>()?))
    }

    /// The socket that listens on `endpoint`.
    pub(crate) fn socket_of(&mut self, endpoint: &Endpoint) -> Option<ListeningSocket> {
        let at = self.0.iter().position(|socket| socket.is_of(endpoint))?;
        Some(self.0.swap_remove(at))
    }

    /// To be called when all endpoints have theirs: clients would wait for ever at a socket that nobody uses.
    pub(crate) fn must_be_used(&self) -> Outcome<()> {
        match self.0.first() {
            None => Ok(()),
            Some(socket) => Err(Failure::new(format!(
                "the service manager hands over a socket that listens on {socket}, and nothing is to listen there; add \
                 `--listen {socket}`, or change ListenStream= of the socket's unit"
            ))),
        }
    }
}

#[cfg(not(target_vendor = "apple"))]
fn listens(socket: &ListeningSocket) -> io::Result<bool> {
    Ok(match socket {
        ListeningSocket::Tcp(socket) => rustix::net::sockopt::socket_acceptconn(socket),
        ListeningSocket::Unix(socket) => rustix::net::sockopt::socket_acceptconn(socket),
    }?)
}

/// These systems do not tell.
#[cfg(target_vendor = "apple")]
fn listens(_: &ListeningSocket) -> io::Result<bool> {
    Ok(true)
}

fn unusable(i: usize, why: &str) -> Failure {
    Failure::new(format!(
        "socket {} of those that the service manager hands over cannot be used: {why}; it must be a stream that listens",
        i + 1
    ))
}

/// Says that the server is ready as soon as a version of every table that must answer does; nothing where nobody asked.
pub(crate) fn say_when_ready(catalog: &Arc<Catalog>) -> Outcome<()> {
    if std::env::var_os("NOTIFY_SOCKET").is_none() {
        return Ok(());
    }
    let (changed, changes) = channel();
    let subscription = catalog.subscribe(move || {
        // Nobody listens any longer once it is ready.
        let _ = changed.send(());
    });
    let catalog = Arc::clone(catalog);
    let say = move || {
        if !catalog.snapshot().is_ready() {
            notify::waiting();
        }
        while !catalog.snapshot().is_ready() {
            if changes.recv().is_err() {
                return;
            }
        }
        drop(subscription);
        notify::ready();
    };
    let spawned = thread::Builder::new().name("notify".into()).spawn(say);
    spawned.map(drop).map_err(|error| cannot_start_thread(&error))
}

/// Says that the server is about to end.
pub(crate) fn say_stopping() {
    notify::stopping();
}

#[cfg(target_os = "linux")]
mod notify {
    use sd_notify::NotifyState;

    fn say(state: &[NotifyState<'_>]) {
        if let Err(error) = sd_notify::notify(state) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }

    pub(super) fn waiting() {
        say(&[NotifyState::Status("waiting for a version of every table")]);
    }

    pub(super) fn ready() {
        say(&[NotifyState::Ready, NotifyState::Status("every table answers")]);
    }

    pub(super) fn stopping() {
        say(&[NotifyState::Stopping, NotifyState::Status("answering what is in flight")]);
    }
}

/// There is no such service manager.
#[cfg(not(target_os = "linux"))]
mod notify {
    pub(super) fn waiting() {}

    pub(super) fn ready() {}

    pub(super) fn stopping() {}
}
