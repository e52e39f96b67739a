//! A file mapped for reading, whose lost pages read as zeros instead of ending the process.
//!
//! A page of a mapped file that is no longer there, because the file was truncated or the disk fails, is a SIGBUS for
//! whoever reads it. Here it becomes a page of zeros: checksums do not fit zeros, so the reader gets a typed error as for
//! any other damage. A lost page stays lost for as long as the mapping lives, even if the file gets its bytes back.
//!
//! What this relies on:
//!
//! - The bytes are shared with everyone who may write the file, and may change between two looks, though Rust promises of
//!   a `&[u8]` that they do not. Readers therefore copy what they need and check the copy, or bear any bytes; no reader
//!   may rest memory safety on two looks that agree, or leave out a bounds check because of what it saw before.
//! - The handler of SIGBUS is the process's: one that is installed later has to pass on what it does not know, and a
//!   thread that blocks SIGBUS is killed by the system as if there were no handler.
//! - Only loads are mended: a system call that is given lost bytes fails with EFAULT.
//! - A page of zeros is a mapping of its own. A process that already has all that the system allows (65,530 unless
//!   `vm.max_map_count` says otherwise) is killed; what this file adds comes to half of that at worst.
//! - Files on hugetlbfs have no page of the system's size that could be replaced; there SIGBUS kills as ever.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::ptr;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};

use memmap2::{Advice, MmapOptions, MmapRaw};

/// Mappings that may stand at once: the handler can only look into a table of a fixed size.
const SLOTS_MAX: usize = 64;

/// Faults of one mapping that replace only the page they hit. Each scattered page costs the process up to two of the 65,530
/// mappings that Linux gives it; a mapping that has lost more loses all that lies behind the fault in one piece.
const FAULTS_OF_ONE_PAGE: u64 = 250;

/// What the system says of a page that could not be brought in. Other codes are of other faults, of which a retried load
/// would not come back, or of signals that were sent and carry no address.
const LOST: &[c_int] = &[
    libc::BUS_ADRERR,
    #[cfg(target_os = "linux")]
    libc::BUS_MCEERR_AR,
];

/// A whole file, shared and for reading.
#[derive(Debug)]
pub(crate) struct Mapping {
    map: MmapRaw,
    slot: &'static Slot,
}

impl Mapping {
    /// The first `len` bytes of `file`; those that it does not have read as zeros.
    pub(crate) fn of(file: &File, len: usize) -> io::Result<Self> {
        let handler = Handler::installed()?;
        let map = MmapOptions::new().len(len).map_raw_read_only(file)?;
        // Advice: a lookup touches one place, and what lies around it is not asked for.
        let _ = map.advise(Advice::Random);
        let start = map.as_ptr() as usize;
        let slot = Slot::claim(start..start + len.next_multiple_of(handler.page_bytes)).ok_or_else(|| {
            io::Error::other(format!("{SLOTS_MAX} files are mapped already, and more cannot be"))
        })?;
        Ok(Self { map, slot })
    }

    #[inline(always)]
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: that many bytes are mapped for reading until `self` is dropped, and stay mapped at this address when a page
        // is replaced. That they may change is what the file's first lines speak of.
        unsafe { slice::from_raw_parts(self.map.as_ptr(), self.map.len()) }
    }

    /// Pages that were lost and replaced so far. Threads that run into one page at the same moment each count it; of a mapping
    /// that lost very many, pages are replaced, and counted, many at once.
    #[cfg(test)]
    pub(crate) fn faults(&self) -> u64 {
        self.slot.faults.load(SeqCst)
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // Before `map` is unmapped: what is mapped at this place next is not for the handler to mend.
        self.slot.release();
    }
}

/// Where a mapping is, for the handler to find. All its accesses are in one order: neither side is hot.
#[derive(Debug)]
struct Slot {
    taken: AtomicBool,
    /// Odd while a range stands, and another number for every range.
    turn: AtomicU64,
    start: AtomicUsize,
    end: AtomicUsize,
    faults: AtomicU64,
}

static SLOTS: [Slot; SLOTS_MAX] = [const { Slot::free() }; SLOTS_MAX];

impl Slot {
    const fn free() -> Self {
        Self {
            taken: AtomicBool::new(false),
            turn: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
            faults: AtomicU64::new(0),
        }
    }

    /// A slot that holds `range` until it is released; none when all are taken.
    fn claim(range: Range<usize>) -> Option<&'static Self> {
        let slot = SLOTS.iter().find(|slot| !slot.taken.swap(true, SeqCst))?;
        slot.start.store(range.start, SeqCst);
        slot.end.store(range.end, SeqCst);
        slot.faults.store(0, SeqCst);
        slot.turn.fetch_add(1, SeqCst);
        Some(slot)
    }

    fn release(&self) {
        self.turn.fetch_add(1, SeqCst);
        self.taken.store(false, SeqCst);
    }

    /// The slot that holds `address`, and its range. A slot that changes meanwhile is not the one: the thread that faulted
    /// borrows its mapping, so that one cannot be dropped. But half of an old range and half of a new one may seem to hold
    /// an address that is in neither.
    fn holding(address: usize) -> Option<(&'static Self, Range<usize>)> {
        SLOTS.iter().find_map(|slot| {
            let turn = slot.turn.load(SeqCst);
            let range = slot.start.load(SeqCst)..slot.end.load(SeqCst);
            let stood = turn % 2 == 1 && slot.turn.load(SeqCst) == turn;
            (stood && range.contains(&address)).then_some((slot, range))
        })
    }
}

/// What the handler of SIGBUS has to know.
struct Handler {
    /// What was done about SIGBUS before.
    previous: libc::sigaction,
    page_bytes: usize,
}

/// Set before the handler is installed, so that the handler always finds it.
static HANDLER: OnceLock<Handler> = OnceLock::new();

impl Handler {
    /// The process's handler, which the first call installs.
    fn installed() -> io::Result<&'static Self> {
        static INSTALLED: OnceLock<Result<&'static Handler, Option<i32>>> = OnceLock::new();
        INSTALLED
            .get_or_init(|| Self::install().map_err(|error| error.raw_os_error()))
            .map_err(|code| code.map_or_else(|| io::ErrorKind::Other.into(), io::Error::from_raw_os_error))
    }

    fn install() -> io::Result<&'static Self> {
        let done = |status| if status == 0 { Ok(()) } else { Err(io::Error::last_os_error()) };
        // SAFETY: all zeros is a value of every field: an integer, a set of bits, and no function.
        let mut previous: libc::sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: it is asked for and not changed; `previous` is there to be written.
        done(unsafe { libc::sigaction(libc::SIGBUS, ptr::null(), &mut previous) })?;
        // SAFETY: asks for a number and touches no memory.
        let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
        let page_bytes = usize::try_from(page_bytes)
            .ok()
            .filter(|bytes| bytes.is_power_of_two())
            .ok_or(io::ErrorKind::Unsupported)?;

        let mut action = previous;
        action.sa_sigaction = on_sigbus as extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void) as usize;
        // A handler that was there keeps its mask, and whether it may be interrupted by itself. This one runs on the alternate
        // stack where the thread has one, and itself touches nothing that could fault.
        action.sa_flags =
            libc::SA_SIGINFO | libc::SA_ONSTACK | (previous.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART));
        let handler = HANDLER.get_or_init(|| Self { previous, page_bytes });
        // SAFETY: `action` is whole, and its function has the signature that SA_SIGINFO asks for and does only what a handler
        // may do: loads of atomics, and system calls.
        done(unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) })?;
        Ok(handler)
    }

    /// Puts zeros where the page of `address` was lost; false when the address is in no mapping or the system has refused.
    fn mend(&self, address: usize) -> bool {
        let Some((slot, range)) = Slot::holding(address) else { return false };
        let page = address & !(self.page_bytes - 1);
        let piece = page..page + self.page_bytes;
        let rest = page..range.end;
        // Counted first: who has seen the zeros sees the count.
        let narrow = slot.faults.fetch_add(1, SeqCst) < FAULTS_OF_ONE_PAGE;
        // A process with as many mappings as it may have is refused a piece in the middle, which costs two, and granted the end.
        (narrow && map_zeros(piece)) || map_zeros(rest)
    }

    /// Does what would have been done about a signal without this file.
    ///
    /// # Safety
    ///
    /// The arguments are those of a handler of `signal` that is running.
    unsafe fn pass_on(&self, signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        let previous = &self.previous;
        if let libc::SIG_DFL | libc::SIG_IGN = previous.sa_sigaction {
            // SAFETY: as the caller promises, it is there to be read.
            let sent = was_sent(unsafe { (*info).si_code });
            if sent && previous.sa_sigaction == libc::SIG_IGN {
                return;
            }
            // A fault that is ignored kills all the same, and it happens again after the return.
            restore_default(signal);
            if sent {
                // SAFETY: touches no memory.
                unsafe { libc::raise(signal) };
            }
            return;
        }
        if previous.sa_flags & libc::SA_RESETHAND != 0 {
            restore_default(signal);
        }
        let function = previous.sa_sigaction as *const ();
        if previous.sa_flags & libc::SA_SIGINFO != 0 {
            type Detailed = extern "C" fn(c_int, *mut libc::siginfo_t, *mut c_void);
            // SAFETY: SA_SIGINFO says that the function has this signature.
            let function: Detailed = unsafe { std::mem::transmute::<*const (), Detailed>(function) };
            function(signal, info, context);
        } else {
            type Plain = extern "C" fn(c_int);
            // SAFETY: without SA_SIGINFO the function has this signature.
            let function: Plain = unsafe { std::mem::transmute::<*const (), Plain>(function) };
            function(signal);
        }
    }
}

/// The process's handler of SIGBUS. No locks, no allocation, no panic: it may have interrupted anything.
extern "C" fn on_sigbus(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: every thread has its own `errno`, for as long as it runs.
    let error = unsafe { *errno() };
    if let Some(handler) = HANDLER.get() {
        // SAFETY: with SA_SIGINFO, what `info` points to is there until the handler returns.
        let info_read = unsafe { &*info };
        // SAFETY: the codes in `LOST` are of faults, for which the system has written the address.
        let mended =
            LOST.contains(&info_read.si_code) && handler.mend(unsafe { info_read.si_addr() } as usize);
        if !mended {
            // SAFETY: the arguments are this handler's own.
            unsafe { handler.pass_on(signal, info, context) };
        }
    }
    // SAFETY: as above.
    unsafe { *errno() = error };
}

/// Whether a signal came from somebody, or as news; a fault would come again.
fn was_sent(code: c_int) -> bool {
    #[cfg(target_os = "linux")]
    if code == libc::BUS_MCEERR_AO {
        return true;
    }
    code <= 0
}

/// Puts a mapping of zeros where `range` of a [`Mapping`] was.
fn map_zeros(range: Range<usize>) -> bool {
    let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
    let start = range.start as *mut c_void;
    // SAFETY: the range is whole pages inside of a mapping that this file made and that the thread which faulted borrows, so
    // that nobody else's memory is replaced; it is mapped for reading before and after, and in between nobody gets to read.
    unsafe { libc::mmap(start, range.len(), libc::PROT_READ, flags, -1, 0) == start }
}

/// Does away with every handler of `signal`.
fn restore_default(signal: c_int) {
    // SAFETY: all zeros is a value of every field, and SIG_DFL with no flags and no mask.
    let default: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: `default` is whole, and no function is installed.
    unsafe { libc::sigaction(signal, &default, ptr::null_mut()) };
}

/// Where the thread keeps the error of its last system call.
fn errno() -> *mut c_int {
    // SAFETY: gives an address and touches nothing.
    #[cfg(target_os = "linux")]
    return unsafe { libc::__errno_location() };
    // SAFETY: gives an address and touches nothing.
    #[cfg(not(target_os = "linux"))]
    return unsafe { libc::__error() };
}

#[cfg(test)]
mod tests {
    use std::hint::black_box;
    use std::io::Write;
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Command, Output};
    use std::sync::Barrier;
    use std::thread;

    use super::*;

    /// Set in a process that runs one test for another process to look at.
    const CHILD: &str = "GRAVEN_MAPPING_TEST_CHILD";

    fn page_bytes() -> usize {
        Handler::installed().unwrap().page_bytes
    }

    /// Never zero.
    fn byte_at(at: usize) -> u8 {
        (at % 251) as u8 + 1
    }

    fn file_of(len: usize) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(&(0..len).map(byte_at).collect::<Vec<_>>()).unwrap();
        file
    }

    /// The bytes as they are now: what another look has seen says nothing of this one.
    fn copy(mapping: &Mapping) -> Vec<u8> {
        black_box(black_box(mapping.bytes()).to_vec())
    }

    fn read(mapping: &Mapping, at: usize) -> u8 {
        // SAFETY: inside of the bytes.
        unsafe { (&raw const mapping.bytes()[at]).read_volatile() }
    }

    fn cut(file: &File, len: usize) {
        file.set_len(len as u64).unwrap();
    }

    /// Runs the test `name`, which is the caller, in a process of its own; none in that process.
    fn in_a_child(name: &str) -> Option<Output> {
        if std::env::var_os(CHILD).is_some() {
            let no_core = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            // SAFETY: `no_core` is there to be read.
            unsafe { libc::setrlimit(libc::RLIMIT_CORE, &no_core) };
            return None;
        }
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", &format!("mapping::tests::{name}"), "--nocapture", "--test-threads=1"]);
        Some(child.env(CHILD, "1").output().unwrap())
    }

    fn assert_killed_by_sigbus(output: &Output) {
        assert_eq!(output.status.signal(), Some(libc::SIGBUS), "{output:?}");
    }

    /// A page that was lost, of a mapping that this file knows nothing of.
    fn lost_outside() -> MmapRaw {
        let file = file_of(page_bytes_of_the_system());
        let map = MmapOptions::new().map_raw_read_only(&file).unwrap();
        cut(&file, 0);
        map
    }

    /// Unlike [`page_bytes`], installs no handler.
    fn page_bytes_of_the_system() -> usize {
        // SAFETY: asks for a number and touches no memory.
        unsafe { usize::try_from(libc::sysconf(libc::_SC_PAGESIZE)).unwrap() }
    }

    fn touch(map: &MmapRaw) {
        // SAFETY: the address is mapped; what happens is what is tested.
        unsafe { map.as_ptr().read_volatile() };
    }

    /// Sets what is done about SIGBUS, before the first mapping.
    fn set_action(function: usize, flags: c_int) {
        assert!(HANDLER.get().is_none(), "the handler under test is to come second");
        // SAFETY: all zeros is a value of every field.
        let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
        action.sa_sigaction = function;
        action.sa_flags = flags;
        // SAFETY: `action` is whole, and its function has the signature that `flags` ask for.
        assert_eq!(unsafe { libc::sigaction(libc::SIGBUS, &action, ptr::null_mut()) }, 0);
    }

    /// A mapping that lost its first page, which was found to be so.
    fn mended() -> Mapping {
        let file = file_of(page_bytes_of_the_system());
        let mapping = Mapping::of(&file, page_bytes_of_the_system()).unwrap();
        cut(&file, 0);
        assert_eq!(read(&mapping, 0), 0);
        assert_eq!(mapping.faults(), 1);
        mapping
    }

    #[test]
    fn a_file_is_read_whole() {
        let len = 3 * page_bytes() + 5;
        let mapping = Mapping::of(&file_of(len), len).unwrap();
        assert!(copy(&mapping).into_iter().eq((0..len).map(byte_at)));
        assert_eq!(mapping.faults(), 0);
    }

    #[test]
    fn an_empty_file_has_no_bytes() {
        let mapping = Mapping::of(&file_of(0), 0).unwrap();
        assert_eq!(mapping.bytes(), b"");
    }

    #[test]
    fn what_the_file_never_had_reads_as_zeros() {
        let len = page_bytes() + 7;
        let mapping = Mapping::of(&file_of(5), len).unwrap();
        let read = copy(&mapping);
        assert!(read[..5].iter().copied().eq((0..5).map(byte_at)));
        assert!(read[5..].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn each_lost_page_counts_once() {
        let page = page_bytes();
        let file = file_of(8 * page);
        let mapping = Mapping::of(&file, 8 * page).unwrap();
        assert_eq!(read(&mapping, 7 * page), byte_at(7 * page));
        cut(&file, 2 * page);
        assert_eq!(read(&mapping, 2 * page - 1), byte_at(2 * page - 1));
        assert_eq!(mapping.faults(), 0);
        for lost in 2..8 {
            assert_eq!(read(&mapping, lost * page + lost), 0);
            assert_eq!(mapping.faults(), lost as u64 - 1);
        }
        copy(&mapping);
        assert_eq!(mapping.faults(), 6);
    }

    #[test]
    fn threads_read_on_while_the_file_is_cut() {
        const READERS: usize = 4;
        let page = page_bytes();
        let (len, left) = (64 * page, 10 * page + 100);
        let file = file_of(len);
        let mapping = Mapping::of(&file, len).unwrap();
        let (begun, is_cut) = (Barrier::new(READERS + 1), AtomicBool::new(false));
        thread::scope(|scope| {
            for _ in 0..READERS {
                scope.spawn(|| {
                    assert!(copy(&mapping).into_iter().eq((0..len).map(byte_at)));
                    begun.wait();
                    loop {
                        let last = is_cut.load(SeqCst);
                        let read = copy(&mapping);
                        assert!(read[..left].iter().copied().eq((0..left).map(byte_at)));
                        let behind = (left..len).zip(&read[left..]);
                        for (at, byte) in behind {
                            assert!(*byte == 0 || (!last && *byte == byte_at(at)), "{byte} at {at}");
                        }
                        if last {
                            break;
                        }
                    }
                });
            }
            begun.wait();
            cut(&file, left);
            is_cut.store(true, SeqCst);
        });
        assert!((53..=53 * READERS as u64).contains(&mapping.faults()), "{}", mapping.faults());
    }

    #[test]
    fn a_mapping_that_lost_very_many_pages_loses_the_rest_at_once() {
        let page = page_bytes();
        let many = FAULTS_OF_ONE_PAGE as usize;
        let file = file_of(0);
        let len = (4 * many + 1) * page;
        cut(&file, len);
        let mapping = Mapping::of(&file, len).unwrap();
        cut(&file, 0);
        for at in (0..4 * many).step_by(2) {
            assert_eq!(read(&mapping, at * page), 0);
        }
        assert_eq!(mapping.faults(), FAULTS_OF_ONE_PAGE + 1);
        // What was passed over lies before the rest, and is still found one by one.
        assert_eq!(read(&mapping, page), 0);
        assert_eq!(mapping.faults(), FAULTS_OF_ONE_PAGE + 2);
        assert!(copy(&mapping).iter().all(|byte| *byte == 0));
    }

    #[test]
    fn one_lost_mapping_leaves_another_alone() {
        let page = page_bytes();
        let (lost, kept) = (file_of(page), file_of(page));
        let (lost_map, kept_map) = (Mapping::of(&lost, page).unwrap(), Mapping::of(&kept, page).unwrap());
        cut(&lost, 0);
        assert!(copy(&lost_map).iter().all(|byte| *byte == 0));
        assert!(copy(&kept_map).into_iter().eq((0..page).map(byte_at)));
        assert_eq!((lost_map.faults(), kept_map.faults()), (1, 0));
    }

    #[test]
    fn the_last_error_of_a_thread_is_kept() {
        let page = page_bytes();
        let file = file_of(page);
        let mapping = Mapping::of(&file, page).unwrap();
        cut(&file, 0);
        // SAFETY: the thread's own.
        unsafe { *errno() = libc::EXDEV };
        assert_eq!(read(&mapping, 0), 0);
        // SAFETY: the thread's own.
        assert_eq!(unsafe { *errno() }, libc::EXDEV);
    }

    #[test]
    fn a_dropped_mapping_makes_room() {
        let file = file_of(page_bytes());
        for _ in 0..1000 {
            let mapping = Mapping::of(&file, page_bytes()).unwrap();
            assert_eq!(mapping.faults(), 0);
            assert_eq!(read(&mapping, 1), byte_at(1));
        }
    }

    #[test]
    fn slots_change_under_a_fault_that_is_none_of_theirs() {
        let page = page_bytes();
        let done = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let file = file_of(page);
                while !done.load(SeqCst) {
                    Mapping::of(&file, page).unwrap();
                }
            });
            for _ in 0..2000 {
                drop(mended());
            }
            done.store(true, SeqCst);
        });
    }

    // In a process of its own: other tests would find no slot.
    #[test]
    fn more_mappings_than_slots_are_refused_in_words() {
        if let Some(output) = in_a_child("more_mappings_than_slots_are_refused_in_words") {
            assert_eq!(output.status.code(), Some(42), "{output:?}");
            return;
        }
        let file = file_of(1);
        let mut mappings: Vec<_> = (0..SLOTS_MAX).map(|_| Mapping::of(&file, 1).unwrap()).collect();
        let refused = Mapping::of(&file, 1).unwrap_err();
        assert_eq!(refused.to_string(), "64 files are mapped already, and more cannot be");
        mappings.pop();
        mappings.push(Mapping::of(&file, 1).unwrap());
        std::process::exit(42);
    }

    #[test]
    fn a_fault_elsewhere_kills() {
        if let Some(output) = in_a_child("a_fault_elsewhere_kills") {
            return assert_killed_by_sigbus(&output);
        }
        // The standard library's handler is there before.
        let _mapping = mended();
        drop(mended());
        touch(&lost_outside());
    }

    #[test]
    fn a_fault_elsewhere_kills_where_no_handler_was() {
        if let Some(output) = in_a_child("a_fault_elsewhere_kills_where_no_handler_was") {
            return assert_killed_by_sigbus(&output);
        }
        set_action(libc::SIG_DFL, 0);
        let _mapping = mended();
        touch(&lost_outside());
    }

    #[test]
    fn a_fault_elsewhere_kills_though_it_was_ignored() {
        if let Some(output) = in_a_child("a_fault_elsewhere_kills_though_it_was_ignored") {
            return assert_killed_by_sigbus(&output);
        }
        set_action(libc::SIG_IGN, 0);
        let _mapping = mended();
        touch(&lost_outside());
    }

    #[test]
    fn a_sent_signal_kills_where_no_handler_was() {
        if let Some(output) = in_a_child("a_sent_signal_kills_where_no_handler_was") {
            return assert_killed_by_sigbus(&output);
        }
        set_action(libc::SIG_DFL, 0);
        let _mapping = mended();
        // SAFETY: touches no memory.
        unsafe { libc::raise(libc::SIGBUS) };
    }

    #[test]
    fn a_sent_signal_that_was_ignored_is_ignored() {
        if let Some(output) = in_a_child("a_sent_signal_that_was_ignored_is_ignored") {
            assert_eq!(output.status.code(), Some(42), "{output:?}");
            return;
        }
        set_action(libc::SIG_IGN, 0);
        let _mapping = mended();
        // SAFETY: touches no memory.
        unsafe { libc::raise(libc::SIGBUS) };
        mended();
        std::process::exit(42);
    }

    /// What [`detailed`] is to be told.
    static EXPECTED: AtomicUsize = AtomicUsize::new(0);

    extern "C" fn detailed(signal: c_int, info: *mut libc::siginfo_t, context: *mut c_void) {
        // SAFETY: SA_SIGINFO.
        let address = unsafe { (*info).si_addr() } as usize;
        let told = signal == libc::SIGBUS && address == EXPECTED.load(SeqCst) && !context.is_null();
        // SAFETY: ends the process and comes back to nothing.
        unsafe { libc::_exit(if told { 42 } else { 41 }) };
    }

    #[test]
    fn a_handler_that_was_there_is_told_all() {
        if let Some(output) = in_a_child("a_handler_that_was_there_is_told_all") {
            assert_eq!(output.status.code(), Some(42), "{output:?}");
            return;
        }
        set_action(detailed as *const () as usize, libc::SA_SIGINFO);
        let _mapping = mended();
        let lost = lost_outside();
        EXPECTED.store(lost.as_ptr() as usize, SeqCst);
        touch(&lost);
    }

    extern "C" fn plain(signal: c_int) {
        let said: &[u8] = if signal == libc::SIGBUS { b"seen SIGBUS" } else { b"seen another" };
        // SAFETY: the bytes are there to be read.
        unsafe { libc::write(libc::STDOUT_FILENO, said.as_ptr().cast(), said.len()) };
    }

    #[test]
    fn a_handler_that_wanted_one_signal_gets_one_and_the_next_kills() {
        let name = "a_handler_that_wanted_one_signal_gets_one_and_the_next_kills";
        if let Some(output) = in_a_child(name) {
            assert_killed_by_sigbus(&output);
            assert_eq!(
                String::from_utf8_lossy(&output.stdout).matches("seen SIGBUS").count(),
                1,
                "{output:?}"
            );
            return;
        }
        set_action(plain as *const () as usize, libc::SA_RESETHAND);
        let _mapping = mended();
        touch(&lost_outside());
    }
}
