//! The access log: lines on their way to a file. Loops hand them over and go on; a thread writes them. What the file does not
//! take in time is dropped and counted, so that no answer ever waits for it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes of lines that one loop may have waiting to be written; further lines are dropped.
const QUEUE_BYTES_MAX: usize = 1 << 20;

/// Bytes that are handed over and written at once.
const WRITE_BYTES: usize = 64 * 1024;

/// How often a file that cannot be written is said to be one.
const COMPLAINT_INTERVAL: Duration = Duration::from_secs(1);

/// Who may read an access log that is made anew: keys may say much about people.
const FILE_MODE: u32 = 0o640;

/// Where an access log is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessLogTarget {
    /// Standard output.
    Stdout,
    /// A file, at whose end lines are added; or a named pipe, which somebody reads already.
    File(PathBuf),
}

/// What a line of an access log is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AccessLogFormat {
    /// Words with spaces between them, the key last.
    #[default]
    Text,
    /// A JSON object.
    Json,
}

/// An access log that is open. Clones are the same log.
///
/// ```
/// use graven_server::{AccessLog, AccessLogTarget, RequestLogOptions, ServerOptions};
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("access.log");
/// let access_log = AccessLog::open(AccessLogTarget::File(path))?;
/// let requests = RequestLogOptions { access_log: Some(access_log.clone()), ..RequestLogOptions::default() };
/// let options = ServerOptions { requests, ..ServerOptions::default() };
/// // When the file was renamed:
/// access_log.reopen();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<AccessLogInner>);

#[derive(Debug)]
struct AccessLogInner {
    messages: Sender<Message>,
    dropped: Arc<AtomicU64>,
}

#[derive(Debug)]
enum Message {
    Lines(LoopLines),
    Reopen,
    /// Tells when everything before it is written.
    Flush(Sender<()>),
}

/// Whole lines of one loop.
#[derive(Debug)]
struct LoopLines {
    bytes: Vec<u8>,
    /// Bytes of that loop that wait.
    waiting: Arc<AtomicUsize>,
}

impl PartialEq for AccessLog {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for AccessLog {}

impl AccessLog {
    /// Opens a log, and starts the thread that writes it.
    ///
    /// # Errors
    /// When the file cannot be opened, a pipe has nobody who reads it, or the system refuses the thread.
    pub fn open(target: AccessLogTarget) -> io::Result<Self> {
        let file = open(&target)?;
        let (messages, received) = channel();
        let dropped = Arc::new(AtomicU64::new(0));
        let mut writer =
            Writer { target, file, dropped: Arc::clone(&dropped), is_cut: false, complained: None };
        thread::Builder::new().name("access-log".into()).spawn(move || writer.run(&received))?;
        Ok(Self(Arc::new(AccessLogInner { messages, dropped })))
    }

    /// Has the file opened again by its name, as after it was renamed. Lines that were handed over before go to the former file.
    /// Where that fails, the former file stays in use, and the log says so.
    pub fn reopen(&self) {
        self.send(Message::Reopen);
    }

    /// Waits until every line is written that was handed over before, for `patience` at most.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, is_done) = channel();
        self.send(Message::Flush(done));
        // What a blocked pipe does not take is lost when the process ends.
        let _ = is_done.recv_timeout(patience);
    }

    /// Lines that were not written.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    /// Room for one loop's lines.
    pub(super) fn queue(&self) -> AccessLogQueue {
        AccessLogQueue { log: self.clone(), bytes: Vec::new(), waiting: Arc::default() }
    }

    fn send(&self, message: Message) {
        // The thread ends with the last sender.
        let _ = self.0.messages.send(message);
    }
}

/// Lines of one loop that were not handed over yet, and how many bytes wait that were.
#[derive(Debug)]
pub(super) struct AccessLogQueue {
    log: AccessLog,
    bytes: Vec<u8>,
    waiting: Arc<AtomicUsize>,
}

impl AccessLogQueue {
    /// Adds a line, which `write` appends; or drops it, where as many bytes wait as may. Whether it was added.
    pub(super) fn add(&mut self, write: impl FnOnce(&mut Vec<u8>)) -> bool {
        if self.waiting.load(Ordering::Relaxed) + self.bytes.len() >= QUEUE_BYTES_MAX {
            self.log.0.dropped.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        write(&mut self.bytes);
        // One round of the loop may have more lines than may wait.
        if self.bytes.len() >= WRITE_BYTES {
            self.hand_over();
        }
        true
    }

    /// Has what was added be written.
    pub(super) fn hand_over(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let bytes = std::mem::take(&mut self.bytes);
        self.waiting.fetch_add(bytes.len(), Ordering::Relaxed);
        self.log.send(Message::Lines(LoopLines { bytes, waiting: Arc::clone(&self.waiting) }));
    }
}

/// What the thread has that writes.
struct Writer {
    target: AccessLogTarget,
    file: File,
    dropped: Arc<AtomicU64>,
    /// The last write ended within a line.
    is_cut: bool,
    /// When it was last said that the file cannot be written.
    complained: Option<Instant>,
}

impl Writer {
    fn run(&mut self, messages: &Receiver<Message>) {
        let mut next = None;
        while let Some(message) = next.take().or_else(|| messages.recv().ok()) {
            match message {
                Message::Reopen => self.reopen(),
                Message::Flush(done) => {
                    // Whoever waited may have lost patience.
                    let _ = done.send(());
                }
                Message::Lines(first) => {
                    let mut bytes = Vec::new();
                    let mut several = vec![first];
                    let mut size = several[0].bytes.len();
                    while size < WRITE_BYTES {
                        match messages.try_recv() {
                            Ok(Message::Lines(more)) => {
                                size += more.bytes.len();
                                several.push(more);
                            }
                            other => {
                                next = other.ok();
                                break;
                            }
                        }
                    }
                    several.iter().for_each(|lines| bytes.extend_from_slice(&lines.bytes));
                    self.write(&bytes);
                    for lines in several {
                        lines.waiting.fetch_sub(lines.bytes.len(), Ordering::Relaxed);
                    }
                }
            }
        }
    }

    /// Writes whole lines. What cannot be written is dropped.
    fn write(&mut self, lines: &[u8]) {
        let mut written = 0;
        let ended = self.end_cut_line().and_then(|()| {
            while written < lines.len() {
                match self.file.write(&lines[written..]) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(bytes) => written += bytes,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            }
            Ok(())
        });
        let Err(error) = ended else { return };
        self.is_cut |= lines[..written].last().is_some_and(|byte| *byte != b'\n');
        let dropped = memchr::memchr_iter(b'\n', &lines[written..]).count() as u64;
        self.dropped.fetch_add(dropped, Ordering::Relaxed);
        if self.complained.is_none_or(|at| at.elapsed() >= COMPLAINT_INTERVAL) {
            self.complained = Some(Instant::now());
            tracing::warn!(
                event = "access_log_failed",
                %error,
                lines = dropped,
                "lines of the access log cannot be written"
            );
        }
    }

    fn end_cut_line(&mut self) -> io::Result<()> {
        if self.is_cut {
            self.file.write_all(b"\n")?;
            self.is_cut = false;
        }
        Ok(())
    }

    fn reopen(&mut self) {
        match open(&self.target) {
            Ok(file) => {
                (self.file, self.is_cut, self.complained) = (file, false, None);
                tracing::info!(event = "access_log_reopened", "the access log was opened again");
            }
            Err(error) => {
                tracing::error!(
                    event = "access_log_failed",
                    %error,
                    "the access log cannot be opened again; the former file stays in use"
                );
            }
        }
    }
}

fn open(target: &AccessLogTarget) -> io::Result<File> {
    let path = match target {
        // Not by the handle of the standard library, whose lock others would wait for while a pipe is full.
        AccessLogTarget::Stdout => return Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?)),
        AccessLogTarget::File(path) => path,
    };
    // A pipe that nobody reads would otherwise be waited for here.
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(FILE_MODE).custom_flags(libc::O_NONBLOCK);
    let file = options.open(path)?;
    // Its thread may wait as long as it likes.
    socket2::SockRef::from(&file).set_nonblocking(false)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn line(queue: &mut AccessLogQueue, text: &str) -> bool {
        queue.add(|out| out.extend_from_slice(format!("{text}\n").as_bytes()))
    }

    #[test]
    fn lines_go_to_the_file_of_the_name_at_the_time() {
        let directory = tempfile::tempdir().unwrap();
        let (path, renamed) = (directory.path().join("log"), directory.path().join("log.1"));
        std::fs::write(&path, "there before\n").unwrap();
        let log = AccessLog::open(AccessLogTarget::File(path.clone())).unwrap();
        let mut queue = log.queue();
        let mut say = |text: &str| {
            assert!(line(&mut queue, text));
            queue.hand_over();
        };
        say("first");
        log.flush(Duration::from_secs(60));
        std::fs::rename(&path, &renamed).unwrap();
        say("second");
        log.reopen();
        say("third");
        log.flush(Duration::from_secs(60));
        let text = |path| std::fs::read_to_string(path).unwrap();
        assert_eq!(text(&renamed), "there before\nfirst\nsecond\n");
        assert_eq!(text(&path), "third\n");
        // What cannot be opened leaves the former in use.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        log.reopen();
        say("fourth");
        log.flush(Duration::from_secs(60));
        assert_eq!(log.dropped(), 0);
    }

    #[test]
    fn a_pipe_that_nobody_empties_costs_lines_and_no_time_and_no_memory() {
        let (mut reader, writer) = io::pipe().unwrap();
        let path = format!("/proc/self/fd/{}", std::os::fd::AsRawFd::as_raw_fd(&writer));
        let log = AccessLog::open(AccessLogTarget::File(path.into())).unwrap();
        let mut queue = log.queue();
        let text = "x".repeat(999);
        let mut added = 0_u64;
        for _ in 0..10_000 {
            added += u64::from(line(&mut queue, &text));
            queue.hand_over();
            let waiting = queue.waiting.load(Ordering::Relaxed);
            assert!(waiting <= QUEUE_BYTES_MAX + 1_000, "{waiting}");
        }
        let dropped = log.dropped();
        assert_eq!(added + dropped, 10_000);
        assert!(dropped > 8_000, "{dropped}");
        // Every line that was taken comes whole once somebody reads.
        drop((queue, log, writer));
        let mut all = String::new();
        reader.read_to_string(&mut all).unwrap();
        assert_eq!(all.lines().count() as u64, added);
        assert!(all.lines().all(|line| line == text));
    }

    #[test]
    fn lines_beyond_what_may_wait_are_handed_over_before_the_round_has_ended() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = AccessLog::open(AccessLogTarget::File(path.clone())).unwrap();
        let mut queue = log.queue();
        let text = "x".repeat(1_023);
        for _ in 0..3 * QUEUE_BYTES_MAX / WRITE_BYTES {
            assert!((0..WRITE_BYTES / 1_024).all(|_| line(&mut queue, &text)));
            // The file takes what it gets.
            log.flush(Duration::from_secs(60));
        }
        assert_eq!(log.dropped(), 0);
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 3 * QUEUE_BYTES_MAX as u64);
    }

    #[test]
    fn what_cannot_be_written_is_dropped_and_counted() {
        let log = AccessLog::open(AccessLogTarget::File("/dev/full".into())).unwrap();
        let mut queue = log.queue();
        for _ in 0..3 {
            line(&mut queue, "lost");
        }
        queue.hand_over();
        log.flush(Duration::from_secs(60));
        assert_eq!((log.dropped(), queue.waiting.load(Ordering::Relaxed)), (3, 0));
        let error = AccessLog::open(AccessLogTarget::File("/none/log".into())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
