//! Long work on a thread of its own, while Python's main thread goes on to see signals and to tell how far it is.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// How often signals are looked for: fast for a person, and nothing beside the work.
const LOOK: Duration = Duration::from_millis(50);

/// How far work is that counts bytes, and whether it is to stop.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    done: AtomicU64,
    total: AtomicU64,
    stopped: AtomicBool,
}

impl Counted {
    /// Notes how far it is; whether it is to go on.
    pub(crate) fn set(&self, done: u64, total: u64) -> bool {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
        !self.stopped.load(Ordering::Relaxed)
    }

    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Calls `progress` with bytes done and all bytes.
    pub(crate) fn tell(&self, py: Python<'_>, progress: Option<&Py<PyAny>>) -> PyResult<()> {
        if let Some(progress) = progress {
            progress.call1(py, (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed)))?;
        }
        Ok(())
    }
}

/// What becomes of work when it is interrupted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interrupted {
    /// It ends soon, and is waited for.
    Joined,
    /// It ends by itself, and nobody waits.
    Left,
}

/// Does `work` on another thread without the interpreter's lock. Meanwhile `told` is called every now and then, and signals
/// are looked for; what either raises calls `stop` and is raised.
pub(crate) fn watch<T: Send + 'static>(
    py: Python<'_>,
    mut told: impl FnMut(Python<'_>) -> PyResult<()>,
    stop: impl Fn(),
    interrupted: Interrupted,
    work: impl FnOnce() -> T + Send + 'static,
) -> PyResult<T> {
    let (send, receive) = sync_channel(1);
    let spawned = std::thread::Builder::new().name("graven".into()).spawn(move || {
        let _ = send.send(work());
    });
    let thread = spawned.map_err(|error| PyOSError::new_err(format!("cannot start a thread: {error}")))?;
    let receive = Mutex::new(receive);
    loop {
        if let Err(raised) = told(py).and_then(|()| py.check_signals()) {
            stop();
            if interrupted == Interrupted::Joined {
                let _ = py.detach(|| thread.join());
            }
            return Err(raised);
        }
        let received = py.detach(|| match receive.lock() {
            Ok(receive) => receive.recv_timeout(LOOK),
            Err(_) => Err(RecvTimeoutError::Disconnected),
        });
        match received {
            // A signal that came too late is the program's own.
            Ok(done) => {
                told(py)?;
                return Ok(done);
            }
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => {
                let panic = py.detach(|| thread.join()).err().unwrap_or_else(|| Box::new("the thread ended"));
                std::panic::resume_unwind(panic);
            }
        }
    }
}
